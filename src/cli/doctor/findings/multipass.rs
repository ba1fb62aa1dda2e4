//! What Multipass needs.

use crate::cli::doctor::finding::{Finding, missing, note, ok};
use crate::cli::doctor::look::MachineLook;
use reportctl::model::environment::Environment;
use reportctl::model::ids::EnvId;
use reportctl::model::inventory::Observed;
use reportctl::model::multipass::{MultipassState, Refusal, Status, instance_name};

/// The interface of Multipass's machines on Linux.
pub const BRIDGE: &str = "mpqemubr0";

/// The program, the daemon, what this host lacks, and what has our name.
pub fn findings(
    environment: &Environment,
    state: &MultipassState,
    id: Option<&EnvId>,
    seen: &MachineLook,
) -> Vec<Finding> {
    let mut all = vec![client(state, seen)];
    if state.client.is_absent() {
        return all;
    }
    all.push(daemon(state, seen));
    // What is asked of this host before a machine is made: its disk, its memory, folders that the snap cannot see.
    for lack in &state.lacks {
        all.push(missing("machine", lack.cause.clone()).mend(lack.advice.clone()));
    }
    all.extend(state.remarks.iter().map(|remark| note("machine", remark.clone())));
    all.extend(taken(state));
    all.extend(deleted(environment, id, seen));
    all
}

fn client(state: &MultipassState, seen: &MachineLook) -> Finding {
    match (&state.client, &seen.client) {
        (Observed::Present(version), Some(path)) => ok("multipass", format!("{} {version}", path.display())),
        (Observed::Present(version), None) => ok("multipass", version.to_string()),
        (Observed::Absent, _) => {
            missing("multipass", "no program `multipass` on the search path").mend(match &seen.snap {
                Some(_) => "sudo snap install multipass",
                None => "sudo apt-get install snapd && sudo snap install multipass",
            })
        }
        (Observed::Unknown(why), _) => missing("multipass", why.clone()).mend("multipass version"),
    }
}

/// The daemon. There is no code of an error: the words tell which it is.
fn daemon(state: &MultipassState, seen: &MachineLook) -> Finding {
    let why = match (&state.server, &seen.instances) {
        (Observed::Present(version), _) => return ok("multipassd", format!("{version} answers")),
        (Observed::Unknown(why), _) | (Observed::Absent, Observed::Unknown(why)) => why.clone(),
        (Observed::Absent, _) => "it does not answer".to_owned(),
    };
    let found = missing("multipassd", why);
    match state.refusal {
        Some(Refusal::Denied) => found.mend(
            "sudo usermod --append --groups \"$(stat -c %G /var/snap/multipass/common/multipass_socket)\" \"$USER\"   # then \
             sign in again",
        ),
        Some(Refusal::Unauthenticated) => found.mend("sudo multipass set local.passphrase && multipass authenticate"),
        Some(Refusal::Down) | None => found
            .mend("sudo snap restart multipass   # then, if need be: sudo journalctl --unit 'snap.multipass*' -n 50"),
    }
}

/// An instance of our name that stands in the way.
fn taken(state: &MultipassState) -> Option<Finding> {
    let instance = state.instance.present()?;
    let name = &instance.name;
    match &instance.status {
        Status::Deleted => {
            let detail = format!("{name} is deleted, and its name is not free until it is purged");
            Some(missing("name taken", detail).mend(recover(name)))
        }
        Status::Unknown => {
            let detail = format!("{name} runs and lets nobody in");
            Some(note("machine", detail).mend(format!("multipass stop --force {name} && multipass start {name}")))
        }
        _ => None,
    }
}

fn recover(name: &str) -> String {
    format!("multipass recover {name}   # or for good: multipass delete --purge {name}")
}

/// What is deleted but keeps its disk.
fn deleted(environment: &Environment, id: Option<&EnvId>, seen: &MachineLook) -> Vec<Finding> {
    let Some(instances) = seen.instances.present() else { return Vec::new() };
    let own = id.map(instance_name);
    let start = format!("report-{}-", environment.name);
    let deleted = instances.iter().filter(|(name, state)| *state == "Deleted" && Some(*name) != own.as_ref());
    let one = |(name, _): (&String, &String)| {
        let whose = if name.starts_with(&start) { "it was of this environment once" } else { "it is not ours" };
        note("deleted machine", format!("{name} keeps its disk; {whose}")).mend(recover(name))
    };
    deleted.map(one).collect()
}
