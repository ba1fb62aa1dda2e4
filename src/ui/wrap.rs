//! Text in lines of a width.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The columns that the text takes at a terminal.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// The text in lines of at most so many columns (at least one), broken between words; its own line ends stay.
///
/// What stands between backticks can be typed, so it is never broken, and may then be wider. Any other word that is
/// wider than a line is broken where it has to be.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap_line(line, width.max(1))).collect()
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in words(line) {
        let free = width.saturating_sub(columns(&current) + usize::from(!current.is_empty()));
        if !current.is_empty() && columns(word) > free {
            lines.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        if word.matches('`').count() >= 2 {
            current.push_str(word);
        } else {
            let (whole, rest) = chop(word, width.saturating_sub(columns(&current)).max(1), width);
            for piece in whole {
                current.push_str(piece);
                lines.push(std::mem::take(&mut current));
            }
            current.push_str(rest);
        }
    }
    lines.push(current);
    lines
}

/// The words; what stands between backticks is one. A backtick without its like is only a character.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut left = line.matches('`').count();
    let mut typed = false;
    line.split(move |c: char| {
        if c == '`' {
            left -= 1;
            typed = !typed && left > 0;
        }
        c.is_whitespace() && !typed
    })
    .filter(|word| !word.is_empty())
}

/// The word in pieces, the first of at most `first` columns, the others of at most `width`; the last piece apart.
fn chop(word: &str, first: usize, width: usize) -> (Vec<&str>, &str) {
    let (mut pieces, mut rest, mut room) = (Vec::new(), word, first);
    while columns(rest) > room {
        let mut taken = 0;
        let end = rest.char_indices().find_map(|(at, c)| {
            taken += c.width().unwrap_or(0);
            (taken > room && at > 0).then_some(at)
        });
        let Some(end) = end else { break };
        let (piece, more) = rest.split_at(end);
        pieces.push(piece);
        (rest, room) = (more, width);
    }
    (pieces, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("one\n\ntwo", 9), ["one", "", "two"]);
        assert!(wrap("", 9).is_empty());
    }

    #[test]
    fn a_word_that_is_too_wide_is_broken() {
        assert_eq!(wrap("so abcdefghij k", 4), ["so", "abcd", "efgh", "ij k"]);
        assert_eq!(wrap("日本語です", 4), ["日本", "語で", "す"]);
        assert_eq!(wrap("日本", 1), ["日", "本"]);
    }

    #[test]
    fn what_can_be_typed_stays_whole() {
        assert_eq!(wrap("type `reportctl logs redis` now", 12), ["type", "`reportctl logs redis`", "now"]);
        assert_eq!(wrap("`a b` it`s not closed", 6), ["`a b`", "it`s", "not", "closed"]);
    }
}
