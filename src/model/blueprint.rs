//! The shape of a machine: a file in `blueprints/`.

pub mod scalars;
pub mod valid;
pub mod written;

use super::quantity::{Size, Span};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The shape of a machine, whatever it runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blueprint {
    /// The stem of its file.
    pub name: String,
    /// One line for lists.
    pub description: String,
    /// What the machine's disk is made from.
    pub image: Image,
    /// How many processors it gets.
    pub cpus: u32,
    /// How much memory it gets.
    pub memory: Size,
    /// How large its disk is.
    pub disk: Size,
    /// How it is connected.
    pub network: Network,
    /// Folders of this host that it sees.
    pub mounts: Vec<Mount>,
    /// What it is initialised with.
    pub cloud_init: CloudInit,
    /// TCP ports that are reached at its address. Everything else is reached through a tunnel.
    pub ports: Vec<u16>,
    /// Commands that must succeed in it once cloud-init has finished, each a program and its arguments, run as root.
    pub ready: Vec<Vec<String>>,
    /// How long each part of its making may take.
    pub timeouts: Timeouts,
}

/// What a machine's disk is made from, by the words of whoever makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// For LXD: `REMOTE:IMAGE`, or the alias of a local image.
    pub lxd: String,
    /// For Multipass: an alias such as `24.04`, or a remote and an alias.
    pub multipass: String,
    /// The release of Debian that an image is made from where LXD reaches no remote and there is no local one; without
    /// it, none is made.
    pub debian: Option<String>,
}

/// How a machine is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A network of its own behind this host's address (LXD), or what Multipass gives to all.
    Private,
}

/// A folder of this host that a machine sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// On this host; a relative path starts at the project folder.
    pub source: PathBuf,
    /// In the machine.
    pub target: PathBuf,
    /// Whether the machine may change what is in it.
    pub writable: bool,
}

/// What a machine is initialised with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloudInit {
    /// The name of the template: the stem of a file in `cloud-init/`.
    pub template: String,
    /// The template's text, in the language of Tera.
    pub text: String,
    /// What the template is filled with, beside what reportctl gives to each.
    pub inputs: BTreeMap<String, Input>,
}

/// One thing that a template is filled with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Input {
    /// Yes or no.
    Flag(bool),
    /// A text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

/// How long each part of a machine's making may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// Fetching the image, until the machine has an address.
    pub launch: Span,
    /// From then on, until cloud-init has finished.
    pub cloud_init: Span,
    /// From then on, until the blueprint's commands succeed.
    pub ready: Span,
}
