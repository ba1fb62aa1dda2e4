//! One thing that was looked at, and how it is.

use reportctl::model::quantity::Size;
use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Worth knowing, but nothing that `up` needs.
    Note,
    /// `up` needs it.
    Missing,
}

/// A finding that nothing mends.
pub fn finding(name: impl Into<String>, state: State, detail: impl Into<String>) -> Finding {
    Finding { name: name.into(), state, detail: detail.into(), mend: None }
}

/// A finding that all is well.
pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Finding {
    finding(name, State::Ok, detail)
}

/// A finding that something is worth knowing.
pub fn note(name: impl Into<String>, detail: impl Into<String>) -> Finding {
    finding(name, State::Note, detail)
}

/// A finding that something is missing that `up` needs.
pub fn missing(name: impl Into<String>, detail: impl Into<String>) -> Finding {
    finding(name, State::Missing, detail)
}

impl Finding {
    /// Adds what mends it.
    #[must_use]
    pub fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend = Some(command.into());
        self
    }
}

/// Whole GiB from ten on, whole MiB below: nobody counts closer.
pub fn rounded(bytes: u64) -> String {
    let unit = if bytes >= 10 << 30 { 30 } else { 20 };
    Size(bytes >> unit << unit).to_string()
}
