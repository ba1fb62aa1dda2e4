//! What is checked.

use crate::model::component::{ComponentName, PortKey};
use crate::model::environment::{self, Environment};
use crate::model::guest::Guest;
use crate::model::ids::{EnvId, SecretName};
use crate::model::inventory::{Inventory, Program};
use crate::model::paths::Paths;
use crate::model::quantity::Span;
use crate::model::secret::Secrets;
use crate::plan::step::Plan;
use crate::render::native::{Active, View};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One environment as it shall be running, and how its parts are reached.
#[derive(Debug, Clone)]
pub struct Target {
    /// The environment.
    pub env: Environment,
    /// Its identity.
    pub id: EnvId,
    /// Where its components' files are.
    pub paths: Paths,
    /// Where its own records are, on this host.
    pub records: Paths,
    /// The machine that its components run in, and its address; none where that is this host.
    pub machine: Option<(Guest, IpAddr)>,
    /// The user whom its processes run as.
    pub uid: u32,
    /// The components that shall be running.
    pub active: BTreeMap<ComponentName, Placed>,
    /// The components that do not run, and why.
    pub skipped: BTreeMap<ComponentName, String>,
    /// The environment's secrets.
    pub secrets: Secrets,
}

/// A component that shall be running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its program.
    pub program: Program,
    /// The chosen number of each of its ports.
    pub ports: BTreeMap<String, u16>,
}

/// Why it cannot be said what to check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A component is neither skipped nor was its program seen.
    #[error("{0} shall run, and its program was not seen on this host")]
    NoProgram(ComponentName),
    /// A component's door has no number.
    #[error("no number was chosen for port {0}")]
    NoPort(PortKey),
}

impl Target {
    /// What `plan` brings up, as `inventory` saw its programs. `records` are on this host, and `paths` where the components are.
    ///
    /// Errors: the plan ends before all of it is known, because packages are missing.
    pub fn of(
        env: Environment,
        records: Paths,
        paths: Paths,
        plan: &Plan,
        inventory: &Inventory,
        secrets: Secrets,
    ) -> Result<Self, TargetError> {
        let mut active = BTreeMap::new();
        for name in env.stack.components.keys().copied().filter(|name| !plan.skipped.contains_key(name)) {
            let program = inventory.programs.get(&name).and_then(|program| program.present());
            let program = program.cloned().ok_or(TargetError::NoProgram(name))?;
            let mut ports = BTreeMap::new();
            for (port, _) in name.ports() {
                let key = PortKey::new(name, port);
                let number = plan.ports.get(&key).copied().ok_or(TargetError::NoPort(key))?;
                ports.insert((*port).to_owned(), number);
            }
            active.insert(name, Placed { program, ports });
        }
        let uid = inventory.host.uid;
        let (id, skipped, machine) = (plan.id.clone(), plan.skipped.clone(), inventory.machine.there());
        Ok(Self { env, id, paths, records, machine, uid, active, skipped, secrets })
    }

    /// What rendering needs to know of it.
    pub fn view(&self) -> View<'_> {
        let active = self.active.iter().filter_map(|(name, placed)| {
            let component = self.env.stack.components.get(name)?;
            Some((*name, Active { component, program: placed.program.clone(), ports: placed.ports.clone() }))
        });
        View { env: &self.env, paths: &self.paths, id: &self.id, uid: self.uid, active: active.collect() }
    }

    /// The time between two scrapes; zero where Prometheus is not part of the stack.
    pub fn scrape_interval(&self) -> Span {
        match self.env.stack.components.get(&ComponentName::Prometheus).map(|component| &component.options) {
            Some(environment::Options::Prometheus { scrape_interval, .. }) => *scrape_interval,
            _ => Span(0),
        }
    }

    /// The number of a port, if the component runs and has it.
    pub fn port(&self, name: ComponentName, port: &str) -> Option<u16> {
        self.active.get(&name)?.ports.get(port).copied()
    }

    /// The number of every port of the components that run.
    pub(super) fn all_ports(&self) -> Vec<u16> {
        self.active.values().flat_map(|placed| placed.ports.values().copied()).collect()
    }

    /// The name of a component's secret.
    pub(super) fn secret_name(name: ComponentName, own: &str) -> Result<SecretName, String> {
        environment::secret_name(name, own).map_err(|error| error.to_string())
    }
}
