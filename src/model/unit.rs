//! What a component is called in a machine of its own, where systemd looks after it.

use super::component::ComponentName;
use std::path::{Path, PathBuf};

/// The unit's name, such as `report-redis.service`.
pub fn name(component: ComponentName) -> String {
    format!("report-{component}.service")
}

/// The unit's file.
pub fn file(component: ComponentName) -> PathBuf {
    Path::new("/etc/systemd/system").join(name(component))
}

/// The system user that a component runs as, which is also its group.
pub fn user(component: ComponentName) -> String {
    format!("report-{component}")
}

/// The file that a unit waits for: without it, it does not start. It holds the unit's variables, the identity
/// (`REPORTCTL_ID`) and the digest of what it was started with (`REPORTCTL_DIGEST`), and is put in place by its start.
pub fn variables(component: ComponentName) -> PathBuf {
    Path::new("/etc/reportctl").join(component.as_str()).join("unit.env")
}

/// The variable that tells the digest of what a process was started with.
pub const DIGEST: &str = "REPORTCTL_DIGEST";

/// Where a program of ours is put.
pub fn program(program: &str) -> PathBuf {
    Path::new("/usr/local/bin").join(program)
}

/// What tells a program that was put there from others of its version.
pub fn record(program: &str) -> PathBuf {
    Path::new("/usr/local/lib/reportctl").join(format!("{program}.build"))
}
