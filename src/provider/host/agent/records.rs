//! What the agent leaves in its folder, so that others can find it and what it started, even after it was killed.

use crate::exec::Identity;
use crate::fs::{self, FsError};
use crate::model::component::ComponentName;
use crate::model::ids::EnvId;
use crate::model::inventory::Observed;
use crate::model::paths::Paths;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `agent/agent.json`: the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentRecord {
    /// The version of the protocol that it speaks.
    pub protocol: u32,
    /// The environment that it looks after.
    pub id: EnvId,
    /// Its process.
    pub process: Identity,
    /// The kernel's identity of the boot that it was started in.
    pub boot: String,
}

/// `agent/services.json`: one process that the agent started last for a component.
///
/// A program that overwrites its own environment (to change the name that `ps` shows) hides its marker; this finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRecord {
    /// The process.
    pub process: Identity,
    /// The boot that it was started in.
    pub boot: String,
    /// The components that must be stopped after it.
    pub needs: Vec<ComponentName>,
}

/// The kernel's identity of the current boot.
pub fn boot_id() -> Observed<String> {
    match fs::observe(Path::new("/proc/sys/kernel/random/boot_id")) {
        Observed::Present(text) => Observed::Present(text.trim().to_owned()),
        other => other,
    }
}

/// The folder's socket.
pub const SOCKET: &str = "socket";

pub fn lock_path(paths: &Paths) -> PathBuf {
    paths.agent().join("lock")
}

pub fn agent_record(paths: &Paths) -> PathBuf {
    paths.agent().join("agent.json")
}

pub fn service_records(paths: &Paths) -> PathBuf {
    paths.agent().join("services.json")
}

/// What an agent that is or was there has left about itself.
pub fn observe_agent_record(paths: &Paths) -> Observed<AgentRecord> {
    observe(&agent_record(paths))
}

/// What it has left about its services.
pub fn observe_service_records(paths: &Paths) -> Observed<BTreeMap<ComponentName, ServiceRecord>> {
    observe(&service_records(paths))
}

fn observe<T: DeserializeOwned>(path: &Path) -> Observed<T> {
    match fs::observe(path) {
        Observed::Present(text) => match serde_json::from_str(&text) {
            Ok(record) => Observed::Present(record),
            Err(error) => Observed::Unknown(format!("{} is not what the agent wrote: {error}", path.display())),
        },
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
    }
}

/// Writes a record. It must survive our own death and not that of the host: after a boot it means nothing.
pub fn write<T: Serialize>(path: &Path, record: &T) -> Result<(), FsError> {
    let text = serde_json::to_vec(record).map_err(|error| FsError {
        what: "write",
        path: path.to_owned(),
        source: error.into(),
    })?;
    fs::replace(path, &text, 0o600)
}
