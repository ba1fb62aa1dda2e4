//! What was seen of the world, at one moment. The planner decides on this and on nothing else.

use super::component::ComponentName;
use super::guest::Guest;
use super::ids::{EnvId, SecretName};
use super::lxd::LxdState;
use super::multipass::MultipassState;
use super::quantity::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// The answer to one question to the world. *Unknown* is never *absent*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed<T> {
    /// It is there, and this is how.
    Present(T),
    /// It is certainly not there.
    Absent,
    /// Nobody can say, for this reason.
    Unknown(String),
}

impl<T> Observed<T> {
    /// For what was not looked for because it cannot be there.
    const fn absent() -> Self {
        Self::Absent
    }

    /// What was seen, if anything.
    pub const fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// Whether it is certainly not there.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// What was seen of this host for one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The identity in the environment's folder. `Absent` when there is no folder, or one that holds nothing but
    /// journals, as a run leaves it that was cut off before it could claim it. `Unknown` when the folder holds something
    /// else and no valid identity: it is then foreign.
    pub identity: Observed<EnvId>,
    /// Whether the environment's folder exists at all.
    pub root: Observed<()>,
    /// The program of each component of the stack.
    pub programs: BTreeMap<ComponentName, Observed<Program>>,
    /// The programs of ours that are installed on this host; looked for where they are to go into a machine.
    #[serde(default)]
    pub installed: BTreeMap<ComponentName, Observed<Installed>>,
    /// The checkout of our own source that services can be built from.
    pub checkout: Observed<Checkout>,
    /// The state of every package of the stack: whether it is installed, and at which version it could be.
    pub packages: BTreeMap<String, Package>,
    /// The use of every port that might be chosen.
    pub ports: BTreeMap<u16, PortUse>,
    /// The secrets that are stored.
    pub secrets: BTreeMap<SecretName, Observed<()>>,
    /// The SHA-256 of every rendered file that is on disk, secrets replaced by their references, and its mode.
    pub files: BTreeMap<PathBuf, Observed<FileState>>,
    /// The agent and what runs under it.
    pub agent: Observed<AgentState>,
    /// Marked processes of this environment that no agent looks after, by start.
    pub orphans: Vec<Orphan>,
    /// Whether the host was restarted since the agent was started.
    pub rebooted: bool,
    /// The files in the environment's folder that one-time preparations leave as their proof.
    pub prepared: BTreeMap<PathBuf, Observed<()>>,
    /// What can be used of this host.
    pub host: Host,
    /// The way into the machine: it lets our key in, and we know its own keys.
    #[serde(default = "Observed::absent")]
    pub way: Observed<()>,
    /// The machine that is made for the environment. Where there is one, `programs`, `packages`, `files`, `agent` and
    /// `prepared` speak of it, and not of this host.
    pub machine: MachineState,
}

/// The machine that is made for an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "state", rename_all = "kebab-case")]
pub enum MachineState {
    /// None: the components run on this host.
    Host,
    /// In LXD.
    Lxd(Box<LxdState>),
    /// In Multipass.
    Multipass(Box<MultipassState>),
}

/// What is to be told of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<'a> {
    /// How commands get into it.
    pub guest: Guest,
    /// Whether it runs.
    pub is_running: bool,
    /// Its address, while it has one.
    pub address: Option<IpAddr>,
    /// The digest of the user-data that was applied in it.
    pub marker: &'a Observed<String>,
}

impl MachineState {
    /// What is to be told of the machine; absent where the components run on this host.
    pub fn told(&self) -> Observed<Told<'_>> {
        macro_rules! told {
            ($instance:expr, $guest:path) => {
                match $instance {
                    Observed::Present(instance) => Observed::Present(Told {
                        guest: $guest(instance.name.clone()),
                        is_running: instance.is_running,
                        address: instance.address,
                        marker: &instance.marker,
                    }),
                    Observed::Absent => Observed::Absent,
                    Observed::Unknown(reason) => Observed::Unknown(reason.clone()),
                }
            };
        }
        match self {
            Self::Host => Observed::Absent,
            Self::Lxd(state) => told!(&state.instance, Guest::Lxd),
            Self::Multipass(state) => told!(&state.instance, Guest::Multipass),
        }
    }

    /// Whether anything is there that carries the environment's identity. What cannot be told may be.
    pub fn has_traces(&self) -> bool {
        match self {
            Self::Host => false,
            Self::Lxd(state) => state.has_traces(),
            Self::Multipass(state) => state.has_traces(),
        }
    }

    /// The machine and its address, where one runs and was initialised: only then it can be looked into.
    pub fn there(&self) -> Option<(Guest, IpAddr)> {
        match self {
            Self::Host => None,
            Self::Lxd(state) => {
                let instance = state.instance.present().filter(|instance| instance.is_there())?;
                Some((Guest::Lxd(instance.name.clone()), instance.address?))
            }
            Self::Multipass(state) => {
                let instance = state.instance.present().filter(|instance| instance.is_there())?;
                Some((Guest::Multipass(instance.name.clone()), instance.address?))
            }
        }
    }
}

/// A component's program on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// What it says its version is.
    pub version: Version,
    /// What distinguishes it from others of the same version: known of our own services, which are started anew when
    /// it changes.
    pub build: Option<String>,
}

/// A program of ours that is installed on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The program.
    pub program: Program,
    /// Whether it is static, so that it runs in any machine.
    pub is_static: bool,
}

/// A checkout of our own source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// Its folder.
    pub folder: PathBuf,
    /// Where Cargo puts what it builds.
    pub target: PathBuf,
    /// Cargo itself.
    pub cargo: Observed<PathBuf>,
    /// The digest of all that the services are made of, as it is now.
    pub sources: String,
    /// That digest as it was when each of our services was last built there.
    pub built: BTreeMap<ComponentName, String>,
    /// The same for those that were built static, for machines.
    #[serde(default)]
    pub built_static: BTreeMap<ComponentName, String>,
}

impl Checkout {
    /// The folder of the programs that are built for use.
    pub fn programs(&self) -> PathBuf {
        self.target.join("release")
    }

    /// The folder of those that are built static.
    pub fn static_programs(&self) -> PathBuf {
        self.target.join(Self::static_target()).join("release")
    }

    /// What Cargo calls the machines that static programs are built for: those with this host's kind of processor. With a
    /// target of its own the way of linking holds for the programs, and not for what runs while they are built.
    pub fn static_target() -> String {
        format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
    }
}

/// A package of the distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The installed version, upstream part.
    pub installed: Observed<Version>,
    /// The version that apt would install, upstream part.
    pub candidate: Observed<Version>,
}

/// Who uses a port of the loopback address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortUse {
    /// Nobody.
    Free,
    /// A process of this environment.
    Ours,
    /// Somebody else.
    Taken,
}

/// A rendered file on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// SHA-256 of the text with secrets replaced by their references.
    pub digest: String,
    /// Permission bits.
    pub mode: u32,
}

/// A living agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentState {
    /// Its process.
    pub pid: u32,
    /// The version of the protocol that it speaks.
    pub protocol: u32,
    /// What it looks after.
    pub services: BTreeMap<ComponentName, ServiceState>,
}

impl AgentState {
    /// The version of the protocol that this release speaks. An agent with another one is replaced.
    pub const PROTOCOL: u32 = 1;
}

/// One process under the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// The digest of the specification that it was started with.
    pub digest: String,
    /// How it does.
    pub status: ServiceStatus,
    /// How often it was started again after it had ended by itself.
    pub restarts: u32,
}

/// How a service does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum ServiceStatus {
    /// It runs.
    Running {
        /// Its process.
        pid: u32,
    },
    /// It ended and will be started again.
    BackOff {
        /// How it ended, in words.
        reason: String,
    },
    /// It was stopped on request.
    Stopped,
}

/// A marked process that no agent looks after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// The process.
    pub pid: u32,
    /// When the kernel started it, in clock ticks since boot: with the pid it is an identity.
    pub started: u64,
    /// Which component its marker names; none for an agent.
    pub component: Option<ComponentName>,
}

/// What can be used of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The effective user.
    pub uid: u32,
    /// Whether apt can be used at all.
    pub apt: Observed<PathBuf>,
    /// How root is reached: absent when it is not.
    pub root_access: Observed<RootAccess>,
    /// Whether systemd is PID 1.
    pub systemd: bool,
    /// A `policy-rc.d` and whether it is ours.
    pub policy: Observed<Policy>,
    /// The system units that existed when this was seen, by name: whether each is enabled.
    pub units: BTreeMap<String, bool>,
}

/// How root is reached for apt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootAccess {
    /// The user is root.
    Root,
    /// Through sudo.
    Sudo,
}

/// Whose `policy-rc.d` stands on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// An earlier run of ours left it.
    Ours,
    /// Somebody else's.
    Foreign,
}
