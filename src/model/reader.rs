//! The one reader of what people write. It collects every mistake and stops at none.

use super::component::ComponentName;
use super::diagnostic::{Diagnostic, Kind};
use super::here::Here;
use super::node::{Entry, Node, Value};
use super::schema::Key;
use super::source::{Place, quoted};
use std::collections::BTreeMap;

/// Where something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Its key.
    pub key: Place,
    /// Its value.
    pub value: Place,
}

/// A key of a file, perhaps written, perhaps not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Nobody wrote it.
    #[default]
    Absent,
    /// It was written, and what is wrong with it was told already.
    Bad(At),
    /// It was written so.
    Given(At, T),
}

impl<T> Field<T> {
    /// The value, if there is a good one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Given(_, value) => Some(value),
            Self::Absent | Self::Bad(_) => None,
        }
    }

    /// Where it was written.
    pub const fn at(&self) -> Option<At> {
        match self {
            Self::Given(at, _) | Self::Bad(at) => Some(*at),
            Self::Absent => None,
        }
    }

    /// Whether nobody wrote it.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// A second writing of a value that a base has already: where it is, and where the base has it.
pub type Repeat = (At, At);

impl<T: Readable> Field<T> {
    /// Puts what `self` says over what `base` says. What says the same is noted in `repeats`.
    #[must_use]
    pub fn over(self, base: &Self, repeats: &mut Vec<Repeat>) -> Self {
        match (self, base) {
            (Self::Absent, base) => base.clone(),
            // A table over one that is not whole is not whole itself: what seems missing may only be misspelt.
            (Self::Given(at, _), Self::Bad(_)) if T::DEEP => Self::Bad(at),
            (Self::Given(at, value), Self::Given(base_at, base)) => {
                if !T::DEEP && value == *base {
                    repeats.push((at, *base_at));
                }
                // What is missing in a table is missing where the table was begun.
                Self::Given(if T::DEEP { *base_at } else { at }, value.over(base, repeats))
            }
            (written, _) => written,
        }
    }

    /// The same with the key's default where nobody wrote it.
    #[must_use]
    pub fn filled(self, key: &Key, at: At) -> Self {
        match (self, key.default) {
            (Self::Absent, Some(default)) => {
                let node = default_node(default, at.value);
                let mut nobody = Vec::new();
                T::read(&mut Reader::new(&mut nobody), &node, key)
                    .map_or(Self::Absent, |value| Self::Given(at, value.filled(at)))
            }
            (Self::Given(place, value), _) => Self::Given(place, value.filled(place)),
            (written, _) => written,
        }
    }
}

/// A default as it would have been read: `{}`, `[a, b]`, or a word.
fn default_node(text: &str, place: Place) -> Node {
    let word = |text: &str| Value::Scalar { text: text.to_owned(), plain: true };
    let node = |value| Node { place, extent: place, value };
    let list = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    node(match list {
        Some(list) => Value::List(list.split_terminator(", ").map(|entry| node(word(entry))).collect()),
        None if text == "{}" => Value::Mapping(Vec::new()),
        None => word(text),
    })
}

/// What can be read from a node.
pub trait Readable: Sized + Clone + PartialEq {
    /// What it looks like.
    const FORM: super::schema::Form;
    /// Whether it is merged key by key and not replaced as a whole.
    const DEEP: bool = false;
    /// Whether a list may have it only once.
    const ONCE: bool = false;

    /// Reads it; none when it is wrong, which was then told to the reader.
    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self>;

    /// Puts it over what the base has.
    #[must_use]
    fn over(self, _base: &Self, _repeats: &mut Vec<Repeat>) -> Self {
        self
    }

    /// The same with defaults where nobody wrote anything.
    #[must_use]
    fn filled(self, _at: At) -> Self {
        self
    }
}

/// Reads nodes and collects what is wrong with them.
pub struct Reader<'a> {
    out: &'a mut Vec<Diagnostic>,
    /// The component that is being read.
    pub component: Option<ComponentName>,
}

impl<'a> Reader<'a> {
    /// One that tells `out`.
    pub const fn new(out: &'a mut Vec<Diagnostic>) -> Self {
        Self { out, component: None }
    }

    /// Notes a mistake.
    pub fn tell(&mut self, diagnostic: Diagnostic) {
        self.out.push(diagnostic);
    }

    /// Adds to the last mistake what to write instead, where it says nothing of that yet.
    pub fn help(&mut self, help: &str) {
        if let Some(last) = self.out.last_mut() {
            last.help.get_or_insert_with(|| help.to_owned());
        }
    }

    /// Reads one key of a table.
    pub fn field<T: Readable>(&mut self, found: &BTreeMap<&str, &Entry>, key: &Key) -> Field<T> {
        found.get(key.name).map_or(Field::Absent, |entry| self.entry(entry, key))
    }

    /// Reads the value of an entry as `key` has it.
    pub fn entry<T: Readable>(&mut self, entry: &Entry, key: &Key) -> Field<T> {
        let at = At { key: entry.key_place, value: entry.node.place };
        if entry.node.is_empty() {
            let message = format!("`{}` has no value", quoted(&entry.key));
            let help = format!("write {}, or remove the line", T::FORM.expected());
            self.tell(Diagnostic::new(Kind::EmptyValue, at.key, message).help(help));
            return Field::Bad(at);
        }
        if entry.node.value == Value::Refused {
            return Field::Bad(at);
        }
        T::read(self, &entry.node, key).map_or(Field::Bad(at), |value| Field::Given(at, value))
    }

    /// The entries of a mapping, each key once; a list or a text is told of.
    pub fn entries<'n>(&mut self, node: &'n Node, name: &str) -> Option<Vec<&'n Entry>> {
        let Value::Mapping(entries) = &node.value else {
            let name = if name.is_empty() { String::new() } else { format!("`{name}`") };
            self.wrong_type(node, &name, "keys and values");
            return None;
        };
        let mut seen: BTreeMap<&str, &Entry> = BTreeMap::new();
        let mut once = Vec::with_capacity(entries.len());
        for entry in entries {
            match seen.get(entry.key.as_str()) {
                None => {
                    seen.insert(&entry.key, entry);
                    once.push(entry);
                }
                Some(first) => {
                    // A word without a value may be a secret that was written as a key.
                    let message = match entry.node.is_empty() {
                        true => "this key is here twice".to_owned(),
                        false => format!("`{}` is here twice", quoted(&entry.key)),
                    };
                    let diagnostic = Diagnostic::new(Kind::DuplicateKey, entry.key_place, message)
                        .label("again")
                        .related(first.key_place, "the first one")
                        .help("keep one of them");
                    self.tell(diagnostic);
                }
            }
        }
        Some(once)
    }

    /// The entries of a table by key; what is no key of it is told of.
    pub fn table<'n>(&mut self, node: &'n Node, name: &str, here: Here) -> Option<BTreeMap<&'n str, &'n Entry>> {
        let keys = here.keys();
        let (known, unknown): (Vec<&Entry>, Vec<&Entry>) =
            self.entries(node, name)?.into_iter().partition(|entry| keys.contains(&entry.key.as_str()));
        for entry in unknown {
            let diagnostic = here.unknown(entry);
            self.tell(diagnostic);
        }
        Some(known.into_iter().map(|entry| (entry.key.as_str(), entry)).collect())
    }

    /// The text of a scalar; another kind of node is told of.
    pub fn scalar<'n>(&mut self, node: &'n Node, key: &Key) -> Option<(&'n str, bool)> {
        match &node.value {
            Value::Scalar { text, plain } => Some((text, *plain)),
            _ => {
                self.wrong_type(node, &key.title(), &key.form.expected());
                None
            }
        }
    }

    /// Reads a scalar with `parse`, whose error is the message.
    pub fn parsed<T>(&mut self, node: &Node, key: &Key, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (text, _) = self.scalar(node, key)?;
        parse(text).map_err(|error| self.tell(Diagnostic::new(Kind::BadValue, node.place, quoted(&error)))).ok()
    }

    /// Reads a scalar with `parse` and holds it against the key's limits.
    pub fn limited<T: PartialOrd>(
        &mut self,
        node: &Node,
        key: &Key,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.parsed(node, key, &parse)?;
        let Some((least, most)) = key.within else { return Some(value) };
        // The limits are ours: a test holds that all of them can be read.
        let inside = parse(least).is_ok_and(|least| value >= least) && parse(most).is_ok_and(|most| value <= most);
        if !inside {
            let text = self.scalar(node, key).map(|(text, _)| quoted(text)).unwrap_or_default();
            let message = format!("`{}` must be {least} to {most}, not {text}", key.name);
            self.tell(Diagnostic::new(Kind::OutOfRange, node.place, message));
        }
        inside.then_some(value)
    }

    /// Tells that `node` is of the wrong type. `title` is what it stands under, in backticks where it is a key; empty
    /// for the file itself.
    pub fn wrong_type(&mut self, node: &Node, title: &str, expected: &str) {
        let found = match &node.value {
            Value::Refused => return,
            Value::Scalar { .. } if node.is_empty() => "nothing".to_owned(),
            Value::Scalar { text, plain: true } if is_number(text) => format!("the number {}", quoted(text)),
            Value::Scalar { text, plain: true } if is_bool(text) => format!("`{text}`"),
            Value::Scalar { .. } => "a text".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Mapping(_) => "keys and values".to_owned(),
        };
        let message = match title {
            "" => format!("the file must hold {expected}, not {found}"),
            title => format!("{title} takes {expected}, not {found}"),
        };
        self.tell(Diagnostic::new(Kind::WrongType, node.place, message));
    }
}

/// Whether YAML takes the plain text for a number.
pub fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let based = |prefix, radix| {
        let rest = text.strip_prefix(prefix);
        rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    based("0x", 16)
        || based("0o", 8)
        || matches!(digits.to_lowercase().as_str(), ".inf" | ".nan")
        || (digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.parse::<f64>().is_ok())
}

/// Whether YAML takes the plain text for true or false.
pub fn is_bool(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}
