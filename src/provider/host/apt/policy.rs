//! The `policy-rc.d` that keeps the services of fresh packages from being started (see `/usr/share/doc/init-system-helpers`).

use super::System;
use crate::fs;
use crate::model::inventory::{Observed, Policy};

/// Where it stands.
pub const PATH: &str = "/usr/sbin/policy-rc.d";
/// Where it is written before it is put in its place, in one step that never replaces another's.
pub const DRAFT: &str = "/usr/sbin/.policy-rc.d.reportctl";
/// What ours says. 101 is "forbidden by policy".
pub const POLICY: &str = "#!/bin/sh\n# Placed by reportctl while it installs packages, so that their services are not started; it is removed right after.\nexit 101\n";

/// Whose policy stands there.
pub fn observe(system: &System) -> Observed<Policy> {
    match fs::observe(&system.path(PATH)) {
        Observed::Present(text) if text == POLICY => Observed::Present(Policy::Ours),
        Observed::Present(_) => Observed::Present(Policy::Foreign),
        // A link that leads nowhere is somebody's all the same.
        Observed::Absent if fs::observe_meta(&system.path(PATH)).present().is_some() => {
            Observed::Present(Policy::Foreign)
        }
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
    }
}
