//! Which components run, which are installed first, and which are skipped and why.

use super::Inputs;
use super::error::{Lack, PlanError};
use super::programs::{self, Put};
use crate::model::component::{ComponentName, Source};
use crate::model::environment::Component;
use crate::model::inventory::{Observed, Program};
use crate::model::quantity::Version;
use std::collections::{BTreeMap, BTreeSet};

/// Which components run, which are installed first, and which are skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Availability {
    /// Those whose program is there, or will be once it is built.
    pub there: BTreeMap<ComponentName, Program>,
    /// Those whose program is built first, and why.
    pub build: BTreeMap<ComponentName, String>,
    /// Those whose program is put into the machine, and how.
    pub put: BTreeMap<ComponentName, Put>,
    /// Those whose package is installed first, and why.
    pub install: BTreeMap<ComponentName, Install>,
    /// Those that will not run, and why.
    pub skipped: BTreeMap<ComponentName, String>,
}

/// A package that is installed for a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The package.
    pub package: &'static str,
    /// The system unit that it brings.
    pub unit: &'static str,
    /// What is there and too old, when it is not just missing.
    pub too_old: Option<String>,
    /// Whether apt knows nothing of it as yet.
    pub unheard_of: bool,
}

/// How a component can be had.
enum Supply {
    There(Program),
    Build(Program, String),
    Put(Program, Put, Option<String>),
    Install(Install),
    Lacking(Lack),
    Unknown(String),
}

/// Finds out which components run.
///
/// Errors: one that is required cannot be had, or nobody can say whether it can.
pub fn availability(inputs: &Inputs<'_>) -> Result<Availability, PlanError> {
    let components = &inputs.env.stack.components;
    let required = required(components);
    let mut found = Availability::default();
    let mut lacks: BTreeMap<ComponentName, Lack> = BTreeMap::new();
    for component in components.values() {
        let is_required = required.contains(&component.name);
        match supply(inputs, component, is_required) {
            Supply::There(program) => drop(found.there.insert(component.name, program)),
            Supply::Build(program, because) => {
                found.there.insert(component.name, program);
                found.build.insert(component.name, because);
            }
            Supply::Put(program, put, build) => {
                found.there.insert(component.name, program);
                found.put.insert(component.name, put);
                found.build.extend(build.map(|because| (component.name, because)));
            }
            Supply::Install(install) => drop(found.install.insert(component.name, install)),
            Supply::Lacking(lack) => drop(lacks.insert(component.name, lack)),
            Supply::Unknown(reason) if is_required || runs(inputs, component.name) => {
                return Err(PlanError::Unknown {
                    what: format!("whether {} can be had", component.name),
                    reason,
                    advice: "`reportctl doctor` shows what is looked at".to_owned(),
                });
            }
            Supply::Unknown(reason) => {
                found.skipped.insert(component.name, format!("it cannot be told whether it can be had: {reason}"));
            }
        }
    }
    found.skipped.extend(lacks.iter().map(|(name, lack)| (*name, lack.reason.clone())));
    skip_what_hangs_on_it(components, &required, &mut found);
    // What hangs on another that is missing need not be named: what a required component needs is required too.
    let missing: Vec<Lack> = lacks.into_values().filter(|lack| required.contains(&lack.component)).collect();
    if missing.is_empty() { Ok(found) } else { Err(PlanError::CannotBeHad(missing)) }
}

/// What the environment requires, and what that needs, and so on.
pub(super) fn required(components: &BTreeMap<ComponentName, Component>) -> BTreeSet<ComponentName> {
    let mut required = BTreeSet::new();
    let mut next: Vec<ComponentName> =
        components.values().filter(|component| component.required).map(|component| component.name).collect();
    while let Some(name) = next.pop() {
        if required.insert(name) {
            next.extend(components.get(&name).into_iter().flat_map(|component| &component.needs));
        }
    }
    required
}

/// Skips what needs something that is skipped, and what only skipped components need, and so on.
fn skip_what_hangs_on_it(
    components: &BTreeMap<ComponentName, Component>,
    required: &BTreeSet<ComponentName>,
    found: &mut Availability,
) {
    loop {
        let next = components
            .values()
            .filter(|component| !found.skipped.contains_key(&component.name))
            .find_map(|component| Some((component.name, skipped_by_others(components, required, found, component)?)));
        let Some((name, reason)) = next else { return };
        found.there.remove(&name);
        found.build.remove(&name);
        found.put.remove(&name);
        found.install.remove(&name);
        found.skipped.insert(name, reason);
    }
}

fn skipped_by_others(
    components: &BTreeMap<ComponentName, Component>,
    required: &BTreeSet<ComponentName>,
    found: &Availability,
    component: &Component,
) -> Option<String> {
    if let Some(need) = component.needs.iter().find(|need| found.skipped.contains_key(*need)) {
        return Some(format!("it needs {need}, which is skipped: {}", found.skipped[need]));
    }
    if required.contains(&component.name) {
        return None;
    }
    let users: BTreeSet<ComponentName> =
        components.values().filter(|other| other.needs.contains(&component.name)).map(|other| other.name).collect();
    let all_are_skipped = !users.is_empty() && users.iter().all(|user| found.skipped.contains_key(user));
    all_are_skipped.then(|| format!("only {} would need it, and that is skipped", words(users)))
}

/// The names joined by commas and `and`.
fn words(names: impl IntoIterator<Item = ComponentName>) -> String {
    let names: Vec<&str> = names.into_iter().map(ComponentName::as_str).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.join(""),
    }
}

/// Whether the agent looks after it now.
fn runs(inputs: &Inputs<'_>, component: ComponentName) -> bool {
    inputs.inventory.agent.present().is_some_and(|agent| agent.services.contains_key(&component))
}

fn supply(inputs: &Inputs<'_>, component: &Component, is_required: bool) -> Supply {
    let name = component.name;
    let lacking = |reason: String, mend: Option<&str>| {
        Supply::Lacking(Lack { component: name, reason, package: None, mend: mend.map(str::to_owned) })
    };
    let seen = inputs.inventory.programs.get(&name);
    let in_machine = inputs.inventory.machine.there().is_some();
    match (name.source(), seen) {
        (Source::Ours { program }, _) if in_machine => match programs::supply(inputs, component, program) {
            programs::Supply::There(program) => Supply::There(program),
            programs::Supply::Put(program, put, build) => Supply::Put(program, put, build),
            programs::Supply::Lacking(lack) => Supply::Lacking(lack),
            programs::Supply::Unknown(reason) => Supply::Unknown(reason),
        },
        (_, None) => Supply::Unknown("nobody looked for its program".to_owned()),
        (_, Some(Observed::Unknown(reason))) => Supply::Unknown(reason.clone()),
        (_, Some(Observed::Present(program))) if program.version.at_least(&component.version) => {
            Supply::There(program.clone())
        }
        (Source::Package { package, unit, program }, Some(seen)) => {
            Wanted { inputs, component, is_required, package, unit, program }.supply(seen.present())
        }
        (Source::Ours { program }, Some(Observed::Present(found))) => lacking(
            format!("{} is of version {}, and {} is needed", found.path.display(), found.version, component.version),
            Some(&format!("put a newer `{program}` in its place, or remove it: then it is built from a checkout")),
        ),
        (Source::Ours { program }, Some(Observed::Absent)) => ours(inputs, component, program),
        (Source::Program { from, .. }, Some(Observed::Present(found))) => lacking(
            format!("{} is of version {}, and {} is needed", found.path.display(), found.version, component.version),
            Some(&format!("a newer one comes from {from}")),
        ),
        (Source::Program { program, from }, Some(Observed::Absent)) => lacking(
            match in_machine {
                true => format!("there is no program `{program}` in the machine; it comes from {from}"),
                false => format!("there is no program `{program}` on the search path; it comes from {from}"),
            },
            Some(&format!("install it from {from}, so that `{program}` is on the search path")),
        ),
    }
}

/// A program of ours that is not installed: it is built from the checkout, where there is one.
fn ours(inputs: &Inputs<'_>, component: &Component, program: &str) -> Supply {
    let lacking = |reason: String, mend: &str| {
        Supply::Lacking(Lack { component: component.name, reason, package: None, mend: Some(mend.to_owned()) })
    };
    let nowhere = format!("there is no program `{program}` on the search path or beside reportctl");
    let checkout = match &inputs.inventory.checkout {
        Observed::Present(checkout) => checkout,
        Observed::Absent => {
            let mend = "install it, or run reportctl in a checkout of its source, where it is built";
            return lacking(format!("{nowhere}, and no checkout to build it from"), mend);
        }
        Observed::Unknown(reason) => return Supply::Unknown(reason.clone()),
    };
    let folder = checkout.folder.display();
    match &checkout.cargo {
        Observed::Present(_) => {}
        Observed::Absent => {
            let mend = "install Rust, so that `cargo` is on the search path";
            return lacking(format!("{nowhere}, and no cargo to build it with from {folder}"), mend);
        }
        Observed::Unknown(reason) => return Supply::Unknown(reason.clone()),
    }
    let because = match checkout.built.get(&component.name) {
        Some(_) => format!("the source of {program} has changed since it was built"),
        None => format!("{program} is not installed and not built yet"),
    };
    let path = checkout.programs().join(program);
    let build = Some(checkout.sources.clone());
    Supply::Build(Program { path, version: component.version.clone(), build }, because)
}

/// A component whose program is not good enough, and that comes as a package.
struct Wanted<'a> {
    inputs: &'a Inputs<'a>,
    component: &'a Component,
    is_required: bool,
    package: &'static str,
    unit: &'static str,
    program: &'static str,
}

impl Wanted<'_> {
    fn supply(&self, found: Option<&Program>) -> Supply {
        let needed = &self.component.version;
        let Some(package) = self.inputs.inventory.packages.get(self.package) else {
            return Supply::Unknown(format!("nobody looked for the package {}", self.package));
        };
        match (&package.installed, found) {
            (Observed::Unknown(reason), _) => Supply::Unknown(reason.clone()),
            (Observed::Present(installed), None) if installed.at_least(needed) => self.lacking(
                format!("the package {} is installed, but `{}` is not on the search path", self.package, self.program),
                Some(format!("install the package anew: `apt-get install --reinstall {}`", self.package)),
            ),
            (Observed::Present(installed), Some(found)) if installed.at_least(needed) => self.lacking(
                format!(
                    "{} is of version {} and found before the package's own, and {needed} is needed",
                    found.path.display(),
                    found.version
                ),
                Some("remove it, or put the folder of the newer one before it in PATH".to_owned()),
            ),
            (installed, _) => {
                let too_old = match (installed.present(), found) {
                    (Some(version), _) => Some(format!("{} {version}", self.package)),
                    (None, Some(found)) => Some(format!("{} {}", found.path.display(), found.version)),
                    (None, None) => None,
                };
                let too_old = too_old.map(|there| format!("{there} is too old: {needed} is needed"));
                self.through_apt(&package.candidate, too_old)
            }
        }
    }

    fn through_apt(&self, candidate: &Observed<Version>, too_old: Option<String>) -> Supply {
        let host = &self.inputs.inventory.host;
        let in_machine = self.inputs.inventory.machine.there().is_some();
        let needed = &self.component.version;
        let because = too_old.clone().unwrap_or_else(|| format!("{} is not installed", self.package));
        // What dpkg has told of a machine says that there is an apt as well.
        if let (Observed::Unknown(reason), false) = (&host.apt, in_machine) {
            return Supply::Unknown(reason.clone());
        }
        if host.apt.is_absent() && !in_machine {
            let mend = format!("install `{}` {needed} or newer, so that it is on the search path", self.program);
            return self.lacking(format!("{because}, and there is no apt here"), Some(mend));
        }
        let unheard_of = match candidate {
            Observed::Present(version) if version.at_least(needed) => false,
            Observed::Present(version) => {
                let mend = "`apt-get update` may make a newer one known; else it must come from elsewhere".to_owned();
                let reason = format!("{because}, and apt would install {version} where {needed} is needed");
                return self.lacking(reason, Some(mend));
            }
            Observed::Unknown(reason) => return Supply::Unknown(reason.clone()),
            // The lists of a fresh machine may be empty; that of what is required is worth a look.
            Observed::Absent if self.is_required => true,
            Observed::Absent => return self.lacking(format!("{because}, and apt knows no such package"), None),
        };
        match &host.root_access {
            // In a machine we are root.
            _ if in_machine => Supply::Install(Install { package: self.package, unit: self.unit, too_old, unheard_of }),
            Observed::Present(_) => {
                Supply::Install(Install { package: self.package, unit: self.unit, too_old, unheard_of })
            }
            Observed::Absent => Supply::Lacking(Lack {
                component: self.component.name,
                reason: format!("{because}, and only root may install it"),
                package: Some(self.package.to_owned()),
                mend: None,
            }),
            Observed::Unknown(reason) => Supply::Unknown(reason.clone()),
        }
    }

    fn lacking(&self, reason: String, mend: Option<String>) -> Supply {
        Supply::Lacking(Lack { component: self.component.name, reason, package: None, mend })
    }
}
