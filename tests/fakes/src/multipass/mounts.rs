//! `multipass mount` and `umount`, and the mounts of a launch.

use super::client::{Client, CommandLineError};
use super::daemon::{Daemon, Failure, Request, call};
use super::state::{Phase, State};
use std::fs;
use std::path::{Path, PathBuf};

/// The source of `SRC[:TARGET]`, as a whole path, and the target.
///
/// Errors: said, as the client says it.
pub(crate) fn source(client: &Client, mount: &str) -> Result<(PathBuf, Option<String>), u8> {
    let (source, target) = mount.split_once(':').map_or((mount, None), |(source, target)| (source, Some(target)));
    checked(client, source).map(|path| (path, target.map(str::to_owned)))
}

/// A folder that can be mounted.
///
/// Errors: said.
pub(crate) fn checked(client: &Client, source: &str) -> Result<PathBuf, u8> {
    let refuse = |what: &str| CommandLineError(format!("Mount source path \"{source}\" {what}"));
    let path = Path::new(source);
    if !path.exists() || !client.sees(path) {
        return Err(refuse("does not exist").into());
    }
    if !path.is_dir() {
        return Err(refuse("is not a directory").into());
    }
    if fs::read_dir(path).is_err() {
        return Err(refuse("is not readable").into());
    }
    path.canonicalize().map_err(|_| refuse("is not readable").into())
}

/// Mounts what was asked for with a launch: the instance is there by now, whatever comes of this.
pub(crate) fn after_launch(client: &Client, name: &str, mounts: &[(PathBuf, Option<String>)]) -> Result<(), u8> {
    if !mounts.is_empty() && client.setting("local.privileged-mounts")? == "false" {
        println!("Skipping mount due to disabled mounts feature");
        return Ok(());
    }
    for (source, target) in mounts {
        let target = target.clone().unwrap_or_else(|| default_target(source));
        if client.turn("mount-fails") {
            let failure = Failure::new(format!("Error enabling mount support in '{name}'"));
            return Err(super::daemon::fail("mount", &failure));
        }
        let targets = vec![format!("{name}:{target}")];
        call(&client.setup, "mount", &Request::Mount { source: source.clone(), targets, native: false }, None)?;
        println!("Mounted '{}' into '{name}:{target}'", source.display());
    }
    Ok(())
}

fn default_target(source: &Path) -> String {
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    format!("/home/ubuntu/{name}")
}

/// The daemon's part.
pub(crate) fn mount(daemon: &mut Daemon, source: &Path, targets: &[String], native: bool) -> Result<String, Failure> {
    for target in targets {
        let (name, at) = target.split_once(':').unwrap_or((target, ""));
        let at = if at.is_empty() { default_target(source) } else { at.to_owned() };
        let whole = if at.starts_with('/') { at.clone() } else { format!("/home/ubuntu/{at}") };
        let state = State::read(&daemon.setup.home)?;
        let Some(instance) = state.instances.get(name).filter(|instance| !instance.deleted) else {
            return Err(Failure::several([format!("instance '{name}' does not exist")]));
        };
        let clean = whole.trim_end_matches('/');
        let system = ["/dev", "/proc", "/sys"].iter().any(|top| clean == *top || clean.starts_with(&format!("{top}/")));
        if ["", "/home", "/home/ubuntu"].contains(&clean) || system {
            return Err(Failure::several([format!("unable to mount to \"{at}\"")]));
        }
        if instance.mounts.contains_key(&whole) {
            return Err(Failure::several([format!("\"{at}\" is already mounted in '{name}'")]));
        }
        let phase = super::client::now(&*daemon.backend, name, instance)?;
        if native && phase != Phase::Stopped {
            let text = "Please stop the instance before attempting native mounts.".to_owned();
            return Err(Failure::several([text]));
        }
        daemon.progress(format!("Mounting {} into {name}", source.display()));
        daemon.backend.mount(name, source, &whole)?;
        State::update(&daemon.setup.home, |state| {
            if let Some(instance) = state.instances.get_mut(name) {
                instance.mounts.insert(whole.clone(), source.to_owned());
            }
        })?;
    }
    Ok(String::new())
}

/// The daemon's part.
pub(crate) fn umount(daemon: &mut Daemon, targets: &[String]) -> Result<String, Failure> {
    for target in targets {
        let (name, at) = target.split_once(':').map_or((target.as_str(), None), |(name, at)| (name, Some(at)));
        let state = State::read(&daemon.setup.home)?;
        let Some(instance) = state.instances.get(name).filter(|instance| !instance.deleted) else {
            return Err(Failure::several([format!("instance '{name}' does not exist")]));
        };
        let gone: Vec<String> = match at {
            None => instance.mounts.keys().cloned().collect(),
            Some(at) if instance.mounts.contains_key(at) => vec![at.to_owned()],
            Some(at) => return Err(Failure::several([format!("path \"{at}\" is not mounted in '{name}'")])),
        };
        for one in gone {
            daemon.backend.umount(name, &one)?;
            State::update(&daemon.setup.home, |state| {
                state.instances.get_mut(name).and_then(|instance| instance.mounts.remove(&one))
            })?;
        }
    }
    Ok(String::new())
}
