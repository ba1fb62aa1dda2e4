//! The system's units, read from their files: whether they are there, and whether a boot would start them.

use super::System;
use crate::fs;
use std::collections::{BTreeMap, BTreeSet};

/// Where packages and people put units (systemd.unit(5)).
const UNIT_FOLDERS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Where the links lie that have a unit started at boot.
const LINK_FOLDER: &str = "/etc/systemd/system";
/// The same for System V init.
const RC_FOLDERS: [&str; 4] = ["/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d"];
/// The kinds of unit that start something.
const KINDS: [&str; 3] = [".service", ".socket", ".timer"];

/// Those of these units that exist, and whether each is enabled.
pub fn observe<'a>(system: &System, names: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, bool> {
    let there = all(system);
    let enabled = enabled(system);
    names
        .into_iter()
        .filter(|name| there.contains(*name))
        .map(|name| (name.to_owned(), enabled.contains(name)))
        .collect()
}

/// Every unit that could be started.
pub fn all(system: &System) -> BTreeSet<String> {
    UNIT_FOLDERS
        .iter()
        .flat_map(|folder| fs::list(&system.path(folder)).unwrap_or_default())
        .filter(|name| KINDS.iter().any(|kind| name.ends_with(kind)))
        .collect()
}

/// Every unit that a boot would start.
pub fn enabled(system: &System) -> BTreeSet<String> {
    let folder = system.path(LINK_FOLDER);
    let linked = fs::list(&folder)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.ends_with(".wants") || name.ends_with(".requires"))
        .flat_map(|name| fs::list(&folder.join(name)).unwrap_or_default());
    let mut enabled: BTreeSet<String> = linked.collect();
    if !system.has("/lib/systemd/systemd") {
        let started = RC_FOLDERS.iter().flat_map(|folder| fs::list(&system.path(folder)).unwrap_or_default());
        // S20redis-server starts /etc/init.d/redis-server.
        enabled.extend(started.filter_map(|name| Some(format!("{}.service", name.strip_prefix('S')?.get(2..)?))));
    }
    enabled
}
