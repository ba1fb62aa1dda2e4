//! What LXD needs.

use crate::cli::doctor::finding::{Finding, missing, note, ok, rounded};
use crate::cli::doctor::look::MachineLook;
use reportctl::model::environment::{Environment, InstanceKind, LxdMachine};
use reportctl::model::ids::EnvId;
use reportctl::model::inventory::{Observed, Package};
use reportctl::model::lxd::{LxdState, Names, Pool};
use std::collections::BTreeMap;

/// The interface of the environment's network; a pattern of iptables for all of ours while there is no identity yet.
pub fn bridge(id: Option<&EnvId>) -> String {
    id.map_or_else(|| "rc+".to_owned(), |id| Names::of(id).network)
}

/// The program, the daemon, and what it has.
pub fn findings(
    environment: &Environment,
    machine: &LxdMachine,
    state: &LxdState,
    id: Option<&EnvId>,
    seen: &MachineLook,
) -> Vec<Finding> {
    let mut all = vec![client(state, seen)];
    let up = format!("reportctl up -e {}", environment.name);
    all.extend(packages(&state.packages, &up));
    let daemon = daemon(state, seen, &up);
    let answers = matches!(state.server, Observed::Present(_));
    all.push(daemon);
    if !answers {
        return all;
    }
    if machine.instance == InstanceKind::VirtualMachine
        && let Some(why) = &state.no_machines
    {
        let mend = "see `lxc info | grep -A2 -E 'driver|virtual'` and the line KVM below";
        all.push(missing("virtual machines", format!("LXD cannot run them: {why}")).mend(mend));
    }
    all.push(pool(environment, machine, state, id));
    all.extend(image(machine, state, &up));
    for foreign in &state.foreign {
        let word = foreign.kind.word();
        let whose = foreign.id.as_ref().map_or("none of ours".to_owned(), |id| format!("the identity {id}"));
        let detail = format!("the {word} {} has our name, and carries {whose}: it is never touched", foreign.name);
        let lxc = foreign_command(word);
        all.push(
            missing("name taken", detail)
                .mend(format!("{lxc} show {0}   # rename it, or: {lxc} delete {0}", foreign.name)),
        );
    }
    if let Some(busy) = &state.busy {
        all.push(note("LXD is busy", format!("with the machine: {busy}")).mend("lxc operation list"));
    }
    for left in &state.leftovers {
        let detail = format!("the {} {} is left of an interrupted run", left.kind.word(), left.name);
        all.push(note("left over", detail).mend(up.clone()));
    }
    all
}

const fn foreign_command(word: &str) -> &'static str {
    match word.as_bytes() {
        b"profile" => "lxc profile",
        b"network" => "lxc network",
        b"storage pool" => "lxc storage",
        _ => "lxc config",
    }
}

fn client(state: &LxdState, seen: &MachineLook) -> Finding {
    match (&state.client, &seen.client) {
        (Observed::Present(version), Some(path)) => ok("lxc", format!("{} {version}", path.display())),
        (Observed::Present(version), None) => ok("lxc", version.to_string()),
        (Observed::Absent, _) => missing("lxc", "no program `lxc` on the search path").mend(match &seen.snap {
            Some(_) => "sudo snap install lxd   # or, on Debian: sudo apt-get install lxd",
            None => "sudo apt-get install lxd",
        }),
        (Observed::Unknown(why), _) => missing("lxc", why.clone()).mend("lxc --version"),
    }
}

/// The packages of this host whose programs are not there.
fn packages(packages: &BTreeMap<String, Package>, up: &str) -> Vec<Finding> {
    let one = |(name, package): (&String, &Package)| {
        let found = missing(name.clone(), format!("LXD needs what is in the package {name}, and it is not there"));
        match package.candidate.present() {
            Some(version) => found.mend(format!("{up}   # installs {name} {version}")),
            None => found.mend(format!("sudo apt-get update   # then sudo apt-get install {name}")),
        }
    };
    // The program itself has a line of its own.
    packages.iter().filter(|(name, _)| *name != "lxd").map(one).collect()
}

fn daemon(state: &LxdState, seen: &MachineLook, up: &str) -> Finding {
    match &state.server {
        Observed::Present(version) if !state.lacks.is_empty() => {
            let lacks: Vec<&str> = state.lacks.iter().map(String::as_str).collect();
            missing("LXD", format!("{version} is too old: it lacks {}", lacks.join(", ")))
                .mend("install LXD 5.0 or newer")
        }
        Observed::Present(version) => ok("LXD", format!("{version} answers")),
        Observed::Unknown(why) if state.is_denied => {
            let found = missing("LXD", format!("it runs, and you may not speak to it: {why}"));
            match seen.is_in_group {
                true => found.mend("newgrp lxd   # you are in the group; this session began before"),
                false => {
                    found.mend("sudo usermod --append --groups lxd \"$USER\" && newgrp lxd   # it is as good as root")
                }
            }
        }
        Observed::Unknown(why) => {
            missing("LXD", why.clone()).mend("journalctl --unit lxd -n 50 || tail -n 50 /var/log/lxd/lxd.log")
        }
        Observed::Absent if state.client.is_absent() => note("LXD", "it is not installed"),
        Observed::Absent => {
            let start = state.units.iter().next().map(|unit| format!("sudo systemctl start {unit}"));
            missing("LXD", "the daemon does not run").mend(start.unwrap_or_else(|| format!("{up}   # starts it")))
        }
    }
}

fn pool(environment: &Environment, machine: &LxdMachine, state: &LxdState, id: Option<&EnvId>) -> Finding {
    let wanted = machine.pool.as_ref().or(state.default_pool.as_ref());
    let names: Vec<&str> = state.pools.keys().map(String::as_str).collect();
    let edit = |what: &str| format!("$EDITOR environments/{}.yaml   # {what} under `machine`", environment.name);
    let name = match (wanted, names.as_slice()) {
        (Some(wanted), _) if state.pools.contains_key(wanted) => wanted.as_str(),
        (Some(wanted), all) if machine.pool.is_some() => {
            let found = missing("storage pool", format!("LXD has no pool {wanted}; it has {}", listed(all)));
            return found.mend(edit("name another `pool`"));
        }
        (_, []) => {
            let name = id.map_or_else(|| "of its own".to_owned(), |id| Names::of(id).pool);
            return ok("storage pool", format!("there is none; `up` makes one, a plain folder: {name}"));
        }
        (_, [only]) => only,
        (_, all) => {
            let detail = format!("LXD has several pools, and its profile `default` uses none: {}", listed(all));
            return missing("storage pool", detail).mend(edit("say which `pool`"));
        }
    };
    let disk = machine.blueprint.disk;
    match state.pools.get(name) {
        Some(Pool { free: Some(free), driver, .. }) => {
            let detail = format!("{name} ({driver}): {} free, the machine may grow to {disk}", rounded(free.bytes()));
            let mend = format!("lxc storage info {name}   # then: reportctl bake prune, lxc image list, lxc list");
            match free.bytes() {
                free if free < Pool::ENOUGH.bytes() => missing("storage pool", detail).mend(mend),
                free if free < disk.bytes() => note("storage pool", detail).mend(mend),
                _ => ok("storage pool", detail),
            }
        }
        // Once the machine is there, nobody asks what is free.
        Some(Pool { driver, .. }) => ok("storage pool", format!("{name} ({driver})")),
        None => note("storage pool", format!("{name} cannot be told of")),
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What the machine's disk is made from; nothing once there is one.
fn image(machine: &LxdMachine, state: &LxdState, up: &str) -> Vec<Finding> {
    if !state.instance.is_absent() {
        return Vec::new();
    }
    let image = &machine.blueprint.image;
    let name = image.lxd.strip_prefix("local:").unwrap_or(&image.lxd);
    if state.alias(name).is_some() {
        return vec![ok("image", format!("{name} is an image of this host"))];
    }
    let why = match &state.remote {
        Observed::Present(()) => return vec![ok("image", format!("{} can be fetched", image.lxd))],
        Observed::Absent => format!("there is no image {}", image.lxd),
        Observed::Unknown(why) => format!("the remote of {} does not answer: {}", image.lxd, first_line(why)),
    };
    let Some(release) = &image.debian else {
        let found = missing("image", why);
        return vec![found.mend("lxc remote list   # or name another image in the blueprint, or `debian: bookworm`")];
    };
    if state.image_tools.is_empty() {
        return vec![ok("image", format!("{why}; one of Debian {release} is taken, or made"))];
    }
    let tools: Vec<&str> = state.image_tools.keys().map(String::as_str).collect();
    let all = tools.join(" ");
    let had = state.image_tools.values().all(|package| package.candidate.present().is_some());
    let mend = match had {
        true => format!("{up}   # installs {all}"),
        false => format!("sudo apt-get update   # then sudo apt-get install {all}"),
    };
    vec![
        missing("image", format!("{why}; to make one of Debian {release}, {} is missing", tools.join(", "))).mend(mend),
    ]
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
