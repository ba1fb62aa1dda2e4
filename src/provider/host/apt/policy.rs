//! The `policy-rc.d` that keeps the services of fresh packages from being started.

use super::System;
use crate::fs;
use crate::model::inventory::{Observed, Policy};
use crate::plan::commands::{POLICY_PATH, POLICY_TEXT};

/// Whose policy stands on the host.
pub fn observe(system: &System) -> Observed<Policy> {
    match fs::observe(&system.path(POLICY_PATH)) {
        Observed::Present(text) if text == POLICY_TEXT => Observed::Present(Policy::Ours),
        Observed::Present(_) => Observed::Present(Policy::Foreign),
        // A link that leads nowhere is somebody's all the same.
        Observed::Absent if system.has(POLICY_PATH) => Observed::Present(Policy::Foreign),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
    }
}
