//! The report of a run of checks. Every form in which it is shown is made from this value.

use crate::model::component::ComponentName;
use crate::model::ids::{EnvId, EnvName};
use crate::model::quantity::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The report of a run of checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The version of this form: 1.
    pub schema: u32,
    /// The environment.
    pub env: EnvName,
    /// Its identity.
    pub id: EnvId,
    /// When the first check began, RFC 3339 in UTC.
    pub at: String,
    /// How long all of it took.
    pub millis: u64,
    /// The program of each component that runs: the version that was proved.
    pub versions: BTreeMap<ComponentName, Version>,
    /// The checks, in the order in which they are shown.
    pub checks: Vec<CheckResult>,
}

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Readable and stable, such as `redis/keeps-data`.
    pub name: String,
    /// Whose check it is.
    pub component: ComponentName,
    /// What it proves, in words that a manager understands.
    pub title: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen: the proof, the failure, or why it was skipped.
    pub detail: String,
    /// What should have been seen instead, when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to type next, when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// How long it took.
    pub millis: u64,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold, or could not be told.
    Failed,
    /// It was not run, for the reason in the detail.
    Skipped,
}

impl Evidence {
    /// The version of the form that this release writes.
    pub const SCHEMA: u32 = 1;

    /// How many checks ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }

    /// Whether no check failed and at least one passed.
    pub fn is_green(&self) -> bool {
        self.count(Outcome::Failed) == 0 && self.count(Outcome::Passed) > 0
    }
}
