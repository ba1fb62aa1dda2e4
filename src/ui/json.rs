//! Results for programs.

use super::style::is_wild;
use serde::Serialize;
use std::fmt::Write as _;

/// One document on lines that people can read too. Its first key is `schema`.
pub fn document<T: Serialize>(value: &T) -> String {
    // Our own values always have a JSON form: their keys are texts and their numbers are whole.
    harmless(serde_json::to_string_pretty(value).unwrap_or_default())
}

/// One line.
pub fn line<T: Serialize>(value: &T) -> String {
    harmless(serde_json::to_string(value).unwrap_or_default())
}

/// The document with each character escaped that JSON allows as it is but a terminal may obey. Outside of texts there is
/// none but the line end.
fn harmless(document: String) -> String {
    if !document.chars().any(|c| c != '\n' && is_wild(c)) {
        return document;
    }
    document.chars().fold(String::with_capacity(document.len()), |mut text, c| {
        if c != '\n' && is_wild(c) {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn foreign_words_cannot_steer_the_terminal_and_stay_the_same() {
        let words = "a\u{1b}[2J\u{9b}2J\u{7f}\u{202e}é\n";
        let text = line(&words);
        assert_eq!(text, r#""a\u001b[2J\u009b2J\u007f\u202eé\n""#);
        assert_eq!(serde_json::from_str::<String>(&text).expect("JSON"), words);
    }
}
