//! The machine below the stack: what must be done before anybody can look into it, and what takes it away.

use super::action::{Action, EnvAction, LxdAction, MultipassAction};
use super::draft::Draft;
use super::error::PlanError;
use super::work::unknown;
use super::{Inputs, lxd, multipass, timeouts};
use crate::model::environment::Machine;
use crate::model::guest::Guest;
use crate::model::inventory::{MachineState, Observed};
use crate::model::lxd::SNAPSHOT;

const RESET: &str = "machine/reset";

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

/// Adds what puts the machine back to its snapshot, after which it is looked again and brought up as ever. That it was begun
/// is remembered, so that whatever comes next ends it first.
///
/// Errors: there is no machine, or it has no snapshot.
pub(super) fn reset(inputs: &Inputs<'_>, draft: &mut Draft) -> Result<Layer, PlanError> {
    let id = inputs.id.clone();
    let action: Action = match &inputs.inventory.machine {
        MachineState::Host => {
            let cause = format!("{} has no machine of its own that could be put back", inputs.env.name);
            return Err(refuse(inputs, cause));
        }
        MachineState::Lxd(state) => match &state.instance {
            Observed::Present(instance) if instance.snapshots.contains(SNAPSHOT) => {
                LxdAction::Restore { name: instance.name.clone(), id }.into()
            }
            other => return Err(no_snapshot(inputs, other)),
        },
        MachineState::Multipass(state) => match &state.instance {
            Observed::Present(instance) if instance.snapshots > 0 => {
                MultipassAction::Restore { name: instance.name.clone(), id }.into()
            }
            other => return Err(no_snapshot(inputs, other)),
        },
    };
    draft.add(RESET, [], "back to what it was when it was initialised", timeouts::REMOVE, action);
    Ok(Layer::Missing)
}

/// Whether a reset was begun and not seen to end, and there is something to put back.
pub(super) fn is_resetting(inputs: &Inputs<'_>) -> bool {
    let is_gone = match &inputs.inventory.machine {
        MachineState::Host => true,
        MachineState::Lxd(state) => state.instance.is_absent(),
        MachineState::Multipass(state) => state.instance.is_absent(),
    };
    inputs.facts.resetting && !is_gone
}

fn no_snapshot<T>(inputs: &Inputs<'_>, seen: &Observed<T>) -> PlanError {
    let name = &inputs.env.name;
    match seen {
        Observed::Present(_) => refuse(inputs, format!("the machine of {name} has no snapshot to be put back to")),
        Observed::Absent => refuse(inputs, format!("there is no machine of {name}")),
        Observed::Unknown(reason) => unknown(format!("how the machine of {name} does"), reason),
    }
}

fn refuse(inputs: &Inputs<'_>, cause: String) -> PlanError {
    let name = &inputs.env.name;
    let advice = format!("`reportctl down -e {name}` and then `reportctl up -e {name}` make it anew");
    PlanError::Machine { cause, advice, is_tool: false }
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
