//! What stands in a journal, and how a line of it is written and read.

use crate::model::facts::Facts;
use crate::model::ids::{EnvId, EnvName, RunId, StepId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The first line of a file: whose run it is. It is written before anything is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the form of this file. First, so that readers can stop early.
    pub schema: u32,
    /// The environment.
    pub env: EnvName,
    /// Its identity.
    pub id: EnvId,
    /// The run.
    pub run: RunId,
    /// What it is for.
    pub verb: Verb,
    /// The version of the program.
    pub version: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
}

impl Header {
    /// The form that this release writes and reads.
    pub const SCHEMA: u32 = 1;
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// To bring the environment up.
    Up,
    /// To take it down.
    Down,
    /// To put its machine back to what it was when it was initialised, and to bring the rest up.
    Reset,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Reset => "reset",
        })
    }
}

/// Any other line: entries that became durable together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The entries, in order.
    pub entries: Vec<Entry>,
}

/// One thing that must not be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Entry {
    /// The one command that removes everything that is made from here on.
    Reclaim {
        /// The command.
        command: String,
    },
    /// The run, which had been cut off or interrupted, is gone on with.
    Resumed {
        /// The version of the program.
        version: String,
    },
    /// What is done from here on.
    Planned {
        /// The digest of the plan.
        digest: String,
        /// The ids of its steps.
        steps: Vec<StepId>,
    },
    /// A step is about to act.
    Started {
        /// Which one.
        step: StepId,
        /// What must be remembered, whatever comes of it.
        #[serde(default, skip_serializing_if = "Facts::is_empty")]
        facts: Facts,
    },
    /// A step did what it should.
    Succeeded {
        /// Which one.
        step: StepId,
        /// What need not be remembered any longer.
        #[serde(default, skip_serializing_if = "Facts::is_empty")]
        settled: Facts,
    },
    /// A step did not do what it should.
    Failed {
        /// Which one.
        step: StepId,
        /// The cause.
        cause: String,
    },
    /// A step was broken off on request.
    Abandoned {
        /// Which one.
        step: StepId,
    },
    /// The run ended.
    Finished {
        /// How.
        outcome: Outcome,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did all that it should.
    Succeeded,
    /// It did not. The next run is another one.
    Failed,
    /// It was interrupted. It can be gone on with.
    Interrupted,
}

impl Outcome {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The line for a header or a commit, with its end.
///
/// Errors: the value has no JSON form.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let text = serde_json::to_string(value).map_err(|error| error.to_string())?;
    Ok(format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes())).into_bytes())
}

/// The text of a line, without its checksum and its end.
///
/// Errors: what is wrong with it.
pub(super) fn checked(line: &[u8]) -> Result<&str, &'static str> {
    let (sum, rest) = line.split_at_checked(8).ok_or("it is too short")?;
    let text = rest.strip_prefix(b" ").ok_or("it does not begin with a checksum")?;
    let sum = std::str::from_utf8(sum).ok().and_then(|sum| u32::from_str_radix(sum, 16).ok());
    if sum != Some(crc32fast::hash(text)) {
        return Err("its checksum does not fit");
    }
    std::str::from_utf8(text).map_err(|_| "it is not text")
}

/// The header or commit in the text of a line.
///
/// Errors: what is wrong with it.
pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("it is not an entry of this form: {error}"))
}
