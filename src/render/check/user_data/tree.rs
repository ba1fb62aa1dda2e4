//! YAML as a tree whose nodes know their lines, tags and quotes.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 32;

/// A place in the text: line and column, both from 1.
pub type At = (usize, usize);

/// A value.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub at: At,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum Value {
    /// A text as it is written.
    Scalar {
        /// The text, without quotes.
        text: String,
        /// Whether it stands without quotes.
        plain: bool,
        /// Whether it says itself that it is a text.
        is_tagged: bool,
        /// Whether it has lines of its own, of which the first is where it begins.
        is_block: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in the order of the text.
    Map(Vec<(Node, Node)>),
    /// What a name stands for that was given before: `*name`.
    Alias,
}

impl Node {
    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) | Value::Alias => None,
        }
    }

    /// The items, where it is a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Scalar { .. } | Value::Map(_) | Value::Alias => None,
        }
    }

    /// The value at a key, where it is a map that has it.
    pub fn get(&self, wanted: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.text() == Some(wanted)).map(|(_, value)| value)
    }

    /// The keys and values; none where it is no map.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) | Value::Alias => &[],
        }
    }
}

/// What a text holds.
#[derive(Debug)]
pub struct Document {
    /// The first document.
    pub root: Option<Node>,
    /// Where a second one begins.
    pub second: Option<At>,
}

/// Reads a text.
///
/// Errors: where it is no YAML, and why.
pub fn parse(text: &str) -> Result<Document, (At, String)> {
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder { stack: Vec::new(), root: None };
    let (mut documents, mut second) = (0_usize, None);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            ((marker.line(), marker.col() + 1), error.info().to_owned())
        })?;
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents == 2 {
                second = Some(place(&span));
                break;
            }
        }
        builder.take(event, &span)?;
    }
    Ok(Document { root: builder.root, second })
}

fn place(span: &Span) -> At {
    (span.start.line(), span.start.col() + 1)
}

enum Open {
    List(At, Vec<Node>),
    Map(At, Vec<(Node, Node)>, Option<Node>),
}

struct Builder {
    stack: Vec<Open>,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), (At, String)> {
        let at = place(span);
        match event {
            Event::Scalar(text, style, _, tag) => {
                let is_tagged =
                    tag.is_some_and(|tag| format!("{}{}", tag.handle, tag.suffix) == "tag:yaml.org,2002:str");
                let plain = style == ScalarStyle::Plain;
                let is_block = style == ScalarStyle::Literal;
                self.add(Node { at, value: Value::Scalar { text: text.into_owned(), plain, is_tagged, is_block } });
            }
            Event::Alias(_) => self.add(Node { at, value: Value::Alias }),
            Event::SequenceStart(..) | Event::MappingStart(..) if self.stack.len() >= MAX_DEPTH => {
                return Err((at, format!("values are nested more than {MAX_DEPTH} deep")));
            }
            Event::SequenceStart(..) => self.stack.push(Open::List(at, Vec::new())),
            Event::MappingStart(..) => self.stack.push(Open::Map(at, Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Open::List(at, items)) => self.add(Node { at, value: Value::List(items) }),
                Some(Open::Map(at, entries, _)) => self.add(Node { at, value: Value::Map(entries) }),
                None => {}
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn add(&mut self, node: Node) {
        match self.stack.last_mut() {
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(node),
            },
            None => self.root = Some(node),
        }
    }
}
