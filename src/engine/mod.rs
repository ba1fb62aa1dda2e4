//! Performs a plan: in parallel over its graph, journal first. It decides nothing.
//!
//! For each step: an entry *started* with what must be remembered, on the disk; the action; an entry *succeeded* or
//! *failed*, on the disk; an event. When a step fails, what depends on it is not begun; what does not goes on, so that
//! one run shows everything that is wrong and the next one has less to do.

pub mod converge;
mod graph;
pub mod interrupt;

use crate::event::{EventKind, Teller};
use crate::journal::JournalError;
use crate::journal::entry::{Entry, Outcome};
use crate::journal::log::Log;
use crate::model::ids::StepId;
use crate::plan::step::{Plan, Step};
use crate::provider::{Failure, FailureKind, Notes, World};
use graph::Graph;
use interrupt::{Interrupt, Pressed};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, timeout};

/// Why a run could not be performed at all. A step that fails is not such an error.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing may be done that cannot be journalled.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The plan is not one: a mistake in this program, or in the file that the plan was read from.
    #[error("the plan cannot be performed: {0}")]
    Plan(String),
}

/// What a plan came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunResult {
    /// How it ended.
    pub outcome: Outcome,
    /// The steps that failed, in the order in which they did.
    pub failures: Vec<StepFailure>,
    /// The steps that were broken off on request: only the world can tell what they came to.
    pub abandoned: Vec<StepId>,
    /// The steps that were not begun, in the order of the plan.
    pub not_begun: Vec<StepId>,
}

/// A step that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// Which one.
    pub step: StepId,
    /// Why.
    pub failure: Failure,
}

/// What plans are performed with.
pub struct Engine<W> {
    /// The world that they are performed on.
    pub world: Arc<W>,
    /// Who is told.
    pub teller: Teller,
    /// How many steps act at the same time.
    pub parallel: NonZeroUsize,
    /// Whether the user wants it to end.
    pub interrupt: Interrupt,
}

/// A step that has come to an end by itself.
struct Ended {
    index: usize,
    millis: u64,
    result: Result<(), Failure>,
}

impl<W: World> Engine<W> {
    /// Performs a plan.
    ///
    /// Errors: the journal cannot be written, or the plan is not one. Steps that were acting have ended by then.
    pub async fn run(&self, plan: &Arc<Plan>, log: &mut Log) -> Result<RunResult, EngineError> {
        let mut run = Run {
            engine: self,
            plan,
            graph: Graph::of(&plan.steps).map_err(EngineError::Plan)?,
            acting: JoinSet::new(),
            tasks: HashMap::new(),
            interrupt: self.interrupt.clone(),
            failures: Vec::new(),
            abandoned: Vec::new(),
        };
        let digest = plan.digest();
        let steps: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
        log.commit(vec![Entry::Planned { digest, steps: steps.clone() }])?;
        self.teller.tell(EventKind::Planned { steps });
        match run.go(log).await {
            Ok(()) => Ok(run.result()),
            Err(error) => {
                // They are not broken off: what is half done is harder to mend than what is done and not journalled.
                while run.acting.join_next().await.is_some() {}
                Err(error.into())
            }
        }
    }
}

/// A plan that is being performed.
struct Run<'a, W> {
    engine: &'a Engine<W>,
    plan: &'a Arc<Plan>,
    graph: Graph,
    acting: JoinSet<Ended>,
    /// Which step each task performs.
    tasks: HashMap<task::Id, usize>,
    interrupt: Interrupt,
    failures: Vec<StepFailure>,
    abandoned: Vec<StepId>,
}

impl<W: World> Run<'_, W> {
    /// Begins what can be begun, waits for something to end, and so on. What ended and what is begun in its place
    /// become durable by one write.
    async fn go(&mut self, log: &mut Log) -> Result<(), JournalError> {
        let mut ended: Vec<Ended> = Vec::new();
        loop {
            for end in &ended {
                self.graph.end(end.index, end.result.is_ok());
            }
            let free = self.engine.parallel.get().saturating_sub(self.acting.len());
            let begun = if self.interrupt.pressed() == Pressed::No { self.graph.begin(free) } else { Vec::new() };
            let entries: Vec<Entry> = ended
                .iter()
                .map(|end| self.end_entry(end))
                .chain(begun.iter().map(|at| self.start_entry(*at)))
                .collect();
            if !entries.is_empty() {
                log.commit(entries)?;
            }
            ended.drain(..).for_each(|end| self.tell_end(end));
            begun.into_iter().for_each(|index| self.begin(index));
            if self.acting.is_empty() {
                return Ok(());
            }
            tokio::select! {
                Some(end) = self.acting.join_next_with_id() => ended.extend(self.ended(end)),
                () = self.interrupt.twice() => return self.abandon(log).await,
            }
            while let Some(end) = self.acting.try_join_next_with_id() {
                ended.extend(self.ended(end));
            }
        }
    }

    /// What became of a task. One that broke off, which only a mistake in this program brings about, is a step that
    /// failed.
    fn ended(&mut self, end: Result<(task::Id, Ended), JoinError>) -> Option<Ended> {
        match end {
            Ok((id, ended)) => {
                self.tasks.remove(&id);
                Some(ended)
            }
            Err(error) => self.tasks.remove(&error.id()).map(|index| {
                let failure = Failure::new(FailureKind::Failed, format!("the step broke off: {error}"));
                Ended { index, millis: 0, result: Err(failure) }
            }),
        }
    }

    fn step(&self, index: usize) -> &Step {
        &self.plan.steps[index]
    }

    fn start_entry(&self, index: usize) -> Entry {
        let step = self.step(index);
        Entry::Started { step: step.id.clone(), facts: step.action.facts() }
    }

    fn end_entry(&self, end: &Ended) -> Entry {
        let step = self.step(end.index);
        match &end.result {
            Ok(()) => Entry::Succeeded { step: step.id.clone(), settled: step.action.settles() },
            Err(failure) => Entry::Failed { step: step.id.clone(), cause: failure.cause.clone() },
        }
    }

    fn tell_end(&mut self, end: Ended) {
        let step = self.step(end.index).id.clone();
        let millis = end.millis;
        match end.result {
            Ok(()) => self.engine.teller.tell(EventKind::StepSucceeded { step, millis }),
            Err(failure) => {
                let error = failure.cause.clone();
                self.engine.teller.tell(EventKind::StepFailed { step: step.clone(), millis, error });
                self.failures.push(StepFailure { step, failure });
            }
        }
    }

    fn begin(&mut self, index: usize) {
        let Step { id, because, .. } = self.step(index);
        self.engine.teller.tell(EventKind::StepStarted { step: id.clone(), because: because.clone() });
        let (world, plan, teller) = (self.engine.world.clone(), self.plan.clone(), self.engine.teller.clone());
        let task = self.acting.spawn(async move {
            let begun = Instant::now();
            let result = act(&*world, &plan.steps[index], &teller).await;
            Ended { index, millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), result }
        });
        self.tasks.insert(task.id(), index);
    }

    /// Breaks off what acts.
    async fn abandon(&mut self, log: &mut Log) -> Result<(), JournalError> {
        self.acting.shutdown().await;
        self.abandoned = self.graph.acting().map(|index| self.step(index).id.clone()).collect();
        log.commit(self.abandoned.iter().map(|step| Entry::Abandoned { step: step.clone() }).collect())
    }

    fn result(self) -> RunResult {
        let not_begun: Vec<StepId> = self.graph.not_begun().map(|index| self.step(index).id.clone()).collect();
        for step in &not_begun {
            self.engine.teller.tell(EventKind::StepNotBegun { step: step.clone() });
        }
        let wanted_to_end = self.interrupt.pressed() != Pressed::No;
        let outcome = if wanted_to_end && (self.graph.could_go_on() || !self.abandoned.is_empty()) {
            Outcome::Interrupted
        } else if self.failures.is_empty() {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        };
        RunResult { outcome, failures: self.failures, abandoned: self.abandoned, not_begun }
    }
}

/// Performs one step within its time.
async fn act<W: World>(world: &W, step: &Step, teller: &Teller) -> Result<(), Failure> {
    let last_note = Arc::new(Mutex::new(None));
    let notes = {
        let (last_note, teller, step) = (last_note.clone(), teller.clone(), step.id.clone());
        Notes::new(move |note: String| {
            *last_note.lock().unwrap_or_else(PoisonError::into_inner) = Some(note.clone());
            teller.tell(EventKind::StepNote { step: step.clone(), note });
        })
    };
    match timeout(step.timeout.duration(), world.perform(step, &notes)).await {
        Ok(result) => result,
        Err(_) => {
            let failure = Failure::new(FailureKind::Timeout, format!("it took longer than {}", step.timeout));
            let note = last_note.lock().unwrap_or_else(PoisonError::into_inner).take();
            Err(match note {
                Some(note) => failure.observed(note),
                None => failure,
            })
        }
    }
}
