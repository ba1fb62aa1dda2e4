//! Asks the world, and fills an inventory. It changes nothing but a cache of its own.
//!
//! Guarantees: what cannot be told is `Unknown` with the reason, and never `Absent`.

mod folder;
pub mod guest;

use crate::context::Context;
use crate::model::component::{ComponentName, Source};
use crate::model::environment::{Environment, Machine};
use crate::model::facts::Facts;
use crate::model::ids::EnvId;
use crate::model::inventory::{AgentState, Host, Inventory, MachineState, Observed, Orphan, PortUse};
use crate::model::paths::Paths;
use crate::model::quantity::Version;
use crate::plan::ports::to_observe;
use crate::provider::host::agent::{self, Client};
use crate::provider::host::apt::{self, System};
use crate::provider::host::processes::{self, Marked, Snapshot};
use crate::provider::host::{ports, programs, secrets, services};
use crate::provider::{lxd, multipass};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is seen of this host for one environment. `id` is its identity, or the one that it will get; `checkout` the folder
/// of our own source, if there is one.
///
/// Cannot fail: what could not be asked is unknown.
pub async fn observe(
    context: &Context,
    env: &Environment,
    paths: &Paths,
    facts: &Facts,
    id: &EnvId,
    checkout: Option<&Path>,
) -> Inventory {
    let system = System::default();
    let (root, identity) = (folder::root(paths), folder::identity(paths));
    // Nothing is written into a folder that is not ours.
    let cache = (identity.present() == Some(id)).then(|| paths.cache());
    let packages = package_minimums(env);
    let client = Client::new(paths);
    let checkout = checkout.map_or(Observed::Absent, |folder| services::checkout(context, folder));
    let (programs, packages, agent) = tokio::join!(
        programs::observe(context, env.stack.components.keys().copied(), checkout.present(), cache.as_deref()),
        apt::observe(context, &system, &packages, cache.as_deref()),
        client.observe(id),
    );
    let processes = Processes::look(paths, id, &agent, &to_observe(env, facts, id));
    let host = Inventory {
        identity,
        root,
        programs,
        checkout,
        packages,
        ports: processes.ports,
        secrets: secrets::observe(paths, secret_names(env)),
        files: folder::files(paths, env.stack.components.keys().copied()),
        rebooted: rebooted(paths, &agent),
        agent,
        orphans: processes.orphans,
        prepared: folder::prepared(paths),
        installed: BTreeMap::new(),
        way: Observed::Absent,
        host: host(context, &system, facts),
        machine: MachineState::Host,
    };
    match &env.machine {
        Machine::Host { .. } => host,
        Machine::Lxd(_) => {
            let state = lxd::observe(context, env, facts, id).await;
            within(context, env, paths, id, host, MachineState::Lxd(Box::new(state))).await
        }
        Machine::Multipass(_) => {
            let state = multipass::observe(context, env, facts, id).await;
            within(context, env, paths, id, host, MachineState::Multipass(Box::new(state))).await
        }
    }
}

/// The same, with what is seen in the machine in the place of what is seen on this host.
async fn within(
    context: &Context,
    env: &Environment,
    paths: &Paths,
    id: &EnvId,
    host: Inventory,
    machine: MachineState,
) -> Inventory {
    let cache = (host.identity.present() == Some(id)).then(|| paths.cache());
    let components = env.stack.components.keys().copied();
    let installed = programs::observe_installed(context, components, host.checkout.present(), cache.as_deref()).await;
    let host = Inventory { installed, ..host };
    let Some((guest, _)) = machine.there() else { return Inventory { machine, ..host } };
    let asker = guest::Asker { context, env, paths, id, cache: cache.as_deref() };
    let guest::Seen { programs, packages, files, agent, prepared, way } = asker.observe(&guest).await;
    Inventory { programs, packages, files, agent, prepared, way, orphans: Vec::new(), rebooted: false, machine, ..host }
}

/// The packages that the stack may need, with the oldest version of each that will do.
fn package_minimums(env: &Environment) -> BTreeMap<String, Version> {
    env.stack
        .components
        .values()
        .filter_map(|component| match component.name.source() {
            Source::Package { package, .. } => Some((package.to_owned(), component.version.clone())),
            Source::Program { .. } | Source::Ours { .. } => None,
        })
        .collect()
}

fn secret_names(env: &Environment) -> Vec<crate::model::ids::SecretName> {
    let components = env.stack.components.values();
    components
        .flat_map(|component| component.secrets.keys().filter_map(|own| component.secret_name(own).ok()))
        .collect()
}

/// What is told by the host's processes.
struct Processes {
    orphans: Vec<Orphan>,
    ports: BTreeMap<u16, PortUse>,
}

impl Processes {
    fn look(paths: &Paths, id: &EnvId, agent: &Observed<AgentState>, wanted: &BTreeSet<u16>) -> Self {
        // Where even `/proc` cannot be listed there are no processes of ours that we could find.
        let snapshot = Snapshot::take().unwrap_or_default();
        let living = living_agent(paths, id, agent, &snapshot);
        let orphans = processes::orphans(&snapshot, paths, id, living);
        let mut ours: BTreeSet<u32> = living.map(|pid| snapshot.under(pid)).unwrap_or_default();
        ours.extend(orphans.iter().map(|marked| marked.reading.identity.pid));
        Self { ports: ports::observe(wanted, &ours), orphans: orphans.iter().map(Marked::orphan).collect() }
    }
}

/// The process of an agent that lives, whether it answers or not: one that does not is no reason to take what it looks
/// after for orphans.
fn living_agent(paths: &Paths, id: &EnvId, agent: &Observed<AgentState>, snapshot: &Snapshot) -> Option<u32> {
    match agent {
        Observed::Present(agent) => Some(agent.pid),
        Observed::Absent => None,
        Observed::Unknown(_) => match agent::observe_agent_record(paths) {
            Observed::Present(record) if record.id == *id && snapshot.has(record.process) => Some(record.process.pid),
            _ => None,
        },
    }
}

/// Whether the host was restarted since an agent was started that is gone now.
fn rebooted(paths: &Paths, agent: &Observed<AgentState>) -> bool {
    let record = agent::observe_agent_record(paths);
    let boot = agent::boot_id();
    match (agent, record.present(), boot.present()) {
        (Observed::Absent, Some(record), Some(boot)) => record.boot != *boot,
        _ => false,
    }
}

fn host(context: &Context, system: &System, facts: &Facts) -> Host {
    let uid = rustix::process::geteuid().as_raw();
    let stack_units = ComponentName::ALL.into_iter().filter_map(|name| match name.source() {
        Source::Package { unit, .. } => Some(unit),
        Source::Program { .. } | Source::Ours { .. } => None,
    });
    Host {
        uid,
        apt: apt::find(context),
        root_access: apt::root_access(context, uid),
        systemd: system.has_systemd(),
        policy: apt::observe_policy(system),
        units: apt::observe_units(system, stack_units.chain(facts.new_units.iter().map(String::as_str))),
    }
}
