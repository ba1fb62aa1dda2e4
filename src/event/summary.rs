//! The state of a run, folded from its events: every view reads this and nothing else.

use super::{Event, EventKind};
use crate::model::ids::{EnvName, RunId, StepId};
use serde::Serialize;
use std::collections::BTreeMap;

/// The state of a run. Events may be lost: what is here is what was told, and an end that was told counts without its
/// beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// The environment, from the first event on.
    pub env: Option<EnvName>,
    /// The run, once there is one.
    pub run: Option<RunId>,
    /// `up` or `down`.
    pub verb: Option<String>,
    /// Whether an earlier run is being finished.
    pub resumed: bool,
    /// The one command that removes everything.
    pub reclaim: Option<String>,
    /// The steps, in the order in which they were planned. One that is planned again moves to its new place.
    pub steps: Vec<StepSummary>,
    /// How often the run planned again, and why the last time.
    pub replanned: u32,
    /// Why it planned again the last time.
    pub replanned_because: Option<String>,
    /// The components that do not run, and why.
    pub skipped: BTreeMap<String, String>,
    /// Whether the stack is being checked, or was.
    pub checking: bool,
    /// Where programs find each component that runs.
    pub addresses: BTreeMap<String, String>,
    /// The checks, in the order in which they ended.
    pub checks: Vec<CheckSummary>,
    /// Where a failed run left its evidence.
    pub dossier: Option<String>,
    /// How it ended, once it has.
    pub end: Option<RunEnd>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepSummary {
    /// Which one.
    pub id: StepId,
    /// Why it is in the plan; empty until it begins.
    pub because: String,
    /// How it does.
    #[serde(flatten)]
    pub state: StepState,
    /// What it said last.
    pub note: Option<String>,
}

/// How a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum StepState {
    /// It is planned.
    Waiting,
    /// It acts.
    Acting {
        /// Since when, RFC 3339 in UTC.
        since: String,
    },
    /// It did what it should.
    Succeeded {
        /// How long it took.
        millis: u64,
    },
    /// It did not.
    Failed {
        /// How long it took.
        millis: u64,
        /// The cause.
        error: String,
    },
    /// It will not begin in this run.
    NotBegun,
}

/// One check of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckSummary {
    /// Which one.
    pub check: String,
    /// `passed`, `failed` or `skipped`.
    pub outcome: String,
    /// What was seen.
    pub detail: String,
    /// How long it took.
    pub millis: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunEnd {
    /// `succeeded`, `failed` or `interrupted`.
    pub outcome: String,
    /// The exit code of the command.
    pub exit_code: u8,
    /// How long it took.
    pub millis: u64,
}

/// How many steps are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StepCounts {
    /// Planned and not begun yet.
    pub waiting: usize,
    /// Acting.
    pub acting: usize,
    /// Did what they should.
    pub succeeded: usize,
    /// Did not.
    pub failed: usize,
    /// Will not begin in this run.
    pub not_begun: usize,
}

impl RunSummary {
    /// Takes one more event.
    pub fn apply(&mut self, event: &Event) {
        self.env = Some(event.env.clone());
        if event.run.is_some() {
            self.run.clone_from(&event.run);
        }
        match &event.kind {
            EventKind::RunStarted { verb, resumed, reclaim } => {
                self.verb = Some(verb.clone());
                self.resumed = *resumed;
                self.reclaim = Some(reclaim.clone());
            }
            EventKind::Planned { steps } => self.plan(steps),
            EventKind::ComponentSkipped { component, reason } => {
                self.skipped.insert(component.clone(), reason.clone());
            }
            EventKind::StepStarted { step, because } => {
                let step = self.step(step);
                step.because.clone_from(because);
                step.state = StepState::Acting { since: event.at.clone() };
            }
            EventKind::StepNote { step, note } => self.step(step).note = Some(note.clone()),
            EventKind::StepSucceeded { step, millis } => {
                self.step(step).state = StepState::Succeeded { millis: *millis };
            }
            EventKind::StepFailed { step, millis, error } => {
                self.step(step).state = StepState::Failed { millis: *millis, error: error.clone() };
            }
            EventKind::StepNotBegun { step } => self.step(step).state = StepState::NotBegun,
            EventKind::Replanning { layer } => {
                self.replanned += 1;
                self.replanned_because = Some(layer.clone());
            }
            EventKind::ChecksStarted => self.checking = true,
            EventKind::Reachable { component, address, page: _ } => {
                self.addresses.insert(component.clone(), address.clone());
            }
            EventKind::CheckFinished { check, outcome, detail, millis } => self.checks.push(CheckSummary {
                check: check.clone(),
                outcome: outcome.clone(),
                detail: detail.clone(),
                millis: *millis,
            }),
            EventKind::Dossier { path } => self.dossier = Some(path.clone()),
            EventKind::RunFinished { outcome, exit_code, millis } => {
                self.end = Some(RunEnd { outcome: outcome.clone(), exit_code: *exit_code, millis: *millis });
            }
        }
    }

    /// How many steps are in which state.
    pub fn counts(&self) -> StepCounts {
        self.steps.iter().fold(StepCounts::default(), |mut counts, step| {
            *match step.state {
                StepState::Waiting => &mut counts.waiting,
                StepState::Acting { .. } => &mut counts.acting,
                StepState::Succeeded { .. } => &mut counts.succeeded,
                StepState::Failed { .. } => &mut counts.failed,
                StepState::NotBegun => &mut counts.not_begun,
            } += 1;
            counts
        })
    }

    /// A plan replaces what an earlier one has left undone: steps that it has too move to their new place.
    fn plan(&mut self, steps: &[StepId]) {
        let again: std::collections::HashSet<&StepId> = steps.iter().collect();
        self.steps.retain(|step| !again.contains(&step.id) && step.state != StepState::Waiting);
        self.steps.extend(steps.iter().cloned().map(StepSummary::waiting));
    }

    fn step(&mut self, id: &StepId) -> &mut StepSummary {
        // Whatever happens to a step happens soon after it was planned or begun: look from the end.
        let at = self.steps.iter().rposition(|step| step.id == *id).unwrap_or_else(|| {
            self.steps.push(StepSummary::waiting(id.clone()));
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }
}

impl StepSummary {
    fn waiting(id: StepId) -> Self {
        Self { id, because: String::new(), state: StepState::Waiting, note: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use crate::event::Teller;
    use std::sync::{Arc, Mutex};

    fn fold(kinds: Vec<EventKind>) -> RunSummary {
        let summary = Arc::new(Mutex::new(RunSummary::default()));
        let listener = summary.clone();
        let teller = Teller::new(
            EnvName::parse("local").unwrap(),
            || "now".to_owned(),
            move |event| listener.lock().unwrap().apply(&event),
        )
        .of_run(&RunId::numbered(3));
        kinds.into_iter().for_each(|kind| teller.tell(kind));
        let summary = summary.lock().unwrap();
        summary.clone()
    }

    fn step(id: &str) -> StepId {
        StepId::parse(id).unwrap()
    }

    #[test]
    fn a_run_is_followed_through_a_second_plan() {
        let summary = fold(vec![
            EventKind::Planned { steps: vec![step("packages/install"), step("env/replan"), step("redis/start")] },
            EventKind::StepStarted { step: step("packages/install"), because: "missing".to_owned() },
            EventKind::StepNote { step: step("packages/install"), note: "unpacking".to_owned() },
            EventKind::StepSucceeded { step: step("packages/install"), millis: 12 },
            EventKind::Replanning { layer: "packages".to_owned() },
            EventKind::Planned { steps: vec![step("redis/start"), step("redis/ready")] },
            EventKind::StepFailed { step: step("redis/start"), millis: 1, error: "no".to_owned() },
            EventKind::StepNotBegun { step: step("redis/ready") },
            EventKind::RunFinished { outcome: "failed".to_owned(), exit_code: 10, millis: 20 },
        ]);
        let ids: Vec<&str> = summary.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["packages/install", "redis/start", "redis/ready"]);
        assert_eq!(summary.steps[0].note.as_deref(), Some("unpacking"));
        assert_eq!(summary.counts(), StepCounts { succeeded: 1, failed: 1, not_begun: 1, ..StepCounts::default() });
        assert_eq!(summary.run.map(|run| run.to_string()).as_deref(), Some("0003"));
        assert_eq!(summary.end.map(|end| end.exit_code), Some(10));
    }

    #[test]
    fn a_lost_event_costs_no_more_than_itself() {
        let summary = fold(vec![EventKind::StepSucceeded { step: step("redis/start"), millis: 5 }]);
        assert_eq!(summary.steps[0].state, StepState::Succeeded { millis: 5 });
        assert_eq!(summary.replanned, 0);
    }
}
