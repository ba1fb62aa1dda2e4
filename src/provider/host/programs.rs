//! The components' programs on this host, and the versions that they tell.

use super::cache::Cache;
use super::services::{self, Found};
use crate::context::Context;
use crate::exec::{self, Command};
use crate::fs;
use crate::model::component::{ComponentName, Source};
use crate::model::inventory::{Checkout, Installed, Observed, Program};
use crate::model::quantity::Version;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// The program of each of these components. `cache` is a folder in which versions are kept; without it each program
/// is asked.
pub async fn observe(
    context: &Context,
    components: impl IntoIterator<Item = ComponentName>,
    checkout: Option<&Checkout>,
    cache: Option<&Path>,
) -> BTreeMap<ComponentName, Observed<Program>> {
    let mut known: Cache<Version> = Cache::open(cache, "programs.json");
    let mut seen = BTreeMap::new();
    let mut asking = tokio::task::JoinSet::new();
    for component in components {
        let Some(Found { path, build }) = find(context, component, checkout) else {
            seen.insert(component, Observed::Absent);
            continue;
        };
        let stamp = fs::stamp(&path).unwrap_or_default();
        if let Some(version) = known.get(&key(&path), &stamp) {
            seen.insert(component, Observed::Present(Program { path, version, build }));
            continue;
        }
        let context = context.clone();
        asking.spawn(async move {
            let version = ask(&context, component, &path).await;
            (component, Found { path, build }, stamp, version)
        });
    }
    while let Some(answered) = asking.join_next().await {
        let Ok((component, Found { path, build }, stamp, version)) = answered else { continue };
        let program = match version {
            Ok(version) => {
                known.put(&key(&path), &stamp, version.clone());
                Observed::Present(Program { path, version, build })
            }
            Err(reason) => Observed::Unknown(reason),
        };
        seen.insert(component, program);
    }
    known.save();
    seen
}

/// The programs of ours that are installed on this host, and whether each runs in any machine. `cache` as for [`observe`].
pub async fn observe_installed(
    context: &Context,
    components: impl IntoIterator<Item = ComponentName>,
    checkout: Option<&Checkout>,
    cache: Option<&Path>,
) -> BTreeMap<ComponentName, Observed<Installed>> {
    let mut known: Cache<Version> = Cache::open(cache, "programs.json");
    let mut seen = BTreeMap::new();
    for component in components {
        let Source::Ours { program } = component.source() else { continue };
        let Some(Found { path, build }) = services::find_installed(context, program, checkout) else {
            seen.insert(component, Observed::Absent);
            continue;
        };
        let stamp = fs::stamp(&path).unwrap_or_default();
        let version = match known.get(&key(&path), &stamp) {
            Some(version) => Ok(version),
            None => ask(context, component, &path).await,
        };
        let installed = version.map(|version| {
            known.put(&key(&path), &stamp, version.clone());
            Installed { is_static: services::is_static_file(&path), program: Program { path, version, build } }
        });
        seen.insert(component, installed.map_or_else(Observed::Unknown, Observed::Present));
    }
    known.save();
    seen
}

fn key(path: &Path) -> String {
    path.display().to_string()
}

/// Where a component's program is.
fn find(context: &Context, component: ComponentName, checkout: Option<&Checkout>) -> Option<Found> {
    let path = match component.source() {
        Source::Package { program, .. } if component == ComponentName::Postgresql => {
            postgresql_program(context, program)
        }
        Source::Package { program, .. } | Source::Program { program, .. } => exec::find(context, program),
        Source::Ours { program } => return services::find(context, component, program, checkout),
    };
    path.map(|path| Found { path, build: None })
}

/// A program of PostgreSQL's server, which Debian and Ubuntu keep off the search path: that of the newest version.
pub fn postgresql_program(context: &Context, program: &str) -> Option<PathBuf> {
    postgresql_in(Path::new("/usr/lib/postgresql"), program).or_else(|| exec::find(context, program))
}

fn postgresql_in(folder: &Path, program: &str) -> Option<PathBuf> {
    let mut versions: Vec<(Version, String)> = fs::list(folder)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| Some((Version::parse(&name).ok()?, name)))
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|(_, name)| folder.join(name).join("bin").join(program))
        .find(|path| fs::observe_meta(path).present().is_some())
}

/// Asks a program for its version.
async fn ask(context: &Context, component: ComponentName, path: &Path) -> Result<Version, String> {
    let program = path.display().to_string();
    let command = Command::reads(context, [program.as_str(), "--version"]).deadline(PATIENCE).limit(64 << 10);
    let output = exec::start(command).await.map_err(|error| error.to_string())?;
    let said = if output.stdout.trim().is_empty() { output.stderr } else { output.stdout };
    parse(component, &said).ok_or_else(|| {
        format!("`{program} --version` tells no version: {}", said.lines().next().unwrap_or("it says nothing"))
    })
}

/// The version in what a component's program says of itself.
pub fn parse(component: ComponentName, said: &str) -> Option<Version> {
    // What stands before the version in the output; it may hold other numbers, such as the time.
    let before = match component {
        ComponentName::Redis => " v=",
        ComponentName::Prometheus | ComponentName::Alertmanager | ComponentName::NodeExporter => ", version ",
        ComponentName::RedisExporter => "Redis Metrics Exporter ",
        ComponentName::Postgresql => "(PostgreSQL) ",
        ComponentName::Grafana | ComponentName::Clickhouse => " version ",
        ComponentName::Uptrace | ComponentName::Requestor | ComponentName::Runner => "",
    };
    let (_, rest) = said.split_once(before)?;
    let rest = rest.trim_start_matches('v');
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    match Version::parse(digits.trim_matches('.')) {
        Ok(version) => Some(version),
        // A program that says more than its version first.
        Err(_) if before.is_empty() => Version::find(said),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_say() {
        // Captured from the programs; the file is named after the program and its version.
        let cases = [
            (ComponentName::Redis, include_str!("../../../tests/fixtures/versions/redis-server-7.0.15.txt"), "7.0.15"),
            (
                ComponentName::Prometheus,
                include_str!("../../../tests/fixtures/versions/prometheus-2.42.0.txt"),
                "2.42.0",
            ),
            (
                ComponentName::Alertmanager,
                include_str!("../../../tests/fixtures/versions/alertmanager-0.25.0.txt"),
                "0.25.0",
            ),
            (
                ComponentName::NodeExporter,
                include_str!("../../../tests/fixtures/versions/node-exporter-1.5.0.txt"),
                "1.5.0",
            ),
            (
                ComponentName::RedisExporter,
                include_str!("../../../tests/fixtures/versions/redis-exporter-1.45.0.txt"),
                "1.45.0",
            ),
            (ComponentName::Postgresql, include_str!("../../../tests/fixtures/versions/postgresql-15.18.txt"), "15.18"),
        ];
        for (component, said, version) in cases {
            assert_eq!(parse(component, said).map(|v| v.to_string()).as_deref(), Some(version), "{component}");
        }
    }

    #[test]
    fn what_is_no_version_is_none() {
        assert_eq!(parse(ComponentName::Redis, "Redis server sha=00000000:0"), None);
        assert_eq!(parse(ComponentName::Prometheus, "prometheus, version unknown (go1.19.8)"), None);
        assert_eq!(parse(ComponentName::RedisExporter, "time=\"2026-01-01T10:00:00.5Z\" level=info"), None);
        assert_eq!(parse(ComponentName::Uptrace, "uptrace v2.0.1").map(|v| v.to_string()).as_deref(), Some("2.0.1"));
        assert_eq!(parse(ComponentName::Uptrace, "no version"), None);
    }

    #[test]
    fn the_newest_postgresql_is_taken_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "16", "common"] {
            let bin = folder.path().join(version).join("bin");
            fs::ensure_dir(&bin, 0o755).unwrap();
            if version != "16" {
                fs::write(&bin.join("postgres"), b"", 0o755).unwrap();
            }
        }
        assert_eq!(postgresql_in(folder.path(), "postgres").unwrap(), folder.path().join("15/bin/postgres"));
        assert_eq!(postgresql_in(folder.path(), "initdb"), None);
    }
}
