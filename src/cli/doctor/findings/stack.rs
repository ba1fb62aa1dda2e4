//! What the components need of where they run.

use crate::cli::doctor::finding::{Finding, State, finding};
use reportctl::model::component::{ComponentName, Source};
use reportctl::model::environment::{Component, Environment, PortPolicy};
use reportctl::model::inventory::{Inventory, Observed, Policy, PortUse, RootAccess};
use reportctl::model::quantity::Version;

/// What installs packages. `wanted` says whether there is something to install.
pub fn packages(inventory: &Inventory, wanted: bool) -> Vec<Finding> {
    let needed = if wanted { State::Missing } else { State::Note };
    let apt = match &inventory.host.apt {
        Observed::Present(path) => finding("apt", State::Ok, path.display().to_string()),
        Observed::Absent => finding("apt", needed, "there is no apt-get: this is no Debian or Ubuntu")
            .mend("install the programs below by other means, on the search path"),
        Observed::Unknown(why) => finding("apt", needed, why.clone()),
    };
    let root = match &inventory.host.root_access {
        Observed::Present(RootAccess::Root) => finding("root", State::Ok, "you are root"),
        Observed::Present(RootAccess::Sudo) => finding("root", State::Ok, "sudo is here; it is used for apt only"),
        Observed::Absent => finding("root", needed, "neither root nor sudo, which apt needs")
            .mend("have an administrator install the packages that are named below"),
        Observed::Unknown(why) => finding("root", needed, why.clone()),
    };
    let policy = match &inventory.host.policy {
        Observed::Absent => finding("policy-rc.d", State::Ok, "none stands; one is put in place while apt runs"),
        Observed::Present(Policy::Foreign) => {
            finding("policy-rc.d", State::Ok, "one of somebody else stands, and is left as it is")
        }
        Observed::Present(Policy::Ours) => {
            finding("policy-rc.d", State::Note, "an interrupted install left ours").mend("reportctl up   # removes it")
        }
        Observed::Unknown(why) => finding("policy-rc.d", State::Note, why.clone()),
    };
    vec![apt, root, policy]
}

/// The program of one component.
pub fn program(component: &Component, inventory: &Inventory) -> Finding {
    let name = component.name.as_str();
    let absent = if component.required { State::Missing } else { State::Note };
    let (program, package) = match component.name.source() {
        Source::Package { package, program, .. } => (program, Some(package)),
        Source::Program { program, .. } => (program, None),
        Source::Ours { program } => (program, None),
    };
    let seen = match inventory.programs.get(&component.name) {
        Some(Observed::Present(seen)) => seen,
        Some(Observed::Unknown(why)) => {
            return with_mend(finding(name, absent, why.clone()), component.name, package, inventory);
        }
        Some(Observed::Absent) | None if is_built(component.name, inventory) => {
            return finding(name, State::Ok, "not installed; `up` builds it from the checkout that this is typed in");
        }
        Some(Observed::Absent) | None => {
            let optional = if component.required { "" } else { "; it is optional and will be skipped" };
            let detail = format!("no program `{program}` on the search path{optional}");
            return with_mend(finding(name, absent, detail), component.name, package, inventory);
        }
    };
    if seen.version.at_least(&component.version) {
        return finding(name, State::Ok, format!("{} {}", seen.path.display(), seen.version));
    }
    let detail = format!("{} is {}, at least {} is wanted", seen.path.display(), seen.version, component.version);
    with_mend(finding(name, absent, detail), component.name, package, inventory)
}

/// Whether it is a service of ours that can be built here.
fn is_built(component: ComponentName, inventory: &Inventory) -> bool {
    let can_build = inventory.checkout.present().is_some_and(|checkout| checkout.cargo.present().is_some());
    matches!(component.source(), Source::Ours { .. }) && can_build
}

/// Adds how the program is got.
fn with_mend(found: Finding, component: ComponentName, package: Option<&str>, inventory: &Inventory) -> Finding {
    let Some(package) = package else {
        return match component.source() {
            Source::Program { program, from } => found.mend(format!("install `{program}` from {from}")),
            _ => found,
        };
    };
    let sudo = if inventory.host.root_access.present() == Some(&RootAccess::Root) { "" } else { "sudo " };
    let candidate: Option<&Version> = inventory.packages.get(package).and_then(|package| package.candidate.present());
    match candidate {
        Some(version) => found.mend(format!("reportctl up   # installs {package} {version}")),
        None => found.mend(format!("{sudo}apt-get update   # then {sudo}apt-get install {package}")),
    }
}

/// The ports of this host.
pub fn ports(environment: &Environment, inventory: &Inventory) -> Vec<Finding> {
    let policy = environment.machine.ports();
    let taken: Vec<_> =
        environment.stack.ports().filter(|(_, number)| inventory.ports.get(number) == Some(&PortUse::Taken)).collect();
    if taken.is_empty() {
        return vec![finding("ports", State::Ok, "every wanted port is free or ours")];
    }
    let one = |(key, number): &(reportctl::model::component::PortKey, u16)| {
        let name = format!("port {key}");
        match policy {
            PortPolicy::Free => {
                finding(name, State::Note, format!("{number} is taken by somebody else; another is chosen"))
            }
            PortPolicy::Exact => finding(name, State::Missing, format!("{number} is taken by somebody else"))
                .mend(format!("ss -ltnp 'sport = :{number}'   # shows who")),
        }
    };
    taken.iter().map(one).collect()
}
