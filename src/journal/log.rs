//! The journal of the run that is going on.

use super::JournalError;
use super::entry::{Commit, Entry, Header, Outcome, Verb, encode};
use super::read::{self, Run};
use super::store::Memory;
use crate::context::Context;
use crate::fs::{self, Appender};
use crate::model::facts::Facts;
use crate::model::ids::{EnvId, EnvName, RunId};
use crate::model::paths::Paths;
use serde::Serialize;
use std::path::PathBuf;

/// The journal of the run that is going on.
pub struct Log {
    context: Context,
    path: PathBuf,
    file: Appender,
    run_id: RunId,
    verb: Verb,
    resumed: bool,
    run: Run,
    facts: Facts,
    poisoned: bool,
    #[cfg(debug_assertions)]
    kill: super::kill::Kill,
}

/// Whose run it is and what for.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The environment.
    pub env: EnvName,
    /// Its identity.
    pub id: EnvId,
    /// What the run is for.
    pub verb: Verb,
    /// The version of the program.
    pub version: String,
}

impl Log {
    /// Begins a run, or goes on with the unfinished one. The environment's lock must be held.
    ///
    /// Guarantees: when it returns, the identity is on the disk. A torn last line of an earlier attempt is cut off.
    ///
    /// Errors: the environment's folder or the file in it cannot be made or written.
    pub fn open(context: &Context, paths: &Paths, memory: &Memory, opening: Opening) -> Result<Self, JournalError> {
        let (run_id, resumed) = memory.run_for(opening.verb);
        let path = paths.journal(&run_id);
        fs::ensure_dir(&paths.root, 0o700)?;
        fs::ensure_dir(&paths.journals(), 0o700)?;
        let mut file = Appender::open(&path)?;
        // What is remembered was read from the files as they are now, so reading this one again changes nothing in it.
        let reading = read::read(&path, &mut Facts::default())?;
        file.cut(if resumed { reading.whole } else { 0 })?;
        fs::sync_parent(&path)?;
        fs::sync_parent(&paths.journals())?;
        fs::sync_parent(&paths.root)?;
        let facts = Facts { id: Some(opening.id.clone()), ..memory.facts.clone() };
        let run = if resumed { reading.run } else { Run::default() };
        let mut log = Self {
            #[cfg(debug_assertions)]
            kill: super::kill::Kill::asked_for(context),
            context: context.clone(),
            path,
            file,
            run_id: run_id.clone(),
            verb: opening.verb,
            resumed,
            run,
            facts,
            poisoned: false,
        };
        let Opening { env, id, verb, version } = opening;
        if resumed {
            log.commit(vec![Entry::Resumed { version }])?;
        } else {
            let at = log.context.timestamp();
            log.write(&Header { schema: Header::SCHEMA, env, id, run: run_id, verb, version, at })?;
        }
        Ok(log)
    }

    /// Writes entries, all or none of them.
    ///
    /// Guarantees: when it returns, they are on the disk, and what is remembered has changed accordingly.
    ///
    /// Errors: they do not follow from those before them, or cannot be written. After the latter nothing can be written
    /// any more.
    pub fn commit(&mut self, entries: Vec<Entry>) -> Result<(), JournalError> {
        for entry in &entries {
            self.run.apply(entry, &mut self.facts).map_err(JournalError::Order)?;
        }
        let at = self.context.timestamp();
        self.write(&Commit { at, entries })
    }

    /// Ends the run.
    ///
    /// Errors: as [`commit`](Self::commit).
    pub fn finish(&mut self, outcome: Outcome) -> Result<(), JournalError> {
        self.commit(vec![Entry::Finished { outcome }])
    }

    /// What is remembered up to now, by this run and those before it.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The run.
    pub const fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// What the run is for.
    pub const fn verb(&self) -> Verb {
        self.verb
    }

    /// Whether it goes on with a run that had been cut off or interrupted.
    pub const fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The one command that removes everything, once it was written.
    pub fn reclaim(&self) -> Option<&str> {
        self.run.reclaim.as_deref()
    }

    fn write<T: Serialize>(&mut self, line: &T) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned(self.path.clone()));
        }
        let line = encode(line).map_err(JournalError::Order)?;
        #[cfg(debug_assertions)]
        self.kill.before(&mut self.file, &line);
        let written = self.file.append(&line).and_then(|()| self.file.sync());
        // A line that may be half there must stay the last one.
        self.poisoned = written.is_err();
        #[cfg(debug_assertions)]
        self.kill.after();
        Ok(written?)
    }
}
