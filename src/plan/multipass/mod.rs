//! What is done to Multipass, and when.

mod down;
mod lines;
mod up;

pub(super) use down::down;
pub(super) use up::up;

use super::action::Teardown;
use crate::model::facts::Facts;
use crate::model::ids::EnvId;
use crate::model::quantity::Size;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Things done to Multipass on this host.
///
/// Every action names an instance whose name holds the identity that the action names; else it fails, and nothing is
/// touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MultipassAction {
    /// Makes the instance and starts it.
    Launch {
        /// Its name.
        name: String,
        /// The identity that is in it.
        id: EnvId,
        /// What it is like.
        shape: Shape,
        /// What cloud-init does when it starts for the first time. It holds no secret.
        user_data: String,
    },
    /// Brings back an instance that was deleted and not purged. It does not run afterwards.
    Recover {
        /// Its name.
        name: String,
        /// The identity that is in it.
        id: EnvId,
    },
    /// Starts an instance that is stopped or suspended, or waits until one that is on its way runs.
    Start {
        /// Its name.
        name: String,
        /// The identity that is in it.
        id: EnvId,
    },
    /// Stops an instance that lets nobody in by force, and starts it.
    Revive {
        /// Its name.
        name: String,
        /// The identity that is in it.
        id: EnvId,
    },
    /// Stops an instance, takes the snapshot of it, and starts it.
    Snapshot {
        /// Its name.
        name: String,
        /// The identity that is in it.
        id: EnvId,
    },
    /// Puts an instance back to that snapshot. It does not run afterwards.
    Restore {
        /// Its name.
        name: String,
        /// The identity that is in it.
        id: EnvId,
    },
    /// Stops an instance.
    Stop {
        /// Its name.
        name: String,
        /// The identity that is in it.
        id: EnvId,
    },
    /// Deletes an instance with its disk and its snapshots.
    Delete {
        /// Its name.
        name: String,
        /// The identity that is in it.
        id: EnvId,
    },
}

/// What an instance is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// What its disk is made from, in Multipass's words.
    pub image: String,
    /// How many processors it gets.
    pub cpus: u32,
    /// How much memory it gets.
    pub memory: Size,
    /// How large its disk is.
    pub disk: Size,
    /// Folders of this host that it sees, by where it sees them.
    pub mounts: BTreeMap<PathBuf, PathBuf>,
}

impl Shape {
    /// The words that launch an instance of this shape. Its user-data comes over standard input: no path crosses the
    /// border of the snap. `limit` is the longest, in seconds, that Multipass itself waits.
    pub fn launch(&self, name: &str, limit: u64) -> Vec<String> {
        let mut words: Vec<String> = ["multipass", "launch", &self.image, "--name", name].map(str::to_owned).to_vec();
        words.extend(["--cpus".to_owned(), self.cpus.to_string()]);
        words.extend(["--memory".to_owned(), format!("{}B", self.memory.bytes())]);
        words.extend(["--disk".to_owned(), format!("{}B", self.disk.bytes())]);
        words.extend(["--cloud-init", "-", "--timeout", &limit.to_string()].map(str::to_owned));
        for (target, source) in &self.mounts {
            words.extend(["--mount".to_owned(), format!("{}:{}", source.display(), target.display())]);
        }
        words
    }
}

impl MultipassAction {
    /// How what it makes is taken away again.
    pub const fn teardown(&self) -> Teardown {
        match self {
            Self::Launch { .. }
            | Self::Recover { .. }
            | Self::Start { .. }
            | Self::Revive { .. }
            | Self::Snapshot { .. } => Teardown::By("delete"),
            Self::Restore { .. } | Self::Stop { .. } | Self::Delete { .. } => Teardown::Nothing,
        }
    }

    /// What the journal must remember before it is begun: nothing, since the name follows from the identity.
    pub fn facts(&self) -> Facts {
        Facts::default()
    }

    /// The instance that it is about, and the identity that must be in its name.
    pub const fn instance(&self) -> (&String, &EnvId) {
        match self {
            Self::Launch { name, id, .. }
            | Self::Recover { name, id }
            | Self::Start { name, id }
            | Self::Revive { name, id }
            | Self::Snapshot { name, id }
            | Self::Restore { name, id }
            | Self::Stop { name, id }
            | Self::Delete { name, id } => (name, id),
        }
    }
}
