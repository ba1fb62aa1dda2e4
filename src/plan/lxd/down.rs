//! What takes away all of an environment's things in LXD.

use super::LxdAction;
use super::up::{RECORD, refuse_foreign};
use crate::model::inventory::Observed;
use crate::model::lxd::{Kind, LxdState, Names};
use crate::model::quantity::Span;
use crate::plan::draft::Draft;
use crate::plan::error::PlanError;
use crate::plan::{Inputs, bake};
use std::collections::BTreeSet;

/// Stopping a machine that stops its own services first.
const STOP: Span = Span::seconds(180);
/// Deleting what may hang: LXD is asked to end it by force.
const DELETE: Span = Span::seconds(300);

/// Adds what takes away all that carries the environment's identity, or what only stops it.
///
/// Errors: something that has our name is not ours, or nobody can say what is there.
pub(in crate::plan) fn down(
    inputs: &Inputs<'_>,
    state: &LxdState,
    draft: &mut Draft,
    keep_data: bool,
) -> Result<(), PlanError> {
    if let Some(command) = &inputs.facts.daemon
        && state.server.present().is_some()
        && !keep_data
    {
        draft.note(format!("LXD's daemon, which was started for it; `{command}` ends it"));
    }
    match &state.server {
        Observed::Present(_) => {}
        // What is made first is remembered before it is made.
        Observed::Absent if inputs.facts.subnet.is_none() && inputs.facts.pool.is_none() => return Ok(()),
        Observed::Absent => {
            return Err(PlanError::Machine {
                cause: "LXD does not run, so what the environment has there cannot be taken away".to_owned(),
                advice: "start LXD, with `systemctl start lxd.socket` or `lxd --group lxd`, and then `reportctl down`"
                    .to_owned(),
                is_tool: false,
            });
        }
        Observed::Unknown(reason) => {
            return Err(PlanError::Unknown {
                what: "what the environment has in LXD".to_owned(),
                reason: reason.clone(),
                advice: "see to it that `lxc list` answers, and then `reportctl down`".to_owned(),
            });
        }
    }
    refuse_foreign(&state.foreign)?;
    if let Observed::Unknown(reason) = &state.instance {
        return Err(PlanError::Unknown {
            what: "whether the machine is there".to_owned(),
            reason: reason.clone(),
            advice: "see to it that `lxc list` answers, and then `reportctl down`".to_owned(),
        });
    }
    if keep_data {
        stop(inputs, state, draft);
    } else {
        delete(inputs, state, draft);
        bake::note_left(state, draft);
    }
    Ok(())
}

fn stop(inputs: &Inputs<'_>, state: &LxdState, draft: &mut Draft) {
    if let Some(instance) = state.instance.present().filter(|instance| instance.is_running) {
        let action = LxdAction::Stop { name: instance.name.clone(), id: inputs.id.clone() };
        draft.add("machine/stop", [], "it runs", STOP, action);
    }
}

/// Instances first, since they use the rest; the profile then, which uses network and pool.
fn delete(inputs: &Inputs<'_>, state: &LxdState, draft: &mut Draft) {
    let names = Names::of(inputs.id);
    let mut all: BTreeSet<(Kind, String)> =
        state.leftovers.iter().map(|leftover| (leftover.kind, leftover.name.clone())).collect();
    // LXD may be making it at this moment.
    if state.instance.present().is_some() || state.busy.is_some() {
        all.insert((Kind::Instance, names.instance.clone()));
    }
    let seen = [
        (Kind::Profile, &names.profile, !state.profile.is_absent()),
        (Kind::Network, &names.network, !state.network.is_absent()),
        (Kind::Pool, &names.pool, state.pools.get(&names.pool).is_some_and(|pool| pool.is_ours)),
    ];
    all.extend(seen.into_iter().filter(|(_, _, is_there)| *is_there).map(|(kind, name, _)| (kind, name.clone())));
    let mut before: Vec<String> = Vec::new();
    let mut current: Option<(Kind, Vec<String>)> = None;
    for (kind, name) in all {
        if current.as_ref().is_none_or(|(last, _)| *last != kind) {
            before.extend(current.take().map(|(_, ids)| ids).unwrap_or_default());
            current = Some((kind, Vec::new()));
        }
        let is_own = [&names.instance, &names.profile, &names.network, &names.pool].contains(&&name);
        let (step, timeout, action) = deletion(inputs, kind, &name);
        let step = if is_own { step.to_owned() } else { format!("{step}/{}", slug(&name)) };
        draft.add(step.clone(), before.clone(), "it is the environment's", timeout, action);
        if let Some((_, ids)) = &mut current {
            ids.push(step);
        }
    }
}

fn deletion(inputs: &Inputs<'_>, kind: Kind, name: &str) -> (&'static str, Span, LxdAction) {
    let (name, id) = (name.to_owned(), inputs.id.clone());
    match kind {
        Kind::Instance => ("machine/delete", DELETE, LxdAction::Delete { name, id }),
        Kind::Profile => ("machine/delete-profile", RECORD, LxdAction::DeleteProfile { name, id }),
        Kind::Network => ("machine/delete-network", RECORD, LxdAction::DeleteNetwork { name, id }),
        Kind::Pool => ("machine/delete-pool", RECORD, LxdAction::DeletePool { name, id }),
    }
}

/// A name as a part of a step's id.
fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    format!("x-{}", words.collect::<Vec<_>>().join("-"))
}
