//! The marked processes of this host: everything that we start carries its environment's identity in its own
//! environment, where the kernel shows it to us whatever became of our files.

use super::agent::{self, AGENT, COMPONENT_MARKER, MARKER};
use crate::exec::{Identity, Reading, Watch, identity};
use crate::fs::{self, FsError};
use crate::model::component::ComponentName;
use crate::model::ids::EnvId;
use crate::model::inventory::{Observed, Orphan};
use crate::model::paths::Paths;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// The most bytes of a process's environment that are read; the marker of ours stands within.
const ENVIRONMENT_LIMIT: u64 = 256 << 10;
/// The time between the request to end and the kill.
const TERM: Duration = Duration::from_secs(10);
/// The same for an agent, which first stops all that it looks after.
const TERM_AGENT: Duration = Duration::from_secs(60);
/// How long a killed process may take to be gone.
const KILL: Duration = Duration::from_secs(5);
/// How often it is looked for marked processes again after all that were known have ended.
const ROUNDS: u32 = 3;

/// A process that carries a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// Who it is.
    pub reading: Reading,
    /// The environment that it belongs to.
    pub id: EnvId,
    /// The component; none for an agent, or where the marker names none.
    pub component: Option<ComponentName>,
    /// Whether it is an agent.
    pub is_agent: bool,
}

impl Marked {
    /// As the inventory and the plan have it.
    pub const fn orphan(&self) -> Orphan {
        let Identity { pid, started } = self.reading.identity;
        Orphan { pid, started, component: self.component }
    }
}

/// All processes of this host at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    all: BTreeMap<u32, Reading>,
    marked: Vec<Marked>,
}

impl Snapshot {
    /// Looks at every process. One that goes away meanwhile, or whose environment we may not read, is not ours.
    ///
    /// Errors: `/proc` cannot be listed.
    pub fn take() -> Result<Self, FsError> {
        let mut snapshot = Self::default();
        for pid in fs::list(Path::new("/proc"))?.iter().filter_map(|name| name.parse::<u32>().ok()) {
            let Observed::Present(reading) = identity(pid) else { continue };
            if reading.ended {
                continue;
            }
            snapshot.all.insert(pid, reading);
            let Some((id, component, is_agent)) = read_marker(pid) else { continue };
            // The number may have passed to another process between the two reads.
            if matches!(identity(pid), Observed::Present(after) if after.identity == reading.identity && !after.ended) {
                snapshot.marked.push(Marked { reading, id, component, is_agent });
            }
        }
        snapshot.marked.sort_by_key(|marked| (marked.reading.identity.started, marked.reading.identity.pid));
        Ok(snapshot)
    }

    /// Every marked process, by start: for when all state is lost, since the identity is in the marker.
    pub fn marked(&self) -> &[Marked] {
        &self.marked
    }

    /// Whether that very process is there.
    pub fn has(&self, process: Identity) -> bool {
        self.all.get(&process.pid).is_some_and(|reading| reading.identity == process)
    }

    /// The processes of environment `id` that no agent looks after, by start.
    ///
    /// `agent` is the living agent, if there is one: what descends from it, and what is in its session, is looked
    /// after. `recorded` are processes that an agent wrote down; they count even where they have overwritten their
    /// marker.
    pub fn orphans(&self, id: &EnvId, agent: Option<u32>, recorded: &BTreeMap<ComponentName, Identity>) -> Vec<Marked> {
        let mut found: Vec<Marked> = self.marked.iter().filter(|marked| marked.id == *id).cloned().collect();
        for (component, process) in recorded.iter().filter(|(_, process)| self.has(**process)) {
            // A program that overwrites its environment shows no marker, or a part of one.
            if !found.iter().any(|marked| marked.reading.identity == *process)
                && let Some(reading) = self.all.get(&process.pid)
            {
                let (id, component) = (id.clone(), Some(*component));
                found.push(Marked { reading: *reading, id, component, is_agent: false });
            }
        }
        // A marker is inherited: whoever is started by a service, and we ourselves may be, carries it too.
        found.retain(|marked| marked.reading.identity.pid != std::process::id());
        found.retain(|marked| agent.is_none_or(|agent| !self.is_under(&marked.reading, agent)));
        found.sort_by_key(|marked| (marked.reading.identity.started, marked.reading.identity.pid));
        found
    }

    /// The processes that descend from `agent` or are in its session, itself included.
    pub fn under(&self, agent: u32) -> BTreeSet<u32> {
        self.all.values().filter(|reading| self.is_under(reading, agent)).map(|r| r.identity.pid).collect()
    }

    fn is_under(&self, reading: &Reading, agent: u32) -> bool {
        let mut at = *reading;
        // As many steps as there are processes: a circle cannot hold us up.
        for _ in 0..=self.all.len() {
            if at.identity.pid == agent || at.session == agent {
                return true;
            }
            match self.all.get(&at.parent) {
                Some(parent) => at = *parent,
                None => return false,
            }
        }
        false
    }
}

/// What the marker of a process says.
fn read_marker(pid: u32) -> Option<(EnvId, Option<ComponentName>, bool)> {
    let path = Path::new("/proc").join(pid.to_string()).join("environ");
    let (bytes, _) = fs::read_stream(&path, ENVIRONMENT_LIMIT).ok()?;
    parse_marker(&bytes)
}

fn parse_marker(environment: &[u8]) -> Option<(EnvId, Option<ComponentName>, bool)> {
    let value = |name: &str| {
        let found = environment
            .split(|byte| *byte == 0)
            .find_map(|variable| variable.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")))?;
        std::str::from_utf8(found).ok()
    };
    let id = EnvId::parse(value(MARKER)?).ok()?;
    let component = value(COMPONENT_MARKER).unwrap_or_default();
    Some((id, ComponentName::parse(component), component == AGENT))
}

/// The orphans of one environment: looks at the processes and at what the agent wrote down.
///
/// Errors: `/proc` cannot be listed.
pub fn orphans(snapshot: &Snapshot, paths: &Paths, id: &EnvId, agent: Option<u32>) -> Vec<Marked> {
    snapshot.orphans(id, agent, &recorded(paths))
}

/// The processes that an agent wrote down in this boot.
fn recorded(paths: &Paths) -> BTreeMap<ComponentName, Identity> {
    let Observed::Present(boot) = agent::boot_id() else { return BTreeMap::new() };
    match agent::observe_service_records(paths) {
        Observed::Present(records) => records
            .into_iter()
            .filter(|(_, record)| record.boot == boot && record.process.started > 0)
            .map(|(component, record)| (component, record.process))
            .collect(),
        Observed::Absent | Observed::Unknown(_) => BTreeMap::new(),
    }
}

/// A process that could not be ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("process {pid}{} could not be ended: {why}", .component.map(|name| format!(" ({name})")).unwrap_or_default())]
pub struct StillThere {
    /// Its number.
    pub pid: u32,
    /// Its component.
    pub component: Option<ComponentName>,
    /// Why.
    pub why: String,
}

/// Ends these processes one after the other, those of one component together: asks each, and kills it when it has not
/// ended in time. A process that has ended meanwhile, or whose number has passed to another, is not touched.
///
/// Errors: the first process that is still there.
pub async fn stop_in_order(processes: &[Orphan], say: &impl Fn(String)) -> Result<(), StillThere> {
    let mut rest = processes;
    while let Some(first) = rest.first() {
        let together = rest.iter().take_while(|process| process.component == first.component).count();
        let (now, later) = rest.split_at(together);
        let mut holds = Vec::new();
        for process in now {
            match Watch::open(Identity { pid: process.pid, started: process.started }) {
                Ok(Some(watch)) => holds.push((process, watch)),
                Ok(None) => {}
                Err(error) => return Err(still_there(process, &error)),
            }
        }
        for (process, watch) in &holds {
            say(format!("ending process {}{}", process.pid, named(process)));
            watch.signal(Signal::TERM).map_err(|error| still_there(process, &error))?;
        }
        for (process, watch) in &holds {
            let patience = if process.component.is_none() { TERM_AGENT } else { TERM };
            let ended = watch.ended(patience).await.map_err(|error| still_there(process, &error))?;
            if !ended {
                say(format!("killing process {}{}, which did not end", process.pid, named(process)));
                watch.signal(Signal::KILL).map_err(|error| still_there(process, &error))?;
                if !watch.ended(KILL).await.map_err(|error| still_there(process, &error))? {
                    let why = "it was killed and is still there".to_owned();
                    return Err(StillThere { pid: process.pid, component: process.component, why });
                }
            }
        }
        rest = later;
    }
    Ok(())
}

fn still_there(process: &Orphan, error: &std::io::Error) -> StillThere {
    StillThere { pid: process.pid, component: process.component, why: error.to_string() }
}

fn named(process: &Orphan) -> String {
    process.component.map(|name| format!(" ({name})")).unwrap_or_default()
}

/// Ends the orphans of an environment until none is left: those given in their order, and then what has come up
/// meanwhile.
///
/// Errors: a process that is still there, or `/proc` cannot be listed.
pub async fn stop_orphans(
    paths: &Paths,
    id: &EnvId,
    processes: &[Orphan],
    agent: Option<u32>,
    say: &impl Fn(String),
) -> Result<(), StillThere> {
    let look = || match Snapshot::take() {
        Ok(snapshot) => Ok(orphans(&snapshot, paths, id, agent)),
        Err(error) => Err(StillThere { pid: 0, component: None, why: error.to_string() }),
    };
    // Only what is an orphan now: the plan may be old.
    let now: BTreeSet<Identity> = look()?.iter().map(|marked| marked.reading.identity).collect();
    let is_now = |process: &&Orphan| now.contains(&Identity { pid: process.pid, started: process.started });
    let planned: Vec<Orphan> = processes.iter().filter(is_now).cloned().collect();
    stop_in_order(&planned, say).await?;
    for _ in 0..ROUNDS {
        let left: Vec<Orphan> = look()?.iter().rev().map(Marked::orphan).collect();
        if left.is_empty() {
            return Ok(());
        }
        stop_in_order(&left, say).await?;
    }
    match look()?.first() {
        None => Ok(()),
        Some(marked) => {
            let why = "something starts such processes again and again".to_owned();
            Err(StillThere { pid: marked.reading.identity.pid, component: marked.component, why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(pid: u32, parent: u32, session: u32) -> Reading {
        Reading { identity: Identity { pid, started: u64::from(pid) }, parent, group: pid, session, ended: false }
    }

    fn id() -> Option<EnvId> {
        EnvId::parse("local-7f3k9q2m").ok()
    }

    #[test]
    fn only_a_whole_marker_counts() {
        let parsed = |text: &str| parse_marker(text.as_bytes()).map(|(id, name, agent)| (id.to_string(), name, agent));
        let whole = "HOME=/\0REPORTCTL_COMPONENT=redis\0REPORTCTL_ID=local-7f3k9q2m\0";
        assert_eq!(parsed(whole), Some(("local-7f3k9q2m".to_owned(), Some(ComponentName::Redis), false)));
        let agent = "REPORTCTL_ID=local-7f3k9q2m\0REPORTCTL_COMPONENT=agent";
        assert_eq!(parsed(agent), Some(("local-7f3k9q2m".to_owned(), None, true)));
        for no in [
            "",
            "REPORTCTL_ID=",
            "REPORTCTL_ID=local\0",
            "XREPORTCTL_ID=local-7f3k9q2m",
            "REPORTCTL_IDX=local-7f3k9q2m",
        ] {
            assert_eq!(parsed(no), None, "{no}");
        }
    }

    #[test]
    fn what_a_living_agent_looks_after_is_no_orphan() -> Result<(), &'static str> {
        let id = id().ok_or("no id")?;
        // 10 is the agent; 11 its child, 12 a grandchild in a session of its own, 13 left the agent's session and its
        // tree, 14 lost its parent and stayed in the session.
        let readings =
            [reading(10, 1, 10), reading(11, 10, 10), reading(12, 11, 12), reading(13, 1, 13), reading(14, 1, 10)];
        let marked = readings.iter().map(|r| Marked { reading: *r, id: id.clone(), component: None, is_agent: false });
        let snapshot =
            Snapshot { marked: marked.collect(), all: readings.iter().map(|r| (r.identity.pid, *r)).collect() };
        let pids = |agent| -> Vec<u32> {
            snapshot.orphans(&id, agent, &BTreeMap::new()).iter().map(|m| m.reading.identity.pid).collect()
        };
        assert_eq!(pids(Some(10)), [13]);
        assert_eq!(pids(None), [10, 11, 12, 13, 14]);
        assert_eq!(snapshot.under(10), BTreeSet::from([10, 11, 12, 14]));
        Ok(())
    }

    #[test]
    fn a_recorded_process_counts_only_as_itself() -> Result<(), &'static str> {
        let id = id().ok_or("no id")?;
        let snapshot = Snapshot { marked: Vec::new(), all: BTreeMap::from([(20, reading(20, 1, 20))]) };
        let found = |started| {
            let recorded = BTreeMap::from([(ComponentName::Redis, Identity { pid: 20, started })]);
            snapshot.orphans(&id, None, &recorded).len()
        };
        assert_eq!(found(20), 1);
        assert_eq!(found(21), 0, "another process with the same number");
        Ok(())
    }
}
