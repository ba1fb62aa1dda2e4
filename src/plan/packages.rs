//! The steps for packages: an install, and what is left of one that was cut off.

use super::action::{Action, EnvAction, HostAction, MachineAction};
use super::availability::Availability;
use super::draft::Draft;
use super::error::PlanError;
use super::work::unknown;
use super::{Inputs, commands, timeouts};
use crate::model::guest::Guest;
use crate::model::inventory::{Observed, Policy, RootAccess};
use std::collections::BTreeSet;

const INSTALL: &str = "packages/install";

/// Adds the install, which also undoes what an earlier one may have left, and the end of the plan.
///
/// Errors: nobody can say whether a `policy-rc.d` stands, so one might be overwritten.
pub(super) fn install(inputs: &Inputs<'_>, available: &Availability, draft: &mut Draft) -> Result<(), PlanError> {
    let host = &inputs.inventory.host;
    let place_policy = match &host.policy {
        Observed::Present(Policy::Foreign) => false,
        Observed::Present(Policy::Ours) | Observed::Absent => true,
        Observed::Unknown(reason) => {
            return Err(unknown(format!("whether {} is there", commands::POLICY_PATH), reason));
        }
    };
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
        "packages/settle",
        [],
        "an install was cut off, and what it left must not stay",
        timeouts::SHORT,
        HostAction::SettlePackages { root, systemd: host.systemd, remove_policy: policy, disable_units: units },
    );
    None
}
