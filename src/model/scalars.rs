//! How single values are read from nodes.

use super::component::ComponentName;
use super::diagnostic::{Diagnostic, Kind};
use super::ids::{BlueprintName, EnvName, PoolName, TemplateName};
use super::node::{Entry, Node, Value};
use super::quantity::{Size, Span, Version};
use super::reader::{Readable, Reader, is_bool, is_number};
use super::schema::{Choice, Form, Key, Shape};
use super::secret::SecretSource;
use super::source::{Place, is_control, quoted};
use super::suggest;
use super::written::Needs;

/// One line of text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(pub String);

/// What to write for a secret.
pub const SECRET_ADVICE: &str = "never write a secret into a file; under the component's `secrets`, write \
    {generate: 24} to have one made, or {env: NAME} or {file: /PATH} to say where it is";

/// The shortest and the longest secret that is generated.
pub const GENERATED: (u8, u8) = (16, 128);

/// The ways to say where a secret comes from.
pub const SECRET_SOURCES: [Choice; 3] = [
    Choice { name: "generate", doc: "It is made once per environment, with that many letters and digits: 16 to 128." },
    Choice {
        name: "env",
        doc: "It is the value of that environment variable when the environment is first brought up.",
    },
    Choice {
        name: "file",
        doc: "It is the content of that file when the environment is first brought up: a path from the root on.",
    },
];

impl Readable for Line {
    const FORM: Form = Form::Line;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let (text, plain) = reader.scalar(node, key)?;
        if plain && (is_number(text) || is_bool(text)) {
            let message = format!("`{}` takes a text, and YAML reads {} as something else", key.name, quoted(text));
            reader.tell(Diagnostic::new(Kind::WrongType, node.place, message).help("put it in quotes"));
            return None;
        }
        let text = text.trim();
        let count = text.chars().count();
        if (1..=Self::LONGEST).contains(&count) && !text.chars().any(|c| c.is_control() || is_control(c)) {
            return Some(Self(text.to_owned()));
        }
        let message = format!("`{}` is one line of 1 to {} characters", key.name, Self::LONGEST);
        reader.tell(Diagnostic::new(Kind::BadValue, node.place, message));
        None
    }
}

impl Line {
    /// The most characters of a line.
    pub const LONGEST: usize = 120;
}

impl Readable for EnvName {
    const FORM: Form = Form::Name;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let (text, _) = reader.scalar(node, key)?;
        match Self::parse(text) {
            Ok(name) => Some(name),
            Err(error) => {
                let stem = text.rsplit('/').next().unwrap_or(text);
                let stem = stem.trim_end_matches(".yaml").trim_end_matches(".yml");
                let diagnostic = Diagnostic::new(Kind::BadValue, node.place, quoted(&error.to_string()));
                reader.tell(match Self::parse(stem) {
                    Ok(name) => diagnostic.help(format!("write the name alone: `{name}`")),
                    Err(_) => diagnostic,
                });
                None
            }
        }
    }
}

macro_rules! name {
    ($type:ty, $expected:literal, $pattern:literal) => {
        impl Readable for $type {
            const FORM: Form = Form::Word(&Shape { expected: $expected, pattern: $pattern, numbers: false });

            fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
                reader.parsed(node, key, |text| Self::parse(text).map_err(|error| error.to_string()))
            }
        }
    };
}

name!(BlueprintName, "the name of a blueprint", "^(?=.{1,32}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$");
name!(TemplateName, "the name of a template", "^(?=.{1,32}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$");
name!(PoolName, "the name of a storage pool", "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$");

impl Readable for u32 {
    const FORM: Form = Form::Number;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let number = reader.number(node, key)?;
        let (least, most) = key.within.unwrap_or(("0", "4294967295"));
        let inside = |number: &Self| {
            least.parse().is_ok_and(|least: Self| *number >= least)
                && most.parse().is_ok_and(|most: Self| *number <= most)
        };
        let value = Self::try_from(number).ok().filter(inside);
        if value.is_none() {
            let message = format!("{} must be {least} to {most}, not {number}", key.title());
            reader.tell(Diagnostic::new(Kind::OutOfRange, node.place, message));
        }
        value
    }
}

impl Readable for Version {
    const FORM: Form = Form::Version;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        reader.parsed(node, key, Self::parse)
    }
}

impl Readable for Size {
    const FORM: Form = Form::Size;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        reader.limited(node, key, Self::parse)
    }
}

impl Readable for Span {
    const FORM: Form = Form::Span;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        reader.limited(node, key, Self::parse)
    }
}

impl Readable for bool {
    const FORM: Form = Form::Bool;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        match reader.scalar(node, key)? {
            ("true", true) => Some(true),
            ("false", true) => Some(false),
            (text, plain) => {
                let message = format!("`{}` takes true or false, not `{}`", key.name, quoted(text));
                let help = if plain { "write true or false" } else { "write it without quotes" };
                reader.tell(Diagnostic::new(Kind::WrongType, node.place, message).help(help));
                None
            }
        }
    }
}

impl Readable for u16 {
    const FORM: Form = Form::Port;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let number = reader.number(node, key)?;
        let within = key.within.and_then(|(least, most)| Some(least.parse::<u64>().ok()?..=most.parse::<u64>().ok()?));
        match Self::try_from(number) {
            Ok(port) if within.is_none_or(|within| within.contains(&number)) => Some(port),
            _ => {
                let (least, most) = key.within.unwrap_or(("0", "65535"));
                let message = format!("{} must be {least} to {most}, not {number}", key.title());
                let diagnostic = Diagnostic::new(Kind::OutOfRange, node.place, message);
                reader.tell(if number < 1024 {
                    diagnostic.help("only root may open ports below 1024, and the stack runs without root")
                } else {
                    diagnostic
                });
                None
            }
        }
    }
}

impl Readable for Needs {
    const FORM: Form = Form::Components;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let Value::List(list) = &node.value else {
            reader.wrong_type(node, &key.title(), &key.form.expected());
            return None;
        };
        let mut needs: Vec<(ComponentName, Place)> = Vec::new();
        let mut good = true;
        for node in list {
            let Value::Scalar { text, .. } = &node.value else {
                reader.wrong_type(node, "an entry of `needs`", "the name of a component");
                good = false;
                continue;
            };
            let Some(name) = ComponentName::parse(text) else {
                reader.unknown_component(text, node.place);
                good = false;
                continue;
            };
            match needs.iter().find(|(other, _)| *other == name) {
                None => needs.push((name, node.place)),
                Some((_, first)) => {
                    good = false;
                    let message = format!("`{name}` is in the list twice");
                    let diagnostic = Diagnostic::new(Kind::DuplicateEntry, node.place, message);
                    reader.tell(diagnostic.label("again").related(*first, "the first one").help("keep one of them"));
                }
            }
        }
        good.then_some(Self(needs))
    }
}

impl Readable for SecretSource {
    const FORM: Form = Form::Secret;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let advice = "write {generate: 24} to have one made, {env: NAME} or {file: /PATH} to say where it is";
        let Value::Mapping(entries) = &node.value else {
            let message = format!("the secret `{}` stands here itself", key.name);
            reader.tell(literal(node.place, message));
            return None;
        };
        let [Entry { key: source, key_place, node: value }] = entries.as_slice() else {
            let message = format!("the secret `{}` needs exactly one source, and has {}", key.name, entries.len());
            reader.tell(Diagnostic::new(Kind::BadSecret, node.place, message).help(advice));
            return None;
        };
        let bad = |place: Place, message: String| Diagnostic::new(Kind::BadSecret, place, message);
        let text = match &value.value {
            Value::Scalar { text, .. } => text.as_str(),
            _ => "",
        };
        let read = match source.as_str() {
            "generate" => match text.parse::<u8>() {
                Ok(length) if (GENERATED.0..=GENERATED.1).contains(&length) => Ok(Self::Generate(length)),
                _ => Err(format!("`generate` takes a length of {} to {}", GENERATED.0, GENERATED.1)),
            },
            "env" if is_variable(text) => Ok(Self::Env(text.to_owned())),
            "env" => Err("`env` takes the name of an environment variable, such as REDIS_ADMIN".to_owned()),
            "file" if text.starts_with('/') && !text.chars().any(char::is_control) => Ok(Self::File(text.to_owned())),
            "file" => Err("`file` takes a path from the root on, such as /etc/report/redis-admin".to_owned()),
            // The word is not repeated: it may be the secret itself.
            word => {
                let message = format!("this is no source for the secret `{}`", key.name);
                let help = suggest::nearest(word, SECRET_SOURCES.iter().map(|source| source.name))
                    .map(|near| format!("did you mean `{near}`?"));
                reader.tell(bad(*key_place, message).help(help.unwrap_or_else(|| advice.to_owned())));
                return None;
            }
        };
        read.map_err(|message| reader.tell(bad(value.place, message).help(advice))).ok()
    }
}

/// Tells that a secret stands in the file. It is not repeated.
pub(super) fn literal(place: Place, message: String) -> Diagnostic {
    Diagnostic::new(Kind::LiteralSecret, place, message)
        .label("if this was a real one, change it: files are copied and kept")
        .help(SECRET_ADVICE)
}

/// Tells that a private key stands in the file. It is not repeated.
pub(super) fn literal_key(place: Place) -> Diagnostic {
    Diagnostic::new(Kind::LiteralSecret, place, "a private key stands here")
        .label("make another one, and trust this one no longer: files are copied and kept")
        .help("write the line of the file that ends in `.pub`")
}

/// Whether a text can be the name of an environment variable as people choose them. Small letters are left out, so
/// that a secret that is written here by mistake is not taken for a name.
fn is_variable(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.len() <= 100 && text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_') && text.chars().all(plain)
}

impl Reader<'_> {
    /// A whole number, written plainly.
    pub(super) fn number(&mut self, node: &Node, key: &Key) -> Option<u64> {
        let (text, plain) = self.scalar(node, key)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| plain && digits && (text == "0" || !text.starts_with('0')));
        if number.is_none() {
            let message = format!("{} takes {}, not `{}`", key.title(), key.form.expected(), quoted(text));
            let diagnostic = Diagnostic::new(Kind::WrongType, node.place, message);
            self.tell(if digits && !plain { diagnostic.help("write it without quotes") } else { diagnostic });
        }
        number
    }

    /// One of the key's words.
    pub(super) fn choice(&mut self, node: &Node, key: &Key) -> Option<&'static str> {
        let (text, _) = self.scalar(node, key)?;
        let Form::Choice(choices) = key.form else { return None };
        let found = choices.iter().find(|choice| choice.name == text).map(|choice| choice.name);
        if found.is_none() {
            let message = format!("`{}` cannot be `{}`", key.name, quoted(text));
            let help = match suggest::nearest(text, choices.iter().map(|choice| choice.name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write {}", key.form.expected()),
            };
            self.tell(Diagnostic::new(Kind::UnknownChoice, node.place, message).help(help));
        }
        found
    }

    /// The entries of a mapping whose keys are `names`; others are told of as no `what` of the component at hand.
    pub(super) fn named<'n>(
        &mut self,
        node: &'n Node,
        key: &Key,
        names: &[&'static str],
        what: &str,
    ) -> Option<Vec<(&'static str, &'n Entry)>> {
        let component = self.component?;
        let mut known = Vec::new();
        for entry in self.entries(node, key.name)? {
            match names.iter().find(|name| **name == entry.key) {
                Some(name) => known.push((*name, entry)),
                None => {
                    // A word without a value may be a secret that was written as a key.
                    let name =
                        if entry.node.is_empty() { "that name" } else { &format!("the name `{}`", quoted(&entry.key)) };
                    let help = match names {
                        [] => format!("{component} has no {what}s: remove it"),
                        names => suggest::help(&entry.key, names.iter().copied()),
                    };
                    let message = format!("{component} has no {what} of {name}");
                    self.tell(Diagnostic::new(Kind::UnknownKey, entry.key_place, message).help(help));
                }
            }
        }
        Some(known)
    }

    /// Tells of a name that no component has.
    pub(super) fn unknown_component(&mut self, name: &str, place: Place) {
        let help = suggest::help(name, ComponentName::ALL.iter().map(|name| name.as_str()));
        let message = format!("there is no component `{}`", quoted(name));
        self.tell(Diagnostic::new(Kind::UnknownComponent, place, message).help(help));
    }
}
