//! Files as they were read, and places within them.

use std::ops::Range;

/// The most bytes that one of our files may have. The largest of them has about ten thousand.
pub const MAX_BYTES: usize = 256 * 1024;

/// One file of a [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A range of bytes within one file, both ends on character boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which file.
    pub file: FileId,
    /// The first byte.
    pub start: usize,
    /// The byte after the last one. Equal to `start` where there is nothing to underline, as in an empty file.
    pub end: usize,
}

/// A position as editors show it. Both count from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    path: String,
    text: String,
    trouble: Option<Trouble>,
    hidden: Vec<Range<usize>>,
}

/// Why the content of a file is no text that we read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// It has more than [`MAX_BYTES`].
    TooLarge,
    /// It is no UTF-8 from that byte on.
    NotUtf8(usize),
    /// That byte begins a character that has no place in a text file, such as an escape code or one that turns the
    /// direction of writing.
    Control(usize, char),
}

impl Source {
    /// Takes the content of the file that people know as `path`. What is no text is kept as [`Trouble`], with as much
    /// of the text as can be shown.
    pub fn new(path: &str, bytes: &[u8]) -> Self {
        // Some editors begin a text with a byte order mark; it says nothing.
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let (bytes, too_large) = match bytes.get(..MAX_BYTES) {
            Some(head) if bytes.len() > MAX_BYTES => (head, true),
            _ => (bytes, false),
        };
        let (text, not_utf8) = match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            // The bad byte becomes one that can be shown and underlined.
            Err(error) => (String::from_utf8_lossy(bytes).into_owned(), Some(error.valid_up_to())),
        };
        let trouble = match (too_large, not_utf8) {
            (true, _) => Some(Trouble::TooLarge),
            (false, Some(at)) => Some(Trouble::NotUtf8(at)),
            // Nearly every file is of these characters alone, which is quick to see.
            (false, None) if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) => None,
            (false, None) => text.char_indices().find(|(_, c)| is_control(*c)).map(|(at, c)| Trouble::Control(at, c)),
        };
        Self { path: path.to_owned(), text, trouble, hidden: Vec::new() }
    }

    /// A file that is there and cannot be read.
    pub fn unreadable(path: &str, why: &str) -> Self {
        let trouble = Some(Trouble::Unreadable(why.to_owned()));
        Self { path: path.to_owned(), text: String::new(), trouble, hidden: Vec::new() }
    }

    /// The path as people know it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why the text is not to be read, if so.
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Keeps a range of bytes out of everything that is shown: a secret stands there by mistake.
    pub fn hide(&mut self, range: Range<usize>) {
        self.hidden.push(range);
    }

    /// The text with an asterisk for each byte that must not be shown and a space for each that a terminal could take
    /// for a command. It has as many bytes as the text, so that places fit both.
    pub fn shown(&self) -> String {
        let mut shown = String::with_capacity(self.text.len());
        for (at, c) in self.text.char_indices() {
            let substitute = match c {
                '\n' => None,
                _ if self.hidden.iter().any(|range| range.contains(&at)) => Some('*'),
                _ if is_control(c) => Some(' '),
                // Else a tab would be shown wider than it is counted.
                '\t' | '\r' => Some(' '),
                _ => None,
            };
            match substitute {
                Some(substitute) => shown.extend(std::iter::repeat_n(substitute, c.len_utf8())),
                None => shown.push(c),
            }
        }
        shown
    }

    /// The position of a byte.
    pub fn position(&self, byte: usize) -> Position {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// A text from a file, short enough for a message and with nothing in it that a terminal could obey.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 160;
    let mut quoted: String =
        text.chars().take(LONGEST).map(|c| if is_control(c) || c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        quoted.push('…');
    }
    quoted
}

/// Whether a character has no business in a file that people edit: control codes but tab and line ends, and those
/// that reorder or hide text.
pub(super) fn is_control(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
}

/// Files, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a file.
    pub fn add(&mut self, source: Source) -> FileId {
        self.0.push(source);
        FileId(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
    }

    /// The file of that id; none when the id is of other sources.
    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.0.get(usize::try_from(file.0).ok()?)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, file: FileId) -> Option<&mut Source> {
        self.0.get_mut(usize::try_from(file.0).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source::new("f", "\u{feff}größe: 1\nß: 2\n".as_bytes());
        let at = |needle: &str| source.text().find(needle).map(|byte| source.position(byte));
        assert_eq!(at("größe"), Some(Position { line: 1, column: 1 }), "a byte order mark does not count");
        assert_eq!(at("1"), Some(Position { line: 1, column: 8 }));
        assert_eq!(at("2"), Some(Position { line: 2, column: 4 }));
        assert_eq!(source.position(usize::MAX).line, 3);
    }

    #[test]
    fn what_is_no_text_is_found() {
        let trouble = |bytes: &[u8]| Source::new("f", bytes).trouble().cloned();
        assert_eq!(trouble("a: ü\r\n\tb\n".as_bytes()), None);
        assert_eq!(trouble(b"a: \xff"), Some(Trouble::NotUtf8(3)));
        assert_eq!(trouble(b"a: \x1b[31m"), Some(Trouble::Control(3, '\u{1b}')));
        assert_eq!(trouble("a: \u{202e}b".as_bytes()), Some(Trouble::Control(3, '\u{202e}')));
        assert_eq!(trouble(&vec![b'a'; MAX_BYTES + 1]), Some(Trouble::TooLarge));
    }

    #[test]
    fn what_is_hidden_is_not_shown_and_places_still_fit() {
        let mut source = Source::new("f", "a: größe\tb\nc: \u{1b}d\n".as_bytes());
        source.hide(3..10);
        assert_eq!(source.shown(), "a: ******* b\nc:  d\n");
        assert_eq!(source.shown().len(), source.text().len());
    }
}
