//! How an error is shown.

use super::Stream;
use super::style::{Paint, tame};
use super::{diagnostics, evidence};
use reportctl::model::diagnostic::Report as Diagnostics;
use reportctl::model::ids::EnvName;
use reportctl::smoke::evidence::Evidence;
use serde::Serialize;
use std::fmt::Write as _;

/// All that is told of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The exit code.
    pub exit_code: u8,
    /// The exit code's name.
    pub name: &'static str,
    /// The environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The step that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The cause, in the foreign tool's words where there is one.
    pub cause: String,
    /// What was seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
    /// What was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to type next, the best first.
    pub next: Vec<String>,
    /// Where the evidence is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Each mistake in the files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<serde_json::Value>,
    /// What people see above it.
    #[serde(skip)]
    pub drawn: Drawn,
}

/// What people see above an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Drawn {
    /// Nothing.
    #[default]
    Nothing,
    /// A text.
    Text(String),
    /// The evidence of a run of checks.
    Evidence(Box<Evidence>),
    /// Mistakes, drawn into the files that they are in.
    Files(Box<Diagnostics>),
}

impl Report {
    /// An error that has only a cause yet.
    pub fn new(exit_code: u8, name: &'static str, cause: impl Into<String>) -> Self {
        Self {
            exit_code,
            name,
            env: None,
            step: None,
            cause: cause.into(),
            observed: None,
            expected: None,
            next: Vec::new(),
            evidence: None,
            diagnostics: Vec::new(),
            drawn: Drawn::Nothing,
        }
    }

    /// The same, about an environment.
    #[must_use]
    pub fn of_env(mut self, env: &EnvName) -> Self {
        self.env = Some(env.to_string());
        self
    }

    /// For people.
    pub fn human(&self, stream: &Stream) -> String {
        self.shown(stream.paint, stream.width())
    }

    /// For people, with these colours and so many columns.
    pub fn shown(&self, paint: Paint, width: usize) -> String {
        let mut text = match &self.drawn {
            Drawn::Nothing => String::new(),
            Drawn::Text(text) => text.clone(),
            Drawn::Evidence(evidence) => evidence::table(evidence, paint, width) + "\n",
            Drawn::Files(found) => diagnostics::human(found, paint.is_on(), width),
        };
        let _ = writeln!(text, "{} {}", paint.red("error:"), indent(&tame(self.cause.trim_end()), 7));
        let mut field = |label: &str, value: &str| {
            let _ = writeln!(text, "  {}{}", paint.dim(&format!("{label:<10}")), indent(value.trim_end(), 12));
        };
        match (&self.step, &self.env) {
            (Some(step), Some(env)) => field("step", &format!("{step} in {env}")),
            (Some(step), None) => field("step", step),
            (None, Some(env)) => field("in", env),
            (None, None) => {}
        }
        for (label, value) in [("observed", &self.observed), ("expected", &self.expected)] {
            if let Some(value) = value {
                field(label, &tame(value));
            }
        }
        for (index, next) in self.next.iter().enumerate() {
            field(if index == 0 { "next" } else { "or" }, next);
        }
        if let Some(evidence) = &self.evidence {
            field("evidence", evidence);
        }
        field("exit", &format!("{} ({})", self.exit_code, self.name));
        text
    }

    /// For programs: a line among the events of a run.
    pub fn event(&self) -> serde_json::Value {
        serde_json::json!({ "schema": 1, "event": "error", "error": self })
    }

    /// For programs: one document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "schema": 1, "error": self })
    }
}

/// The text with every line but the first moved to the right.
fn indent(text: &str, columns: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(columns)))
}
