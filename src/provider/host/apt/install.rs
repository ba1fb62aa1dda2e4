//! Installs packages without letting their services start.

use super::policy::observe as observe_policy;
use super::{System, units};
use crate::context::Context;
use crate::exec::{self, Command, ExecError, Output};
use crate::model::inventory::{Observed, Policy, RootAccess};
use crate::plan::commands::{self, POLICY_PATH, SystemCommand};
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::Duration;

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
    #[error("{POLICY_PATH}: {0}")]
    Policy(String),
}

impl AptError {
    /// What to type next, as far as it can be told from what apt said. `packages` are those that were to be installed.
    pub fn advice(&self, packages: &BTreeSet<String>) -> Option<String> {
        let by_hand = || {
            let names = packages.iter().map(String::as_str);
            (!packages.is_empty()).then(|| commands::install_by_hand(RootAccess::Sudo, names).pasteable())
        };
        let said = match self {
            Self::Exec(error) => error.tail(),
            Self::Password | Self::NotInstalled(_) | Self::Policy(_) => return by_hand(),
        };
        let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
        let advice = if has(&["Could not get lock", "Unable to acquire the dpkg frontend lock"]) {
            "another program is using apt: wait until it has ended, and type the same command again"
        } else if has(&["dpkg was interrupted"]) {
            "sudo dpkg --configure -a"
        } else if has(&[
            "Unable to locate package",
            "has no installation candidate",
            "Failed to fetch",
            "404  Not Found",
        ]) {
            "sudo apt-get update"
        } else if has(&["No space left on device", "You don't have enough free space"]) {
            "sudo apt-get clean"
        } else {
            return by_hand();
        };
        Some(advice.to_owned())
    }
}

/// An install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The packages.
    pub packages: BTreeSet<String>,
    /// Whether the list of packages is fetched first.
    pub refresh: bool,
    /// Whether our policy must be put in place.
    pub place_policy: bool,
    /// How long apt may take.
    pub deadline: Duration,
    /// What is undone afterwards. Units that come unexpectedly are disabled too.
    pub settle: Settle,
}

/// What an install leaves that must not stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// How root is reached.
    pub root: RootAccess,
    /// Whether systemd is PID 1, so that units can also be stopped.
    pub systemd: bool,
    /// Whether our policy is removed.
    pub remove_policy: bool,
    /// Units that must end disabled where they are there.
    pub disable: BTreeSet<String>,
}

/// Installs the packages; their services are not started, and units that came with them are disabled. Whatever fails,
/// our policy is removed again. Safe twice. Blocks.
///
/// Errors: the first thing that failed.
pub fn install(context: &Context, system: &System, wanted: &Install) -> Result<(), AptError> {
    let root = wanted.settle.root;
    unlock(context, root)?;
    let before = units::all(system);
    let installed = place_and_install(context, system, wanted);
    let fresh = units::all(system).difference(&before).cloned().collect::<BTreeSet<String>>();
    let mut rest = wanted.settle.clone();
    rest.disable.extend(units::enabled(system).intersection(&fresh).cloned());
    let settled = settle(context, system, &rest);
    installed?;
    settled?;
    check(context, &wanted.packages)
}

fn place_and_install(context: &Context, system: &System, wanted: &Install) -> Result<(), AptError> {
    let root = wanted.settle.root;
    if wanted.place_policy {
        match observe_policy(system) {
            // An interrupted run of ours left it.
            Observed::Present(Policy::Ours) => {}
            Observed::Present(Policy::Foreign) => {
                return Err(AptError::Policy("it appeared since the plan was made".to_owned()));
            }
            Observed::Unknown(why) => return Err(AptError::Policy(why)),
            Observed::Absent => drop(change(context, system, &commands::place_policy(root), SMALL)?),
        }
    }
    if wanted.refresh {
        change(context, system, &commands::refresh(root), wanted.deadline)?;
    }
    let install = commands::install(root, wanted.packages.iter().map(String::as_str));
    change(context, system, &install, wanted.deadline)?;
    Ok(())
}

/// Disables units that an install brought, and removes our policy. Safe twice; what is undone already, and somebody
/// else's policy, are left. Blocks.
///
/// Errors: the first command that failed; the others were tried.
pub fn settle(context: &Context, system: &System, rest: &Settle) -> Result<(), AptError> {
    let there = units::all(system);
    let disable: Vec<&str> = rest.disable.intersection(&there).map(String::as_str).collect();
    let mut all = Vec::new();
    if !disable.is_empty() && exec::find(context, "systemctl").is_some() {
        all.push(commands::disable_units(rest.root, rest.systemd, disable.iter().copied()));
    } else {
        for unit in &disable {
            let [helper, script] = commands::disable_without_systemctl(rest.root, unit);
            all.push(helper);
            if system.has(&format!("/etc/init.d/{}", unit.strip_suffix(".service").unwrap_or(unit))) {
                all.push(script);
            }
        }
    }
    // The policy goes last: until the units are disabled nothing may start them.
    if rest.remove_policy && matches!(observe_policy(system), Observed::Present(Policy::Ours)) {
        all.push(commands::remove_policy(rest.root));
    }
    if !all.is_empty() {
        unlock(context, rest.root)?;
    }
    let failures: Vec<AptError> =
        all.iter().filter_map(|command| change(context, system, command, SMALL).err()).collect();
    failures.into_iter().next().map_or(Ok(()), Err)
}

fn change(context: &Context, system: &System, command: &SystemCommand, deadline: Duration) -> Result<Output, AptError> {
    let here = |argument: &String| {
        if argument == POLICY_PATH { system.path(POLICY_PATH).display().to_string() } else { argument.clone() }
    };
    let changes = Command::changes(context, command.argv.iter().map(here)).deadline(deadline);
    Ok(exec::run(&match command.stdin {
        Some(text) => changes.stdin(text),
        None => changes,
    })?)
}

/// Makes sure that sudo will let us, and lets it ask for the password where there is a terminal.
///
/// Errors: it will not.
pub fn unlock(context: &Context, root: RootAccess) -> Result<(), AptError> {
    match root {
        RootAccess::Root => Ok(()),
        RootAccess::Sudo => match exec::run(&Command::reads(context, ["sudo", "-n", "true"]).deadline(SMALL)) {
            Ok(_) => Ok(()),
            Err(ExecError::Exit { .. }) if std::io::stdin().is_terminal() => {
                exec::run_interactive(&Command::reads(context, ["sudo", "-v"]))?;
                Ok(())
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
