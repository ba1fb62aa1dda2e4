//! The first stage: what stands in the files, key by key, and how the file that extends goes over its base.
//!
//! Every key is declared once, in a table below; see `table`.

use super::component::ComponentName;
use super::environment::{Deployer, Fsync, InstanceKind, PortPolicy};
use super::here::Here;
use super::ids::{BlueprintName, EnvName, PoolName};
use super::list::{List, PublicKey};
use super::node::{Node, Value};
use super::quantity::{Size, Span, Version};
use super::reader::{At, Field, Readable, Reader, Repeat};
use super::scalars::{Line, literal};
use super::schema::{Choice, Form, Key};
use super::secret::SecretSource;
use super::source::Place;
use super::table::{choice, option, readable_table, table};
use std::collections::BTreeMap;

table! {
    /// A file in `environments/`.
    EnvironmentFile {
        /// The environment, or the base, that this file extends. This file then says only what differs: component by
        /// component, key by key. A list is replaced as a whole.
        extends: EnvName = "extends";
        /// One line that says what this environment is for.
        description: Line = "description";
        /// Where the stack's processes run. A file without a machine, of its own or of its base, is a base for other
        /// files and cannot be brought up.
        machine: MachineFile = "machine";
        /// How the components get to the machine.
        deployer: Deployer = "deployer";
        /// The components that run there.
        stack: StackFile = "stack";
    }
}

table! {
    /// Where the stack's processes run.
    MachineFile {
        /// What kind of machine it is.
        kind: MachineKind = "kind";
        /// What happens when a wanted port of this host is taken.
        ports: PortPolicy = "ports" [default "free"];
        /// On this host: the most memory that the components together may be given; without it there is no limit.
        /// Elsewhere: how much memory the machine gets, instead of what its blueprint says.
        memory: Size = "memory" [within "64MiB" to "64TiB"];
        /// The shape of the machine: the name of a file in `blueprints/`.
        blueprint: BlueprintName = "blueprint" [on Lxd Multipass];
        /// What kind of instance LXD makes.
        instance: InstanceKind = "instance" [default "container"] [on Lxd];
        /// The storage pool that the machine's disk is in. Without it, the one that LXD's profile `default` uses.
        pool: PoolName = "pool" [on Lxd];
        /// Whether an image is made of it once it was initialised, from which the next equal one starts.
        bake: bool = "bake" [default "true"] [on Lxd];
        /// How many processors the machine gets, instead of what its blueprint says.
        cpus: u32 = "cpus" [within "1" to "256"] [on Lxd Multipass];
        /// How large the machine's disk is, instead of what its blueprint says.
        disk: Size = "disk" [within "2GiB" to "64TiB"] [on Lxd Multipass];
        /// Public keys of people who may log in to the machine, each a line as in `authorized_keys`. Never a private key.
        authorized_keys: List<PublicKey> = "authorized-keys" [default "[]"] [on Lxd Multipass];
    }
}

table! {
    /// One component of the stack.
    ComponentFile {
        /// The oldest version that will do. A newer one is used when it is there.
        version: Version = "version";
        /// Whether it runs at all.
        enabled: bool = "enabled" [default "true"];
        /// Whether it is an error when it cannot be had. One that is not required is then skipped, with the reason.
        required: bool = "required" [default "true"];
        /// The components that must be ready before it starts.
        needs: Needs = "needs" [default "[]"];
        /// The wanted number of each of its ports.
        ports: PortsFile = "ports" [within "1024" to "65535"];
        /// The memory that it may use for its data: Redis's `maxmemory`, a database's cache, a soft limit elsewhere.
        memory: Size = "memory" [within "8MiB" to "1TiB"];
        /// Where each of its secrets comes from. Never write a secret itself.
        secrets: SecretsFile = "secrets";
        /// When Redis's append-only file reaches the disk.
        fsync: Fsync = "fsync" [of Redis];
        /// The time between two scrapes of a target.
        scrape_interval: Span = "scrape-interval" [within "1s" to "2m"] [of Prometheus];
        /// The time between two evaluations of the rules.
        evaluation_interval: Span = "evaluation-interval" [within "1s" to "2m"] [of Prometheus];
        /// How long samples (Prometheus), or notifications and silences (Alertmanager), are kept.
        retention: Span = "retention" [within "1m" to "3650d"] [of Prometheus Alertmanager];
    }
}

/// What kind of machine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineKind {
    /// This host.
    Host,
    /// An instance of this host's LXD.
    Lxd,
    /// An instance of this host's Multipass.
    Multipass,
}

impl MachineKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Lxd => "lxd",
            Self::Multipass => "multipass",
        }
    }
}

choice!(MachineKind {
    "host" Host "This host: the components run as processes of the user who brings them up.";
    "lxd" Lxd "An instance of this host's LXD, made for the environment and initialised with cloud-init.";
    "multipass" Multipass "An instance of this host's Multipass, made for the environment and initialised with cloud-init.";
});

choice!(InstanceKind {
    "container" Container "A system container: it shares the kernel of this host.";
    "virtual-machine" VirtualMachine "A virtual machine: it needs KVM.";
});

choice!(PortPolicy {
    "free" Free "Another free port is used and remembered.";
    "exact" Exact "It is an error.";
});

choice!(Deployer {
    "native" Native "Packages of the distribution, rendered configuration, one process a component.";
});

choice!(Fsync {
    "everysec" Everysec "Once a second: a power cut loses about a second of requests.";
    "always" Always "At each write: a power cut loses nothing, and every request waits for the disk.";
});

/// The components of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackFile(pub BTreeMap<ComponentName, Field<ComponentFile>>);

/// The wanted numbers of a component's ports, by the port's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortsFile(pub BTreeMap<&'static str, Field<u16>>);

/// Where a component's secrets come from, by the secret's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretsFile(pub BTreeMap<&'static str, Field<SecretSource>>);

/// The components that one needs, each with its place.
#[derive(Debug, Clone, Default, Eq)]
pub struct Needs(pub Vec<(ComponentName, Place)>);

impl PartialEq for Needs {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(|(name, _)| name).eq(other.0.iter().map(|(name, _)| name))
    }
}

impl EnvironmentFile {
    /// Reads the tree of a file. There is none when the file holds no keys and values, which was then told.
    pub fn read(reader: &mut Reader<'_>, root: &Node) -> Option<Self> {
        Self::read_from(reader, root, "", Here::File)
    }
}

readable_table!(MachineFile Machine);

impl Readable for ComponentFile {
    const FORM: Form = Form::Table(Self::KEYS);
    const DEEP: bool = true;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let component = ComponentName::parse(key.name)?;
        reader.component = Some(component);
        let read = Self::read_from(reader, node, key.name, Here::Component(component));
        reader.component = None;
        read
    }

    fn over(self, base: &Self, repeats: &mut Vec<Repeat>) -> Self {
        self.over(base, repeats)
    }

    fn filled(self, at: At) -> Self {
        self.filled(at)
    }
}

/// Puts a map of fields over that of the base, name by name.
fn over<N: Ord + Copy, T: Readable>(
    written: BTreeMap<N, Field<T>>,
    base: &BTreeMap<N, Field<T>>,
    repeats: &mut Vec<Repeat>,
) -> BTreeMap<N, Field<T>> {
    let mut merged = base.clone();
    for (name, field) in written {
        let below = base.get(&name).unwrap_or(&Field::Absent);
        merged.insert(name, field.over(below, repeats));
    }
    merged
}

impl Readable for StackFile {
    const FORM: Form = Form::Stack;
    const DEEP: bool = true;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let mut stack = BTreeMap::new();
        for entry in reader.entries(node, key.name)? {
            match ComponentName::parse(&entry.key) {
                Some(name) => {
                    let key = Key { name: name.as_str(), form: ComponentFile::FORM, ..*key };
                    stack.insert(name, reader.entry(entry, &key));
                }
                None => reader.unknown_component(&entry.key, entry.key_place),
            }
        }
        Some(Self(stack))
    }

    fn over(self, base: &Self, repeats: &mut Vec<Repeat>) -> Self {
        Self(over(self.0, &base.0, repeats))
    }

    fn filled(self, at: At) -> Self {
        let none = Key { name: "", doc: "", form: ComponentFile::FORM, default: None, within: None, of: &[], on: &[] };
        Self(self.0.into_iter().map(|(name, field)| (name, field.filled(&none, at))).collect())
    }
}

impl Readable for PortsFile {
    const FORM: Form = Form::Ports;
    const DEEP: bool = true;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let component = reader.component?;
        let names: Vec<&'static str> = component.ports().iter().map(|(name, _)| *name).collect();
        let mut ports = BTreeMap::new();
        for (name, entry) in reader.named(node, key, &names, "port")? {
            ports.insert(name, reader.entry(entry, &Key { name, form: Form::Port, ..*key }));
        }
        Some(Self(ports))
    }

    fn over(self, base: &Self, repeats: &mut Vec<Repeat>) -> Self {
        Self(over(self.0, &base.0, repeats))
    }
}

impl Readable for SecretsFile {
    const FORM: Form = Form::Secrets;
    const DEEP: bool = true;

    fn read(reader: &mut Reader<'_>, node: &Node, key: &Key) -> Option<Self> {
        let component = reader.component?;
        if matches!(node.value, Value::Scalar { .. }) {
            reader.tell(literal(node.place, format!("a secret of {component} stands here itself")));
            return None;
        }
        let mut secrets = BTreeMap::new();
        for (name, entry) in reader.named(node, key, component.secrets(), "secret")? {
            secrets.insert(name, reader.entry(entry, &Key { name, form: Form::Secret, ..*key }));
        }
        Some(Self(secrets))
    }

    fn over(self, base: &Self, repeats: &mut Vec<Repeat>) -> Self {
        Self(over(self.0, &base.0, repeats))
    }
}
