//! Machines and clusters, and what doing something to them comes to.

pub mod cloud_init;
pub mod host;
pub mod lxd;
pub mod multipass;
pub mod supervisor;

use crate::model::component::PortKey;
use crate::plan::step::Step;
use std::future::Future;
use std::path::PathBuf;

/// Performs the actions of a plan. The engine knows nothing else of the world.
///
/// Guarantees: performing a step twice comes to the same as performing it once; a step that was cut off in its middle
/// can be performed again.
pub trait World: Send + Sync + 'static {
    /// Performs one step. `notes` may be told what it is waiting for.
    ///
    /// Errors: what failed, with all that a person needs to go on.
    fn perform(&self, step: &Step, notes: &Notes) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Where a step says what it is doing. Never blocks; what nobody listens to is lost.
#[derive(Clone)]
pub struct Notes(std::sync::Arc<dyn Fn(String) + Send + Sync>);

impl Notes {
    /// Hands each note to `listener`.
    pub fn new(listener: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(listener))
    }

    /// Nobody listens.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Says something.
    pub fn say(&self, note: impl Into<String>) {
        (self.0)(note.into());
    }
}

/// What a person needs to know of a step that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// What sort of failure it is, which decides the exit code and whether planning again can help.
    pub kind: FailureKind,
    /// The cause, in the foreign tool's words where there is one.
    pub cause: String,
    /// What was seen last, when that says more than the cause.
    pub observed: Option<String>,
    /// What was expected instead.
    pub expected: Option<String>,
    /// What to type next.
    pub advice: Option<String>,
    /// Where the evidence is: a log or a folder.
    pub evidence: Option<PathBuf>,
}

/// Sorts of failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// It did not work.
    Failed,
    /// A port that was free when it was chosen is taken now. Choosing again helps, once.
    PortTaken(PortKey),
    /// Something that must hold before does not: no root, no disk, a file of somebody else.
    Precondition,
    /// It took longer than it may.
    Timeout,
    /// Nothing changed for longer than it may.
    Stall,
    /// A foreign tool is missing or too old.
    ForeignTool,
}

impl Failure {
    /// A failure of that sort with its cause.
    pub fn new(kind: FailureKind, cause: impl Into<String>) -> Self {
        Self { kind, cause: cause.into(), observed: None, expected: None, advice: None, evidence: None }
    }

    /// Adds what was seen last.
    #[must_use]
    pub fn observed(mut self, text: impl Into<String>) -> Self {
        self.observed = Some(text.into());
        self
    }

    /// Adds what was expected.
    #[must_use]
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(text.into());
        self
    }

    /// Adds what to type next.
    #[must_use]
    pub fn advice(mut self, text: impl Into<String>) -> Self {
        self.advice = Some(text.into());
        self
    }

    /// Adds where the evidence is.
    #[must_use]
    pub fn evidence(mut self, path: impl Into<PathBuf>) -> Self {
        self.evidence = Some(path.into());
        self
    }
}
