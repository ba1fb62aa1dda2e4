//! Command lines as Qt's `QCommandLineParser` reads them, and JSON as Qt writes it.

use serde_json::Value;
use std::fmt::Write as _;

/// An option: its names without dashes, and whether it takes a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opt(pub(crate) &'static [&'static str], pub(crate) bool);

/// What stood on a command line.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// By the first name of each option.
    given: Vec<(&'static str, String)>,
    pub(crate) positional: Vec<String>,
}

impl Parsed {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The last value.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value.as_str())
    }
}

/// Options that every command has.
const COMMON: &[Opt] = &[Opt(&["help", "h"], false), Opt(&["verbose", "v"], false)];

/// Reads a command line.
///
/// Errors: in Qt's words.
pub(crate) fn parse(options: &[Opt], args: &[String]) -> Result<Parsed, String> {
    let known = |name: &str| options.iter().chain(COMMON).find(|Opt(names, _)| names.contains(&name)).copied();
    let mut parsed = Parsed::default();
    let (mut unknown, mut wrong) = (Vec::new(), None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            parsed.positional.extend(args.by_ref().cloned());
        } else if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            match (known(name), value) {
                (None, _) => unknown.push(name.to_owned()),
                (Some(Opt(names, true)), Some(value)) => parsed.given.push((names[0], value.to_owned())),
                (Some(Opt(names, true)), None) => match args.next() {
                    Some(value) => parsed.given.push((names[0], value.clone())),
                    None => wrong = wrong.or(Some(format!("Missing value after '--{name}'."))),
                },
                (Some(Opt(names, false)), None) => parsed.given.push((names[0], String::new())),
                (Some(Opt(_, false)), Some(_)) => {
                    wrong = wrong.or(Some(format!("Unexpected value after '--{name}'.")));
                }
            }
        } else if let Some(short) = arg.strip_prefix('-').filter(|short| !short.is_empty()) {
            for (at, letter) in short.char_indices() {
                let name = letter.to_string();
                match known(&name) {
                    None => unknown.push(name),
                    Some(Opt(names, false)) => parsed.given.push((names[0], String::new())),
                    Some(Opt(names, true)) => {
                        let rest = short[at + letter.len_utf8()..].trim_start_matches('=');
                        let value = if rest.is_empty() { args.next().cloned() } else { Some(rest.to_owned()) };
                        match value {
                            Some(value) => parsed.given.push((names[0], value)),
                            None => wrong = wrong.or(Some(format!("Missing value after '-{name}'."))),
                        }
                        break;
                    }
                }
            }
        } else {
            parsed.positional.push(arg.clone());
        }
    }
    match (wrong, unknown.as_slice()) {
        (Some(text), _) => Err(text),
        (None, []) => Ok(parsed),
        (None, [one]) => Err(format!("Unknown option '{one}'.")),
        (None, many) => Err(format!("Unknown options: {}.", many.join(", "))),
    }
}

/// JSON with four blanks a level and empty lists on two lines; with sorted keys, as `QJsonDocument` has them.
pub(crate) fn json(value: &Value, sorted: bool) -> String {
    let mut text = String::new();
    write(value, sorted, 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value, sorted: bool, depth: usize, out: &mut String) {
    let (inner, outer) = ((depth + 1) * 4, depth * 4);
    match value {
        Value::Array(items) => {
            out.push_str("[\n");
            for (index, item) in items.iter().enumerate() {
                let _ = write!(out, "{:inner$}", "");
                write(item, sorted, depth + 1, out);
                out.push_str(if index + 1 == items.len() { "\n" } else { ",\n" });
            }
            let _ = write!(out, "{:outer$}]", "");
        }
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            if sorted {
                entries.sort_by_key(|(key, _)| key.as_str());
            }
            out.push_str("{\n");
            let count = entries.len();
            for (index, (key, item)) in entries.into_iter().enumerate() {
                let _ = write!(out, "{:inner$}{}: ", "", Value::from(key.as_str()));
                write(item, sorted, depth + 1, out);
                out.push_str(if index + 1 == count { "\n" } else { ",\n" });
            }
            let _ = write!(out, "{:outer$}}}", "");
        }
        other => drop(write!(out, "{other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OPTIONS: &[Opt] = &[Opt(&["name", "n"], true), Opt(&["all"], false)];

    fn read(line: &str) -> Result<Parsed, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(OPTIONS, &args)
    }

    #[test]
    fn options_stand_anywhere_and_end_with_two_dashes() {
        let parsed = read("a --name x -n=y -nz --all b -- --c -d").unwrap();
        assert_eq!(parsed.values("name").collect::<Vec<_>>(), ["x", "y", "z"]);
        assert!(parsed.has("all"));
        assert_eq!(parsed.positional, ["a", "b", "--c", "-d"]);
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_qt() {
        assert_eq!(read("--foo").unwrap_err(), "Unknown option 'foo'.");
        assert_eq!(read("--foo -x").unwrap_err(), "Unknown options: foo, x.");
        assert_eq!(read("--name").unwrap_err(), "Missing value after '--name'.");
        assert_eq!(read("--all=1").unwrap_err(), "Unexpected value after '--all'.");
    }

    #[test]
    fn json_is_laid_out_as_qt_does_it() {
        assert_eq!(json(&json!({"list": []}), true), "{\n    \"list\": [\n    ]\n}\n");
        assert_eq!(
            json(&json!({"b": {}, "a": [1]}), true),
            "{\n    \"a\": [\n        1\n    ],\n    \"b\": {\n    }\n}\n"
        );
        assert_eq!(json(&json!({"b": 0.1, "a": "x"}), false), "{\n    \"b\": 0.1,\n    \"a\": \"x\"\n}\n");
    }
}
