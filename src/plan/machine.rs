//! The machine below the stack: what must be done before anybody can look into it, and what takes it away.

use super::action::EnvAction;
use super::draft::Draft;
use super::error::PlanError;
use super::{Inputs, lxd, multipass, timeouts};
use crate::model::environment::Machine;
use crate::model::guest::Guest;
use crate::model::inventory::MachineState;

/// How far the machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Packages must be installed on this host first: then it is looked at again.
    Packages,
    /// There is work to do until it can be looked into: then it is looked at again, and the rest is planned.
    Missing,
    /// It can be looked into.
    There(Guest),
}

/// Adds what must be done until the machine can be looked into. None where the components run on this host itself.
///
/// Errors: something that must be so is not, or something that matters cannot be told.
pub(super) fn up(inputs: &Inputs<'_>, draft: &mut Draft) -> Result<Option<Layer>, PlanError> {
    let (says, was) = (inputs.env.machine.made_by(), inputs.facts.made_by.unwrap_or(inputs.env.machine.made_by()));
    if says != was {
        return Err(PlanError::Elsewhere { env: inputs.env.name.clone(), was, says });
    }
    match (&inputs.env.machine, &inputs.inventory.machine) {
        (Machine::Lxd(machine), MachineState::Lxd(state)) => lxd::up(inputs, machine, state, draft).map(Some),
        (Machine::Multipass(machine), MachineState::Multipass(state)) => {
            multipass::up(inputs, machine, state, draft).map(Some)
        }
        // The observer goes by the environment, so that nothing else was looked at.
        (Machine::Host { .. } | Machine::Lxd(_) | Machine::Multipass(_), _) => Ok(None),
    }
}

/// Ends a plan after which it is looked again.
pub(super) fn replan(layer: Layer, draft: &mut Draft) {
    let (layer, because) = match layer {
        Layer::Packages => ("packages", "what is installed decides what can be made"),
        Layer::Missing | Layer::There(_) => ("machine", "what is in the machine decides what is still to be done"),
    };
    let all = draft.ids();
    draft.add("env/replan", all, because, timeouts::SHORT, EnvAction::Replan { layer: layer.to_owned() });
}

/// Adds what takes the machine away, or only stops it.
///
/// Errors: something that has our name is not ours.
pub(super) fn down(inputs: &Inputs<'_>, draft: &mut Draft, keep_data: bool) -> Result<(), PlanError> {
    match &inputs.inventory.machine {
        MachineState::Host => Ok(()),
        MachineState::Lxd(state) => lxd::down(inputs, state, draft, keep_data),
        MachineState::Multipass(state) => multipass::down(inputs, state, draft, keep_data),
    }
}
