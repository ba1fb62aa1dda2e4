//! What is seen in a machine, in one round trip.

use super::package_minimums;
use crate::context::Context;
use crate::deployer::guest::hand::{self, HandError};
use crate::deployer::guest::units::{self, Asked, Said, Unit};
use crate::deployer::guest::way;
use crate::model::component::{ComponentName, Source};
use crate::model::digest;
use crate::model::environment::Environment;
use crate::model::guest::Guest;
use crate::model::ids::EnvId;
use crate::model::inventory::{AgentState, FileState, Observed, Package, Program};
use crate::model::paths::Paths;
use crate::model::quantity::Version;
use crate::model::secret::Secrets;
use crate::model::unit;
use crate::provider::host::cache::Cache;
use crate::provider::host::{apt, programs, secrets};
use crate::reach::guest::Inside;
use crate::reach::tunnel;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the look may take: each program may be asked for its version, and apt for what it would install.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is seen in a machine of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The program of each component of the stack.
    pub programs: BTreeMap<ComponentName, Observed<Program>>,
    /// The state of every package of the stack.
    pub packages: BTreeMap<String, Package>,
    /// As in the inventory.
    pub files: BTreeMap<PathBuf, Observed<FileState>>,
    /// systemd, in the place of an agent: the units of ours.
    pub agent: Observed<AgentState>,
    /// As in the inventory.
    pub prepared: BTreeMap<PathBuf, Observed<()>>,
    /// As in the inventory.
    pub way: Observed<()>,
}

/// For whom it is looked.
pub struct Asker<'a> {
    /// This host.
    pub context: &'a Context,
    /// The environment.
    pub env: &'a Environment,
    /// Its records on this host, where its secrets are.
    pub paths: &'a Paths,
    /// Its identity.
    pub id: &'a EnvId,
    /// The folder in which the versions of programs are kept; without it each is asked.
    pub cache: Option<&'a Path>,
}

#[derive(Serialize)]
struct Request<'a> {
    deed: &'static str,
    programs: BTreeSet<&'static str>,
    /// What of each program was the same when its version was last told.
    known: BTreeMap<&'a str, &'a str>,
    packages: &'a BTreeMap<String, Version>,
    units: BTreeMap<ComponentName, Asked>,
    /// The user who may open tunnels.
    tunnel: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    programs: BTreeMap<String, Said<FoundProgram>>,
    packages: Said<Packages>,
    files: Said<BTreeMap<PathBuf, Said<File>>>,
    units: BTreeMap<ComponentName, Said<Unit>>,
    prepared: Said<Vec<String>>,
    way: Said<way::Seen>,
}

#[derive(Deserialize)]
struct FoundProgram {
    path: PathBuf,
    /// Its inode, length and time of change.
    stamp: String,
    /// What it said of itself, where it was asked.
    said: Option<String>,
    /// What was written beside it when it was put there.
    build: Option<String>,
}

#[derive(Deserialize)]
struct Packages {
    installed: String,
    /// Those that apt was asked about.
    asked: BTreeSet<String>,
    /// What apt said; nothing where it has no list of any archive.
    candidates: Option<String>,
}

#[derive(Deserialize)]
struct File {
    mode: u32,
    /// What it holds; nothing where that is no text.
    text: Option<String>,
}

/// A version that a program told, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    stamp: String,
    version: Version,
}

impl Asker<'_> {
    /// Looks into a machine. Cannot fail: what could not be asked is unknown.
    pub async fn observe(&self, guest: &Guest) -> Seen {
        let secrets = secrets::load(self.paths).map_err(|error| error.to_string());
        let inside = Inside::new(self.context, guest).mask(secrets.as_ref().unwrap_or(&Secrets::default()));
        let minimums = package_minimums(self.env);
        // The machine's name is its key: its own cache goes with the environment.
        let mut cache: Cache<BTreeMap<String, Told>> = Cache::open(self.cache, "machine.json");
        let told = cache.get(guest.name(), "").unwrap_or_default();
        let request = Request {
            deed: "look",
            programs: self.env.stack.components.keys().map(|name| program_of(*name)).collect(),
            known: told.iter().map(|(path, told)| (path.as_str(), told.stamp.as_str())).collect(),
            packages: &minimums,
            units: ComponentName::ALL.into_iter().map(|name| (name, units::asked(name))).collect(),
            tunnel: tunnel::USER,
        };
        let answer: Result<Answer, HandError> = hand::ask(&inside, &request, PATIENCE).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.nothing(&minimums, &error.to_string()),
        };
        let mut now = BTreeMap::new();
        let programs = self.programs(answer.programs, &told, &mut now);
        if now != told {
            cache.put(guest.name(), "", now);
            cache.save();
        }
        Seen {
            programs,
            packages: packages(&minimums, answer.packages),
            files: files(answer.files, &secrets),
            agent: services(answer.units, self.id),
            prepared: prepared(answer.prepared),
            way: match answer.way {
                Said::There(seen) => way::observe(self.paths, &seen),
                Said::Absent(_) => Observed::Absent,
                Said::Unknown(reason) => Observed::Unknown(reason),
            },
        }
    }

    fn nothing(&self, packages: &BTreeMap<String, Version>, reason: &str) -> Seen {
        let unknown = || Observed::Unknown(reason.to_owned());
        let components = self.env.stack.components.keys();
        Seen {
            programs: components.map(|name| (*name, Observed::Unknown(reason.to_owned()))).collect(),
            packages: all_unknown(packages.keys(), reason),
            files: BTreeMap::from([(PathBuf::from(CONFIG), unknown())]),
            agent: Observed::Unknown(reason.to_owned()),
            prepared: unknown_proofs(reason),
            way: Observed::Unknown(reason.to_owned()),
        }
    }

    fn programs(
        &self,
        mut found: BTreeMap<String, Said<FoundProgram>>,
        told: &BTreeMap<String, Told>,
        now: &mut BTreeMap<String, Told>,
    ) -> BTreeMap<ComponentName, Observed<Program>> {
        let names = self.env.stack.components.keys();
        let each = names.map(|name| {
            let seen = match found.remove(program_of(*name)) {
                Some(Said::There(found)) => one_program(*name, found, told, now),
                Some(Said::Absent(_)) => Observed::Absent,
                Some(Said::Unknown(reason)) => Observed::Unknown(reason),
                None => Observed::Unknown("nobody looked for it in the machine".to_owned()),
            };
            (*name, seen)
        });
        each.collect()
    }
}

/// The folder of the components' files in a machine.
const CONFIG: &str = "/etc/reportctl";

const fn program_of(component: ComponentName) -> &'static str {
    match component.source() {
        Source::Package { program, .. } | Source::Program { program, .. } | Source::Ours { program } => program,
    }
}

fn one_program(
    component: ComponentName,
    found: FoundProgram,
    told: &BTreeMap<String, Told>,
    now: &mut BTreeMap<String, Told>,
) -> Observed<Program> {
    let FoundProgram { path, stamp, said, build } = found;
    let key = path.display().to_string();
    let version = match &said {
        Some(said) => programs::parse(component, said).ok_or_else(|| {
            let first = said.lines().next().unwrap_or("it says nothing");
            format!("`{key} --version` tells no version in the machine: {first}")
        }),
        None => told.get(&key).map(|told| told.version.clone()).ok_or_else(|| format!("{key} was not asked")),
    };
    match version {
        Ok(version) => {
            now.insert(key, Told { stamp, version: version.clone() });
            Observed::Present(Program { path, version, build })
        }
        Err(reason) => Observed::Unknown(reason),
    }
}

fn all_unknown<'a>(names: impl IntoIterator<Item = &'a String>, reason: &str) -> BTreeMap<String, Package> {
    let unknown = || Observed::Unknown(reason.to_owned());
    let each = names.into_iter();
    each.map(|name| (name.clone(), Package { installed: unknown(), candidate: unknown() })).collect()
}

fn packages(minimums: &BTreeMap<String, Version>, said: Said<Packages>) -> BTreeMap<String, Package> {
    let seen = match said {
        Said::There(seen) => seen,
        Said::Absent(_) => return all_unknown(minimums.keys(), "the machine is no Debian or Ubuntu: it has no dpkg"),
        Said::Unknown(reason) => return all_unknown(minimums.keys(), &reason),
    };
    let names: BTreeSet<String> = minimums.keys().cloned().collect();
    let installed = apt::parse_installed(&names, &seen.installed);
    // Without any list apt knows of no package at all, which changes with `apt-get update`.
    let mut candidates = apt::parse_candidates(&seen.asked, &seen.candidates.unwrap_or_default());
    let each = installed.into_iter().map(|(name, installed)| {
        let candidate = match (&installed, candidates.remove(&name)) {
            (_, Some(candidate)) => candidate,
            // Nobody needs to know what would replace it.
            (Observed::Present(version), None) => Observed::Present(version.clone()),
            (_, None) => Observed::Unknown("apt was not asked".to_owned()),
        };
        (name, Package { installed, candidate })
    });
    each.collect()
}

fn files(
    said: Said<BTreeMap<PathBuf, Said<File>>>,
    secrets: &Result<Secrets, String>,
) -> BTreeMap<PathBuf, Observed<FileState>> {
    let seen = match said {
        Said::There(seen) => seen,
        Said::Absent(_) => return BTreeMap::new(),
        Said::Unknown(reason) => return BTreeMap::from([(PathBuf::from(CONFIG), Observed::Unknown(reason))]),
    };
    // What a start puts there is no configuration: it is told by what runs.
    let variables: BTreeSet<PathBuf> = ComponentName::ALL.into_iter().map(unit::variables).collect();
    let ours = seen.into_iter().filter(|(path, _)| !variables.contains(path));
    ours.map(|(path, said)| {
        let state = match said {
            Said::There(File { mode, text }) => state(&path, mode, text, secrets),
            Said::Absent(_) => Observed::Absent,
            Said::Unknown(reason) => Observed::Unknown(reason),
        };
        (path, state)
    })
    .collect()
}

fn state(path: &Path, mode: u32, text: Option<String>, secrets: &Result<Secrets, String>) -> Observed<FileState> {
    match (text, secrets) {
        (Some(text), Ok(secrets)) => {
            Observed::Present(FileState { digest: digest::sha256_hex(secrets.unfill(&text).as_bytes()), mode })
        }
        // What we rendered is text, so this is something else, and differs from it.
        (None, _) => Observed::Present(FileState { digest: "no text".to_owned(), mode }),
        (Some(_), Err(reason)) => Observed::Unknown(format!("{} cannot be compared: {reason}", path.display())),
    }
}

/// systemd in the place of an agent. One unit that is unknown, or runs what is not ours, makes all of it unknown: nothing
/// may be started beside it.
fn services(units: BTreeMap<ComponentName, Said<Unit>>, id: &EnvId) -> Observed<AgentState> {
    let mut services = BTreeMap::new();
    for (component, said) in units {
        let unit = match said {
            Said::There(unit) => unit,
            Said::Absent(_) => return Observed::Unknown("the machine has no systemd".to_owned()),
            Said::Unknown(reason) => return Observed::Unknown(reason),
        };
        match unit.service(component, id) {
            Ok(Some(service)) => drop(services.insert(component, service)),
            Ok(None) => {}
            Err(foreign) => return Observed::Unknown(foreign.to_string()),
        }
    }
    Observed::Present(AgentState { pid: 0, protocol: AgentState::PROTOCOL, services })
}

fn prepared(said: Said<Vec<String>>) -> BTreeMap<PathBuf, Observed<()>> {
    let place = Paths::system();
    match said {
        Said::There(names) => {
            let known = names.iter().filter_map(|name| ComponentName::parse(name));
            known.map(|name| (place.prepared(name), Observed::Present(()))).collect()
        }
        Said::Absent(_) => BTreeMap::new(),
        Said::Unknown(reason) => unknown_proofs(&reason),
    }
}

fn unknown_proofs(reason: &str) -> BTreeMap<PathBuf, Observed<()>> {
    let place = Paths::system();
    ComponentName::ALL.into_iter().map(|name| (place.prepared(name), Observed::Unknown(reason.to_owned()))).collect()
}
