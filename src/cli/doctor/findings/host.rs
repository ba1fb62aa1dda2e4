//! What is needed of this host, whatever runs on it.

use crate::cli::doctor::finding::{Finding, State, finding, rounded};
use crate::cli::doctor::look::HostLook;
use reportctl::model::environment::Environment;
use reportctl::model::inventory::Observed;
use reportctl::model::quantity::Size;

/// The free disk space below which components soon cannot write.
const LEAST_DISK: Size = Size(1 << 30);

/// Where our records are, and what there is of disk and memory.
pub fn host(environment: &Environment, look: &HostLook) -> Vec<Finding> {
    let folder = look.state.0.display().to_string();
    let writable = match &look.state.1 {
        Ok(()) => finding("state folder", State::Ok, folder.clone()),
        Err(why) => finding("state folder", State::Missing, why.clone())
            .mend("export XDG_STATE_HOME=/a/folder/that/you/may/write"),
    };
    let disk = match &look.disk {
        Observed::Present(bytes) if *bytes < LEAST_DISK.0 => {
            let detail = format!("{} free, {LEAST_DISK} wanted", rounded(*bytes));
            finding("disk", State::Missing, detail).mend(format!("df -h {folder}   # and make room there"))
        }
        Observed::Present(bytes) => finding("disk", State::Ok, format!("{} free", rounded(*bytes))),
        Observed::Absent => finding("disk", State::Note, "free space cannot be told"),
        Observed::Unknown(why) => finding("disk", State::Note, why.clone()),
    };
    let components = || environment.stack.components.values().map(|component| component.memory.0).sum();
    let (who, wanted): (&str, u64) = match environment.machine.blueprint() {
        Some(shape) => ("the machine", shape.memory.0),
        None => ("the components", components()),
    };
    let words = |bytes: u64| format!("{} available, {who} may use {}", rounded(bytes), rounded(wanted));
    let memory = match &look.memory {
        Observed::Present(bytes) if *bytes < wanted => finding("memory", State::Note, words(*bytes))
            .mend(format!("$EDITOR environments/{}.yaml   # smaller sizes", environment.name)),
        Observed::Present(bytes) => finding("memory", State::Ok, words(*bytes)),
        Observed::Absent => finding("memory", State::Note, "available memory cannot be told"),
        Observed::Unknown(why) => finding("memory", State::Note, why.clone()),
    };
    let proc = match &look.proc {
        Ok(()) => finding("/proc", State::Ok, "processes can be told apart"),
        Err(why) => finding("/proc", State::Missing, why.clone()).mend("sudo mount -t proc proc /proc"),
    };
    vec![writable, disk, memory, proc]
}
