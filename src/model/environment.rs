//! A valid environment: what the files meant, merged and checked. No field here is optional because a file may leave
//! it out; where there is an `Option`, absence has a meaning.

use super::blueprint::Blueprint;
use super::component::{ComponentName, PortKey};
use super::guest::MadeBy;
use super::ids::{EnvName, SecretName};
use super::quantity::{Size, Span, Version};
use super::secret::SecretSource;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One named place where the stack runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// The stem of its file.
    pub name: EnvName,
    /// One line for lists.
    pub description: String,
    /// Where the stack's processes run.
    pub machine: Machine,
    /// How the components get there.
    pub deployer: Deployer,
    /// What runs there.
    pub stack: Stack,
}

/// Where the stack's processes run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Machine {
    /// This host, as processes of the user who runs the command.
    Host {
        /// What happens when a wanted port is taken.
        ports: PortPolicy,
        /// The most memory that all components together may be given, when there is a limit.
        memory: Option<Size>,
    },
    /// An instance of this host's LXD.
    Lxd(Box<LxdMachine>),
    /// An instance of this host's Multipass.
    Multipass(Box<MultipassMachine>),
}

/// A machine in LXD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LxdMachine {
    /// What happens when a wanted port is taken on this host, where each of the machine's ports can be reached by the same
    /// number.
    pub ports: PortPolicy,
    /// Whether it is a container or a virtual machine.
    pub instance: InstanceKind,
    /// The storage pool that its disk is in; without it, the one of LXD's profile `default`, or the only one.
    pub pool: Option<String>,
    /// Whether an image is made of it once it was initialised, and an equal one starts from such an image.
    pub bake: bool,
    /// Public keys of people who may log in, each a line as in `authorized_keys`.
    pub authorized_keys: Vec<String>,
    /// Its shape, with what the environment says instead of the blueprint's own numbers.
    pub blueprint: Blueprint,
}

/// What kind of instance LXD makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceKind {
    /// A system container: it shares the kernel of this host.
    Container,
    /// A virtual machine: it needs KVM.
    VirtualMachine,
}

/// A machine in Multipass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MultipassMachine {
    /// As with [`LxdMachine::ports`].
    pub ports: PortPolicy,
    /// Public keys of people who may log in, each a line as in `authorized_keys`.
    pub authorized_keys: Vec<String>,
    /// Its shape, with what the environment says instead of the blueprint's own numbers.
    pub blueprint: Blueprint,
}

impl Machine {
    /// What happens when a wanted port of this host is taken.
    pub const fn ports(&self) -> PortPolicy {
        match self {
            Self::Host { ports, .. } => *ports,
            Self::Lxd(machine) => machine.ports,
            Self::Multipass(machine) => machine.ports,
        }
    }

    /// What the machine is made by.
    pub const fn made_by(&self) -> MadeBy {
        match self {
            Self::Host { .. } => MadeBy::Host,
            Self::Lxd(_) => MadeBy::Lxd,
            Self::Multipass(_) => MadeBy::Multipass,
        }
    }

    /// The shape of a machine that is made for the environment; none where that is this host.
    pub const fn blueprint(&self) -> Option<&Blueprint> {
        match self {
            Self::Host { .. } => None,
            Self::Lxd(machine) => Some(&machine.blueprint),
            Self::Multipass(machine) => Some(&machine.blueprint),
        }
    }
}

/// What happens when a wanted port of this host is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortPolicy {
    /// Another free one is used and remembered.
    Free,
    /// It is an error.
    Exact,
}

/// How the components get to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deployer {
    /// Packages, configuration files and one process a component.
    Native,
}

/// The set of components.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// The enabled components, by name.
    pub components: BTreeMap<ComponentName, Component>,
}

/// One component of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Which one.
    pub name: ComponentName,
    /// The oldest upstream version that will do.
    pub version: Version,
    /// Whether it is an error, and not a skip, when it cannot be had.
    pub required: bool,
    /// What must be ready before it starts.
    pub needs: BTreeSet<ComponentName>,
    /// The wanted number of each of its ports, by the port's name.
    pub ports: BTreeMap<String, u16>,
    /// The memory that it may use for its data. What that means differs: `maxmemory`, a cache, or Go's soft limit.
    pub memory: Size,
    /// Where each of its secrets comes from, by the secret's name within the component.
    pub secrets: BTreeMap<String, SecretSource>,
    /// What only this kind of component has.
    pub options: Options,
}

/// The options that only one kind of component has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Options {
    /// Of `redis`.
    Redis {
        /// When the append-only file reaches the disk.
        fsync: Fsync,
    },
    /// Of `prometheus`.
    Prometheus {
        /// The time between two scrapes of a target.
        scrape_interval: Span,
        /// The time between two evaluations of the rules.
        evaluation_interval: Span,
        /// How long samples are kept.
        retention: Span,
    },
    /// Of `alertmanager`.
    Alertmanager {
        /// How long notifications and silences are remembered.
        retention: Span,
    },
    /// Of every other component.
    None,
}

/// When Redis's append-only file reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fsync {
    /// Once a second: a power cut loses at most about a second.
    Everysec,
    /// At each write: a power cut loses nothing.
    Always,
}

impl Component {
    /// The name of one of its secrets within the environment, such as `redis-admin`.
    ///
    /// Errors: `own` is no name.
    pub fn secret_name(&self, own: &str) -> Result<SecretName, super::ids::BadId> {
        secret_name(self.name, own)
    }
}

/// The name of `component`'s secret `own` within the environment, such as `redis-admin`.
///
/// Errors: `own` is no name.
pub fn secret_name(component: ComponentName, own: &str) -> Result<SecretName, super::ids::BadId> {
    SecretName::parse(&format!("{component}-{own}"))
}

impl Stack {
    /// Every wanted port.
    pub fn ports(&self) -> impl Iterator<Item = (PortKey, u16)> + '_ {
        self.components.values().flat_map(|component| {
            component.ports.iter().map(|(port, number)| (PortKey::new(component.name, port), *number))
        })
    }
}
