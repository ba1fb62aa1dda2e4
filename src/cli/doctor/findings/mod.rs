//! What is well and what is missing, from what was seen: a function of it, and of nothing else.

mod guest;
mod host;
mod lxd;
mod multipass;
mod network;
mod stack;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_guest;
#[cfg(test)]
mod tests_lxd;
#[cfg(test)]
mod tests_multipass;

use super::finding::{Finding, State, finding, note};
use super::look::HostLook;
use reportctl::model::environment::{Environment, Machine};
use reportctl::model::ids::EnvId;
use reportctl::model::inventory::{Inventory, MachineState, Observed};

/// Everything that was looked at, the host first. `id` is the environment's identity, if it has one.
pub fn findings(environment: &Environment, id: Option<&EnvId>, inventory: &Inventory, look: &HostLook) -> Vec<Finding> {
    let mut all = host::host(environment, look);
    let machine = machine(environment, id, inventory, look);
    let programs: Vec<Finding> = match &environment.machine {
        Machine::Lxd(_) | Machine::Multipass(_) if inventory.machine.there().is_none() => {
            vec![note("components", "they are looked at in the machine, once it is there and initialised")]
        }
        _ => environment.stack.components.values().map(|component| stack::program(component, inventory)).collect(),
    };
    // apt and root matter only as far as something is to be installed. In a machine we are root.
    let wants_packages = match &inventory.machine {
        MachineState::Host => programs.iter().any(|finding| finding.state == State::Missing),
        MachineState::Lxd(state) => !state.packages.is_empty() || !state.image_tools.is_empty(),
        MachineState::Multipass(_) => false,
    };
    all.extend(stack::packages(inventory, wants_packages));
    all.extend(machine);
    all.extend(programs);
    all.extend(stack::ports(environment, inventory));
    if !inventory.orphans.is_empty() {
        let pids: Vec<String> = inventory.orphans.iter().map(|orphan| orphan.pid.to_string()).collect();
        let detail = format!("processes that no agent looks after: {}", pids.join(", "));
        all.push(finding("agent", State::Note, detail).mend(format!("reportctl up -e {}", environment.name)));
    }
    all
}

/// What the environment's machine needs; nothing where the components run on this host.
fn machine(environment: &Environment, id: Option<&EnvId>, inventory: &Inventory, look: &HostLook) -> Vec<Finding> {
    let Some(seen) = &look.machine else { return Vec::new() };
    let (own, bridge) = match (&environment.machine, &inventory.machine) {
        (Machine::Lxd(machine), MachineState::Lxd(state)) => {
            (lxd::findings(environment, machine, state, id, seen), lxd::bridge(id))
        }
        (Machine::Multipass(_), MachineState::Multipass(state)) => {
            (multipass::findings(environment, state, id, seen), multipass::BRIDGE.to_owned())
        }
        _ => return Vec::new(),
    };
    let told = inventory.machine.told();
    let mut all = own;
    all.extend(guest::findings(environment, seen));
    all.extend(network::findings(&bridge, told.present(), seen));
    if let Observed::Present(told) = &told {
        all.extend(network::way(told, seen));
    }
    all
}
