//! What is told to people and programs while a run goes on. An event may be lost without harm: the journal is the truth.

use crate::model::ids::{EnvName, RunId, StepId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub mod summary;

/// Where events go: stamps each with the time, the environment and the run, and hands it to the listener.
#[derive(Clone)]
pub struct Teller {
    env: EnvName,
    run: Option<RunId>,
    clock: Arc<dyn Fn() -> String + Send + Sync>,
    listener: Arc<dyn Fn(Event) + Send + Sync>,
}

impl Teller {
    /// Hands each event to `listener`, which must not block. `clock` gives the time as RFC 3339.
    pub fn new(
        env: EnvName,
        clock: impl Fn() -> String + Send + Sync + 'static,
        listener: impl Fn(Event) + Send + Sync + 'static,
    ) -> Self {
        Self { env, run: None, clock: Arc::new(clock), listener: Arc::new(listener) }
    }

    /// Nobody listens.
    pub fn silent(env: EnvName) -> Self {
        Self::new(env, String::new, |_| {})
    }

    /// The same, for the events of one run.
    #[must_use]
    pub fn of_run(&self, run: &RunId) -> Self {
        Self { run: Some(run.clone()), ..self.clone() }
    }

    /// Tells it.
    pub fn tell(&self, kind: EventKind) {
        (self.listener)(Event {
            schema: Event::SCHEMA,
            at: (self.clock)(),
            env: self.env.clone(),
            run: self.run.clone(),
            kind,
        });
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The version of this form: 1. First, so that readers can stop early.
    pub schema: u32,
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// The environment.
    pub env: EnvName,
    /// The run, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Event {
    /// The version of the form that this release writes.
    pub const SCHEMA: u32 = 1;
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// A run began, or went on after an interruption.
    RunStarted {
        /// `up` or `down`.
        verb: String,
        /// Whether an earlier run is being finished.
        resumed: bool,
        /// The one command that removes everything.
        reclaim: String,
    },
    /// A plan is about to be executed.
    Planned {
        /// The ids of its steps.
        steps: Vec<StepId>,
    },
    /// A component will not run.
    ComponentSkipped {
        /// Which one.
        component: String,
        /// Why.
        reason: String,
    },
    /// A step began.
    StepStarted {
        /// Which one.
        step: StepId,
        /// Why it is in the plan.
        because: String,
    },
    /// A step has something to say while it works.
    StepNote {
        /// Which one.
        step: StepId,
        /// What it waits for or does.
        note: String,
    },
    /// A step succeeded.
    StepSucceeded {
        /// Which one.
        step: StepId,
        /// How long it took.
        millis: u64,
    },
    /// A step failed.
    StepFailed {
        /// Which one.
        step: StepId,
        /// How long it took.
        millis: u64,
        /// The cause.
        error: String,
    },
    /// A step was not begun because one that it depends on failed, or the run was interrupted.
    StepNotBegun {
        /// Which one.
        step: StepId,
    },
    /// The plan is through as far as it goes; the world is observed and planned again.
    Replanning {
        /// Why.
        layer: String,
    },
    /// The stack is being checked.
    ChecksStarted,
    /// A component can be reached.
    Reachable {
        /// Which one.
        component: String,
        /// Where programs find it.
        address: String,
        /// The page that a person opens, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        page: Option<String>,
    },
    /// A check ended.
    CheckFinished {
        /// Which one.
        check: String,
        /// `passed`, `failed` or `skipped`.
        outcome: String,
        /// What was seen.
        detail: String,
        /// How long it took.
        millis: u64,
    },
    /// A failed run left its evidence here.
    Dossier {
        /// The folder.
        path: String,
    },
    /// The run ended.
    RunFinished {
        /// `succeeded`, `failed` or `interrupted`.
        outcome: String,
        /// The exit code of the command.
        exit_code: u8,
        /// How long it took.
        millis: u64,
    },
}
