//! What is done to LXD, and when.

mod down;
mod lines;
mod shape;
mod up;

pub(super) use down::down;
pub(super) use up::up;

use super::action::Teardown;
use super::bake::ImageAction;
use crate::model::environment::InstanceKind;
use crate::model::facts::Facts;
use crate::model::guest::Marker;
use crate::model::ids::EnvId;
use crate::model::inventory::RootAccess;
use crate::model::lxd::{Devices, ImageChoice, Settings, Subnet};
use serde::{Deserialize, Serialize};

/// Things done to LXD on this host.
///
/// Whatever is touched must carry the identity that the action names: what has that name and another identity, or none, is
/// left alone, and the action fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LxdAction {
    /// Starts the daemon. It stays when the environment goes: others may use it by then.
    StartDaemon {
        /// How root is reached.
        root: RootAccess,
        /// The systemd unit that starts it; without one it is started as a process of its own.
        unit: Option<String>,
    },
    /// Makes a storage pool, a plain folder, where this host has none at all.
    EnsurePool {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
    },
    /// Makes the network.
    EnsureNetwork {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
        /// Its addresses, which are remembered.
        subnet: Subnet,
    },
    /// Makes the profile, or has it say this and nothing else. What uses it changes with it.
    EnsureProfile {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
        /// What it sets, beside labels.
        config: Settings,
        /// The devices that it gives.
        devices: Devices,
    },
    /// Makes an image, or one from the machine.
    Image {
        /// Which part of it.
        step: ImageAction,
    },
    /// Makes the instance. It is not started.
    Create {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
        /// Whether it is a container or a virtual machine.
        kind: InstanceKind,
        /// What its disk is made from.
        image: ImageChoice,
        /// Its profile.
        profile: String,
        /// The devices of its own: folders of this host.
        devices: Devices,
        /// What cloud-init does when it starts for the first time. It holds no secret.
        user_data: String,
        /// What that leaves when all of it was done.
        marker: Marker,
    },
    /// Gives an instance its profile and its own devices, and takes away others.
    Adapt {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
        /// Its profile.
        profile: String,
        /// The devices of its own.
        devices: Devices,
    },
    /// Starts an instance and waits until it has an address.
    Start {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
        /// What its address is within.
        subnet: Subnet,
    },
    /// Takes the snapshot of an instance that was initialised, and has nothing else in it yet.
    Snapshot {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
    },
    /// Puts an instance back to that snapshot. It does not run afterwards.
    Restore {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
    },
    /// Stops an instance.
    Stop {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
    },
    /// Deletes an instance and its snapshots.
    Delete {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
    },
    /// Deletes a profile.
    DeleteProfile {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
    },
    /// Deletes a network.
    DeleteNetwork {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
    },
    /// Deletes a storage pool.
    DeletePool {
        /// Its name.
        name: String,
        /// Whose it is.
        id: EnvId,
    },
}

impl LxdAction {
    /// How what it makes is taken away again.
    pub const fn teardown(&self) -> Teardown {
        match self {
            Self::StartDaemon { .. } => Teardown::Left("daemon"),
            Self::EnsurePool { .. } => Teardown::By("delete-pool"),
            Self::EnsureNetwork { .. } => Teardown::By("delete-network"),
            Self::EnsureProfile { .. } => Teardown::By("delete-profile"),
            Self::Image { step } => step.teardown(),
            Self::Create { .. } | Self::Adapt { .. } | Self::Start { .. } | Self::Snapshot { .. } => {
                Teardown::By("delete")
            }
            Self::Restore { .. }
            | Self::Stop { .. }
            | Self::Delete { .. }
            | Self::DeleteProfile { .. }
            | Self::DeleteNetwork { .. }
            | Self::DeletePool { .. } => Teardown::Nothing,
        }
    }

    /// What the journal must remember before it is begun.
    pub fn facts(&self) -> Facts {
        match self {
            Self::StartDaemon { root, unit } => {
                Facts { daemon: Some(lines::stop_daemon(*root, unit.as_deref())), ..Facts::default() }
            }
            Self::EnsurePool { name, .. } => Facts { pool: Some(name.clone()), ..Facts::default() },
            Self::EnsureNetwork { subnet, .. } => Facts { subnet: Some(*subnet), ..Facts::default() },
            Self::Image { step } => step.facts(),
            Self::EnsureProfile { .. }
            | Self::Create { .. }
            | Self::Adapt { .. }
            | Self::Start { .. }
            | Self::Snapshot { .. }
            | Self::Restore { .. }
            | Self::Stop { .. }
            | Self::Delete { .. }
            | Self::DeleteProfile { .. }
            | Self::DeleteNetwork { .. }
            | Self::DeletePool { .. } => Facts::default(),
        }
    }
}
