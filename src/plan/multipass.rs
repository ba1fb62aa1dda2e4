//! What is done to Multipass, and when.

use super::Inputs;
use super::action::Teardown;
use super::draft::Draft;
use super::error::PlanError;
use super::machine::Layer;
use crate::model::environment::MultipassMachine;
use crate::model::facts::Facts;
use crate::model::ids::EnvId;
use crate::model::multipass::MultipassState;
use serde::{Deserialize, Serialize};

/// Things done to Multipass on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MultipassAction {
    /// Starts an instance of ours that is stopped.
    Start {
        /// Its name.
        name: String,
        /// The identity that it must carry.
        id: EnvId,
    },
    /// Deletes an instance of ours.
    Delete {
        /// Its name.
        name: String,
        /// The identity that it must carry.
        id: EnvId,
    },
}

impl MultipassAction {
    /// How what it makes is taken away again.
    pub const fn teardown(&self) -> Teardown {
        match self {
            Self::Start { .. } => Teardown::By("delete"),
            Self::Delete { .. } => Teardown::Nothing,
        }
    }

    /// What the journal must remember before it is begun.
    pub fn facts(&self) -> Facts {
        match self {
            Self::Start { .. } | Self::Delete { .. } => Facts::default(),
        }
    }

    /// What would be typed to do the same by hand.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Start { name, .. } => vec![format!("multipass start {name}")],
            Self::Delete { name, .. } => vec![format!("multipass delete --force {name}")],
        }
    }

    /// What it changes, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Start { .. } => "start".to_owned(),
            Self::Delete { .. } => "delete".to_owned(),
        }
    }
}

/// Adds what must be done until there is a machine that can be looked into.
///
/// Errors: something that must be so is not, or something that matters cannot be told.
pub(super) fn up(
    inputs: &Inputs<'_>,
    machine: &MultipassMachine,
    state: &MultipassState,
    draft: &mut Draft,
) -> Result<Layer, PlanError> {
    let _ = (inputs, machine, state, draft);
    Ok(Layer::Missing)
}

/// Adds what takes away all that carries the environment's identity, or what only stops it.
///
/// Errors: something that has our name is not ours.
pub(super) fn down(
    inputs: &Inputs<'_>,
    state: &MultipassState,
    draft: &mut Draft,
    keep_data: bool,
) -> Result<(), PlanError> {
    let _ = (inputs, state, draft, keep_data);
    Ok(())
}
