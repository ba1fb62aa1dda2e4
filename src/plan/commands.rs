//! The commands that change the system: said by the plan, run by the provider, word for word the same.

use super::action::Form;
use crate::model::argv;
use crate::model::component::{ComponentName, Source};
use crate::model::inventory::{Checkout, RootAccess};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The file that keeps package scripts from starting services (Debian Policy, 9.3.3; invoke-rc.d(8)).
pub const POLICY_PATH: &str = "/usr/sbin/policy-rc.d";
/// What we write into it: 101 forbids every start. The second line tells that it is ours.
pub const POLICY_TEXT: &str = "#!/bin/sh\n# Put here by reportctl for the time of an install.\nexit 101\n";

/// What LXD's daemon says where there is no systemd, as with Debian's unit.
pub const LXD_LOG: &str = "/var/log/lxd/lxd.log";

/// A command, and what it is fed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemCommand {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads.
    pub stdin: Option<&'static str>,
}

impl SystemCommand {
    /// The command as it can be pasted into a shell.
    pub fn pasteable(&self) -> String {
        let line = argv::join(&self.argv);
        match self.stdin {
            Some(text) => {
                let format = text.replace('\\', "\\\\").replace('%', "%%").replace('\n', "\\n");
                format!("printf {} | {line}", argv::quote(&format))
            }
            None => line,
        }
    }
}

/// Fetches the list of packages anew.
pub fn refresh(root: RootAccess) -> SystemCommand {
    as_root(root, ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "update"])
}

/// Installs packages without asking anything, without what is merely recommended, and without removing others. It waits
/// for another apt to end, keeps configuration that a person has changed, and leaves running services alone, which
/// Ubuntu's needrestart would start anew.
pub fn install<'a>(root: RootAccess, packages: impl IntoIterator<Item = &'a str>) -> SystemCommand {
    let apt = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get", "install", "--yes"];
    let how = ["--no-install-recommends", "--no-remove", "-o", "DPkg::Lock::Timeout=120"];
    let keep = ["-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0"];
    as_root(root, apt.into_iter().chain(how).chain(keep).chain(packages))
}

/// Installs packages; for people, whom it asks first.
pub fn install_by_hand<'a>(root: RootAccess, packages: impl IntoIterator<Item = &'a str>) -> SystemCommand {
    by_hand(root, ["apt-get", "install", "--no-install-recommends"].into_iter().chain(packages))
}

/// Removes packages; for people, whom it asks first.
pub fn remove<'a>(root: RootAccess, packages: impl IntoIterator<Item = &'a str>) -> SystemCommand {
    by_hand(root, ["apt-get", "remove"].into_iter().chain(packages))
}

/// As root, by a person at a terminal.
fn by_hand<'a>(root: RootAccess, argv: impl IntoIterator<Item = &'a str>) -> SystemCommand {
    let sudo = match root {
        RootAccess::Root => None,
        RootAccess::Sudo => Some("sudo"),
    };
    SystemCommand { argv: sudo.into_iter().chain(argv).map(str::to_owned).collect(), stdin: None }
}

/// What the compiler is told for static programs.
const STATIC: &str = "-C target-feature=+crt-static";

/// The variables for [`build`]; `flags` are those that the compiler is given already.
pub fn build_variables(form: Form, flags: Option<&str>) -> BTreeMap<String, String> {
    let both = match flags {
        Some(flags) if !flags.is_empty() => format!("{flags} {STATIC}"),
        _ => STATIC.to_owned(),
    };
    match form {
        Form::Dynamic => BTreeMap::new(),
        Form::Static => BTreeMap::from([("RUSTFLAGS".to_owned(), both)]),
    }
}

/// Builds services of ours, within the folder of their source. Nothing but what the lock file names is taken.
pub fn build(cargo: &Path, target: &Path, components: &BTreeSet<ComponentName>, form: Form) -> Vec<String> {
    let (cargo, target) = (cargo.display().to_string(), target.display().to_string());
    let words = ["build", "--release", "--locked", "--target-dir"].map(str::to_owned);
    let packages = components.iter().filter_map(|name| match name.source() {
        Source::Ours { program } => Some(["--package".to_owned(), program.to_owned()]),
        Source::Package { .. } | Source::Program { .. } => None,
    });
    let own_target = match form {
        Form::Dynamic => None,
        Form::Static => Some(["--target".to_owned(), Checkout::static_target()]),
    };
    let words = [cargo].into_iter().chain(words).chain([target]).chain(own_target.into_iter().flatten());
    words.chain(packages.flatten()).collect()
}

/// Puts our `policy-rc.d` in place.
pub fn place_policy(root: RootAccess) -> SystemCommand {
    let command = as_root(root, ["install", "-m", "0755", "/dev/stdin", POLICY_PATH]);
    SystemCommand { stdin: Some(POLICY_TEXT), ..command }
}

/// Takes our `policy-rc.d` away.
pub fn remove_policy(root: RootAccess) -> SystemCommand {
    as_root(root, ["rm", "-f", POLICY_PATH])
}

/// Keeps units from being started at boot; where systemd runs, ends them too.
pub fn disable_units<'a>(root: RootAccess, systemd: bool, units: impl IntoIterator<Item = &'a str>) -> SystemCommand {
    let now: &[&str] = if systemd { &["--now"] } else { &[] };
    as_root(root, ["systemctl", "disable"].into_iter().chain(now.iter().copied()).chain(units))
}

/// The same where systemd is not installed: packages enable their units by themselves even there, for the day when it is,
/// and the scripts of System V init beside them.
pub fn disable_without_systemctl(root: RootAccess, unit: &str) -> [SystemCommand; 2] {
    let script = unit.strip_suffix(".service").unwrap_or(unit);
    [as_root(root, ["deb-systemd-helper", "disable", unit]), as_root(root, ["update-rc.d", script, "disable"])]
}

/// Starts a unit now.
pub fn start_unit(root: RootAccess, unit: &str) -> SystemCommand {
    as_root(root, ["systemctl", "start", unit])
}

/// Stops a unit, and LXD's own service beside it where the unit is only its socket.
pub fn stop_unit(root: RootAccess, unit: &str) -> SystemCommand {
    let service = unit.strip_suffix(".socket").map(|stem| format!("{stem}.service"));
    as_root(root, ["systemctl", "stop", unit].into_iter().chain(service.as_deref()))
}

/// Starts LXD's daemon where there is no systemd: in a session of its own, as Debian's unit has it. One that runs already is
/// left alone (start-stop-daemon(8)).
pub fn start_lxd(root: RootAccess) -> SystemCommand {
    let daemon = ["start-stop-daemon", "--start", "--oknodo", "--background", "--exec", "/usr/bin/lxd", "--"];
    as_root(root, daemon.into_iter().chain(["--group", "lxd", "--logfile", LXD_LOG]))
}

/// Ends LXD's daemon, and stops all its instances before.
pub fn stop_lxd(root: RootAccess) -> SystemCommand {
    as_root(root, ["lxd", "shutdown"])
}

fn as_root<'a>(root: RootAccess, argv: impl IntoIterator<Item = &'a str>) -> SystemCommand {
    let before: &[&str] = match root {
        RootAccess::Root => &[],
        // Never a prompt: a terminal is asked for the password once, beforehand.
        RootAccess::Sudo => &["sudo", "-n"],
    };
    SystemCommand { argv: before.iter().copied().chain(argv).map(str::to_owned).collect(), stdin: None }
}
