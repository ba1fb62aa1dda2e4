//! What the fake's daemon knows, kept in a file: it survives the end of every process.

use super::backend::Spec;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What an instance does, as the daemon sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Running,
    Stopped,
    Starting,
    Restarting,
    Suspending,
    Suspended,
    Unknown,
    DelayedShutdown,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "Running",
            Self::Stopped => "Stopped",
            Self::Starting => "Starting",
            Self::Restarting => "Restarting",
            Self::Suspending => "Suspending",
            Self::Suspended => "Suspended",
            Self::Unknown => "Unknown",
            Self::DelayedShutdown => "Delayed Shutdown",
        })
    }
}

/// What the image of an instance was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image {
    /// Such as `24.04 LTS`.
    pub(crate) release: String,
    pub(crate) hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) comment: String,
    pub(crate) parent: String,
    pub(crate) created: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) spec: Spec,
    pub(crate) image: Image,
    pub(crate) phase: Phase,
    pub(crate) deleted: bool,
    /// What is mounted, by target.
    pub(crate) mounts: BTreeMap<String, PathBuf>,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    /// How many snapshots there ever were.
    pub(crate) snapshot_count: u64,
    /// The snapshot that it stands on.
    pub(crate) head: String,
    pub(crate) clones: u64,
}

/// All that the daemon knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) instances: BTreeMap<String, Instance>,
    /// The names that are made just now, and the process that does it.
    pub(crate) preparing: BTreeMap<String, u32>,
    pub(crate) settings: BTreeMap<String, String>,
    /// Whether the list of images was fetched anew on request.
    pub(crate) updated: bool,
    /// How often each fault has had its turn.
    pub(crate) turns: BTreeMap<String, u64>,
}

/// An exclusive lock, until it is dropped.
pub(crate) struct Lock(#[expect(dead_code, reason = "the kernel frees the lock when the file is closed")] File);

/// Waits for the lock of that file.
pub(crate) fn lock(path: &Path) -> Result<Lock, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    Ok(Lock(file))
}

/// Writes a file as a whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = File::create(&fresh).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)
}

impl State {
    /// What is known now.
    pub(crate) fn read(home: &Path) -> Result<Self, String> {
        Self::change(home, std::mem::take, false)
    }

    /// Changes what is known, with nobody beside.
    pub(crate) fn update<T>(home: &Path, change: impl FnOnce(&mut Self) -> T) -> Result<T, String> {
        Self::change(home, change, true)
    }

    fn change<T>(home: &Path, change: impl FnOnce(&mut Self) -> T, write: bool) -> Result<T, String> {
        let _lock = lock(&home.join("lock"))?;
        let path = home.join("state.json");
        let mut state = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let result = change(&mut state);
        if write {
            let text = serde_json::to_string_pretty(&state).map_err(|error| error.to_string())?;
            replace(&path, text.as_bytes())?;
        }
        Ok(result)
    }
}
