//! Our hand in a machine: a small program that is sent with each request, and leaves nothing behind.

use crate::exec::ExecError;
use crate::model::guest::Guest;
use crate::provider::{Failure, FailureKind};
use crate::reach::guest::{GuestError, Inside, Run};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The program.
const PROGRAM: &str = include_str!("hand.py");
/// What is added to the time that the deed itself may take.
const RESERVE: Duration = Duration::from_secs(15);

/// What one request comes to.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer<T> {
    Done(T),
    #[serde(untagged)]
    Failed {
        failed: String,
        kind: Kind,
    },
}

/// Why a deed was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It did not work.
    Failed,
    /// Something that must hold before does not.
    Precondition,
    /// It took too long.
    Timeout,
    /// The machine's disk is full.
    Full,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HandError {
    /// The machine gives none.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The deed was not done.
    #[error("in {guest}: {words}")]
    Failed {
        /// The machine.
        guest: Guest,
        /// Why, in words.
        words: String,
        /// What sort of failure it is.
        kind: Kind,
    },
    /// What came is no answer.
    #[error("{guest} gives no answer that is understood: {words}")]
    Strange {
        /// The machine.
        guest: Guest,
        /// What came instead.
        words: String,
    },
}

/// Has something done in a machine. `patience` is what the deed itself may take.
///
/// Errors: it was not done, or nobody can say whether it was.
pub async fn ask<T: DeserializeOwned>(
    inside: &Inside,
    request: &impl Serialize,
    patience: Duration,
) -> Result<T, HandError> {
    let strange = |words: String| HandError::Strange { guest: inside.guest().clone(), words };
    let request = serde_json::to_string(request).map_err(|error| strange(error.to_string()))?;
    // A JSON text in quotes is a text of Python's as well.
    let quoted = serde_json::to_string(&request).map_err(|error| strange(error.to_string()))?;
    let run = Run {
        argv: ["python3", "-I", "-"].map(str::to_owned).to_vec(),
        stdin: Some(format!("{PROGRAM}main(json.loads({quoted}))\n").into_bytes()),
        deadline: patience + RESERVE,
        ..Run::new([""; 0])
    };
    let output = inside.run(run).await?;
    let last = output.stdout.trim_end().rsplit('\n').next().unwrap_or_default();
    match serde_json::from_str(last) {
        Ok(Answer::Done(done)) => Ok(done),
        Ok(Answer::Failed { failed, kind }) => {
            Err(HandError::Failed { guest: inside.guest().clone(), words: failed, kind })
        }
        Err(error) if output.code == 0 => Err(strange(error.to_string())),
        Err(_) => {
            let said = output.stderr.trim_end();
            let end: Vec<&str> = said.lines().rev().take(5).collect();
            let end: Vec<&str> = end.into_iter().rev().collect();
            Err(strange(format!("python3 ended with {}: {}", output.code, end.join("\n"))))
        }
    }
}

impl From<HandError> for Failure {
    fn from(error: HandError) -> Self {
        let words = error.to_string();
        match error {
            HandError::Guest(error) => no_answer(error),
            HandError::Failed { kind, .. } => match kind {
                Kind::Failed => Self::new(FailureKind::Failed, words),
                Kind::Precondition => Self::new(FailureKind::Precondition, words),
                Kind::Timeout => Self::new(FailureKind::Timeout, words),
                Kind::Full => Self::new(FailureKind::Precondition, words).advice(
                    "give the machine a larger disk in its blueprint, or make room in it with `reportctl shell`",
                ),
            },
            HandError::Strange { .. } => {
                Self::new(FailureKind::Failed, words).advice("the machine needs python3, which cloud-init brings")
            }
        }
    }
}

/// What a machine that gives no answer comes to.
pub fn no_answer(error: GuestError) -> Failure {
    let words = error.to_string();
    match error {
        GuestError::NotThere(_) | GuestError::NotRunning(_) => {
            Failure::new(FailureKind::Precondition, words).advice("reportctl up")
        }
        GuestError::NotReady { .. } | GuestError::Unreachable { .. } | GuestError::Lost { .. } => {
            Failure::new(FailureKind::Failed, words).advice("type the same command again")
        }
        GuestError::Deadline { .. } | GuestError::Exec(ExecError::Deadline { .. }) => {
            Failure::new(FailureKind::Timeout, words)
        }
        GuestError::Exec(error) if error.is_not_found() => Failure::new(FailureKind::ForeignTool, words),
        GuestError::Exit { .. } | GuestError::File { .. } | GuestError::Exec(_) => {
            Failure::new(FailureKind::Failed, words)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    #[test]
    fn an_answer_is_done_or_says_why_not() {
        let done: Answer<Option<u32>> = serde_json::from_str(r#"{"done": null}"#).unwrap();
        assert!(matches!(done, Answer::Done(None)));
        let failed: Answer<Option<u32>> =
            serde_json::from_str(r#"{"failed": "the disk is full", "kind": "full"}"#).unwrap();
        assert!(matches!(failed, Answer::Failed { kind: Kind::Full, .. }));
        assert!(serde_json::from_str::<Answer<u32>>("{}").is_err());
    }
}
