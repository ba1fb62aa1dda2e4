//! Packages of the distribution: what is there, and how more comes without its services being started.

mod install;
mod observe;
mod policy;
mod units;

pub use install::{AptError, Install, Settle, install, settle, unlock};
pub use observe::{observe, parse_candidates, parse_installed, upstream_version};
pub use policy::observe as observe_policy;
pub use units::observe as observe_units;

use crate::context::Context;
use crate::exec;
use crate::model::inventory::{Observed, RootAccess};
use std::path::PathBuf;

/// The folders of the system that are looked at or written to. Tests have their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// What stands before every path: `/`.
    pub root: PathBuf,
}

impl Default for System {
    fn default() -> Self {
        Self { root: PathBuf::from("/") }
    }
}

impl System {
    /// A path of the system, given from the slash on.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether anything stands at a path, a link that leads nowhere included.
    pub(super) fn has(&self, path: &str) -> bool {
        crate::fs::observe_meta(&self.path(path)).present().is_some()
    }

    /// Whether systemd is PID 1 (sd_booted(3)).
    pub fn has_systemd(&self) -> bool {
        crate::fs::observe_meta(&self.path("/run/systemd/system")).present().is_some_and(|meta| meta.is_dir)
    }
}

/// Where `apt-get` is.
pub fn find(context: &Context) -> Observed<PathBuf> {
    exec::find(context, "apt-get").map_or(Observed::Absent, Observed::Present)
}

/// How root is reached: by being it, or through sudo where that is installed. Whether sudo lets us is not known before
/// it is asked.
pub fn root_access(context: &Context, uid: u32) -> Observed<RootAccess> {
    match (uid, exec::find(context, "sudo")) {
        (0, _) => Observed::Present(RootAccess::Root),
        (_, Some(_)) => Observed::Present(RootAccess::Sudo),
        (_, None) => Observed::Absent,
    }
}
