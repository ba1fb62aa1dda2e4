//! How the tables of keys are declared: each key once, with its type, its doc, its default and its limits. The reader,
//! the merge and the JSON Schema all come from that declaration.

macro_rules! option {
    () => { None };
    ($($value:tt)+) => { Some($($value)+) };
}

macro_rules! table {
    ($(#[doc = $doc:literal])* $name:ident {
        $($(#[doc = $key_doc:literal])*
        $field:ident: $type:ty = $key:literal
            $([default $default:literal])? $([within $least:literal to $most:literal])? $([of $($of:ident)+])? $([on $($on:ident)+])?;)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[doc = $key_doc])* pub $field: Field<$type>,)*
        }

        impl $name {
            /// Its keys.
            pub const KEYS: &'static [Key] = &[$(Key {
                name: $key,
                doc: concat!($($key_doc, "\n"),*),
                form: <$type as Readable>::FORM,
                default: option!($($default)?),
                within: option!($(($least, $most))?),
                of: &[$($(ComponentName::$of),+)?],
                on: &[$($(MachineKind::$on),+)?],
            },)*];

            /// Reads it from a mapping that stands under `name`.
            pub(super) fn read_from(reader: &mut Reader<'_>, node: &Node, name: &str, here: Here) -> Option<Self> {
                let found = reader.table(node, name, here)?;
                let mut keys = Self::KEYS.iter();
                Some(Self { $($field: keys.next().map_or(Field::Absent, |key| reader.field(&found, key)),)* })
            }

            /// The keys that were written, and where.
            pub fn written(&self) -> Vec<(&'static Key, At)> {
                let fields = [$(self.$field.at(),)*];
                Self::KEYS.iter().zip(fields).filter_map(|(key, at)| Some((key, at?))).collect()
            }

            /// Puts it over what the base has.
            #[must_use]
            pub fn over(self, base: &Self, repeats: &mut Vec<Repeat>) -> Self {
                Self { $($field: self.$field.over(&base.$field, repeats),)* }
            }

            /// The same with defaults where nobody wrote anything; `at` is where the table itself was written.
            #[must_use]
            pub fn filled(self, at: At) -> Self {
                let mut keys = Self::KEYS.iter();
                Self { $($field: match keys.next() {
                    Some(key) => self.$field.filled(key, at),
                    None => self.$field,
                },)* }
            }
        }
    };
}

macro_rules! readable_table {
    ($name:ident $here:ident) => {
        impl Readable for $name {
            const FORM: Form = Form::Table(Self::KEYS);
            const DEEP: bool = true;

            fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
                Self::read_from(reader, node, key.name, Here::$here)
            }

            fn over(self, base: &Self, repeats: &mut Vec<Repeat>) -> Self {
                self.over(base, repeats)
            }

            fn filled(self, at: At) -> Self {
                self.filled(at)
            }
        }
    };
}

macro_rules! choice {
    ($type:ty { $($name:literal $variant:ident $doc:literal;)* }) => {
        impl Readable for $type {
            const FORM: Form = Form::Choice(&[$(Choice { name: $name, doc: $doc },)*]);

            fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
                match reader.choice(node, key)? {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

pub(super) use {choice, option, readable_table, table};
