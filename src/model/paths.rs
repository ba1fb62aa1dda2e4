//! Where one environment keeps its files on this host. Every path is derived here and nowhere else.

use super::component::ComponentName;
use super::ids::{EnvName, RunId, SecretName};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How the files of the components lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// All within the environment's own folder.
    #[default]
    Folder,
    /// In a machine of its own: where Debian puts such things, `/etc/reportctl` and `/var/lib/reportctl`. Each component has
    /// a user of its own there, and reads its secrets from files of its own.
    System,
}

/// The folders of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// The environment's own folder, `…/reportctl/envs/NAME`, of mode 0700. All but the lock lies within.
    pub root: PathBuf,
    /// The file that `flock` locks. It lies beside the root, so that the root can be removed under the lock.
    pub lock: PathBuf,
    /// A folder for the data of components that run as a user of their own, which could not reach into `root`:
    /// used only by root, for PostgreSQL. `/var/lib/reportctl/NAME`.
    pub shared_data: PathBuf,
    /// How the files of the components lie.
    #[serde(default)]
    pub layout: Layout,
}

impl Paths {
    /// The folders of environment `name` under the state folder `state` (`$XDG_STATE_HOME/reportctl`).
    pub fn new(state: &Path, name: &EnvName) -> Self {
        Self {
            root: state.join("envs").join(name.as_str()),
            lock: state.join("locks").join(format!("{name}.lock")),
            shared_data: Path::new("/var/lib/reportctl").join(name.as_str()),
            layout: Layout::Folder,
        }
    }

    /// The folders in a machine that is there for the stack alone. They hold nothing of the environment's own records.
    pub fn system() -> Self {
        let data = PathBuf::from("/var/lib/reportctl");
        Self { root: data.clone(), lock: data.join("lock"), shared_data: data, layout: Layout::System }
    }

    /// The key by which this host opens tunnels into the environment's machine, mode 0600; its public half is beside it.
    pub fn key(&self) -> PathBuf {
        self.root.join("machine").join("id_ed25519")
    }

    /// The machine's own keys, in the form of `known_hosts`.
    pub fn known_hosts(&self) -> PathBuf {
        self.root.join("machine").join("known_hosts")
    }

    /// Holds the identity: one line. A folder without it is not ours.
    pub fn identity(&self) -> PathBuf {
        self.root.join("identity")
    }

    /// Holds the journals.
    pub fn journals(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The journal of one run.
    pub fn journal(&self, run: &RunId) -> PathBuf {
        self.journals().join(format!("{run}.journal"))
    }

    /// Holds the secrets, mode 0700.
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    /// The file of one secret, mode 0600.
    pub fn secret(&self, name: &SecretName) -> PathBuf {
        self.secrets().join(name.as_str())
    }

    /// Holds a component's configuration.
    pub fn config(&self, component: ComponentName) -> PathBuf {
        match self.layout {
            Layout::Folder => self.root.join("config").join(component.as_str()),
            Layout::System => Path::new("/etc/reportctl").join(component.as_str()),
        }
    }

    /// Holds a component's data.
    pub fn data(&self, component: ComponentName) -> PathBuf {
        match self.layout {
            Layout::Folder => self.root.join("data").join(component.as_str()),
            Layout::System => self.root.join(component.as_str()),
        }
    }

    /// The file that a component's one-time preparation leaves as its proof.
    pub fn prepared(&self, component: ComponentName) -> PathBuf {
        self.root.join("prepared").join(component.as_str())
    }

    /// Holds the logs of all components and of the agent.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The log of one component.
    pub fn log(&self, component: ComponentName) -> PathBuf {
        self.logs().join(format!("{component}.log"))
    }

    /// Holds the agent's socket and its record.
    pub fn agent(&self) -> PathBuf {
        self.root.join("agent")
    }

    /// Holds what was learnt of programs and packages, which costs too much to ask each time. May be lost.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Holds what a smoke test needs for moments.
    pub fn smoke(&self) -> PathBuf {
        self.root.join("smoke")
    }

    /// Holds what failed runs gathered.
    pub fn dossiers(&self) -> PathBuf {
        self.root.join("dossiers")
    }
}
