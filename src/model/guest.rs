//! Machines that are not this host, as commands and paths name them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A machine that is not this host: how commands get into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "by", content = "name", rename_all = "kebab-case")]
pub enum Guest {
    /// An instance of this host's LXD: a container or a virtual machine.
    Lxd(String),
    /// An instance of this host's Multipass.
    Multipass(String),
}

impl Guest {
    /// The instance's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Lxd(name) | Self::Multipass(name) => name,
        }
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lxd(name) => write!(f, "LXD instance {name}"),
            Self::Multipass(name) => write!(f, "Multipass instance {name}"),
        }
    }
}

/// What an environment has its machine made by. It is remembered from the first entry on, since what was made there must be
/// found there also when the environment's file says something else by then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MadeBy {
    /// Nobody: the components run on this host.
    #[default]
    Host,
    /// This host's LXD.
    Lxd,
    /// This host's Multipass.
    Multipass,
}

impl fmt::Display for MadeBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "this host",
            Self::Lxd => "LXD",
            Self::Multipass => "Multipass",
        })
    }
}

/// Where the components are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// On this host.
    Host,
    /// In a machine.
    Guest(Guest),
}

/// The file that user-data leaves in a machine as its very last act.
pub const MARKER: &str = "/var/lib/reportctl/provisioned";

/// What user-data leaves in a machine when all of it was done: cloud-init says *done* also where it ignored the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// The file.
    pub path: PathBuf,
    /// What it holds: the digest of the user-data that was applied.
    pub text: String,
}

/// What everything that is made for an environment carries, as labels where there are labels, else in its name.
pub mod label {
    /// The identity.
    pub const ID: &str = "reportctl.id";
    /// The environment's name.
    pub const ENV: &str = "reportctl.env";
    /// Who made it, as this host knows that person.
    pub const OWNER: &str = "reportctl.owner";
    /// The run that made it.
    pub const RUN: &str = "reportctl.run";
}
