//! The programs of ours that go into a machine: where on this host they come from, and which are built first.

use super::Inputs;
use super::action::{Form, HostAction};
use super::availability::required;
use super::draft::Draft;
use super::error::{Lack, PlanError};
use super::timeouts;
use crate::model::component::{ComponentName, Source};
use crate::model::environment::Component;
use crate::model::inventory::{Installed, Observed, Program};
use crate::model::unit;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The step that builds programs of ours.
pub(super) const BUILD: &str = "services/build";

/// A program of ours that is put into a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where it is on this host, or will be once it is built.
    pub from: PathBuf,
    /// Where it goes.
    pub to: PathBuf,
    /// What distinguishes it from others.
    pub build: String,
    /// Why.
    pub because: String,
}

/// How a program of ours can be had for a machine.
pub(super) enum Supply {
    /// This one is there already.
    There(Program),
    /// It is put there, and built first where a reason for that is given.
    Put(Program, Put, Option<String>),
    /// It cannot be had.
    Lacking(Lack),
    /// Nobody can say.
    Unknown(String),
}

/// What this host has for machines.
enum Stock {
    /// A static program.
    Has { from: PathBuf, build: String, program: Program },
    /// One that is built first, and why.
    Build { from: PathBuf, build: String, program: Program, because: String },
    /// None, and what would mend that.
    Lacks { reason: String, mend: &'static str },
    /// Nobody can say.
    Unknown(String),
}

/// How the program of a component of ours can be had in the machine that is there.
pub(super) fn supply(inputs: &Inputs<'_>, component: &Component, program: &'static str) -> Supply {
    let seen = inputs.inventory.programs.get(&component.name);
    let good = |found: &&Program| found.version.at_least(&component.version);
    let found = seen.and_then(Observed::present).filter(good);
    let (from, build, wanted, because) = match stock(inputs, component, program) {
        Stock::Has { from, build, program } => (from, build, program, None),
        Stock::Build { from, build, program, because } => (from, build, program, Some(because)),
        // What was brought there earlier will do.
        Stock::Lacks { reason, mend } => {
            return match found {
                Some(found) => Supply::There(found.clone()),
                None => {
                    let mend = Some(mend.to_owned());
                    Supply::Lacking(Lack { component: component.name, reason, package: None, mend })
                }
            };
        }
        Stock::Unknown(reason) => {
            return found.map_or(Supply::Unknown(reason), |found| Supply::There(found.clone()));
        }
    };
    match seen {
        Some(Observed::Present(there)) if there.path == wanted.path && there.build.as_ref() == Some(&build) => {
            Supply::There(there.clone())
        }
        Some(Observed::Unknown(reason)) => Supply::Unknown(reason.clone()),
        _ => {
            let why = match seen.and_then(Observed::present) {
                Some(there) if there.path == wanted.path => format!("the machine has another build of {program}"),
                _ => format!("the machine has no {program}"),
            };
            let put = Put { from, to: wanted.path.clone(), build, because: why };
            Supply::Put(wanted, put, because)
        }
    }
}

/// Adds the build of what a machine will need, while it is made, so that it is there when the machine is.
///
/// Errors: what is required cannot be had, which is better known before anything is made.
pub(super) fn build_ahead(inputs: &Inputs<'_>, draft: &mut Draft) -> Result<(), PlanError> {
    let components = &inputs.env.stack.components;
    let required = required(components);
    let (mut reasons, mut lacks) = (BTreeMap::new(), Vec::new());
    for component in components.values() {
        let Source::Ours { program } = component.name.source() else { continue };
        match stock(inputs, component, program) {
            Stock::Build { because, .. } => drop(reasons.insert(component.name, because)),
            Stock::Lacks { reason, mend } if required.contains(&component.name) => {
                let mend = Some(mend.to_owned());
                lacks.push(Lack { component: component.name, reason, package: None, mend });
            }
            Stock::Has { .. } | Stock::Lacks { .. } | Stock::Unknown(_) => {}
        }
    }
    if !lacks.is_empty() {
        return Err(PlanError::CannotBeHad(lacks));
    }
    add_build(inputs, &reasons, Form::Static, draft);
    Ok(())
}

/// Adds the build of these programs, in one go.
pub(super) fn add_build(inputs: &Inputs<'_>, reasons: &BTreeMap<ComponentName, String>, form: Form, draft: &mut Draft) {
    let Observed::Present(checkout) = &inputs.inventory.checkout else { return };
    let Observed::Present(cargo) = &checkout.cargo else { return };
    if reasons.is_empty() {
        return;
    }
    let because: Vec<&str> = reasons.values().map(String::as_str).collect();
    let action = HostAction::BuildServices {
        checkout: checkout.folder.clone(),
        target: checkout.target.clone(),
        cargo: cargo.clone(),
        components: reasons.keys().copied().collect(),
        form,
        sources: checkout.sources.clone(),
        log: inputs.paths.logs().join("build.log"),
    };
    draft.add(BUILD, [], because.join("; "), timeouts::BUILD, action);
}

/// What this host has of a program for machines: an installed one that is static, or one that is built from the checkout.
fn stock(inputs: &Inputs<'_>, component: &Component, program: &'static str) -> Stock {
    let to = unit::program(program);
    let nothing = match inputs.inventory.installed.get(&component.name) {
        Some(Observed::Present(Installed { program: found, is_static: true }))
            if found.version.at_least(&component.version) =>
        {
            let build = found.build.clone().unwrap_or_else(|| found.version.to_string());
            let program = Program { path: to, version: found.version.clone(), build: Some(build.clone()) };
            return Stock::Has { from: found.path.clone(), build, program };
        }
        Some(Observed::Present(Installed { program: found, is_static: true })) => {
            format!("{} is of version {}, and {} is needed", found.path.display(), found.version, component.version)
        }
        Some(Observed::Present(Installed { program: found, is_static: false })) => {
            format!("{} is not static, so it may not run in a machine", found.path.display())
        }
        Some(Observed::Unknown(reason)) => return Stock::Unknown(reason.clone()),
        Some(Observed::Absent) | None => format!("`{program}` is not installed on this host"),
    };
    from_checkout(inputs, component, program, &nothing)
}

fn from_checkout(inputs: &Inputs<'_>, component: &Component, program: &'static str, nothing: &str) -> Stock {
    let checkout = match &inputs.inventory.checkout {
        Observed::Present(checkout) => checkout,
        Observed::Absent => {
            let reason = format!("{nothing}, and there is no checkout to build it from");
            return Stock::Lacks {
                reason,
                mend: "put a static one on the search path, or run reportctl in a checkout of its source, where it is built",
            };
        }
        Observed::Unknown(reason) => return Stock::Unknown(reason.clone()),
    };
    let (from, build) = (checkout.static_programs().join(program), checkout.sources.clone());
    let wanted =
        Program { path: unit::program(program), version: component.version.clone(), build: Some(build.clone()) };
    let because = match checkout.built_static.get(&component.name) {
        Some(built) if *built == build => return Stock::Has { from, build, program: wanted },
        Some(_) => format!("the source of {program} has changed since it was built static"),
        None => format!("{nothing}, and no static one was built yet"),
    };
    match &checkout.cargo {
        Observed::Present(_) => Stock::Build { from, build, program: wanted, because },
        Observed::Absent => {
            let folder = checkout.folder.display();
            let reason = format!("{nothing}, and there is no cargo to build it with from {folder}");
            Stock::Lacks { reason, mend: "install Rust, so that `cargo` is on the search path" }
        }
        Observed::Unknown(reason) => Stock::Unknown(reason.clone()),
    }
}
