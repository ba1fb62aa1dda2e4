//! The programs of our own services: installed ones, and those that are built from a checkout of the source.

use crate::context::Context;
use crate::exec;
use crate::fs;
use crate::model::component::{ComponentName, Source};
use crate::model::digest;
use crate::model::inventory::{Checkout, Observed};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What in the checkout decides how the services turn out.
const SOURCES: [&str; 3] = ["Cargo.lock", "Cargo.toml", "services"];
/// Folders of a package that its program is not made of.
const NOT_SOURCES: [&str; 2] = ["tests", "benches"];

/// A program that was found.
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What distinguishes it from others of its version, where that matters.
    pub build: Option<String>,
}

/// Where one of our services is: on the search path, beside reportctl itself, or built from the checkout's source as it
/// is now. What was built there from another source is not found: it is to be built again.
pub fn find(context: &Context, component: ComponentName, program: &str, checkout: Option<&Checkout>) -> Option<Found> {
    let built_in = checkout.map(Checkout::programs);
    let beside = || {
        let folder = context.program.parent()?;
        let path = folder.join(program);
        let is_built_there = built_in.as_deref() == Some(folder);
        (!is_built_there && is_file(&path)).then_some(path)
    };
    let installed = exec::find(context, program).filter(|path| path.parent() != built_in.as_deref());
    if let Some(path) = installed.or_else(beside) {
        return Some(Found { build: fs::stamp(&path), path });
    }
    let checkout = checkout?;
    let path = checkout.programs().join(program);
    let is_fresh = checkout.built.get(&component) == Some(&checkout.sources);
    (is_fresh && is_file(&path)).then(|| Found { path, build: Some(checkout.sources.clone()) })
}

/// What is to be known of a checkout, so that services can be built in it.
pub fn checkout(context: &Context, folder: &Path) -> Observed<Checkout> {
    let sources = match sources(folder) {
        Ok(sources) => sources,
        Err(error) => return Observed::Unknown(error.to_string()),
    };
    let target = context.var("CARGO_TARGET_DIR").map_or_else(|| folder.join("target"), |own| context.cwd.join(own));
    let mut checkout = Checkout {
        folder: folder.to_owned(),
        target,
        cargo: exec::find(context, "cargo").map_or(Observed::Absent, Observed::Present),
        sources,
        built: BTreeMap::new(),
    };
    for name in ComponentName::ALL {
        let Source::Ours { program } = name.source() else { continue };
        if let Observed::Present(text) = fs::observe(&record(&checkout.programs(), program)) {
            checkout.built.insert(name, text.trim().to_owned());
        }
    }
    Observed::Present(checkout)
}

/// The file that holds the digest of the source that a program was built of.
pub fn record(programs: &Path, program: &str) -> PathBuf {
    programs.join(format!("{program}.sources"))
}

/// A digest of everything that the services are made of. It tells a change by what the file system knows of each file,
/// as Cargo does, and not by reading all of them.
///
/// Errors: a folder cannot be listed.
fn sources(folder: &Path) -> Result<String, fs::FsError> {
    let mut seen = Vec::new();
    for name in SOURCES {
        walk(&folder.join(name), &mut seen)?;
    }
    Ok(digest::of(&seen))
}

fn walk(path: &Path, seen: &mut Vec<(PathBuf, Option<String>)>) -> Result<(), fs::FsError> {
    if !fs::observe_meta(path).present().is_some_and(|meta| meta.is_dir) {
        seen.push((path.to_owned(), fs::stamp(path)));
        return Ok(());
    }
    for name in fs::list(path)? {
        if !name.starts_with('.') && !NOT_SOURCES.contains(&name.as_str()) {
            walk(&path.join(name), seen)?;
        }
    }
    Ok(())
}

fn is_file(path: &Path) -> bool {
    fs::observe_meta(path).present().is_some_and(|meta| meta.is_file)
}
