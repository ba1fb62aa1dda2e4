//! The answers of LXD's interface (REST, version 1.0), as far as they are used. Other fields are passed over.

use crate::model::environment::InstanceKind;
use crate::model::guest::{Marker, label};
use crate::model::lxd::{self, Devices, LABELS, MARKER_PATH, MARKER_TEXT, PROVISIONED, Settings, Subnet};
use crate::model::quantity::{Size, Version};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// `GET /1.0`.
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    /// What it can do.
    pub api_extensions: Vec<String>,
    /// `trusted` where we may do anything.
    pub auth: String,
    /// What it runs on.
    pub environment: Runtime,
}

/// Within [`Server`].
#[derive(Debug, Clone, Deserialize)]
pub struct Runtime {
    /// The version of the daemon.
    pub server_version: String,
    /// The drivers of instances: `lxc`, or `lxc | qemu`.
    pub driver: String,
}

impl Server {
    /// The version of the daemon.
    pub fn version(&self) -> Option<Version> {
        Version::parse(&self.environment.server_version)
            .ok()
            .or_else(|| Version::find(&self.environment.server_version))
    }
}

/// A storage pool.
#[derive(Debug, Clone, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Its settings.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Settings,
}

/// `GET /1.0/storage-pools/NAME/resources`.
#[derive(Debug, Clone, Deserialize)]
pub struct Resources {
    /// Its bytes.
    pub space: Space,
}

/// Within [`Resources`].
#[derive(Debug, Clone, Deserialize)]
pub struct Space {
    total: u64,
    #[serde(default)]
    used: u64,
}

impl Resources {
    /// How much is free; none where it cannot be told, as of a Ceph pool without rights.
    pub fn free(&self) -> Option<Size> {
        (self.space.total > 0).then(|| Size(self.space.total.saturating_sub(self.space.used)))
    }
}

/// A network, of LXD's or of this host.
#[derive(Debug, Clone, Deserialize)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its settings.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Settings,
}

impl Network {
    /// Its IPv4 addresses, where it has any.
    pub fn subnet(&self) -> Option<Subnet> {
        self.config.get("ipv4.address").and_then(|address| Subnet::parse(address).ok())
    }
}

/// A profile.
#[derive(Debug, Clone, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it sets.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Settings,
    /// The devices that it gives.
    #[serde(default, deserialize_with = "or_default")]
    pub devices: Devices,
}

/// An instance, with what is known only at this moment where that was asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// `Running`, `Stopped`, `Frozen`, …
    pub status: String,
    /// `container` or `virtual-machine`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its own settings.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Settings,
    /// Its own devices.
    #[serde(default, deserialize_with = "or_default")]
    pub devices: Devices,
    /// The profiles that it uses.
    #[serde(default, deserialize_with = "or_default")]
    pub profiles: Vec<String>,
    /// How it does.
    #[serde(default)]
    pub state: Option<State>,
    /// Its snapshots.
    #[serde(default, deserialize_with = "or_default")]
    pub snapshots: Vec<Snapshot>,
}

/// `GET /1.0/instances/NAME/state`.
#[derive(Debug, Clone, Deserialize)]
pub struct State {
    /// As in [`Instance`].
    pub status: String,
    /// The interfaces, while it runs.
    #[serde(default, deserialize_with = "or_default")]
    pub network: BTreeMap<String, Interface>,
}

/// Within [`State`].
#[derive(Debug, Clone, Deserialize)]
pub struct Interface {
    #[serde(default, deserialize_with = "or_default")]
    addresses: Vec<Address>,
}

#[derive(Debug, Clone, Deserialize)]
struct Address {
    family: String,
    address: String,
    scope: String,
}

/// Within [`Instance`].
#[derive(Debug, Clone, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
}

impl State {
    /// The address in that network. Others are of networks that programs in the machine have made.
    pub fn address(&self, within: Subnet) -> Option<IpAddr> {
        let all = self.network.values().flat_map(|interface| &interface.addresses);
        let global = all.filter(|address| address.family == "inet" && address.scope == "global");
        global.filter_map(|address| address.address.parse().ok()).find(|address| within.holds(*address)).map(IpAddr::V4)
    }
}

impl Instance {
    /// Whether it is a container or a virtual machine.
    pub fn kind(&self) -> InstanceKind {
        kind(&self.kind)
    }

    /// What its user-data leaves, as it was said when it was made.
    pub fn promised(&self) -> Option<Marker> {
        let (path, text) = (self.config.get(MARKER_PATH)?, self.config.get(MARKER_TEXT)?);
        Some(Marker { path: PathBuf::from(path), text: text.clone() })
    }

    /// Whether the snapshot of the initialised instance was taken.
    pub fn is_provisioned(&self) -> bool {
        self.config.contains_key(PROVISIONED)
    }
}

/// An image.
#[derive(Debug, Clone, Deserialize)]
pub struct Image {
    fingerprint: String,
    #[serde(default, deserialize_with = "or_default")]
    aliases: Vec<Alias>,
    #[serde(default, deserialize_with = "or_default")]
    properties: Settings,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    uploaded_at: String,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Alias {
    name: String,
}

impl From<Image> for lxd::Image {
    fn from(image: Image) -> Self {
        Self {
            fingerprint: image.fingerprint,
            aliases: image.aliases.into_iter().map(|alias| alias.name).collect(),
            properties: image.properties,
            size: Size(image.size),
            uploaded: image.uploaded_at,
            kind: kind(&image.kind),
        }
    }
}

fn kind(text: &str) -> InstanceKind {
    if text == "virtual-machine" { InstanceKind::VirtualMachine } else { InstanceKind::Container }
}

/// `GET /1.0/operations?recursion=1`: by their state.
pub type Operations = BTreeMap<String, Vec<Operation>>;

/// Something that LXD does in the background.
#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    /// What it is, in words: `Creating instance`.
    pub description: String,
    #[serde(default, deserialize_with = "or_default")]
    resources: BTreeMap<String, Vec<String>>,
    #[serde(default, deserialize_with = "or_default")]
    metadata: BTreeMap<String, serde_json::Value>,
}

impl Operation {
    /// Whether it is about the instance of that name.
    pub fn is_about(&self, instance: &str) -> bool {
        let end = format!("/{instance}");
        let all = self.resources.iter().filter(|(kind, _)| *kind == "instances" || *kind == "containers");
        all.flat_map(|(_, paths)| paths).any(|path| path.split('?').next().unwrap_or(path).ends_with(&end))
    }

    /// How far it is, in LXD's words: `Unpack: 45% (3.2MB/s)`.
    pub fn progress(&self) -> Option<&str> {
        self.metadata.iter().find(|(key, _)| key.ends_with("_progress"))?.1.as_str()
    }
}

/// What LXD does to an instance at this moment, beside running commands in it.
pub fn running<'a>(operations: &'a Operations, instance: &str) -> Option<&'a Operation> {
    let all = operations.iter().filter(|(state, _)| *state == "running" || *state == "pending");
    let mut all = all.flat_map(|(_, operations)| operations);
    all.find(|operation| operation.is_about(instance) && operation.description != "Executing command")
}

/// The identity that something carries.
pub fn identity(config: &Settings) -> Option<&String> {
    config.get(&format!("{LABELS}{}", label::ID))
}

/// LXD says `null` for what is empty.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    //! On what LXD 5.0.2 of Debian 12 said, container and all; what is of a virtual machine was written after vms.md's
    //! exchanges and is named so.
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_server_says_what_it_is() {
        let server: Server = read(include_str!("../../../tests/fixtures/lxd/5.0.2/server.json"));
        assert_eq!(server.version().map(|version| version.to_string()).as_deref(), Some("5.0.2"));
        assert_eq!((server.auth.as_str(), server.environment.driver.as_str()), ("trusted", "lxc"));
        assert!(server.api_extensions.iter().any(|name| name == "cloud_init"));
    }

    #[test]
    fn a_running_container_has_the_address_of_its_network() {
        let all: Vec<Instance> = read(include_str!("../../../tests/fixtures/lxd/5.0.2/instances.json"));
        let one = &all[0];
        assert_eq!((one.status.as_str(), one.kind()), ("Running", InstanceKind::Container));
        let state = one.state.as_ref().unwrap();
        let within = |text: &str| state.address(Subnet::parse(text).unwrap()).map(|address| address.to_string());
        assert!(within("10.88.31.0/24").is_some_and(|address| address.starts_with("10.88.31.")));
        // Neither the loopback interface nor what a program in it has made.
        assert_eq!(within("127.0.0.0/8"), None);
        assert_eq!(within("10.77.0.0/24"), None);
        assert_eq!(identity(&one.config).map(String::as_str), Some("probe-lxdroom1"));
        assert!(!one.is_provisioned() && one.snapshots.is_empty() && one.promised().is_none());
    }

    #[test]
    fn snapshots_and_labels_of_an_instance_are_read() {
        let one: Instance = read(include_str!("../../../tests/fixtures/lxd/5.0.2/instance.json"));
        assert_eq!(one.snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect::<Vec<_>>(), ["provisioned"]);
        assert_eq!(one.profiles, ["report-probe-lxdroom1"]);
    }

    #[test]
    fn a_virtual_machine_has_an_address_by_whatever_its_interface_is_called() {
        let one: Instance = read(include_str!("../../../tests/fixtures/lxd/recorded-vm/instance.json"));
        assert_eq!(one.kind(), InstanceKind::VirtualMachine);
        let address = one.state.unwrap().address(Subnet::parse("10.99.7.0/24").unwrap());
        assert_eq!(address.map(|address| address.to_string()).as_deref(), Some("10.99.7.23"));
    }

    #[test]
    fn networks_profiles_pools_and_images_are_read() {
        let networks: Vec<Network> = read(include_str!("../../../tests/fixtures/lxd/5.0.2/networks.json"));
        let ours = networks.iter().find(|network| network.name == "rclxdroom1").unwrap();
        assert_eq!(ours.subnet().map(|subnet| subnet.to_string()).as_deref(), Some("10.88.31.0/24"));
        assert_eq!(networks.iter().filter(|network| network.subnet().is_some()).count(), 2);
        let profiles: Vec<Profile> = read(include_str!("../../../tests/fixtures/lxd/5.0.2/profiles.json"));
        assert_eq!(profiles[0].devices["root"]["pool"], "default");
        let pools: Vec<Pool> = read(include_str!("../../../tests/fixtures/lxd/5.0.2/storage-pools.json"));
        assert_eq!((pools[0].name.as_str(), pools[0].driver.as_str()), ("default", "dir"));
        let free: Resources = read(include_str!("../../../tests/fixtures/lxd/5.0.2/storage-pool-resources.json"));
        assert_eq!(free.free(), Some(Size(270_553_174_016 - 70_403_133_440)));
        let images: Vec<Image> = read(include_str!("../../../tests/fixtures/lxd/5.0.2/images.json"));
        let image: lxd::Image = images[0].clone().into();
        assert!(image.aliases.contains("probe-bookworm") && image.fingerprint.len() == 64);
    }

    #[test]
    fn an_operation_is_found_by_its_instance_and_says_how_far_it_is() {
        let all: Operations = read(include_str!("../../../tests/fixtures/lxd/5.0.2/operations.json"));
        let operation = running(&all, "report-probe-lxdroom1").unwrap();
        assert_eq!(operation.description, "Creating instance");
        assert_eq!(operation.progress(), Some("Unpack: 100% (5.23GB/s)"));
        assert!(running(&all, "probe-lxdroom1").is_none(), "a name that another one ends with is another one");
    }
}
