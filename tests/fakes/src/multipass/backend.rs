//! What runs the instances of the fake: the seam behind which there are containers of LXD, a script, or whatever else can
//! run a command.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// What an instance is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The instance's name, as Multipass knows it.
    pub(crate) name: String,
    pub(crate) cpus: u64,
    /// Bytes.
    pub(crate) memory: u64,
    /// Bytes.
    pub(crate) disk: u64,
    pub(crate) seed: Seed,
}

/// The files of the NoCloud seed, as Multipass writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seed {
    pub(crate) meta_data: String,
    pub(crate) user_data: String,
    pub(crate) vendor_data: String,
    pub(crate) network_config: String,
}

/// What a backend's instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Runs,
    Stopped,
    Frozen,
    /// There is none.
    Nothing,
}

/// What is seen of an instance that runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) addresses: Vec<String>,
    /// Such as `Ubuntu 24.04.2 LTS`.
    pub(crate) release: String,
    pub(crate) cpus: String,
    pub(crate) load: Vec<f64>,
    /// Total and used bytes.
    pub(crate) disk: Option<(u64, u64)>,
    /// Total and used bytes.
    pub(crate) memory: Option<(u64, u64)>,
}

/// What a command reads.
pub(crate) enum Input<'a> {
    /// Nothing.
    Nothing,
    /// What the fake itself reads, to its end.
    Own,
    /// The content of a file.
    File(&'a Path),
}

/// Where a command's output goes; its errors go to the fake's own.
pub(crate) enum Sink<'a> {
    /// The fake's own output.
    Own,
    /// A file that is made anew.
    File(&'a Path),
}

/// A command in an instance, run as `ubuntu` by its login shell.
pub(crate) struct Command<'a> {
    pub(crate) name: &'a str,
    /// As the shell reads it.
    pub(crate) line: &'a str,
    pub(crate) argv: &'a [String],
    pub(crate) input: Input<'a>,
    pub(crate) output: Sink<'a>,
}

/// Runs instances. Every name is Multipass's own; every error is a text for the end of the fake's own error.
pub(crate) trait Backend {
    /// Makes an instance, and does not start it.
    fn create(&self, spec: &Spec) -> Result<(), String>;
    /// Starts one that is stopped or frozen.
    fn start(&self, name: &str) -> Result<(), String>;
    /// Stops one that runs; at once where `force`.
    fn stop(&self, name: &str, force: bool) -> Result<(), String>;
    /// Freezes one that runs.
    fn suspend(&self, name: &str) -> Result<(), String>;
    /// Removes one, whatever it does. That there is none is as good.
    fn delete(&self, name: &str) -> Result<(), String>;
    fn doing(&self, name: &str) -> Result<Doing, String>;
    /// Whether one that runs takes commands of `ubuntu`.
    fn answers(&self, name: &str) -> bool;
    /// Whether `/var/lib/cloud/instance/boot-finished` is there.
    fn is_initialized(&self, name: &str) -> bool;
    fn figures(&self, name: &str) -> Result<Figures, String>;
    /// Runs a command to its end. Its exit code.
    fn exec(&self, command: &Command<'_>) -> Result<u8, String>;
    fn snapshot(&self, name: &str, snapshot: &str) -> Result<(), String>;
    fn restore(&self, name: &str, snapshot: &str) -> Result<(), String>;
    fn delete_snapshot(&self, name: &str, snapshot: &str) -> Result<(), String>;
    fn copy(&self, name: &str, spec: &Spec) -> Result<(), String>;
    fn mount(&self, name: &str, source: &Path, target: &str) -> Result<(), String>;
    fn umount(&self, name: &str, target: &str) -> Result<(), String>;
}
