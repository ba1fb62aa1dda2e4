//! Installs packages without letting their services start.

use super::policy::{DRAFT, PATH, POLICY, observe as observe_policy};
use super::{System, as_root, text, units};
use crate::context::Context;
use crate::exec::{self, Command, ExecError};
use crate::model::argv;
use crate::model::inventory::{Observed, Policy, RootAccess};
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::Duration;

/// How long apt waits for another apt to end, in seconds.
const LOCK_PATIENCE: &str = "DPkg::Lock::Timeout=120";
/// How long each of the small commands may take.
const SMALL: Duration = Duration::from_secs(60);

/// Why packages are not there as they should be.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// sudo wants a password and there is no terminal to ask at.
    #[error("sudo wants a password, and there is no terminal to ask for it")]
    Password,
    /// A command failed.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// apt said that all is well, and it is not.
    #[error("apt-get ended well, but {0} is not installed")]
    NotInstalled(String),
    /// A `policy-rc.d` appeared meanwhile, or cannot be looked at.
    #[error("{path}: {why}")]
    Policy {
        /// Where.
        path: String,
        /// What is wrong.
        why: String,
    },
}

impl AptError {
    /// What to type next, as far as it can be told from what apt said. `packages` are those that were to be installed.
    pub fn advice(&self, packages: &BTreeSet<String>) -> String {
        let by_hand = || format!("sudo apt-get install --no-install-recommends {}", argv::join(packages));
        let Self::Exec(error) = self else { return by_hand() };
        let said = error.tail();
        let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
        if has(&["Could not get lock", "Unable to acquire the dpkg frontend lock"]) {
            "another program is using apt: wait until it has ended, and type the same command again".to_owned()
        } else if has(&["dpkg was interrupted"]) {
            "sudo dpkg --configure -a".to_owned()
        } else if has(&[
            "Unable to locate package",
            "has no installation candidate",
            "Failed to fetch",
            "404  Not Found",
        ]) {
            "sudo apt-get update".to_owned()
        } else if has(&["No space left on device", "You don't have enough free space"]) {
            "sudo apt-get clean".to_owned()
        } else {
            by_hand()
        }
    }
}

/// What is to be installed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The packages.
    pub packages: BTreeSet<String>,
    /// How root is reached.
    pub root: RootAccess,
    /// Whether our policy must be put in place.
    pub place_policy: bool,
    /// Units that must end disabled when they are there.
    pub new_units: BTreeSet<String>,
}

/// Installs the packages; their services are not started, and units that came with them are disabled. Whatever fails,
/// our policy is removed again. Safe twice. Blocks.
///
/// Errors: the first thing that failed.
pub fn install(context: &Context, system: &System, wanted: &Wanted, deadline: Duration) -> Result<(), AptError> {
    unlock(context, wanted.root)?;
    let before = units::all(system);
    let installed = place_and_install(context, system, wanted, deadline);
    let fresh = units::all(system);
    let disable: BTreeSet<String> =
        fresh.difference(&before).chain(wanted.new_units.intersection(&fresh)).cloned().collect();
    let settled = settle(context, system, wanted.root, wanted.place_policy, &disable);
    installed?;
    settled?;
    check(context, &wanted.packages)
}

fn place_and_install(context: &Context, system: &System, wanted: &Wanted, deadline: Duration) -> Result<(), AptError> {
    if wanted.place_policy {
        place_policy(context, system, wanted.root)?;
    }
    exec::run(&Command::changes(context, apt_get(wanted)).deadline(deadline))?;
    Ok(())
}

/// Every command of an install, for a dry run: the policy's text goes to the first one's standard input.
pub fn install_commands(system: &System, wanted: &Wanted) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    if wanted.place_policy {
        commands.extend(place_commands(system, wanted.root));
    }
    commands.push(apt_get(wanted));
    commands.extend(settle_commands(system, wanted.root, wanted.place_policy, &wanted.new_units));
    commands
}

fn apt_get(wanted: &Wanted) -> Vec<String> {
    let fixed = [
        // Questions are answered by the packages' own defaults; Ubuntu's needrestart would restart other services.
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "NEEDRESTART_SUSPEND=1",
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        "--no-remove",
        "-o",
        LOCK_PATIENCE,
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "Dpkg::Use-Pty=0",
    ];
    as_root(wanted.root, fixed.into_iter().chain(wanted.packages.iter().map(String::as_str)))
}

fn place_commands(system: &System, root: RootAccess) -> Vec<Vec<String>> {
    let (draft, path) = (text(&system.path(DRAFT)), text(&system.path(PATH)));
    vec![
        as_root(root, ["install", "--mode=0755", "-T", "/dev/stdin", &draft]),
        // Unlike a move, this fails where something stands.
        as_root(root, ["ln", "-T", &draft, &path]),
        as_root(root, ["rm", "-f", &draft]),
    ]
}

fn place_policy(context: &Context, system: &System, root: RootAccess) -> Result<(), AptError> {
    let path = || text(&system.path(PATH));
    match observe_policy(system) {
        // An interrupted run of ours left it.
        Observed::Present(Policy::Ours) => return Ok(()),
        Observed::Present(Policy::Foreign) => {
            return Err(AptError::Policy { path: path(), why: "it appeared since the plan was made".to_owned() });
        }
        Observed::Unknown(why) => return Err(AptError::Policy { path: path(), why }),
        Observed::Absent => {}
    }
    for (number, command) in place_commands(system, root).into_iter().enumerate() {
        let command = Command::changes(context, command).deadline(SMALL);
        exec::run(&if number == 0 { command.stdin(POLICY) } else { command })?;
    }
    Ok(())
}

/// Disables units that an install brought, and removes our policy. Safe twice; somebody else's policy is left. Blocks.
///
/// Errors: the first command that failed; the others were tried.
pub fn settle(
    context: &Context,
    system: &System,
    root: RootAccess,
    remove_policy: bool,
    disable: &BTreeSet<String>,
) -> Result<(), AptError> {
    let there = units::all(system);
    let disable: BTreeSet<String> = disable.intersection(&there).cloned().collect();
    // The policy goes last: until the units are disabled nothing may start them.
    let ours = matches!(observe_policy(system), Observed::Present(Policy::Ours));
    let draft = system.path_is_there(DRAFT);
    if disable.is_empty() && !(remove_policy && (ours || draft)) {
        return Ok(());
    }
    unlock(context, root)?;
    let mut failed = None;
    for command in disable_commands(context, system, root, &disable)
        .into_iter()
        .chain((remove_policy && (ours || draft)).then(|| remove_command(system, root, ours)))
    {
        if let Err(error) = exec::run(&Command::changes(context, command).deadline(SMALL)) {
            failed = failed.or(Some(error));
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Every command of [`settle`], for a dry run.
pub fn settle_commands(
    system: &System,
    root: RootAccess,
    remove_policy: bool,
    disable: &BTreeSet<String>,
) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = disable.iter().map(|unit| systemctl(system, root, unit)).collect();
    if remove_policy {
        commands.push(remove_command(system, root, true));
    }
    commands
}

fn remove_command(system: &System, root: RootAccess, ours: bool) -> Vec<String> {
    let (draft, path) = (text(&system.path(DRAFT)), text(&system.path(PATH)));
    if ours { as_root(root, ["rm", "-f", &draft, &path]) } else { as_root(root, ["rm", "-f", &draft]) }
}

fn systemctl(system: &System, root: RootAccess, unit: &str) -> Vec<String> {
    // Where systemd is not PID 1 there is nothing to stop, and systemctl works on the files alone.
    let now: &[&str] = if system.has_systemd() { &["--now"] } else { &[] };
    as_root(root, ["systemctl", "disable"].into_iter().chain(now.iter().copied()).chain([unit]))
}

fn disable_commands(
    context: &Context,
    system: &System,
    root: RootAccess,
    units: &BTreeSet<String>,
) -> Vec<Vec<String>> {
    if exec::find(context, "systemctl").is_some() {
        return units.iter().map(|unit| systemctl(system, root, unit)).collect();
    }
    // The packages enable their units by themselves even where there is no systemd yet.
    let mut commands: Vec<Vec<String>> =
        units.iter().map(|unit| as_root(root, ["deb-systemd-helper", "disable", unit])).collect();
    for script in units.iter().filter_map(|unit| unit.strip_suffix(".service")) {
        if system.path_is_there(&format!("/etc/init.d/{script}")) {
            commands.push(as_root(root, ["update-rc.d", script, "disable"]));
        }
    }
    commands
}

/// Makes sure that sudo will let us, and lets it ask for the password where there is a terminal.
fn unlock(context: &Context, root: RootAccess) -> Result<(), AptError> {
    match root {
        RootAccess::Root => Ok(()),
        RootAccess::Sudo => match exec::run(&Command::reads(context, ["sudo", "-n", "true"]).deadline(SMALL)) {
            Ok(_) => Ok(()),
            Err(ExecError::Exit { .. }) if std::io::stdin().is_terminal() => {
                Ok(exec::run_interactive(&Command::reads(context, ["sudo", "-v"]))?)
            }
            Err(ExecError::Exit { .. }) => Err(AptError::Password),
            Err(error) => Err(error.into()),
        },
    }
}

/// A claim of success is checked again.
fn check(context: &Context, packages: &BTreeSet<String>) -> Result<(), AptError> {
    let format = "--showformat=${Package}\\t${db:Status-Status}\\n";
    let argv = ["dpkg-query", "--show", format].into_iter().map(str::to_owned).chain(packages.iter().cloned());
    let output = exec::run(&Command::reads(context, argv).deadline(SMALL).accept(&[0, 1]))?;
    let is_there = |name: &String| output.stdout.lines().any(|line| line == format!("{name}\tinstalled"));
    match packages.iter().find(|name| !is_there(name)) {
        Some(name) => Err(AptError::NotInstalled(name.clone())),
        None => Ok(()),
    }
}
