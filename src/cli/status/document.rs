//! What `status` says, before it has a form.

use crate::cli::site::{Look, Site, is_not_drawn};
use reportctl::exec;
use reportctl::fs;
use reportctl::journal::store::Memory;
use reportctl::model::component::{ComponentName, PortKey};
use reportctl::model::guest::MadeBy;
use reportctl::model::ids::{EnvId, EnvName, RunId};
use reportctl::model::inventory::{MachineState, Observed, ServiceStatus};
use reportctl::model::quantity::Version;
use reportctl::plan::diff::Change;
use reportctl::render::native::Native;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Clock ticks a second in what the kernel tells of processes: `USER_HZ`, which is 100 wherever Debian runs (proc(5)).
const TICKS: u64 = 100;

/// How a component answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// As it should.
    Ready,
    /// Not, and why.
    NotReady(String),
}

/// How an environment does.
#[derive(Debug, Serialize)]
pub struct Status {
    pub schema: u32,
    pub env: EnvName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<EnvId>,
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Process>,
    /// The machine that was made for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineStatus>,
    /// Whether the host was restarted since the agent was started.
    pub rebooted: bool,
    pub components: Vec<Component>,
    /// What `up` would change.
    pub pending: Vec<Change>,
    /// Why it cannot be told what `up` would change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// A run that was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
}

/// How an environment does, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing of it is here.
    Absent,
    /// It has state, and nothing runs.
    Stopped,
    /// Everything runs and is ready.
    Up,
    /// Something that should run does not, or is not ready.
    Degraded,
}

/// A machine that was made for an environment.
#[derive(Debug, Serialize)]
pub struct MachineStatus {
    pub made_by: MadeBy,
    /// The instance, where it can be told that there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Why nothing can be told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A living process.
#[derive(Debug, Serialize)]
pub struct Process {
    pub pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// A run that was cut off.
#[derive(Debug, Serialize)]
pub struct Unfinished {
    pub run: RunId,
    pub verb: String,
    pub at: String,
}

/// How one component does.
#[derive(Debug, Serialize)]
pub struct Component {
    pub name: ComponentName,
    pub state: ComponentState,
    /// Why it is not ready, runs no more, or is skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    pub ports: BTreeMap<String, u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
}

/// How one component does, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentState {
    /// It runs and answers as it should.
    Ready,
    /// It runs and does not answer as it should.
    NotReady,
    /// It ended and will be started again.
    BackOff,
    /// It does not run.
    Stopped,
    /// It runs, and no agent looks after it.
    Orphaned,
    /// It does not run here, for the reason given.
    Skipped,
    /// Nobody can say.
    Unknown,
}

impl Status {
    /// What is known without having asked the components.
    pub fn of(site: &Site<'_>, memory: &Memory, look: &Look) -> Self {
        let inventory = &look.inventory;
        let machine = MachineStatus::of(site, &inventory.machine);
        let agent = inventory.agent.present().filter(|_| machine.is_none()).map(|agent| Process::of(agent.pid));
        let components = site.env.stack.components.keys().map(|name| Component::of(*name, look)).collect();
        let unfinished = memory.last.as_ref().filter(|last| last.is_unfinished()).map(|last| Unfinished {
            run: last.header.run.clone(),
            verb: last.header.verb.to_string(),
            at: last.header.at.clone(),
        });
        let mut status = Self {
            schema: 1,
            env: site.env.name.clone(),
            id: (!is_not_drawn(&look.id)).then(|| look.id.clone()),
            state: State::Absent,
            agent,
            machine,
            rebooted: inventory.rebooted,
            components,
            pending: Vec::new(),
            trouble: None,
            unfinished,
        };
        status.judge();
        status
    }

    /// Notes that a component is skipped.
    pub fn skip(&mut self, component: ComponentName, reason: &str) {
        if let Some(found) = self.components.iter_mut().find(|found| found.name == component) {
            (found.state, found.reason) = (ComponentState::Skipped, Some(reason.to_owned()));
        }
        self.judge();
    }

    /// Notes where a component is and how it answers.
    pub fn place(
        &mut self,
        component: ComponentName,
        native: &Native,
        ports: &BTreeMap<PortKey, u16>,
        health: Option<&Health>,
    ) {
        let Some(found) = self.components.iter_mut().find(|found| found.name == component) else { return };
        found.address = Some(native.address.clone());
        found.page.clone_from(&native.page);
        let own = ports.iter().filter(|(key, _)| key.component == component);
        found.ports = own.map(|(key, port)| (key.port.clone(), *port)).collect();
        if let (ComponentState::NotReady, Some(health)) = (found.state, health) {
            match health {
                Health::Ready => (found.state, found.reason) = (ComponentState::Ready, None),
                Health::NotReady(why) => found.reason = Some(why.clone()),
            }
        }
        self.judge();
    }

    /// Whether somebody would start again what ends: an agent, or the machine's systemd.
    fn is_looked_after(&self) -> bool {
        self.agent.is_some() || self.machine.as_ref().is_some_and(|machine| machine.running)
    }

    fn judge(&mut self) {
        let states = || self.components.iter().map(|component| component.state);
        let wanted = || states().filter(|state| *state != ComponentState::Skipped);
        self.state = if self.id.is_none() {
            State::Absent
        } else if !self.is_looked_after() && wanted().all(|state| state == ComponentState::Stopped) {
            State::Stopped
        } else if wanted().all(|state| state == ComponentState::Ready) {
            State::Up
        } else {
            State::Degraded
        };
    }
}

impl Component {
    fn of(name: ComponentName, look: &Look) -> Self {
        let inventory = &look.inventory;
        let version = inventory.programs.get(&name).and_then(Observed::present).map(|program| program.version.clone());
        let mut component = Self {
            name,
            state: ComponentState::Stopped,
            reason: None,
            version,
            address: None,
            page: None,
            ports: BTreeMap::new(),
            process: None,
            restarts: None,
        };
        match &inventory.agent {
            Observed::Unknown(why) => {
                (component.state, component.reason) = (ComponentState::Unknown, Some(why.clone()))
            }
            Observed::Absent => {
                if let Some(orphan) = inventory.orphans.iter().find(|orphan| orphan.component == Some(name)) {
                    component.state = ComponentState::Orphaned;
                    component.process = Some(Process::of(orphan.pid));
                    component.reason = Some("no agent looks after it; `up` starts it anew".to_owned());
                }
            }
            Observed::Present(agent) => {
                if let Some(service) = agent.services.get(&name) {
                    component.restarts = Some(service.restarts);
                    match &service.status {
                        ServiceStatus::Running { pid } => {
                            component.state = ComponentState::NotReady;
                            // A machine's processes have numbers of their own.
                            let is_here = matches!(inventory.machine, MachineState::Host);
                            component.process =
                                Some(if is_here { Process::of(*pid) } else { Process { pid: *pid, since: None } });
                        }
                        ServiceStatus::BackOff { reason } => {
                            (component.state, component.reason) = (ComponentState::BackOff, Some(reason.clone()));
                        }
                        ServiceStatus::Stopped => {}
                    }
                }
            }
        }
        component
    }
}

impl MachineStatus {
    fn of(site: &Site<'_>, state: &MachineState) -> Option<Self> {
        let made_by = site.env.machine.made_by();
        let none = Self { made_by, name: None, running: false, address: None, trouble: None };
        match state.told() {
            Observed::Present(told) => Some(Self {
                name: Some(told.guest.name().to_owned()),
                running: told.is_running,
                address: told.address,
                ..none
            }),
            Observed::Absent => None,
            Observed::Unknown(reason) => Some(Self { trouble: Some(reason), ..none }),
        }
    }
}

impl Process {
    fn of(pid: u32) -> Self {
        Self { pid, since: started(pid).map(|at| humantime::format_rfc3339_seconds(at).to_string()) }
    }
}

/// When the kernel started a process; none where it cannot be told.
fn started(pid: u32) -> Option<SystemTime> {
    let ticks = exec::identity(pid).present()?.identity.started;
    let text = fs::read(Path::new("/proc/stat")).ok()?;
    let boot = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(boot) + Duration::from_millis(ticks * 1000 / TICKS))
}
