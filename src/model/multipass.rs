//! What was seen of this host's Multipass for one environment.

use super::ids::EnvId;
use super::inventory::Observed;
use super::quantity::Version;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// The snapshot that is taken of an instance once it was initialised, before anything else is in it.
pub const SNAPSHOT: &str = "provisioned";

/// The name of an environment's instance. Multipass has no labels, so the whole identity is in the name: an instance is the
/// environment's if it has exactly this name.
pub fn instance_name(id: &EnvId) -> String {
    format!("report-{id}")
}

/// What was seen of this host's Multipass for one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultipassState {
    /// The program `multipass`.
    pub client: Observed<Version>,
    /// The daemon. Unknown when it does not answer, with the reason.
    pub server: Observed<Version>,
    /// Why the daemon does not answer, where its words tell.
    pub refusal: Option<Refusal>,
    /// The environment's instance.
    pub instance: Observed<Instance>,
    /// Whether it is being made at this moment: then it is not shown yet, and will be there.
    pub is_being_made: bool,
    /// Whether the driver can take snapshots.
    pub snapshots: bool,
    /// What this host lacks for the instance that is to be made, in words: folders that Multipass cannot see, memory, disk.
    pub lacks: Vec<Lack>,
    /// What is to be known before it is made, in words.
    pub remarks: Vec<String>,
}

/// Why the daemon does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Nobody listens at its socket.
    Down,
    /// This user may not use the socket.
    Denied,
    /// It does not know this user's certificate.
    Unauthenticated,
}

/// Something that this host lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// What, as a whole sentence without its stop.
    pub cause: String,
    /// What to do about it.
    pub advice: String,
}

/// What an instance does, in Multipass's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It runs, and lets commands in.
    Running,
    /// It is off.
    Stopped,
    /// It is on its way.
    Starting,
    /// It will be off in a moment.
    Stopping,
    /// It was suspended: its memory is on the disk.
    Suspended,
    /// It was deleted, and its disk is kept until it is purged.
    Deleted,
    /// It runs, and lets nobody in.
    Unknown,
    /// Something else: a word of a later Multipass.
    Other(String),
}

impl Status {
    /// What Multipass's word means.
    pub fn read(word: &str) -> Self {
        match word {
            "Running" => Self::Running,
            "Stopped" => Self::Stopped,
            "Starting" | "Restarting" => Self::Starting,
            "Delayed Shutdown" | "Suspending" => Self::Stopping,
            "Suspended" => Self::Suspended,
            "Deleted" => Self::Deleted,
            "Unknown" => Self::Unknown,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted and not purged",
            Self::Unknown => "running, and lets nobody in",
            Self::Other(word) => word,
        })
    }
}

/// An instance that has the environment's identity in its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// What it does.
    pub status: Status,
    /// Whether it runs.
    pub is_running: bool,
    /// Its address, once it has one.
    pub address: Option<IpAddr>,
    /// Whether its user-data was applied: what its marker holds.
    pub marker: Observed<String>,
    /// How many snapshots it has.
    pub snapshots: u32,
}

impl Instance {
    /// Whether it runs and was initialised.
    pub const fn is_there(&self) -> bool {
        self.is_running && self.marker.present().is_some()
    }
}

impl MultipassState {
    /// Nothing is known of Multipass but that.
    pub fn unseen(client: Observed<Version>, server: Observed<Version>, reason: &str) -> Self {
        Self {
            client,
            server,
            refusal: None,
            instance: Observed::Unknown(reason.to_owned()),
            is_being_made: false,
            snapshots: false,
            lacks: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// The same without what changes by itself and decides nothing: the address that a machine was given.
    #[must_use]
    pub fn steady(&self) -> Self {
        let mut state = self.clone();
        if let Observed::Present(instance) = &mut state.instance {
            instance.address = None;
        }
        state
    }

    /// Whether anything is there that carries the environment's identity.
    pub const fn has_traces(&self) -> bool {
        self.instance.present().is_some() || self.is_being_made
    }
}
