//! How the single values of a blueprint are read.

use super::Input;
use crate::model::diagnostic::{Diagnostic, Kind};
use crate::model::hide;
use crate::model::node::{Entry, Node, Value};
use crate::model::reader::{Readable, Reader, is_bool, is_number};
use crate::model::schema::{Form, Key, Shape};
use crate::model::source::{is_control, quoted};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What LXD or Multipass know an image by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName(pub String);

/// The code name of a release of Debian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release(pub String);

/// A path on this host, from the root or from the project folder on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(pub PathBuf);

/// A path in a machine, from the root on, in its shortest form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absolute(pub PathBuf);

/// A program and its arguments; the program is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(pub Vec<String>);

/// What a template is filled with, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputsFile(pub BTreeMap<String, Input>);

/// The most characters of a path, a word of a command or an input.
const LONGEST: usize = 1000;

impl Readable for ImageName {
    const FORM: Form = Form::Word(&Shape {
        expected: "the name of an image such as 24.04 or images:debian/12/cloud",
        pattern: "^([A-Za-z0-9][A-Za-z0-9._-]*:)?[A-Za-z0-9][A-Za-z0-9._/-]*$",
        numbers: true,
    });

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let word = |word: &str| word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(plain);
        reader.parsed(node, key, |text| {
            let good = text.len() <= 200
                && match text.split_once(':') {
                    Some((remote, image)) => word(remote) && !remote.contains('/') && word(image),
                    None => word(text),
                };
            let expected = Self::FORM.expected();
            if good { Ok(Self(text.to_owned())) } else { Err(format!("`{text}` is not {expected}")) }
        })
    }
}

impl Readable for Release {
    const FORM: Form = Form::Word(&Shape {
        expected: "the code name of a release of Debian such as bookworm",
        pattern: "^[a-z]{3,20}$",
        numbers: false,
    });

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        reader.parsed(node, key, |text| {
            let good = (3..=20).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase());
            let expected = Self::FORM.expected();
            if good { Ok(Self(text.to_owned())) } else { Err(format!("`{text}` is not {expected}")) }
        })
    }
}

/// What neither kind of path may hold. Multipass separates source and target by a colon.
fn bad_path(text: &str) -> Option<&'static str> {
    match text {
        _ if text.is_empty() || text.chars().count() > LONGEST => Some("a path has 1 to 1000 characters"),
        _ if text.chars().any(|c| c.is_control() || is_control(c)) => Some("a path here holds no control characters"),
        _ if text.contains(':') => Some("a path here holds no colon: Multipass separates two paths by it"),
        _ => None,
    }
}

impl Readable for Source {
    const FORM: Form = Form::Word(&Shape { expected: "a path on this host", pattern: "^[^:~][^:]*$", numbers: false });

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        reader.parsed(node, key, |text| match bad_path(text) {
            Some(why) => Err(why.to_owned()),
            None if text.starts_with('~') || text.contains('$') => {
                Err("a path here is taken as it stands: write it out from the root on, without `~` and `$`".to_owned())
            }
            None => Ok(Self(PathBuf::from(text))),
        })
    }
}

impl Readable for Absolute {
    const FORM: Form = Form::Word(&Shape {
        expected: "a path from the root on such as /srv/data",
        pattern: "^(/[^:/]+)+$",
        numbers: false,
    });

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        reader.parsed(node, key, |text| {
            let mut parts = text.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
            match bad_path(text) {
                Some(why) => Err(why.to_owned()),
                None if text == "/" => {
                    Err("`/` is the whole machine: choose a folder of its own, such as /srv/data".to_owned())
                }
                None if !text.starts_with('/') => Err(format!("`{text}` is not {}", Self::FORM.expected())),
                None if parts.any(|part| matches!(part, "" | "." | "..")) => {
                    Err(format!("`{text}` is not in its shortest form: no `.`, no `..`, no `/` twice or at the end"))
                }
                None => Ok(Self(PathBuf::from(text))),
            }
        })
    }
}

impl Readable for Command {
    const FORM: Form = Form::Command;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let Value::List(words) = &node.value else {
            reader.wrong_type(node, &format!("an entry of `{}`", key.name), &key.form.expected());
            if matches!(node.value, Value::Scalar { .. }) {
                let help = "there is no shell: write the words of the command as a list";
                reader.help(help);
            }
            return None;
        };
        let mut command = Vec::with_capacity(words.len());
        let mut good = true;
        for word in words {
            match &word.value {
                // What stands there is what is passed on, also where YAML takes it for a number.
                Value::Scalar { text, .. } if text.chars().count() <= LONGEST && !text.chars().any(is_control) => {
                    command.push(text.clone());
                }
                Value::Scalar { .. } => {
                    let message = format!("a word of a command has at most {LONGEST} characters and no control codes");
                    reader.tell(Diagnostic::new(Kind::BadValue, word.place, message));
                    good = false;
                }
                _ => {
                    reader.wrong_type(word, &format!("a command of `{}`", key.name), "words");
                    good = false;
                }
            }
        }
        if good && command.first().is_none_or(String::is_empty) {
            let message = "a command begins with a program";
            let help = format!("write {}", key.form.expected());
            reader.tell(Diagnostic::new(Kind::BadValue, node.place, message).help(help));
            good = false;
        }
        good.then_some(Self(command))
    }
}

impl Readable for InputsFile {
    const FORM: Form = Form::Inputs;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let mut inputs = BTreeMap::new();
        let mut good = true;
        for entry in reader.entries(node, key.name)? {
            match name(reader, entry).then(|| input(reader, entry)).flatten() {
                Some(value) => {
                    inputs.insert(entry.key.clone(), value);
                }
                None => good = false,
            }
        }
        good.then_some(Self(inputs))
    }
}

/// Whether the name of an input will do; if not, that is told.
fn name(reader: &mut Reader<'_>, entry: &Entry) -> bool {
    let key = &entry.key;
    if hide::is_secret(key) {
        let message = format!("the input `{}` sounds like a secret", quoted(key));
        let help = "what a machine is initialised with can be read by others on this host and in the machine: put no \
                    secret there, or give the input another name";
        reader.tell(Diagnostic::new(Kind::LiteralSecret, entry.key_place, message).help(help));
        return false;
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let good = key.len() <= 40 && key.starts_with(|c: char| c.is_ascii_lowercase()) && key.chars().all(plain);
    if !good {
        let message =
            format!("`{}` is no name of an input: small letters, digits and `_`, a letter first", quoted(key));
        let diagnostic = Diagnostic::new(Kind::BadKey, entry.key_place, message);
        reader.tell(if key.contains('-') {
            diagnostic.help("a template takes `-` for a minus: write `_`")
        } else {
            diagnostic
        });
    }
    good
}

fn input(reader: &mut Reader<'_>, entry: &Entry) -> Option<Input> {
    if entry.node.is_empty() {
        let message = format!("`{}` has no value", entry.key);
        let help = "write a text, a list of texts, true or false, or remove the line";
        reader.tell(Diagnostic::new(Kind::EmptyValue, entry.key_place, message).help(help));
        return None;
    }
    match &entry.node.value {
        Value::Scalar { text, plain: true } if matches!(text.as_str(), "true" | "false") => {
            Some(Input::Flag(text == "true"))
        }
        Value::Scalar { .. } => text(reader, &entry.node, &entry.key).map(Input::Text),
        Value::List(nodes) => {
            let texts: Vec<_> = nodes.iter().map(|node| text(reader, node, &entry.key)).collect();
            texts.into_iter().collect::<Option<_>>().map(Input::List)
        }
        Value::Mapping(_) | Value::Refused => {
            reader.wrong_type(&entry.node, &format!("`{}`", entry.key), "a text, a list of texts, true or false");
            None
        }
    }
}

/// A text of an input. Numbers go in quotes, so that `1.30` is not one thing here and another elsewhere.
fn text(reader: &mut Reader<'_>, node: &Node, name: &str) -> Option<String> {
    let Value::Scalar { text, plain } = &node.value else {
        reader.wrong_type(node, &format!("an entry of `{name}`"), "a text");
        return None;
    };
    let wrong = if *plain && (is_number(text) || is_bool(text)) {
        let message = format!("`{name}` takes a text here, and YAML reads {} as something else", quoted(text));
        Diagnostic::new(Kind::WrongType, node.place, message).help("put it in quotes")
    } else if text.chars().count() > LONGEST || text.chars().any(|c| c.is_control() || is_control(c)) {
        let message = format!("`{name}` takes one line of at most {LONGEST} characters");
        Diagnostic::new(Kind::BadValue, node.place, message)
    } else {
        return Some(text.clone());
    };
    reader.tell(wrong);
    None
}
