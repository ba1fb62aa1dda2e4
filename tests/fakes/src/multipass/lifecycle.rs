//! What the daemon does to instances that are there: start, stop, suspend, restart, recover.

use super::client::{deleted, missing, now};
use super::daemon::{Daemon, Failure};
use super::launch::{boot, set};
use super::state::{Instance, Phase, State};
use std::time::{Duration, Instant};

type Done = Result<String, Failure>;

/// The instances of those names, as they are now.
///
/// Errors: one is missing or deleted, in the words of most commands.
pub(crate) fn found(daemon: &Daemon, names: &[String]) -> Result<Vec<Instance>, Failure> {
    let mut state = State::read(&daemon.setup.home)?;
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for name in names {
        match state.instances.remove(name) {
            None => wrong.push(missing(name)),
            Some(instance) if instance.deleted => wrong.push(deleted(name)),
            Some(mut instance) => {
                instance.phase = now(&*daemon.backend, name, &instance)?;
                found.push(instance);
            }
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(Failure::several(wrong)) }
}

pub(crate) fn start(daemon: &mut Daemon, names: &[String], timeout: u64) -> Done {
    let mut state = State::read(&daemon.setup.home)?;
    let wrong: Vec<String> = names
        .iter()
        .filter_map(|name| match state.instances.get(name) {
            None => Some(format!("Instance '{name}' does not exist.")),
            Some(instance) if instance.deleted => Some(format!(
                "Instance '{name}' is deleted. Use 'recover' to recover it or 'purge' to permanently delete it."
            )),
            Some(_) => None,
        })
        .collect();
    if !wrong.is_empty() {
        return Err(Failure { message: "instance(s) missing".to_owned(), details: wrong });
    }
    for name in names {
        let Some(mut instance) = state.instances.remove(name) else { continue };
        instance.phase = now(&*daemon.backend, name, &instance)?;
        match instance.phase {
            Phase::Unknown => return Err(Failure::several([unknown(name)])),
            Phase::Running => {}
            _ => {
                daemon.progress(format!("Starting {name}"));
                set(daemon, name, Phase::Starting)?;
                boot(daemon, name, timeout, false)?;
            }
        }
        set(daemon, name, Phase::Running)?;
    }
    Ok(String::new())
}

fn unknown(name: &str) -> String {
    format!("Instance '{name}' is already running, but in an unknown state.\nTry to stop and start it instead.")
}

pub(crate) fn stop(daemon: &mut Daemon, names: &[String], minutes: u64, cancel: bool, force: bool) -> Done {
    let instances = found(daemon, names)?;
    for instance in &instances {
        let name = &instance.spec.name;
        let refused = match instance.phase {
            _ if force || cancel => None,
            Phase::Suspended => Some(format!("Cannot shut down suspended instance {name}.")),
            Phase::Starting | Phase::Restarting => Some(format!("Cannot shut down instance {name} while starting.")),
            _ => None,
        };
        if let Some(text) = refused {
            return Err(Failure::several([format!("{text}\nUse --force to power it off.")]));
        }
    }
    if cancel {
        for instance in instances.iter().filter(|instance| instance.phase == Phase::DelayedShutdown) {
            set(daemon, &instance.spec.name, Phase::Running)?;
        }
        return Ok(String::new());
    }
    if minutes > 0 {
        return delay(daemon, &instances, minutes);
    }
    for instance in &instances {
        let name = &instance.spec.name;
        if instance.phase == Phase::Stopped {
            continue;
        }
        daemon.progress(format!("Stopping {name}"));
        daemon.backend.stop(name, force || instance.phase == Phase::Unknown)?;
        set(daemon, name, Phase::Stopped)?;
    }
    Ok(String::new())
}

/// Stops them later, unless that is cancelled meanwhile.
fn delay(daemon: &mut Daemon, instances: &[Instance], minutes: u64) -> Done {
    for instance in instances.iter().filter(|instance| instance.phase == Phase::Running) {
        set(daemon, &instance.spec.name, Phase::DelayedShutdown)?;
    }
    daemon.done("");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60 * minutes) {
        std::thread::sleep(Duration::from_millis(200));
        let state = State::read(&daemon.setup.home)?;
        let is_due = |one: &Instance| one.phase == Phase::DelayedShutdown;
        if !instances.iter().any(|one| state.instances.get(&one.spec.name).is_some_and(is_due)) {
            return Ok(String::new());
        }
    }
    for instance in instances {
        let state = State::read(&daemon.setup.home)?;
        let name = &instance.spec.name;
        if state.instances.get(name).is_some_and(|one| one.phase == Phase::DelayedShutdown) {
            daemon.backend.stop(name, false)?;
            set(daemon, name, Phase::Stopped)?;
        }
    }
    Ok(String::new())
}

pub(crate) fn suspend(daemon: &mut Daemon, names: &[String]) -> Done {
    for instance in found(daemon, names)? {
        let name = &instance.spec.name;
        if instance.phase != Phase::Running {
            continue;
        }
        daemon.progress(format!("Suspending {name}"));
        set(daemon, name, Phase::Suspending)?;
        daemon.backend.suspend(name)?;
        set(daemon, name, Phase::Suspended)?;
    }
    Ok(String::new())
}

pub(crate) fn restart(daemon: &mut Daemon, names: &[String], timeout: u64) -> Done {
    let instances = found(daemon, names)?;
    if let Some(instance) = instances.iter().find(|instance| instance.phase != Phase::Running) {
        return Err(Failure::several([unknown(&instance.spec.name)]));
    }
    for instance in &instances {
        let name = &instance.spec.name;
        daemon.progress(format!("Restarting {name}"));
        set(daemon, name, Phase::Restarting)?;
        daemon.backend.stop(name, false)?;
        boot(daemon, name, timeout, false)?;
        set(daemon, name, Phase::Running)?;
    }
    Ok(String::new())
}

pub(crate) fn recover(daemon: &mut Daemon, names: &[String]) -> Done {
    let wrong = State::update(&daemon.setup.home, |state| {
        let wrong: Vec<String> =
            names.iter().filter(|name| !state.instances.contains_key(*name)).map(|name| missing(name)).collect();
        if wrong.is_empty() {
            for name in names {
                if let Some(instance) = state.instances.get_mut(name).filter(|instance| instance.deleted) {
                    instance.deleted = false;
                    instance.phase = Phase::Stopped;
                }
            }
        }
        wrong
    })?;
    if wrong.is_empty() { Ok(String::new()) } else { Err(Failure::several(wrong)) }
}
