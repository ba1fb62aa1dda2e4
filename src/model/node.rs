//! YAML text as a tree of nodes that know their places. Only what our files need of YAML is let through.

use super::diagnostic::{Diagnostic, Kind};
use super::source::{FileId, Place, Source, Trouble, quoted};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

/// The deepest nesting that is read. The deepest of our files has five levels.
const MAX_DEPTH: usize = 16;

/// One value of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is: its first line, which is what is underlined.
    pub place: Place,
    /// All of it.
    pub extent: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text as it is written. Whether it is a number or `true` is for the reader to say.
    Scalar {
        /// The text, without quotes.
        text: String,
        /// Whether it stands without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file; a key may be there twice.
    Mapping(Vec<Entry>),
    /// Something that was refused, and told of, already.
    Refused,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key is.
    pub key_place: Place,
    /// The value.
    pub node: Node,
}

impl Node {
    /// Whether there is nothing where a value should be.
    pub fn is_empty(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Reads the text of `source`. What is not let through is told to `out`; where nothing can be made of the rest, there
/// is no node.
pub fn parse(file: FileId, source: &Source, out: &mut Vec<Diagnostic>) -> Option<Node> {
    if let Some(trouble) = source.trouble() {
        out.push(describe(file, source, trouble));
        return None;
    }
    let mut builder = Builder { map: Offsets::new(file, source.text()), stack: Vec::new(), root: None, out };
    let mut documents = 0;
    for event in Parser::new_from_str(source.text()) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                builder.syntax(&error);
                return None;
            }
        };
        let place = builder.map.place(span.start.index(), span.end.index());
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let message = "a second YAML document begins here";
                let help = "a file holds one document: remove this line, or move what follows to a file of its own";
                builder.out.push(Diagnostic::new(Kind::ManyDocuments, place, message).help(help));
                break;
            }
        }
        if !builder.event(event, place) {
            return None;
        }
    }
    let empty = Diagnostic::new(Kind::EmptyFile, builder.map.whole_line(0), "the file says nothing")
        .help("write at least `extends: base`, or remove the file");
    match builder.root {
        Some(root) if !root.is_empty() => Some(root),
        _ => {
            builder.out.push(empty);
            None
        }
    }
}

/// What the parser's words mean, for the mistakes that people make most.
fn plainly(info: &str) -> Option<&'static str> {
    let all = |words: &[&str]| words.iter().all(|word| info.contains(word));
    Some(match () {
        () if all(&["quoted scalar", "end of stream"]) => "the quote that begins here is never closed",
        () if all(&["flow mapping", "did not find expected"]) => "a `,` or a `}` is missing before this",
        () if all(&["flow sequence", "expected"]) => "a `,` or a `]` is missing before this",
        () if all(&["mapping values are not allowed"]) => "a colon is not expected here",
        () if all(&["block mapping", "did not find expected key"]) => "this line is not indented like those above it",
        () if all(&["simple key expected"]) => "a colon is missing, or this line is not indented like those above it",
        () => return None,
    })
}

/// Says why a file is no text.
pub(super) fn describe(file: FileId, source: &Source, trouble: &Trouble) -> Diagnostic {
    let one_char = |at: usize| {
        let len = source.text().get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        Place { file, start: at, end: at + len }
    };
    let start = Place { file, start: 0, end: 0 };
    match *trouble {
        Trouble::Unreadable(ref why) => Diagnostic::new(Kind::Unreadable, start, quoted(why))
            .help("look at the file's owner and mode, and whether it is a file at all"),
        Trouble::TooLarge => {
            let message = format!("the file has more than {} KiB", super::source::MAX_BYTES / 1024);
            Diagnostic::new(Kind::TooLarge, start, message).help("is this the file that was meant?")
        }
        Trouble::NotUtf8(at) => Diagnostic::new(Kind::NotUtf8, one_char(at), "the file is no UTF-8 text from here on")
            .help("save it again with the encoding UTF-8"),
        Trouble::Control(at, c) => {
            let message = format!("the character U+{:04X} cannot be seen and has no place here", u32::from(c));
            Diagnostic::new(Kind::ControlCharacter, one_char(at), message).help("remove it")
        }
    }
}

fn alias(place: Place) -> Diagnostic {
    Diagnostic::new(Kind::Alias, place, "a YAML alias is not read here").help("write the value itself")
}

/// Turns the parser's indices, which count characters, into bytes of the file.
struct Offsets<'a> {
    file: FileId,
    text: &'a str,
    /// The byte of each character; none for plain ASCII, where they are the same.
    bytes: Option<Vec<usize>>,
}

impl<'a> Offsets<'a> {
    fn new(file: FileId, text: &'a str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self { file, text, bytes }
    }

    fn byte(&self, index: usize) -> usize {
        match &self.bytes {
            None => index.min(self.text.len()),
            Some(bytes) => bytes.get(index).copied().unwrap_or(self.text.len()),
        }
    }

    fn place(&self, start: usize, end: usize) -> Place {
        let start = self.byte(start);
        Place { file: self.file, start, end: self.byte(end).max(start) }
    }

    /// The place without what does not fit on its first line.
    fn first_line(&self, place: Place) -> Place {
        let line = self.text.get(place.start..place.end).unwrap_or_default().lines().next().unwrap_or_default();
        Place { end: place.start + line.trim_end().len(), ..place }
    }

    /// From a byte to the end of its line.
    fn whole_line(&self, start: usize) -> Place {
        self.first_line(Place { file: self.file, start, end: self.text.len() })
    }
}

/// A list or mapping whose end was not seen yet.
struct Open {
    place: Place,
    refused: bool,
    list: Vec<Node>,
    mapping: Vec<Entry>,
    key: Option<Node>,
    is_mapping: bool,
}

struct Builder<'a> {
    map: Offsets<'a>,
    stack: Vec<Open>,
    root: Option<Node>,
    out: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    /// Takes one event; false when no more are wanted.
    fn event(&mut self, event: Event<'_>, place: Place) -> bool {
        match event {
            Event::Alias(_) => {
                self.out.push(alias(place));
                self.add(self.node(place, Value::Refused));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let refused = self.refuse(anchor, tag.is_some(), place);
                let plain = style == ScalarStyle::Plain;
                let value = if refused { Value::Refused } else { Value::Scalar { text: text.into_owned(), plain } };
                self.add(self.node(place, value));
            }
            Event::SequenceStart(anchor, tag) => return self.open(false, anchor, tag.is_some(), place),
            Event::MappingStart(anchor, tag) => return self.open(true, anchor, tag.is_some(), place),
            Event::SequenceEnd | Event::MappingEnd => self.close(place),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        true
    }

    fn node(&self, extent: Place, value: Value) -> Node {
        Node { place: self.map.first_line(extent), extent, value }
    }

    /// Tells of an anchor or a tag; true when there was one.
    fn refuse(&mut self, anchor: usize, tag: bool, place: Place) -> bool {
        let place = self.map.first_line(place);
        if anchor != 0 {
            let message = "a YAML anchor is not read here";
            let help = "write the value without `&name`, each time where it is wanted";
            self.out.push(Diagnostic::new(Kind::Anchor, place, message).help(help));
        }
        if tag {
            let message = "a YAML tag is not read here";
            self.out.push(Diagnostic::new(Kind::Tag, place, message).help("write the value without `!name`"));
        }
        anchor != 0 || tag
    }

    fn open(&mut self, is_mapping: bool, anchor: usize, tag: bool, place: Place) -> bool {
        let refused = self.refuse(anchor, tag, place);
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("values are nested more than {MAX_DEPTH} deep here");
            self.out
                .push(Diagnostic::new(Kind::TooDeep, place, message).help("nothing in our files is nested so deep"));
            return false;
        }
        self.stack.push(Open { place, refused, list: Vec::new(), mapping: Vec::new(), key: None, is_mapping });
        true
    }

    fn close(&mut self, end: Place) {
        let Some(open) = self.stack.pop() else { return };
        let start = open.mapping.first().map_or(open.place.start, |entry| entry.key_place.start.min(open.place.start));
        // The end of a block is seen only at what comes after it; its last value tells where it ended.
        let last_value = open.mapping.last().map(|entry| &entry.node).or(open.list.last());
        let bracket = matches!(self.map.text.get(end.start..end.end), Some("}" | "]"));
        let end = if bracket { end.end } else { last_value.map_or(open.place.end, |node| node.extent.end) };
        let extent = Place { file: self.map.file, start, end: end.max(start) };
        let value = match (open.refused, open.is_mapping) {
            (true, _) => Value::Refused,
            (false, true) => Value::Mapping(open.mapping),
            (false, false) => Value::List(open.list),
        };
        self.add(self.node(extent, value));
    }

    /// Puts a whole node where it belongs.
    fn add(&mut self, node: Node) {
        let Some(open) = self.stack.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        if !open.is_mapping {
            open.list.push(node);
        } else if let Some(key) = open.key.take() {
            match key.value {
                Value::Scalar { text, .. } => open.mapping.push(Entry { key: text, key_place: key.place, node }),
                Value::Refused => {}
                Value::List(_) | Value::Mapping(_) => {
                    let message = "a key must be a word";
                    let help = "write `key: value`; a value that begins with `{` or `[` may need quotes";
                    self.out.push(Diagnostic::new(Kind::BadKey, key.place, message).help(help));
                }
            }
        } else {
            open.key = Some(node);
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let text = self.map.text;
        let at = self.map.byte(error.marker().index());
        let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
        let indent = text[line..].len() - text[line..].trim_start_matches([' ', '\t']).len();
        let tab = text[line..line + indent].find('\t').map(|tab| line + tab);
        let start = tab.unwrap_or(at);
        let end = start + text[start..].chars().next().filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
        let place = Place { file: self.map.file, start, end };
        if error.info().contains("unknown anchor") {
            self.out.push(alias(place));
            return;
        }
        let help = match tab {
            Some(_) => "indent with spaces: YAML does not take tabs",
            None => "look at this line and the one before: indentation, quotes, brackets, a space after each colon",
        };
        let message = match plainly(error.info()) {
            Some(plain) => format!("{plain} (YAML: {})", error.info()),
            None => format!("this is not YAML: {}", error.info()),
        };
        self.out.push(Diagnostic::new(Kind::Syntax, place, message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::Sources;

    fn read(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let mut sources = Sources::default();
        let source = Source::new("f.yaml", text.as_bytes());
        let file = sources.add(source.clone());
        let mut out = Vec::new();
        (parse(file, &source, &mut out), out)
    }

    /// Every scalar and key with the text that its place covers.
    fn places(text: &str) -> Vec<(String, String)> {
        fn walk(node: &Node, text: &str, all: &mut Vec<(String, String)>) {
            let covered = |place: Place| text.get(place.start..place.end).unwrap_or("?!").to_owned();
            match &node.value {
                Value::Scalar { text: value, .. } => all.push((value.clone(), covered(node.place))),
                Value::List(list) => list.iter().for_each(|node| walk(node, text, all)),
                Value::Mapping(entries) => entries.iter().for_each(|entry| {
                    all.push((entry.key.clone(), covered(entry.key_place)));
                    walk(&entry.node, text, all);
                }),
                Value::Refused => all.push(("refused".to_owned(), covered(node.place))),
            }
        }
        let mut all = Vec::new();
        if let (Some(node), _) = read(text) {
            walk(&node, text, &mut all);
        }
        all
    }

    #[test]
    fn places_cover_their_text_in_any_script_and_with_any_line_end() {
        for text in [
            "größe: 7.10   # ü\nlist: [ä, 'ö é']\nmap: {日本: 1, b: \"x\"}\nlast: 7",
            "größe: 7.10   # ü\r\nlist: [ä, 'ö é']\r\nmap: {日本: 1, b: \"x\"}\r\nlast: 7\r\n",
            "größe: 7.10\nlist:\n- ä\n- 'ö é'\nmap:\n  日本: 1\n\n  b: \"x\"\nlast: 7 \n\n# end 😀\n",
        ] {
            let got = places(text);
            let want = ["größe", "7.10", "list", "ä", "ö é", "map", "日本", "1", "b", "x", "last", "7"];
            assert_eq!(got.len(), want.len(), "{got:?}");
            for ((value, covered), want) in got.iter().zip(want) {
                assert_eq!(value, want);
                assert_eq!(covered.trim_matches(['"', '\'']), want, "{text}");
            }
        }
    }

    #[test]
    fn what_our_files_do_not_need_is_refused_with_its_place() {
        for (text, kind, covered) in [
            ("a: &x 1\n", Kind::Anchor, "&x 1"),
            ("a: *x\n", Kind::Alias, "*"),
            ("a: !t 1\n", Kind::Tag, "!t 1"),
            ("a: 1\n---\nb: 2\n", Kind::ManyDocuments, "---"),
            ("? [a]\n: 1\n", Kind::BadKey, "[a]"),
            ("{a: 1}: 1\n", Kind::BadKey, "{a: 1}"),
            ("", Kind::EmptyFile, ""),
            ("# nothing\n", Kind::EmptyFile, "# nothing"),
            ("~\n", Kind::EmptyFile, "~"),
            ("a: [1\nb: 2\n", Kind::Syntax, ":"),
            ("a:\n\tb: 1\n", Kind::Syntax, "\t"),
        ] {
            let (_, out) = read(text);
            assert_eq!(out.len(), 1, "{text}: {out:?}");
            assert_eq!(out[0].kind, kind, "{text}: {out:?}");
            let place = out[0].place;
            assert_eq!(text.get(place.start..place.end), Some(covered), "{text}: {out:?}");
        }
        assert_eq!(read(&"[".repeat(100)).1[0].kind, Kind::TooDeep);
    }
}
