//! A whole run: plan, perform, and plan again where the plan says so or a port was taken meanwhile.

use super::{Engine, EngineError, RunResult};
use crate::event::EventKind;
use crate::journal::JournalError;
use crate::journal::entry::{Entry, Outcome};
use crate::journal::log::Log;
use crate::model::facts::Facts;
use crate::plan::step::Plan;
use crate::provider::{FailureKind, World};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

/// Observes the world and plans.
pub trait Planner {
    /// Why there is no plan.
    type Error;

    /// A plan for the world as it is now, with what the journals remember.
    ///
    /// Errors: there is none.
    fn plan(&mut self, facts: &Facts) -> impl Future<Output = Result<Plan, Self::Error>>;
}

/// Why a run could not be performed to an end of its own.
#[derive(Debug, thiserror::Error)]
pub enum ConvergeError<E> {
    /// The engine could not go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no plan for what follows.
    #[error("{0}")]
    Plan(E),
    /// The plan asked to plan again more often than makes sense: a mistake in this program.
    #[error("planning again does not come to an end: the last plan asked for it because of `{0}`")]
    Endless(String),
}

impl<E> From<JournalError> for ConvergeError<E> {
    fn from(error: JournalError) -> Self {
        Self::Engine(error.into())
    }
}

/// How often a run may plan again because its plan ended in a `replan` step. Three layers exist that need it: packages of
/// this host, the machine, and packages in the machine.
const MOST_REPLANS: u32 = 5;

impl<W: World> Engine<W> {
    /// Performs a run: journals, and then tells, the command that removes everything, performs `first`, plans again where
    /// that is needed, and journals the end.
    ///
    /// A port that was taken between planning and starting is a reason to plan again, once.
    ///
    /// Errors: the journal cannot be written, or there is no plan for what follows; the run has then ended as failed.
    pub async fn converge<P: Planner>(
        &self,
        first: Plan,
        planner: &mut P,
        log: &mut Log,
        reclaim: &str,
    ) -> Result<RunResult, ConvergeError<P::Error>> {
        if log.reclaim() != Some(reclaim) {
            log.commit(vec![Entry::Reclaim { command: reclaim.to_owned() }])?;
        }
        self.teller.tell(EventKind::RunStarted {
            verb: log.verb().to_string(),
            resumed: log.is_resumed(),
            reclaim: reclaim.to_owned(),
        });
        let mut plan = first;
        let mut skipped = BTreeMap::new();
        let mut replans = 0;
        let mut chose_ports_again = false;
        loop {
            for (component, reason) in plan.skipped.iter().filter(|(component, _)| !skipped.contains_key(*component)) {
                let (component, reason) = (component.to_string(), reason.clone());
                self.teller.tell(EventKind::ComponentSkipped { component, reason });
            }
            skipped.extend(plan.skipped.clone());
            let again = plan.replan_layer().map(str::to_owned);
            let result = self.run(&Arc::new(plan), log).await?;
            let layer = match (&result.outcome, again) {
                (Outcome::Succeeded, Some(layer)) => {
                    replans += 1;
                    layer
                }
                (Outcome::Failed, _) if !chose_ports_again && only_ports_were_taken(&result) => {
                    chose_ports_again = true;
                    "ports".to_owned()
                }
                _ => {
                    log.finish(result.outcome)?;
                    return Ok(result);
                }
            };
            if replans > MOST_REPLANS {
                log.finish(Outcome::Failed)?;
                return Err(ConvergeError::Endless(layer));
            }
            self.teller.tell(EventKind::Replanning { layer });
            plan = match planner.plan(log.facts()).await {
                Ok(plan) => plan,
                Err(error) => {
                    log.finish(Outcome::Failed)?;
                    return Err(ConvergeError::Plan(error));
                }
            };
        }
    }
}

fn only_ports_were_taken(result: &RunResult) -> bool {
    result.failures.iter().all(|failed| matches!(failed.failure.kind, FailureKind::PortTaken(_)))
}
