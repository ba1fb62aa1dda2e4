//! Colour, which only underlines what the words say: everything reads right without it.

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// Paints if `color`.
    pub const fn new(color: bool) -> Self {
        Self(color)
    }

    /// Whether it paints.
    pub const fn is_on(self) -> bool {
        self.0
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// For headings and names.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// For what matters less.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// For what went wrong.
    pub fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// For what went right.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// For what needs attention.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// For what can be typed.
    pub fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }
}

/// Whether the character steers a terminal, or changes the direction in which the text around it reads. Line ends and
/// tabs do too.
pub fn is_wild(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with wild characters made visible, so that a foreign program's words cannot steer the terminal. Line ends
/// and tabs stay.
pub fn tame(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let wild = is_wild(c) && c != '\n' && c != '\t';
            let (one, more) = if wild { (None, Some(c.escape_default())) } else { (Some(c), None) };
            one.into_iter().chain(more.into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_text_is_only_text() {
        assert_eq!(Paint::new(false).red("no"), "no");
        assert_eq!(Paint::new(true).green("ok"), "\u{1b}[32mok\u{1b}[0m");
    }

    #[test]
    fn foreign_words_cannot_steer_the_terminal() {
        assert_eq!(tame("a\u{1b}[2Jb\r\n\tc\u{7}"), "a\\u{1b}[2Jb\\r\n\tc\\u{7}");
        assert_eq!(tame("\u{9b}2J \u{202e}txt.exe"), "\\u{9b}2J \\u{202e}txt.exe");
    }
}
