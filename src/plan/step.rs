//! The nodes of a plan, and the plan.

use super::action::{Action, EnvAction};
use crate::model::component::{ComponentName, PortKey};
use crate::model::digest;
use crate::model::ids::{EnvId, EnvName, StepId};
use crate::model::quantity::Span;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Readable and stable over plans, such as `redis/start`.
    pub id: StepId,
    /// The steps that must have succeeded before it.
    pub after: BTreeSet<StepId>,
    /// Why it is in the plan, in words.
    pub because: String,
    /// The longest that it may take.
    pub timeout: Span,
    /// What it does.
    pub action: Action,
}

/// Whether a plan brings up or takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// The stack runs.
    Up,
    /// Nothing runs; data and secrets stay.
    Stopped,
    /// Nothing is left.
    Gone,
}

/// What will be done: immutable, complete in itself; equal inputs give equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this form: 1.
    pub schema: u32,
    /// The environment.
    pub env: EnvName,
    /// Its identity.
    pub id: EnvId,
    /// What it is for.
    pub goal: Goal,
    /// The digest of what it was made from: a saved plan whose inputs have changed is refused.
    pub inputs: String,
    /// The steps, each after all that it depends on.
    pub steps: Vec<Step>,
    /// The components that will not run, and why.
    pub skipped: BTreeMap<ComponentName, String>,
    /// Where each component that runs will be found.
    pub ports: BTreeMap<PortKey, u16>,
    /// What goes away only by hand and is left on purpose, in words.
    pub left: Vec<String>,
}

impl Plan {
    /// The version of the form that this release writes and reads.
    pub const SCHEMA: u32 = 1;

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What was made, in a word, when the run must observe and plan again after the last step.
    pub fn replan_layer(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Env(EnvAction::Replan { layer }) => Some(layer.as_str()),
            _ => None,
        })
    }

    /// The digest of the whole plan.
    pub fn digest(&self) -> String {
        digest::of(self)
    }
}
