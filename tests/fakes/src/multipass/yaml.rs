//! What Multipass does to YAML: it reads it with yaml-cpp and writes it anew. On the way quotes, comments, the names of
//! anchors and all documents but the first are lost.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, SpannedEventReceiver, Tag};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A value as yaml-cpp holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    tag: Option<String>,
    anchor: usize,
    flow: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Alias(usize),
}

impl Node {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, tag: None, anchor: 0, flow: false }
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::new(Kind::Scalar(text.into()))
    }

    pub(crate) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::new(Kind::List(items.into_iter().collect()))
    }

    pub(crate) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::new(Kind::Map(entries.into_iter().map(|(key, value)| (Self::text(key), value)).collect()))
    }

    /// The list at a key of this map.
    pub(crate) fn list_at(&mut self, key: &str) -> Option<&mut Vec<Self>> {
        let Kind::Map(entries) = &mut self.kind else { return None };
        let found = entries.iter_mut().find(|(name, _)| name.kind == Kind::Scalar(key.to_owned()));
        match found {
            Some((_, Self { kind: Kind::List(items), .. })) => Some(items),
            _ => None,
        }
    }

    fn is_scalar(&self) -> bool {
        matches!(self.kind, Kind::Null | Kind::Scalar(_) | Kind::Alias(_))
    }

    fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::List(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
            Kind::Null | Kind::Scalar(_) | Kind::Alias(_) => false,
        }
    }
}

/// Reads the first document; an empty text is null.
///
/// Errors: the text is no YAML, in yaml-cpp's form.
pub(crate) fn load(text: &str) -> Result<Node, String> {
    let mut reader = Reader { text: text.chars().collect(), open: Vec::new(), root: None, documents: 0 };
    let mut parser = Parser::new_from_str(text);
    parser.load(&mut reader, false).map_err(|error| {
        let at = error.marker();
        format!("yaml-cpp: error at line {}, column {}: {}", at.line(), at.col() + 1, error.info())
    })?;
    Ok(reader.root.unwrap_or_else(|| Node::new(Kind::Null)))
}

struct Reader {
    text: Vec<char>,
    open: Vec<(Node, Option<Node>)>,
    root: Option<Node>,
    documents: usize,
}

impl Reader {
    fn put(&mut self, node: Node) {
        let Some((parent, key)) = self.open.last_mut() else {
            if self.documents == 1 && self.root.is_none() {
                self.root = Some(node);
            }
            return;
        };
        match (&mut parent.kind, key.take()) {
            (Kind::List(items), _) => items.push(node),
            (Kind::Map(entries), Some(name)) => entries.push((name, node)),
            (Kind::Map(_), None) => *key = Some(node),
            (Kind::Null | Kind::Scalar(_) | Kind::Alias(_), _) => {}
        }
    }

    fn begin(&mut self, kind: Kind, anchor: usize, tag: Option<Cow<'_, Tag>>, span: Span) {
        let flow = matches!(self.text.get(span.start.index()), Some('[' | '{'));
        self.open.push((Node { kind, tag: tag.map(whole), anchor, flow }, None));
    }
}

fn whole(tag: Cow<'_, Tag>) -> String {
    format!("{}{}", tag.handle, tag.suffix)
}

impl<'a> SpannedEventReceiver<'a> for Reader {
    fn on_event(&mut self, event: Event<'a>, span: Span) {
        match event {
            Event::DocumentStart(_) => self.documents += 1,
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(whole);
                let null = style == ScalarStyle::Plain && tag.is_none() && is_null(&text);
                let kind = if null { Kind::Null } else { Kind::Scalar(text.into_owned()) };
                self.put(Node { kind, tag, anchor, flow: false });
            }
            Event::Alias(anchor) => self.put(Node::new(Kind::Alias(anchor))),
            Event::SequenceStart(anchor, tag) => self.begin(Kind::List(Vec::new()), anchor, tag, span),
            Event::MappingStart(anchor, tag) => self.begin(Kind::Map(Vec::new()), anchor, tag, span),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((node, _)) = self.open.pop() {
                    self.put(node);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The text that yaml-cpp writes, without a line end at its end.
pub(crate) fn dump(node: &Node) -> String {
    let mut writer = Writer { out: String::new(), used: BTreeMap::new() };
    note_aliases(node, &mut writer.used);
    writer.value(node, 0, false);
    writer.out.trim_start().to_owned()
}

/// Which anchors are used, and the number that each gets when it is written.
fn note_aliases(node: &Node, used: &mut BTreeMap<usize, usize>) {
    match &node.kind {
        Kind::Alias(anchor) => {
            let next = used.len() + 1;
            used.entry(*anchor).or_insert(next);
        }
        Kind::List(items) => items.iter().for_each(|item| note_aliases(item, used)),
        Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
            note_aliases(key, used);
            note_aliases(value, used);
        }),
        Kind::Null | Kind::Scalar(_) => {}
    }
}

struct Writer {
    out: String,
    used: BTreeMap<usize, usize>,
}

impl Writer {
    /// Writes a value behind what stands on the line: a blank comes first where it stays on it.
    fn value(&mut self, node: &Node, indent: usize, flow: bool) {
        let mut before = String::new();
        if let Some(number) = self.used.get(&node.anchor).filter(|_| node.anchor != 0) {
            let _ = write!(before, " &{number}");
        }
        if let Some(tag) = &node.tag {
            let _ = write!(before, " !<{tag}>");
        }
        self.out.push_str(&before);
        if node.is_scalar() || node.is_empty() || flow || node.flow {
            self.out.push(' ');
            self.inline(node, flow);
            return;
        }
        match &node.kind {
            Kind::List(items) => {
                for item in items {
                    let _ = write!(self.out, "\n{:indent$}-", "");
                    self.item(item, indent);
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    let _ = write!(self.out, "\n{:indent$}", "");
                    self.entry(entry, indent);
                }
            }
            Kind::Null | Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }

    /// One item of a list: a block in it begins on the line of its dash.
    fn item(&mut self, item: &Node, indent: usize) {
        let start = self.out.len();
        self.value(item, indent + 2, false);
        let break_then_indent = format!("\n{:1$}", "", indent + 2);
        if self.out[start..].starts_with(&break_then_indent) {
            self.out.replace_range(start..start + break_then_indent.len(), " ");
        }
    }

    fn entry(&mut self, (key, value): &(Node, Node), indent: usize) {
        if key.is_scalar() {
            self.inline(key, false);
            self.out.push(':');
        } else {
            self.out.push('?');
            self.value(key, indent + 2, false);
            let _ = write!(self.out, "\n{:indent$}:", "");
        }
        self.value(value, indent + 2, false);
    }

    fn inline(&mut self, node: &Node, flow: bool) {
        match &node.kind {
            Kind::Null => self.out.push('~'),
            Kind::Scalar(text) => self.out.push_str(&scalar(text, flow)),
            Kind::Alias(anchor) => {
                let number = self.used.get(anchor).copied().unwrap_or_default();
                let _ = write!(self.out, "*{number}");
            }
            Kind::List(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.out.push_str(if index == 0 { "" } else { "," });
                    let start = self.out.len();
                    self.value(item, 0, true);
                    if index == 0 {
                        self.out.remove(start);
                    }
                }
                self.out.push(']');
            }
            Kind::Map(entries) => {
                self.out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.out.push_str(if index == 0 { "" } else { ", " });
                    self.inline(key, true);
                    self.out.push(':');
                    self.value(value, 0, true);
                }
                self.out.push('}');
            }
        }
    }
}

/// A scalar, plain wherever yaml-cpp's emitter would write it plain: it does not know what YAML 1.1 takes a word for.
fn scalar(text: &str, flow: bool) -> String {
    if is_plain(text, flow) { text.to_owned() } else { quoted(text) }
}

fn is_plain(text: &str, flow: bool) -> bool {
    if is_null(text) || text.ends_with(' ') {
        return false;
    }
    let chars: Vec<char> = text.chars().collect();
    let blank_or_break = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    let Some(first) = chars.first().copied() else { return false };
    let second = chars.get(1).copied();
    let starts_badly = blank_or_break(first)
        || ",[]{}#&*!|>'\"%@`".contains(first)
        || ("-?:".contains(first) && second.is_none_or(blank_or_break))
        || (flow && first == '?');
    if starts_badly {
        return false;
    }
    chars.iter().enumerate().all(|(index, c)| {
        let next = chars.get(index + 1).copied();
        let ends = *c == ':' && (next.is_none_or(blank_or_break) || (flow && next.is_some_and(|c| ",]}".contains(c))));
        let comment = blank_or_break(*c) && next == Some('#');
        let control = c.is_control() || *c == '\u{feff}' || *c == '&';
        !(ends || comment || control || (flow && ",?[]{}".contains(*c)))
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_control() => drop(write!(out, "\\x{:02x}", u32::from(c))),
            '\u{feff}' => out.push_str("\\ufeff"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        dump(&load(text).unwrap())
    }

    #[test]
    fn quotes_are_lost_where_the_plain_form_is_valid() {
        for (written, dumped) in [
            ("a: \"1234\"", "a: 1234"),
            ("a: \"yes\"", "a: yes"),
            ("a: \"on\"", "a: on"),
            ("a: 'true'", "a: true"),
            ("a: '24.10'", "a: 24.10"),
            ("a: \"0755\"", "a: 0755"),
            ("a: |-\n  0755", "a: 0755"),
            ("a: \"1:30\"", "a: 1:30"),
            ("a: \"2024-01-01\"", "a: 2024-01-01"),
            ("a: \"a: b\"", "a: \"a: b\""),
            ("a: \"*x\"", "a: \"*x\""),
            ("a: \"null\"", "a: \"null\""),
            ("a: \"\"", "a: \"\""),
            ("a: !!str \"0755\"", "a: !<tag:yaml.org,2002:str> 0755"),
            ("a: null", "a: ~"),
            ("a:", "a: ~"),
        ] {
            assert_eq!(again(written), dumped, "{written}");
        }
    }

    #[test]
    fn only_the_first_document_survives_and_comments_do_not() {
        assert_eq!(again("# one\na: 1 # two\n---\nb: 2\n"), "a: 1");
        assert_eq!(again(""), "~");
        assert_eq!(again("#!/bin/sh\necho hi\n"), "echo hi");
    }

    #[test]
    fn what_is_dumped_can_be_loaded_and_means_the_same() {
        let text = "users:\n  - default\n  - name: x\n    groups: [a, 'b, c']\n    more: {k: v, l: [1]}\n\
                    empty: []\nnone: {}\nscript: |\n  set -e\n  echo \"a: b\" # c\nlists:\n  - - a\n    - b\n  - []\n\
                    base: &name\n  k: v\nuse: *name\n? [a, b]\n: c\n";
        let once = again(text);
        assert_eq!(
            once,
            "users:\n  - default\n  - name: x\n    groups: [a, \"b, c\"]\n    more: {k: v, l: [1]}\nempty: []\nnone: {}\n\
             script: \"set -e\\necho \\\"a: b\\\" # c\\n\"\nlists:\n  - - a\n    - b\n  - []\nbase: &1\n  k: v\nuse: *1\n\
             ? [a, b]\n: c"
        );
        assert_eq!(again(&once), once);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let error = load("a:\n\t- b\n").unwrap_err();
        assert!(error.starts_with("yaml-cpp: error at line 2, column"), "{error}");
    }
}
