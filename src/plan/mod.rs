//! What will be done: immutable values, made from the environment and the inventory and from nothing else.

pub mod action;
pub mod availability;
pub mod bake;
pub mod commands;
pub mod diff;
mod draft;
pub mod error;
pub mod identity;
mod lines;
pub mod lxd;
pub mod machine;
pub mod multipass;
mod order;
mod packages;
pub mod planner;
pub mod ports;
pub mod programs;
pub mod saved;
pub mod step;
pub mod teardown;
mod timeouts;
pub mod wanted;
mod work;

use crate::model::digest;
use crate::model::environment::Environment;
use crate::model::facts::Facts;
use crate::model::ids::EnvId;
use crate::model::inventory::{Inventory, MachineState, Observed, ServiceStatus};
use crate::model::paths::Paths;

/// All that a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What shall be.
    pub env: &'a Environment,
    /// Where the environment's own records are on this host, and the components' files where they run on it.
    pub paths: &'a Paths,
    /// Where the components' files are: the same, or what [`Paths::system`] says of a machine of their own.
    pub place: &'a Paths,
    /// What the journals remember.
    pub facts: &'a Facts,
    /// What was seen of the world.
    pub inventory: &'a Inventory,
    /// The environment's identity: the known one (see [`identity::known`]), or a new one.
    pub id: &'a EnvId,
}

impl Inputs<'_> {
    /// The digest of all that a plan for `goal` depends on. What changes by itself and decides nothing (the numbers of
    /// living processes, how often one was restarted) is left out.
    fn digest(&self, goal: step::Goal) -> String {
        let mut inventory = self.inventory.clone();
        if let Observed::Present(agent) = &mut inventory.agent {
            agent.pid = 0;
            for service in agent.services.values_mut() {
                service.restarts = 0;
                if let ServiceStatus::Running { pid } = &mut service.status {
                    *pid = 0;
                }
            }
        }
        match &mut inventory.machine {
            MachineState::Lxd(state) => **state = state.steady(),
            MachineState::Multipass(state) => **state = state.steady(),
            MachineState::Host => {}
        }
        digest::of(&(goal, self.env, self.paths, self.place, self.facts, inventory, self.id))
    }
}
