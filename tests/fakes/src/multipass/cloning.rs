//! What the daemon does with whole disks: delete, purge, snapshot, restore, clone.

use super::client::{missing, now};
use super::daemon::{Daemon, Failure};
use super::lifecycle::found;
use super::state::{Instance, Phase, Snapshot, State};
use super::values;
use std::collections::BTreeMap;

type Done = Result<String, Failure>;

/// Deletes instances, and snapshots written as `NAME.SNAPSHOT`: all of them, or none.
pub(crate) fn delete(daemon: &mut Daemon, targets: &[String], purge: bool) -> Done {
    let state = State::read(&daemon.setup.home)?;
    let mut wrong = Vec::new();
    for target in targets {
        let (name, snapshot) = split(target);
        match (state.instances.get(name), snapshot) {
            (None, _) => wrong.push(missing(name)),
            (Some(instance), Some(snapshot)) if !instance.snapshots.contains_key(snapshot) => {
                wrong.push(format!("No such snapshot: {target}"));
            }
            (Some(_), Some(_)) if !purge => {
                wrong.push("Unable to query client for confirmation. Use '--purge' to delete snapshots.".to_owned());
            }
            (Some(instance), None) if !purge && now(&*daemon.backend, name, instance)? == Phase::Starting => {
                let text = format!("Cannot shut down instance {name} while starting.");
                wrong.push(format!("{text} Use --purge to forcefully delete it."));
            }
            (Some(_), _) => {}
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::several(wrong));
    }
    for target in targets {
        match split(target) {
            (name, Some(snapshot)) => {
                daemon.backend.delete_snapshot(name, snapshot)?;
                change(daemon, name, |instance| drop(instance.snapshots.remove(snapshot)))?;
            }
            (name, None) if purge => {
                daemon.backend.delete(name)?;
                State::update(&daemon.setup.home, |state| drop(state.instances.remove(name)))?;
            }
            (name, None) => {
                if state.instances.get(name).is_some_and(|instance| !instance.deleted) {
                    let is_off = now(&*daemon.backend, name, &state.instances[name])? == Phase::Stopped;
                    if !is_off {
                        daemon.backend.stop(name, true)?;
                    }
                    change(daemon, name, |instance| {
                        instance.deleted = true;
                        instance.phase = Phase::Stopped;
                    })?;
                }
            }
        }
    }
    Ok(String::new())
}

fn split(target: &str) -> (&str, Option<&str>) {
    target.split_once('.').map_or((target, None), |(name, snapshot)| (name, Some(snapshot)))
}

fn change(daemon: &Daemon, name: &str, change: impl FnOnce(&mut Instance)) -> Result<(), Failure> {
    Ok(State::update(&daemon.setup.home, |state| {
        if let Some(instance) = state.instances.get_mut(name) {
            change(instance);
        }
    })?)
}

/// Removes every deleted instance.
pub(crate) fn purge(daemon: &mut Daemon) -> Done {
    let state = State::read(&daemon.setup.home)?;
    for (name, _) in state.instances.iter().filter(|(_, instance)| instance.deleted) {
        daemon.backend.delete(name)?;
        State::update(&daemon.setup.home, |state| drop(state.instances.remove(name)))?;
    }
    Ok(String::new())
}

/// The one instance of that name.
fn one(daemon: &Daemon, name: &str) -> Result<Instance, Failure> {
    found(daemon, &[name.to_owned()])?.pop().ok_or_else(|| Failure::several([missing(name)]))
}

pub(crate) fn snapshot(daemon: &mut Daemon, name: &str, snapshot: Option<&str>, comment: &str) -> Done {
    let instance = one(daemon, name)?;
    if instance.phase != Phase::Stopped {
        return Err(Failure::new("Multipass can only take snapshots of stopped instances."));
    }
    let count = instance.snapshot_count + 1;
    let snapshot = snapshot.map_or_else(|| format!("snapshot{count}"), str::to_owned);
    if !values::is_name(&snapshot) {
        return Err(Failure::new(format!("Invalid snapshot name: \"{snapshot}\".")));
    }
    if instance.snapshots.contains_key(&snapshot) {
        return Err(Failure::new(format!("Snapshot already exists: {name}.{snapshot}")));
    }
    daemon.progress("Taking snapshot");
    daemon.backend.snapshot(name, &snapshot)?;
    let created = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
    change(daemon, name, |instance| {
        let parent = std::mem::replace(&mut instance.head, snapshot.clone());
        instance.snapshots.insert(snapshot.clone(), Snapshot { comment: comment.to_owned(), parent, created });
        instance.snapshot_count = count;
    })?;
    Ok(format!("Snapshot taken: {name}.{snapshot}\n"))
}

pub(crate) fn restore(daemon: &mut Daemon, name: &str, snapshot: &str, destructive: bool) -> Done {
    let instance = one(daemon, name)?;
    if instance.phase != Phase::Stopped {
        return Err(Failure::new("Multipass can only restore snapshots of stopped instances."));
    }
    if !instance.snapshots.contains_key(snapshot) {
        return Err(Failure::new(format!("No such snapshot: {name}.{snapshot}")));
    }
    if !destructive {
        return Err(Failure::new(
            "Unable to query client for confirmation. Use '--destructive' to automatically discard current machine state.",
        ));
    }
    daemon.progress("Restoring snapshot");
    daemon.backend.restore(name, snapshot)?;
    change(daemon, name, |instance| snapshot.clone_into(&mut instance.head))?;
    Ok(format!("Snapshot restored: {name}.{snapshot}\n"))
}

pub(crate) fn copy(daemon: &mut Daemon, name: &str, to: Option<&str>) -> Done {
    let instance = one(daemon, name)?;
    if instance.phase != Phase::Stopped {
        return Err(Failure::new("Multipass can only clone stopped instances."));
    }
    let count = instance.clones + 1;
    let to = to.map_or_else(|| format!("{name}-clone{count}"), str::to_owned);
    if State::read(&daemon.setup.home)?.instances.contains_key(&to) {
        return Err(Failure::new(format!("instance \"{to}\" already exists")));
    }
    daemon.progress(format!("Cloning {name}"));
    let mut spec = instance.spec.clone();
    spec.name.clone_from(&to);
    spec.seed.meta_data = spec.seed.meta_data.replace(name, &to);
    daemon.backend.copy(name, &spec)?;
    State::update(&daemon.setup.home, |state| {
        let fresh = Instance {
            spec,
            phase: Phase::Stopped,
            mounts: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            snapshot_count: 0,
            head: String::new(),
            clones: 0,
            ..instance
        };
        state.instances.insert(to.clone(), fresh);
        if let Some(source) = state.instances.get_mut(name) {
            source.clones = count;
        }
    })?;
    Ok(format!("Cloned from {name} to {to}.\n"))
}
