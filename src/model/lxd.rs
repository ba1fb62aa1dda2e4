//! What was seen of this host's LXD for one environment.

mod subnet;

pub use subnet::Subnet;

use super::environment::InstanceKind;
use super::guest::Marker;
use super::ids::EnvId;
use super::inventory::{Observed, Package};
use super::quantity::{Size, Version};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Keys and values, as LXD keeps them: all of them are texts.
pub type Settings = BTreeMap<String, String>;
/// Devices by name.
pub type Devices = BTreeMap<String, Settings>;

/// What labels of an object are called in LXD: `user.` and the label.
pub const LABELS: &str = "user.";
/// Beside the labels of all: where the user-data of an instance leaves its marker.
pub const MARKER_PATH: &str = "user.reportctl.marker";
/// What that marker will hold.
pub const MARKER_TEXT: &str = "user.reportctl.user-data";
/// Set on an instance once its snapshot was taken, so that no other one is taken of what holds secrets by then.
pub const PROVISIONED: &str = "user.reportctl.provisioned";
/// The snapshot of an instance as it was when it had been initialised.
pub const SNAPSHOT: &str = "provisioned";

/// What the things of one environment are called in LXD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The instance.
    pub instance: String,
    /// Its profile.
    pub profile: String,
    /// Its network: at most 15 letters, as the kernel's interfaces.
    pub network: String,
    /// The storage pool, where there is none to use.
    pub pool: String,
}

impl Names {
    /// The names of what carries that identity.
    pub fn of(id: &EnvId) -> Self {
        let all = format!("report-{id}");
        let random = id.as_str().rsplit_once('-').map_or(id.as_str(), |(_, random)| random);
        Self { instance: all.clone(), profile: all.clone(), network: format!("rc{random}"), pool: all }
    }
}

/// What was seen of this host's LXD for one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LxdState {
    /// The program `lxc`.
    pub client: Observed<Version>,
    /// The daemon. Absent when none runs; unknown when it does not answer, with the reason.
    pub server: Observed<Version>,
    /// Whether the daemon is there and this user may not speak to it.
    pub is_denied: bool,
    /// The packages of this host that LXD and the way into its instances consist of.
    pub packages: BTreeMap<String, Package>,
    /// Of the packages of this host that an image is made with, those whose programs are not there. Only asked where that
    /// matters.
    pub image_tools: BTreeMap<String, Package>,
    /// Of the systemd units that start the daemon, those that are there.
    pub units: BTreeSet<String>,
    /// What the daemon cannot do and we need, by the names of its API extensions.
    pub lacks: BTreeSet<String>,
    /// Why the daemon cannot run virtual machines; none where it can.
    pub no_machines: Option<String>,
    /// The storage pools.
    pub pools: BTreeMap<String, Pool>,
    /// The pool that LXD's profile `default` uses.
    pub default_pool: Option<String>,
    /// The network of ours.
    pub network: Observed<Network>,
    /// The profile of ours.
    pub profile: Observed<Profile>,
    /// The environment's instance.
    pub instance: Observed<Instance>,
    /// What has a name of ours and another identity, or none.
    pub foreign: Vec<Foreign>,
    /// What carries our identity beside that: copies that an image was being made of.
    pub leftovers: Vec<Leftover>,
    /// What LXD is doing to an instance of our name at this moment, in its own words.
    pub busy: Option<String>,
    /// The images of this host.
    pub images: Vec<Image>,
    /// Whether the remote of the blueprint's image answers. Only asked where that matters.
    pub remote: Observed<()>,
    /// The ranges of addresses that this host reaches somebody in, or that LXD gives to others.
    pub taken: BTreeSet<Subnet>,
}

impl LxdState {
    /// Nothing is known of LXD but that.
    pub fn unseen(client: Observed<Version>, server: Observed<Version>, reason: &str) -> Self {
        Self {
            client,
            server,
            is_denied: false,
            packages: BTreeMap::new(),
            image_tools: BTreeMap::new(),
            units: BTreeSet::new(),
            lacks: BTreeSet::new(),
            no_machines: None,
            pools: BTreeMap::new(),
            default_pool: None,
            network: Observed::Unknown(reason.to_owned()),
            profile: Observed::Unknown(reason.to_owned()),
            instance: Observed::Unknown(reason.to_owned()),
            foreign: Vec::new(),
            leftovers: Vec::new(),
            busy: None,
            images: Vec::new(),
            remote: Observed::Unknown("nobody asked".to_owned()),
            taken: BTreeSet::new(),
        }
    }

    /// The same without what changes by itself and decides nothing: free space, the address that a machine was given.
    #[must_use]
    pub fn steady(&self) -> Self {
        let mut state = self.clone();
        for pool in state.pools.values_mut() {
            pool.free = pool.free.filter(|free| *free < Pool::ENOUGH);
        }
        if let Observed::Present(instance) = &mut state.instance {
            instance.address = None;
        }
        state.busy = None;
        state
    }

    /// Whether anything is there that carries the environment's identity.
    pub fn has_traces(&self) -> bool {
        self.instance.present().is_some()
            || self.network.present().is_some()
            || self.profile.present().is_some()
            || self.busy.is_some()
            || self.pools.values().any(|pool| pool.is_ours)
            || !self.leftovers.is_empty()
    }

    /// The image of that alias.
    pub fn alias(&self, alias: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.aliases.contains(alias))
    }
}

/// A storage pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// What keeps it: `dir`, `zfs`, …
    pub driver: String,
    /// How much is free in it, where LXD can tell.
    pub free: Option<Size>,
    /// Whether it was made for this environment.
    pub is_ours: bool,
}

impl Pool {
    /// What an instance with the stack takes, and room to work.
    pub const ENOUGH: Size = Size(4 << 30);
}

/// A network that was made for this environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its addresses.
    pub subnet: Option<Subnet>,
}

/// A profile that was made for this environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What it sets, labels included.
    pub config: Settings,
    /// The devices that it gives.
    pub devices: Devices,
}

/// An instance that carries the environment's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub is_running: bool,
    /// Its address in the environment's network, once it has one.
    pub address: Option<IpAddr>,
    /// Whether its user-data was applied: what its marker holds.
    pub marker: Observed<String>,
    /// Whether it is a container or a virtual machine.
    pub kind: InstanceKind,
    /// What its user-data leaves when it was applied, as it was said when the instance was made.
    pub promised: Option<Marker>,
    /// The profiles that it uses.
    pub profiles: Vec<String>,
    /// The devices of its own.
    pub devices: Devices,
    /// Its snapshots.
    pub snapshots: BTreeSet<String>,
    /// Whether the snapshot of the initialised instance was taken.
    pub is_provisioned: bool,
    /// The fingerprint of the image that it was made from.
    pub image: Option<String>,
}

impl Instance {
    /// Whether it runs and was initialised.
    pub const fn is_there(&self) -> bool {
        self.is_running && self.marker.present().is_some()
    }
}

/// Something that has a name of ours and is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The identity that it carries, if any.
    pub id: Option<String>,
}

/// Kinds of things in LXD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A container or a virtual machine.
    Instance,
    /// A profile.
    Profile,
    /// A network.
    Network,
    /// A storage pool.
    Pool,
}

impl Kind {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Profile => "profile",
            Self::Network => "network",
            Self::Pool => "storage pool",
        }
    }
}

/// Something of ours beside what every environment has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// An image of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its SHA-256.
    pub fingerprint: String,
    /// Its names.
    pub aliases: BTreeSet<String>,
    /// What it says of itself.
    pub properties: Settings,
    /// How large it is.
    pub size: Size,
    /// When it came, as RFC 3339.
    pub uploaded: String,
    /// What can be made from it.
    pub kind: InstanceKind,
}

/// What an instance's disk is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum ImageChoice {
    /// An image of this host that a person has named.
    Alias {
        /// Its alias.
        alias: String,
    },
    /// An image that is fetched.
    Remote {
        /// The remote, a colon and the image.
        image: String,
    },
    /// A plain image that we make with mmdebstrap.
    Base {
        /// The digest of its recipe.
        digest: String,
    },
    /// An image that was baked: it holds all packages already.
    Baked {
        /// Its fingerprint.
        fingerprint: String,
    },
}

impl ImageChoice {
    /// The alias of the plain image of that recipe.
    pub fn base_alias(digest: &str) -> String {
        format!("report-base-{}", digest.get(..12).unwrap_or(digest))
    }

    /// The image as `lxc init` takes it.
    pub fn reference(&self) -> String {
        match self {
            Self::Alias { alias } => format!("local:{alias}"),
            Self::Remote { image } => image.clone(),
            Self::Base { digest } => format!("local:{}", Self::base_alias(digest)),
            Self::Baked { fingerprint } => format!("local:{fingerprint}"),
        }
    }
}
