//! Reading a file back: the fold over its entries, and where it is torn or damaged.

use super::entry::{self, Commit, Entry, Header, Outcome};
use super::status::{StepEvent, StepStatus};
use super::{Damage, JournalError};
use crate::fs;
use crate::model::facts::Facts;
use crate::model::ids::StepId;
use std::collections::HashMap;
use std::path::Path;

/// What the entries of a run come to.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// How the steps of the current plan do.
    steps: HashMap<StepId, StepStatus>,
    /// The end, when there was one since it was last gone on with.
    pub outcome: Option<Outcome>,
    /// The command that removes everything.
    pub reclaim: Option<String>,
}

impl Run {
    /// Takes one more entry, and changes what is remembered accordingly.
    ///
    /// Errors: it does not follow from those before it, in words.
    pub fn apply(&mut self, entry: &Entry, facts: &mut Facts) -> Result<(), String> {
        if self.outcome.is_some() && !matches!(entry, Entry::Resumed { .. }) {
            return Err("the run had ended".to_owned());
        }
        match entry {
            Entry::Reclaim { command } => self.reclaim = Some(command.clone()),
            Entry::Resumed { .. } => {
                self.outcome = None;
                self.steps.clear();
            }
            Entry::Planned { steps, .. } => {
                self.steps = steps.iter().map(|step| (step.clone(), StepStatus::Pending)).collect();
            }
            Entry::Started { step, facts: begun } => {
                // Before anything can be wrong with it: after damage, too much is remembered rather than too little.
                facts.absorb(begun);
                self.step(step, StepEvent::Started)?;
            }
            Entry::Succeeded { step, settled } => {
                self.step(step, StepEvent::Succeeded)?;
                facts.settle(settled);
            }
            Entry::Failed { step, .. } => self.step(step, StepEvent::Failed)?,
            Entry::Abandoned { step } => self.step(step, StepEvent::Abandoned)?,
            Entry::Finished { outcome } => self.outcome = Some(*outcome),
        }
        Ok(())
    }

    fn step(&mut self, step: &StepId, event: StepEvent) -> Result<(), String> {
        let status = self.steps.get_mut(step).ok_or_else(|| format!("`{step}` is not in the plan"))?;
        *status = status.next(event).map_err(|bad| format!("`{step}`: {bad}"))?;
        Ok(())
    }
}

/// A file, read back.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The first line; none when the run was cut off before it was written.
    pub header: Option<Header>,
    /// What the rest comes to.
    pub run: Run,
    /// The bytes up to the end of the last whole line.
    pub whole: u64,
    /// Where it is damaged.
    pub damage: Vec<Damage>,
}

/// Reads a file, and changes what is remembered by each of its whole lines, so that damage costs no more than it must.
///
/// Errors: it cannot be read, or has another form.
pub(super) fn read(path: &Path, facts: &mut Facts) -> Result<Reading, JournalError> {
    let bytes = fs::read_bytes(path)?;
    let mut reading = Reading::default();
    let mut suspect: Option<Damage> = None;
    let mut start = 0;
    let mut number = 0;
    while let Some(len) = bytes[start..].iter().position(|byte| *byte == b'\n') {
        number += 1;
        // A broken line is only the torn end of the file when nothing follows it.
        reading.damage.extend(suspect.take());
        if let Err(what) = take_line(path, number, &bytes[start..start + len], &mut reading, facts)? {
            suspect = Some(Damage { path: path.to_owned(), line: number, what });
        } else {
            reading.whole = (start + len + 1) as u64;
        }
        start += len + 1;
    }
    if start < bytes.len() {
        reading.damage.extend(suspect.take());
    }
    Ok(reading)
}

/// Takes one line. The inner result says what is wrong with the line; the outer error ends the reading.
fn take_line(
    path: &Path,
    number: usize,
    line: &[u8],
    reading: &mut Reading,
    facts: &mut Facts,
) -> Result<Result<(), String>, JournalError> {
    let text = match entry::checked(line) {
        Ok(text) => text,
        Err(what) => return Ok(Err(what.to_owned())),
    };
    if number == 1 {
        let schema = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|value| value["schema"].as_u64());
        if let Some(found) = schema.filter(|found| *found != u64::from(Header::SCHEMA)) {
            return Err(JournalError::Schema { path: path.to_owned(), found });
        }
        return Ok(entry::decode::<Header>(text).map(|header| {
            facts.id = Some(header.id.clone());
            reading.header = Some(header);
        }));
    }
    let commit: Commit = match entry::decode(text) {
        Ok(commit) => commit,
        Err(what) => return Ok(Err(what)),
    };
    for entry in &commit.entries {
        if let Err(what) = reading.run.apply(entry, facts) {
            reading.damage.push(Damage { path: path.to_owned(), line: number, what });
        }
    }
    Ok(Ok(()))
}
