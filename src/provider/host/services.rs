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
/// So much of a program holds the table of its segments.
const HEAD: u64 = 64 << 10;

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
    if let Some(installed) = find_installed(context, program, checkout) {
        return Some(installed);
    }
    let checkout = checkout?;
    let path = checkout.programs().join(program);
    let is_fresh = checkout.built.get(&component) == Some(&checkout.sources);
    (is_fresh && is_file(&path)).then(|| Found { path, build: Some(checkout.sources.clone()) })
}

/// Where one of our services is installed: on the search path, or beside reportctl itself. What was built in the checkout is
/// not.
pub fn find_installed(context: &Context, program: &str, checkout: Option<&Checkout>) -> Option<Found> {
    let built_in = |folder: Option<&Path>| {
        let folders = checkout.map(|checkout| [checkout.programs(), checkout.static_programs()]);
        folders.into_iter().flatten().any(|own| Some(own.as_path()) == folder)
    };
    let beside = || {
        let path = context.program.parent()?.join(program);
        (!built_in(path.parent()) && is_file(&path)).then_some(path)
    };
    let path = exec::find(context, program).filter(|path| !built_in(path.parent())).or_else(beside)?;
    Some(Found { build: fs::stamp(&path), path })
}

/// Whether the program in a file is static. False also where it cannot be read.
pub fn is_static_file(path: &Path) -> bool {
    fs::read_from(path, 0, HEAD).is_ok_and(|(head, _)| is_static(&head))
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
        built_static: BTreeMap::new(),
    };
    for name in ComponentName::ALL {
        let Source::Ours { program } = name.source() else { continue };
        let of =
            |programs: PathBuf| fs::observe(&record(&programs, program)).present().map(|text| text.trim().to_owned());
        checkout.built.extend(of(checkout.programs()).map(|sources| (name, sources)));
        let is_there = is_file(&checkout.static_programs().join(program));
        checkout
            .built_static
            .extend(of(checkout.static_programs()).filter(|_| is_there).map(|sources| (name, sources)));
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

/// Whether a program of a 64-bit Linux is static (elf(5)): it names no interpreter that would load its libraries, so it runs
/// wherever the kernel and the processor do.
pub fn is_static(program: &[u8]) -> bool {
    const HEADER: usize = 64;
    const INTERPRETER: u32 = 3;
    let number = |at: usize, bytes: usize| {
        let part = program.get(at..at.checked_add(bytes)?)?;
        Some(part.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    // 64 bits, the lowest byte first.
    if program.len() < HEADER || !program.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let place = |at| number(at, 8).and_then(|place| usize::try_from(place).ok());
    let (Some(table), Some(each), Some(count)) = (place(32), number(54, 2), number(56, 2)) else { return false };
    let (Ok(each), Ok(count)) = (usize::try_from(each), usize::try_from(count)) else { return false };
    let kinds: Option<Vec<u64>> = (0..count).map(|entry| number(table.checked_add(each * entry)?, 4)).collect();
    kinds.is_some_and(|kinds| !kinds.is_empty() && !kinds.contains(&u64::from(INTERPRETER)))
}

fn is_file(path: &Path) -> bool {
    fs::observe_meta(path).present().is_some_and(|meta| meta.is_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with these kinds of segments.
    fn elf(kinds: &[u8]) -> Vec<u8> {
        let mut program = vec![0; 64 + 56 * kinds.len()];
        program[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (program[32], program[54], program[56]) = (64, 56, kinds.len() as u8);
        for (entry, kind) in kinds.iter().enumerate() {
            program[64 + 56 * entry] = *kind;
        }
        program
    }

    #[test]
    fn a_program_with_an_interpreter_is_not_static() {
        assert!(is_static(&elf(&[1, 1, 2])));
        assert!(!is_static(&elf(&[6, 3, 1])));
        let own = std::env::current_exe().and_then(|path| fs::read_bytes(&path).map_err(|error| error.source));
        assert_eq!(own.ok().map(|own| is_static(&own)), Some(cfg!(target_feature = "crt-static")), "this test itself");
    }

    #[test]
    fn what_is_no_program_is_not_static() {
        let whole = elf(&[1, 1]);
        for strange in [b"#!/bin/sh\necho report-runner".as_slice(), b"", &whole[..60], &whole[..100], &elf(&[])] {
            assert!(!is_static(strange));
        }
        let mut far = elf(&[1]);
        far[32..40].fill(0xff);
        assert!(!is_static(&far));
    }
}
