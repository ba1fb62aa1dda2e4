//! Multipass parses user-data and writes it anew: our user-data means the same afterwards, for a reader of YAML 1.1.

use crate::cloud_init_support::{CHARMS, blueprint, in_machine, stack_blueprint};
use reportctl::model::blueprint::Input;
use reportctl::render::cloud_init::{Base, Substrate, user_data};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// A document as it was parsed, with what its writer said of types.
#[derive(Debug, Clone)]
enum Node {
    Scalar { text: String, plain: bool, tagged: bool },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// What a document means.
#[derive(Debug, Clone, PartialEq)]
enum Meaning {
    Null,
    Bool(bool),
    Int(i64),
    Float(String),
    Date(String),
    Text(String),
    List(Vec<Meaning>),
    Map(Vec<(Meaning, Meaning)>),
}

/// The first document.
fn parse(text: &str) -> Node {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
    let mut next =
        move || events.find(|it| !matches!(it, Event::StreamStart | Event::DocumentStart(_) | Event::Nothing));
    fn node<'a>(event: Event<'a>, next: &mut dyn FnMut() -> Option<Event<'a>>) -> Node {
        match event {
            Event::Scalar(text, style, _, tag) => {
                let tagged = tag.is_some_and(|tag| format!("{}{}", tag.handle, tag.suffix) == "tag:yaml.org,2002:str");
                Node::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain, tagged }
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match next().unwrap() {
                        Event::SequenceEnd => return Node::List(items),
                        event => items.push(node(event, next)),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut entries = Vec::new();
                loop {
                    match next().unwrap() {
                        Event::MappingEnd => return Node::Map(entries),
                        event => {
                            let key = node(event, next);
                            let value = next().unwrap();
                            entries.push((key, node(value, next)));
                        }
                    }
                }
            }
            other => panic!("{other:?} is not expected in user-data of ours"),
        }
    }
    let first = next().unwrap();
    node(first, &mut next)
}

/// What Multipass makes of user-data: the first document, without comments, each scalar without quotes unless the writer of
/// its library thinks that it needs some, under a header of its own.
fn rewritten(text: &str) -> String {
    let mut out = "#cloud-config\n".to_owned();
    write(&parse(text), 0, &mut out);
    out
}

fn write(node: &Node, indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    match node {
        Node::Scalar { .. } => out.push_str(&format!("{margin}{}\n", scalar(node))),
        Node::List(items) if items.is_empty() => out.push_str(&format!("{margin}[]\n")),
        Node::List(items) => items.iter().for_each(|item| match item {
            Node::Scalar { .. } => out.push_str(&format!("{margin}- {}\n", scalar(item))),
            _ => {
                out.push_str(&format!("{margin}-\n"));
                write(item, indent + 2, out);
            }
        }),
        Node::Map(entries) => entries.iter().for_each(|(key, value)| match value {
            Node::Scalar { .. } => out.push_str(&format!("{margin}{}: {}\n", scalar(key), scalar(value))),
            _ => {
                out.push_str(&format!("{margin}{}:\n", scalar(key)));
                write(value, indent + 2, out);
            }
        }),
    }
}

fn scalar(node: &Node) -> String {
    let Node::Scalar { text, tagged, .. } = node else { panic!("a key is a scalar") };
    let tag = if *tagged { "!<tag:yaml.org,2002:str> " } else { "" };
    format!("{tag}{}", if stays_plain(text) { text.clone() } else { serde_json::to_string(text).unwrap() })
}

/// Whether yaml-cpp writes a text without quotes: it looks at what would be read as no scalar, or as null, and not at what
/// would be read as a number, a boolean or a date.
fn stays_plain(text: &str) -> bool {
    let null = ["", "~", "null", "Null", "NULL"].contains(&text);
    let begins = text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@` ".contains(c));
    let bad =
        text.contains(": ") || text.contains(" #") || text.ends_with([' ', ':']) || text.contains(char::is_control);
    let begins = begins && !(text.len() > 1 && text.starts_with(['-', '?', ':']) && !text[1..].starts_with(' '));
    !(null || begins || bad)
}

/// What PyYAML's loader makes of it.
fn meaning(node: &Node) -> Meaning {
    match node {
        Node::List(items) => Meaning::List(items.iter().map(meaning).collect()),
        Node::Map(entries) => Meaning::Map(entries.iter().map(|(key, value)| (meaning(key), meaning(value))).collect()),
        Node::Scalar { text, plain, tagged } if *tagged || !*plain => Meaning::Text(text.clone()),
        Node::Scalar { text, .. } => plain(text),
    }
}

/// The types of a scalar without quotes, by the table of YAML 1.1, as far as user-data has them.
fn plain(text: &str) -> Meaning {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    match text.to_lowercase().as_str() {
        "" | "~" | "null" => return Meaning::Null,
        "yes" | "true" | "on" => return Meaning::Bool(true),
        "no" | "false" | "off" => return Meaning::Bool(false),
        _ => {}
    }
    if let Some(octal) = text.strip_prefix('0').filter(|it| digits(it)) {
        return i64::from_str_radix(octal, 8).map_or(Meaning::Text(text.to_owned()), Meaning::Int);
    }
    if digits(text) {
        return Meaning::Int(text.parse().unwrap());
    }
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 1 && parts.iter().all(|part| digits(part)) {
        return Meaning::Int(parts.iter().fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap()));
    }
    if text.split_once('.').is_some_and(|(whole, rest)| digits(whole) && digits(rest)) {
        return Meaning::Float(text.trim_end_matches('0').to_owned());
    }
    let date: Vec<&str> = text.split('-').collect();
    if date.len() == 3 && date[0].len() == 4 && date.iter().all(|part| digits(part)) {
        return Meaning::Date(text.to_owned());
    }
    Meaning::Text(text.to_owned())
}

fn means(text: &str) -> Meaning {
    meaning(&parse(text))
}

fn value(text: &str) -> Meaning {
    match means(&rewritten(&format!("a: {text}\n"))) {
        Meaning::Map(entries) => entries[0].1.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn quotes_are_lost_as_multipass_loses_them() {
    let text = |text: &str| Meaning::Text(text.to_owned());
    for (written, read) in [
        ("\"1234\"", Meaning::Int(1234)),
        ("\"yes\"", Meaning::Bool(true)),
        ("'24.10'", Meaning::Float("24.1".to_owned())),
        ("\"0755\"", Meaning::Int(493)),
        ("|-\n 0755", Meaning::Int(493)),
        ("\"1:30\"", Meaning::Int(90)),
        ("\"2024-01-01\"", Meaning::Date("2024-01-01".to_owned())),
        ("\"a: b\"", text("a: b")),
        ("\"*x\"", text("*x")),
        ("\"null\"", text("null")),
        ("!!str \"0755\"", text("0755")),
        ("|\n one\n two\n", text("one\ntwo\n")),
    ] {
        assert_eq!(value(written), read, "{written}");
    }
}

#[test]
fn only_the_first_document_and_no_comment_survives() {
    assert_eq!(rewritten("# note\na: b # c\n---\nd: e\n"), "#cloud-config\na: b\n");
    assert_eq!(rewritten("a: b\n"), rewritten("#cloud-config\na: b\n"), "the header is added");
    assert_eq!(rewritten("## template: jinja\n#cloud-config\na: b\n"), "#cloud-config\na: b\n");
}

#[test]
fn our_user_data_means_the_same_after_multipass_has_written_it_anew() {
    let text = |text: &str| Input::Text(text.to_owned());
    let inputs = [
        ("microk8s_channel", text("1.32/stable")),
        ("microk8s_revision", text("8000")),
        ("juju_channel", text("3.6/stable")),
        ("juju_revision", text("")),
        ("addons", Input::List(vec!["dns".to_owned()])),
    ];
    let env = in_machine("lxd");
    let keys = ["ssh-ed25519 AAAA someone: # else".to_owned(), "1234".to_owned()];
    for blueprint in [stack_blueprint(), blueprint("microk8s-juju", CHARMS, &inputs)] {
        for base in [Base::Plain, Base::Baked] {
            let data = user_data(&env, &blueprint, &keys, Substrate::Multipass, base).unwrap();
            let after = rewritten(&data.text);
            assert_ne!(after, data.text);
            assert!(means(&after) == means(&data.text), "{}", after);
        }
    }
}
