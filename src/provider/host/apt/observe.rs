//! Which packages are installed, and which could be.

use super::System;
use crate::context::Context;
use crate::exec::{self, Command};
use crate::fs;
use crate::model::inventory::{Observed, Package};
use crate::model::quantity::Version;
use crate::provider::host::cache::Cache;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// How long a question to the package system may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The files and folders whose change may change what apt would install.
const SOURCES: [&str; 7] = [
    "/var/lib/apt/lists",
    "/var/lib/dpkg/status",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/preferences",
    "/etc/apt/preferences.d",
    "/etc/apt/apt.conf.d",
];

/// The state of each package, given with the version that it must have at least. What apt would install is asked only
/// of those that are not installed or too old, and kept in the folder `cache` as long as apt's lists are the same,
/// since the question takes longer than everything else.
pub async fn observe(
    context: &Context,
    system: &System,
    packages: &BTreeMap<String, Version>,
    cache: Option<&Path>,
) -> BTreeMap<String, Package> {
    let installed = installed(context, &packages.keys().cloned().collect()).await;
    let is_good = |name: &String, seen: &Observed<Version>| {
        seen.present().is_some_and(|version| packages.get(name).is_none_or(|minimum| version.at_least(minimum)))
    };
    let missing: BTreeSet<String> =
        installed.iter().filter(|(name, seen)| !is_good(name, seen)).map(|(name, _)| name.clone()).collect();
    let mut candidates = candidates(context, system, &missing, cache).await;
    installed
        .into_iter()
        .map(|(name, installed)| {
            let candidate = match (&installed, candidates.remove(&name)) {
                (_, Some(candidate)) => candidate,
                // Nobody needs to know what would replace it.
                (Observed::Present(version), None) => Observed::Present(version.clone()),
                (_, None) => Observed::Unknown("apt was not asked".to_owned()),
            };
            (name, Package { installed, candidate })
        })
        .collect()
}

async fn installed(context: &Context, packages: &BTreeSet<String>) -> BTreeMap<String, Observed<Version>> {
    let all = |seen: Observed<Version>| packages.iter().map(|name| (name.clone(), seen.clone())).collect();
    if packages.is_empty() {
        return BTreeMap::new();
    }
    let format = "--showformat=${Package}\\t${db:Status-Status}\\t${Version}\\n";
    let argv = ["dpkg-query", "--show", format].into_iter().map(str::to_owned).chain(packages.iter().cloned());
    // 1: at least one of them is not known to dpkg (dpkg-query(1)).
    match exec::start(Command::reads(context, argv).deadline(PATIENCE).accept(&[0, 1])).await {
        Ok(output) => parse_installed(packages, &output.stdout),
        Err(error) if error.is_not_found() => {
            all(Observed::Unknown("this is no Debian or Ubuntu: it has no dpkg".to_owned()))
        }
        Err(error) => all(Observed::Unknown(error.to_string())),
    }
}

/// Reads what `dpkg-query --show` says: name, state and version, a tab between each. A package that it does not name is not
/// installed.
pub fn parse_installed(packages: &BTreeSet<String>, text: &str) -> BTreeMap<String, Observed<Version>> {
    let mut seen: BTreeMap<String, Observed<Version>> =
        packages.iter().map(|name| (name.clone(), Observed::Absent)).collect();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (Some(name), Some(status), Some(version)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let Some(entry) = seen.get_mut(name) else { continue };
        // With several architectures a package has several lines.
        if entry.present().is_some() {
            continue;
        }
        *entry = match status {
            "installed" => upstream_version(version).map_or_else(
                || Observed::Unknown(format!("version {version} of {name} is not understood")),
                Observed::Present,
            ),
            "not-installed" | "config-files" => Observed::Absent,
            other => Observed::Unknown(format!("{name} is {other}: run `sudo dpkg --configure -a`")),
        };
    }
    seen
}

async fn candidates(
    context: &Context,
    system: &System,
    packages: &BTreeSet<String>,
    cache: Option<&Path>,
) -> BTreeMap<String, Observed<Version>> {
    let all = |seen: Observed<Version>| packages.iter().map(|name| (name.clone(), seen.clone())).collect();
    if packages.is_empty() {
        return BTreeMap::new();
    }
    let stamp: Vec<String> = SOURCES.iter().map(|path| fs::stamp(&system.path(path)).unwrap_or_default()).collect();
    let (key, stamp) = (packages.iter().map(String::as_str).collect::<Vec<_>>().join(" "), stamp.join(" "));
    let mut known: Cache<BTreeMap<String, Observed<Version>>> = Cache::open(cache, "packages.json");
    if let Some(seen) = known.get(&key, &stamp) {
        return seen;
    }
    if !has_lists(system) {
        // apt knows of no package at all, which may change with `apt-get update`.
        return all(Observed::Absent);
    }
    let argv = ["apt-cache", "policy"].into_iter().map(str::to_owned).chain(packages.iter().cloned());
    match exec::start(Command::reads(context, argv).deadline(PATIENCE)).await {
        Ok(output) => {
            let seen = parse_candidates(packages, &output.stdout);
            known.put(&key, &stamp, seen.clone());
            known.save();
            seen
        }
        Err(error) if error.is_not_found() => all(Observed::Absent),
        Err(error) => all(Observed::Unknown(error.to_string())),
    }
}

/// Whether apt knows of any archive's packages.
fn has_lists(system: &System) -> bool {
    let names = fs::list(&system.path("/var/lib/apt/lists")).unwrap_or_default();
    names.iter().any(|name| name.contains("_Packages"))
}

/// Reads `apt-cache policy`: a package that no archive has is not named at all, or has the candidate `(none)`.
pub fn parse_candidates(packages: &BTreeSet<String>, text: &str) -> BTreeMap<String, Observed<Version>> {
    let mut seen: BTreeMap<String, Observed<Version>> =
        packages.iter().map(|name| (name.clone(), Observed::Absent)).collect();
    let mut current = None;
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            current = seen.get_mut(name);
        } else if let Some(version) = line.strip_prefix("  Candidate: ")
            && let Some(entry) = current.take()
            && version != "(none)"
        {
            *entry = upstream_version(version)
                .map_or_else(|| Observed::Unknown(format!("version {version} is not understood")), Observed::Present);
        }
    }
    seen
}

/// The upstream part of a Debian version (deb-version(7)), as far as it is numbers: `5:7.0.15-1~deb12u1` is 7.0.15, and
/// `15+248+deb12u1` is 15.
pub fn upstream_version(text: &str) -> Option<Version> {
    let text = match text.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => text,
    };
    let numbers: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let parts: Vec<&str> = numbers.split('.').filter(|part| !part.is_empty()).take(4).collect();
    Version::parse(&parts.join(".")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn shown(seen: &BTreeMap<String, Observed<Version>>) -> Vec<String> {
        let word = |seen: &Observed<Version>| match seen {
            Observed::Present(version) => version.to_string(),
            Observed::Absent => "absent".to_owned(),
            Observed::Unknown(reason) => format!("unknown: {reason}"),
        };
        seen.iter().map(|(name, seen)| format!("{name} {}", word(seen))).collect()
    }

    #[test]
    fn debian_versions_give_their_upstream_part() {
        let cases = [
            ("5:7.0.15-1~deb12u10", "7.0.15"),
            ("2.42.0+ds-5+deb12u1", "2.42.0"),
            ("15+248+deb12u2", "15"),
            ("1.45.0-2+b4", "1.45.0"),
            ("0.28.1+ds-1", "0.28.1"),
            ("1.2.3.4.5-1", "1.2.3.4"),
        ];
        for (text, version) in cases {
            assert_eq!(upstream_version(text).map(|v| v.to_string()).as_deref(), Some(version), "{text}");
        }
        assert_eq!(upstream_version("unknown"), None);
    }

    #[test]
    fn installed_packages_are_told_from_those_that_left_their_configuration() {
        let text = include_str!("../../../../tests/fixtures/apt/dpkg-query-1.21.22.txt");
        let seen = parse_installed(&names(&["broken", "gone", "never", "postgresql", "redis-server"]), text);
        assert_eq!(
            shown(&seen),
            [
                "broken unknown: broken is half-configured: run `sudo dpkg --configure -a`",
                "gone absent",
                "never absent",
                "postgresql 15",
                "redis-server 7.0.15"
            ]
        );
    }

    #[test]
    fn candidates_are_read_and_none_is_no_candidate() {
        let text = include_str!("../../../../tests/fixtures/apt/apt-cache-policy-2.6.1.txt");
        let seen = parse_candidates(&names(&["grafana", "postgresql", "redis-server", "virtual"]), text);
        assert_eq!(shown(&seen), ["grafana absent", "postgresql 15", "redis-server 7.0.15", "virtual absent"]);
    }
}
