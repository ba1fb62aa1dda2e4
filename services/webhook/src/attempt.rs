//! How an attempt to deliver went, and who wants to know.

use report_queue::{Outcome, TraceContext};
use std::time::Duration;

/// How an attempt went, in one word: the label `outcome` of `webhook_attempts_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptKind {
    /// Answered with 2xx.
    Delivered,
    /// Answered with a status that may pass: 408, 425, 429, 5xx, or a redirect, which is not followed.
    Retried,
    /// No answer in time.
    Timeout,
    /// No connection, or it was cut.
    Unreachable,
    /// Answered with a status that will not pass, or too large to be sent.
    Refused,
    /// Answered with 410: the endpoint wants nothing any more, and is switched off.
    Gone,
    /// Not tried: the endpoint is left alone for a while, or has as many attempts under way as it may have.
    Postponed,
}

impl AttemptKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Delivered, Self::Retried, Self::Timeout, Self::Unreachable, Self::Refused, Self::Gone, Self::Postponed];

    /// Its name in figures and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Postponed => "postponed",
        }
    }

    /// Whether a later attempt may go better.
    pub(crate) const fn may_pass(self) -> bool {
        matches!(self, Self::Retried | Self::Timeout | Self::Unreachable)
    }
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// In one word.
    pub kind: AttemptKind,
    /// What went wrong, for people; empty when it went well. It names the origin, never the whole address, which may hold
    /// a secret.
    pub error: String,
    /// Not before so much time has passed: as the other side asked, or until it is worth asking again when the attempt was
    /// postponed.
    pub after: Option<Duration>,
}

impl Attempt {
    /// What it means for the job whose attempt it was.
    pub fn into_outcome(self) -> Outcome {
        let Self { kind, error, after } = self;
        match kind {
            AttemptKind::Delivered => Outcome::Done { result: Vec::new() },
            AttemptKind::Retried | AttemptKind::Timeout | AttemptKind::Unreachable => Outcome::Retry { error, after },
            AttemptKind::Refused | AttemptKind::Gone => Outcome::Fail { error },
            AttemptKind::Postponed => Outcome::Postpone { after: after.unwrap_or(Duration::from_secs(1)) },
        }
    }
}

/// Who wants to know of attempts: for `webhook_attempts_total` and `webhook_seconds`.
pub trait Observer: Send + Sync + 'static {
    /// An attempt was made, or postponed. `took` is the time until the status was known; none when nothing was sent.
    fn attempted(&self, kind: AttemptKind, took: Option<Duration>, trace: &TraceContext);
}

/// Nobody wants to know.
impl Observer for () {
    fn attempted(&self, _kind: AttemptKind, _took: Option<Duration>, _trace: &TraceContext) {}
}
