//! What is seen of this host beside the inventory. It changes nothing.

mod guest;
mod network;

pub use guest::MachineLook;
#[cfg(test)]
pub use guest::{Kvm, MountLook, Way};
#[cfg(test)]
pub use network::NetworkLook;

use crate::cli::failure::CliError;
use crate::cli::site::{Look, Site};
use crate::cli::{Session, settings};
use reportctl::fs;
use reportctl::model::inventory::Observed;
use std::path::{Path, PathBuf};

/// What is seen of this host beside the inventory.
#[derive(Debug, Clone)]
pub struct HostLook {
    /// The folder of all state, and why it cannot be written, if it cannot.
    pub state: (PathBuf, Result<(), String>),
    /// Bytes that are free there.
    pub disk: Observed<u64>,
    /// Bytes of memory that programs can have.
    pub memory: Observed<u64>,
    /// Why `/proc` cannot be read, if it cannot.
    pub proc: Result<(), String>,
    /// What matters where a machine is made.
    pub machine: Option<MachineLook>,
}

/// Looks at this host.
///
/// Errors: there is no folder for state.
pub async fn host(session: &Session<'_>, site: &Site<'_>, seen: &Look) -> Result<HostLook, CliError> {
    let state = settings::state_folder(session.context)?;
    let nearest = fs::nearest_folder(&state);
    Ok(HostLook {
        disk: free(&nearest),
        state: (state, fs::check_writable(&nearest).map_err(|error| error.to_string())),
        memory: memory("MemAvailable:"),
        proc: fs::read(Path::new("/proc/self/stat")).map(|_| ()).map_err(|error| error.to_string()),
        machine: match site.env.machine.blueprint() {
            Some(shape) => Some(guest::look(session, &site.env, shape, seen).await),
            None => None,
        },
    })
}

fn free(folder: &Path) -> Observed<u64> {
    fs::free_bytes(folder).map_or_else(|error| Observed::Unknown(error.to_string()), Observed::Present)
}

/// A figure of the kernel's memory (proc(5), `/proc/meminfo`).
fn memory(name: &str) -> Observed<u64> {
    let text = match fs::read(Path::new("/proc/meminfo")) {
        Ok(text) => text,
        Err(error) => return Observed::Unknown(error.to_string()),
    };
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.map_or(Observed::Absent, |kibibytes| Observed::Present(kibibytes * 1024))
}
