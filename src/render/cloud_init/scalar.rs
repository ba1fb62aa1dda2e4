//! Scalars of YAML that mean the same to every reader, also after one has taken the quotes away.
//!
//! Multipass parses user-data and writes it anew without quotes, and cloud-init reads by YAML 1.1: there `"0755"` is a
//! number, `"yes"` a boolean and `"1:30"` ninety. An explicit tag survives.

use crate::render::check::yaml11;

/// A text as a scalar within a line.
pub fn text(value: &str) -> String {
    let quoted = quoted(value);
    if yaml11::is_ambiguous(value) { format!("!!str {quoted}") } else { quoted }
}

fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            // Line ends of Unicode, and what YAML does not count among the characters of a text.
            '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A text as a literal block, indented by so many blanks more than nothing. Where a block cannot hold it as it is, it
/// becomes a scalar within a line.
pub fn block(value: &str, indent: usize) -> String {
    let lines = || value.strip_suffix('\n').unwrap_or(value).split('\n');
    let fits = value.ends_with('\n')
        && !value.ends_with("\n\n")
        && lines().count() > 1
        && !value.starts_with([' ', '\t', '\n'])
        && value.chars().all(|c| c == '\n' || c == '\t' || !(c.is_control() || "\u{2028}\u{2029}\u{feff}".contains(c)));
    if !fits {
        return text(value);
    }
    let margin = " ".repeat(indent);
    let lines = lines().map(|line| if line.is_empty() { String::new() } else { format!("{margin}{line}") });
    format!("|\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    fn read(yaml: &str) -> String {
        let document: std::collections::BTreeMap<String, String> = serde_saphyr::from_str(yaml).unwrap();
        document["a"].clone()
    }

    #[test]
    fn what_another_reader_would_take_for_something_else_has_a_tag() {
        for ambiguous in ["0755", "yes", "1:30", "24.10", "null", "~", "", "2024-01-01", "0x1f", ".inf", "1_000"] {
            assert_eq!(text(ambiguous), format!("!!str \"{ambiguous}\""));
        }
        assert_eq!(text("redis-server"), "\"redis-server\"");
    }

    #[test]
    fn texts_come_back_as_they_went_in() {
        for value in ["a: b # c", "say \"hi\"\\n", "a\nb\n", "\u{1}\u{85}\u{2028}é", " a", "- x", "@{y}", "a\n\n", "a"]
        {
            assert_eq!(read(&format!("a: {}\n", text(value))), value, "{value:?}");
            assert_eq!(read(&format!("a: {}\n", block(value, 3))), value, "{value:?}");
        }
        let script = "set -eu\n\nif true; then\n\techo \"x\"  \nfi\n";
        assert!(block(script, 2).starts_with("|\n  set -eu\n\n  if"));
        assert_eq!(read(&format!("a: {}\nb: c\n", block(script, 2))), script);
    }
}
