//! The plan that takes an environment away.

use super::action::{EnvAction, HostAction, StackAction};
use super::draft::Draft;
use super::error::PlanError;
use super::identity::is_claimed;
use super::step::{Goal, Plan};
use super::{Inputs, commands, machine, order, packages, timeouts};
use crate::model::component::ComponentName;
use crate::model::inventory::{MachineState, Observed, RootAccess};
use std::collections::{BTreeMap, BTreeSet};

/// Plans what ends all processes and, unless `keep_data`, removes everything but packages: empty when nothing is there.
///
/// It goes by what is seen, not by what was done: it works after a crash at any point, without journals and without an
/// agent. What cannot be told is done again.
///
/// Errors: the folder is not this environment's.
pub fn down(inputs: &Inputs<'_>, keep_data: bool) -> Result<Plan, PlanError> {
    is_claimed(inputs)?;
    let mut draft = Draft::default();
    let mut left: Vec<String> = packages::settle(inputs, &mut draft).into_iter().collect();
    match inputs.inventory.machine {
        MachineState::Host => add_stops(inputs, &mut draft),
        MachineState::Lxd(_) | MachineState::Multipass(_) => machine::down(inputs, &mut draft, keep_data)?,
    }
    let goal = if keep_data { Goal::Stopped } else { Goal::Gone };
    if !keep_data {
        add_removal(inputs, &mut draft);
    }
    left.extend(packages_left(inputs));
    left.extend(draft.take_notes());
    Ok(Plan {
        schema: Plan::SCHEMA,
        env: inputs.env.name.clone(),
        id: inputs.id.clone(),
        goal,
        inputs: inputs.digest(goal),
        steps: draft.finish()?,
        skipped: BTreeMap::new(),
        ports: BTreeMap::new(),
        left,
    })
}

/// Services that others need after those, then the agent, then what runs without one.
fn add_stops(inputs: &Inputs<'_>, draft: &mut Draft) {
    let Inputs { env, paths, id, inventory, .. } = *inputs;
    let mut running = BTreeSet::new();
    if let Observed::Present(agent) = &inventory.agent {
        running.extend(agent.services.keys().copied());
    }
    let stop = |name: ComponentName| format!("{name}/stop");
    for name in &running {
        let dependents = order::dependents(env, *name, &running).map(stop);
        let action = StackAction::StopService { paths: paths.clone(), component: *name };
        draft.add(stop(*name), dependents, "it runs", timeouts::STOP, action);
    }
    let because = match &inventory.agent {
        Observed::Present(_) => Some("it runs".to_owned()),
        Observed::Unknown(reason) => Some(format!("it may run: {reason}")),
        Observed::Absent => None,
    };
    if let Some(because) = because {
        let action = HostAction::StopAgent { paths: paths.clone(), id: id.clone() };
        draft.add("agent/stop", running.iter().copied().map(stop), because, timeouts::STOP_ALL, action);
    }
    if !inventory.orphans.is_empty() {
        let processes = order::orphans(env, &inventory.orphans);
        let because = "processes of this environment run without an agent";
        let action = HostAction::StopOrphans { id: id.clone(), processes };
        draft.add("orphans/stop", ["agent/stop".to_owned()], because, timeouts::STOP_ALL, action);
    }
}

/// The data, and last the folder with the journals. It is made by the run itself, if by nobody before, so it goes with
/// whatever else there is to do.
fn add_removal(inputs: &Inputs<'_>, draft: &mut Draft) {
    let Inputs { paths, id, inventory, .. } = *inputs;
    if inventory.root.is_absent() && draft.ids().is_empty() {
        return;
    }
    let stops = draft.ids();
    let mut data = vec![paths.root.join("data")];
    if inventory.host.uid == 0 {
        data.push(paths.shared_data.clone());
    }
    let because = "all data goes with the environment";
    draft.add("data/remove", stops.clone(), because, timeouts::REMOVE, StackAction::RemovePaths { paths: data });
    draft.add(
        "env/forget",
        stops.into_iter().chain(["data/remove".to_owned()]),
        "nothing of the environment is left but its folder",
        timeouts::REMOVE,
        EnvAction::Forget { paths: paths.clone(), id: id.clone() },
    );
}

/// The packages that we asked for and that stay.
fn packages_left(inputs: &Inputs<'_>) -> Option<String> {
    let there = |name: &&String| {
        let package = inputs.inventory.packages.get(*name);
        package.is_none_or(|package| !package.installed.is_absent())
    };
    let names: Vec<&str> = inputs.facts.packages.iter().filter(there).map(String::as_str).collect();
    let root = inputs.inventory.host.root_access.present().copied().unwrap_or(RootAccess::Root);
    (!names.is_empty()).then(|| {
        let command = commands::remove(root, names.iter().copied()).pasteable();
        format!("packages that were installed for it: {}; `{command}` removes them", names.join(", "))
    })
}
