//! The steps for packages: an install, and what is left of one that was cut off.

use super::action::{Action, EnvAction, HostAction, MachineAction};
use super::availability::Availability;
use super::draft::Draft;
use super::error::PlanError;
use super::work::unknown;
use super::{Inputs, commands, timeouts};
use crate::model::guest::Guest;
use crate::model::inventory::{Observed, Package, Policy, RootAccess};
use std::collections::{BTreeMap, BTreeSet};

const INSTALL: &str = "packages/install";
const SETTLE: &str = "packages/settle";
/// The units that the package `lxd` and what it needs bring.
const LXD_UNITS: [&str; 4] = ["lxcfs.service", "lxd-containers.service", "lxd.service", "lxd.socket"];

/// Adds the install, which also undoes what an earlier one may have left, and the end of the plan.
///
/// Errors: nobody can say whether a `policy-rc.d` stands, so one might be overwritten.
pub(super) fn install(inputs: &Inputs<'_>, available: &Availability, draft: &mut Draft) -> Result<(), PlanError> {
    let host = &inputs.inventory.host;
    let place_policy = place_policy(inputs)?;
    // Whoever may install has a way to be root: nothing is to be installed otherwise.
    let root = host.root_access.present().copied().unwrap_or(RootAccess::Sudo);
    let brought = available.install.values().map(|install| install.unit).filter(|unit| !host.units.contains_key(*unit));
    let new_units: BTreeSet<String> =
        brought.map(str::to_owned).chain(inputs.facts.new_units.iter().cloned()).collect();
    let action = HostAction::InstallPackages {
        packages: available.install.values().map(|install| install.package.to_owned()).collect(),
        root,
        refresh: available.install.values().any(|install| install.unheard_of),
        systemd: host.systemd,
        place_policy,
        new_units,
    };
    draft.add(INSTALL, [], why(available), timeouts::INSTALL, action);
    draft.add(
        "env/replan",
        [INSTALL.to_owned()],
        "the versions that were installed decide what configuration is understood",
        timeouts::SHORT,
        EnvAction::Replan { layer: "packages".to_owned() },
    );
    Ok(())
}

/// Adds the install of tools that machines are made with on this host. `tools` are the packages of those that are not
/// there, `what` is what needs them.
///
/// Errors: they cannot be had, or nobody can say whether a `policy-rc.d` stands.
pub(super) fn install_tools(
    inputs: &Inputs<'_>,
    tools: &BTreeMap<String, Package>,
    what: &str,
    draft: &mut Draft,
) -> Result<(), PlanError> {
    let host = &inputs.inventory.host;
    let names: Vec<&str> = tools.keys().map(String::as_str).collect();
    let words = names.join(", ");
    let by_hand = commands::install_by_hand(RootAccess::Root, names).pasteable();
    let lack = |cause: String, advice: String| Err(PlanError::Machine { cause, advice, is_tool: true });
    if host.apt.present().is_none() {
        return lack(
            format!("{what} needs {words}, and this host has no apt"),
            "install what it needs by hand".to_owned(),
        );
    }
    let Some(root) = host.root_access.present().copied() else {
        let cause = format!("{what} needs {words}, and root, who can install packages, cannot be reached");
        return lack(cause, format!("as root, run `{by_hand}`"));
    };
    // It is installed, and its program is not found: installing it once more would not help.
    for (name, package) in tools {
        match &package.installed {
            Observed::Absent => {}
            Observed::Present(version) => {
                let cause =
                    format!("{what} needs {name}, which is installed ({version}), but its program is not found");
                return lack(cause, format!("look at PATH, or: apt-get install --reinstall {name}"));
            }
            Observed::Unknown(reason) => return Err(unknown(format!("whether {name} is installed"), reason)),
        }
    }
    let new_units = LXD_UNITS.into_iter().filter(|_| tools.contains_key("lxd")).map(str::to_owned);
    let action = HostAction::InstallPackages {
        packages: tools.keys().cloned().collect(),
        root,
        refresh: tools.values().any(|package| package.candidate.present().is_none()),
        systemd: host.systemd,
        place_policy: place_policy(inputs)?,
        new_units: new_units.chain(inputs.facts.new_units.iter().cloned()).collect(),
    };
    let because = format!("{what} needs what is not installed: {words}");
    // What an install that was cut off has left is undone before, and not meanwhile.
    draft.add(INSTALL, [SETTLE.to_owned()], because, timeouts::INSTALL, action);
    Ok(())
}

/// Whether a `policy-rc.d` must be put in place for the time of an install.
///
/// Errors: nobody can say whether one stands, so one might be overwritten.
fn place_policy(inputs: &Inputs<'_>) -> Result<bool, PlanError> {
    match &inputs.inventory.host.policy {
        Observed::Present(Policy::Foreign) => Ok(false),
        Observed::Present(Policy::Ours) | Observed::Absent => Ok(true),
        Observed::Unknown(reason) => Err(unknown(format!("whether {} is there", commands::POLICY_PATH), reason)),
    }
}

/// Adds the install in a machine, and the end of the plan.
pub(super) fn install_within(guest: &Guest, available: &Availability, draft: &mut Draft) {
    let packages = available.install.values().map(|install| install.package.to_owned()).collect();
    let action = Action::Machine { guest: guest.clone(), action: MachineAction::InstallPackages { packages } };
    draft.add(INSTALL, [], why(available), timeouts::INSTALL, action);
    draft.add(
        "env/replan",
        [INSTALL.to_owned()],
        "the versions that were installed decide what configuration is understood",
        timeouts::SHORT,
        EnvAction::Replan { layer: "packages".to_owned() },
    );
}

fn why(available: &Availability) -> String {
    let (old, missing): (Vec<_>, Vec<_>) = available.install.values().partition(|install| install.too_old.is_some());
    let missing: Vec<&str> = missing.into_iter().map(|install| install.package).collect();
    let missing = (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")));
    let all: Vec<String> =
        missing.into_iter().chain(old.into_iter().filter_map(|install| install.too_old.clone())).collect();
    all.join("; ")
}

/// What an install that was not seen to end has left, as far as it can be seen.
struct Rest {
    policy: bool,
    units: BTreeSet<String>,
}

fn rest(inputs: &Inputs<'_>) -> Rest {
    let host = &inputs.inventory.host;
    let policy = match &host.policy {
        Observed::Present(Policy::Ours) => true,
        Observed::Present(Policy::Foreign) | Observed::Absent => false,
        // Removing it removes it only if it is ours.
        Observed::Unknown(_) => inputs.facts.policy_placed,
    };
    let units = inputs.facts.new_units.iter().filter(|unit| host.units.contains_key(*unit)).cloned().collect();
    Rest { policy, units }
}

/// Adds the step that undoes what an install that was cut off has left. Where root cannot be reached it says in words
/// what is left to do.
pub(super) fn settle(inputs: &Inputs<'_>, draft: &mut Draft) -> Option<String> {
    let Rest { policy, units } = rest(inputs);
    if !policy && units.is_empty() {
        return None;
    }
    let host = &inputs.inventory.host;
    let Some(root) = host.root_access.present().copied() else {
        let remove = policy.then(|| commands::remove_policy(RootAccess::Root).pasteable());
        let names = units.iter().map(String::as_str);
        let disable =
            (!units.is_empty()).then(|| commands::disable_units(RootAccess::Root, host.systemd, names).pasteable());
        let all: Vec<String> = remove.into_iter().chain(disable).map(|command| format!("`{command}`")).collect();
        return Some(format!("an install was cut off; as root, run {}", all.join(" and ")));
    };
    draft.add(
        SETTLE,
        [],
        "an install was cut off, and what it left must not stay",
        timeouts::SHORT,
        HostAction::SettlePackages { root, systemd: host.systemd, remove_policy: policy, disable_units: units },
    );
    None
}
