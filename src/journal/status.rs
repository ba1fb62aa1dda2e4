//! How a step does, and the one function that says what may follow what: for live writing and for reading back.

/// How a step of the current plan does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// It is planned.
    Pending,
    /// It was begun; what it came to is not known yet, and after a crash only the world can tell.
    Running,
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// It was broken off on request; what it came to only the world can tell.
    Abandoned,
}

/// What happens to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEvent {
    /// It is about to act.
    Started,
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// It was broken off on request.
    Abandoned,
}

/// An event that cannot follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a step that is {from:?} cannot be {event:?}")]
pub struct BadTransition {
    /// How the step did.
    pub from: StepStatus,
    /// What cannot happen to it.
    pub event: StepEvent,
}

impl StepStatus {
    /// How the step does after the event. Nothing follows an end: a step is begun again only by another plan.
    ///
    /// Errors: the event cannot follow.
    pub const fn next(self, event: StepEvent) -> Result<Self, BadTransition> {
        match (self, event) {
            (Self::Pending, StepEvent::Started) => Ok(Self::Running),
            (Self::Running, StepEvent::Succeeded) => Ok(Self::Succeeded),
            (Self::Running, StepEvent::Failed) => Ok(Self::Failed),
            (Self::Running, StepEvent::Abandoned) => Ok(Self::Abandoned),
            (from, event) => Err(BadTransition { from, event }),
        }
    }
}
