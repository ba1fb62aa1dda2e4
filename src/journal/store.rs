//! All journals of one environment, and what they remember together.

use super::entry::{Header, Outcome, Verb};
use super::{Damage, JournalError, read};
use crate::fs;
use crate::model::facts::Facts;
use crate::model::ids::RunId;
use crate::model::paths::Paths;

/// What the journals of an environment remember.
#[derive(Debug, Default)]
pub struct Memory {
    /// What they remember together.
    pub facts: Facts,
    /// The last run, finished or not.
    pub last: Option<LastRun>,
    /// Where they are damaged. What could be read around the damage is in the facts.
    pub damage: Vec<Damage>,
    /// The number of the next new run.
    next: u32,
}

/// The last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// What its first line says.
    pub header: Header,
    /// How it ended; none when it was cut off.
    pub outcome: Option<Outcome>,
    /// The one command that removes everything, once it was written.
    pub reclaim: Option<String>,
}

impl LastRun {
    /// Whether it can be gone on with.
    pub const fn is_unfinished(&self) -> bool {
        matches!(self.outcome, None | Some(Outcome::Interrupted))
    }
}

/// Reads the journals of an environment: none when its folder is not there.
///
/// Errors: one cannot be read, or was written by a release that writes another form. Damage is not an error here,
/// since taking an environment away must work in spite of it: see [`Memory::sound`].
pub fn recall(paths: &Paths) -> Result<Memory, JournalError> {
    let mut memory = Memory { next: 1, ..Memory::default() };
    let mut runs: Vec<RunId> = fs::list(&paths.journals())?
        .iter()
        .filter_map(|name| RunId::parse(name.strip_suffix(".journal")?).ok())
        .collect();
    runs.sort_by_key(RunId::number);
    for run in runs {
        let reading = read::read(&paths.journal(&run), &mut memory.facts)?;
        let blank = reading.header.is_none() && reading.damage.is_empty();
        memory.damage.extend(reading.damage);
        // A run that was cut off before its first line was written has done nothing: its number is used again.
        memory.next = if blank { run.number() } else { run.number().saturating_add(1) };
        if let Some(header) = reading.header {
            memory.last = Some(LastRun { header, outcome: reading.run.outcome, reclaim: reading.run.reclaim });
        }
    }
    Ok(memory)
}

impl Memory {
    /// Errors: the first damage.
    pub fn sound(&self) -> Result<(), JournalError> {
        self.damage.first().map_or(Ok(()), |damage| Err(damage.clone().into()))
    }

    /// The run under which `verb` is performed, and whether it is an unfinished one that is gone on with. Only the last
    /// run of all can be gone on with, and only for what it was begun for.
    pub fn run_for(&self, verb: Verb) -> (RunId, bool) {
        match &self.last {
            Some(last) if last.is_unfinished() && last.header.verb == verb && self.damage.is_empty() => {
                (last.header.run.clone(), true)
            }
            _ => (RunId::numbered(self.next), false),
        }
    }
}
