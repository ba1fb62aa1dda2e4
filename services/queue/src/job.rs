//! Jobs: what is put into a queue, what a worker gets, and how a run of it may end.

use super::id::JobId;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Which jobs are taken first. Within one priority they are taken in the order in which they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    High,
    /// The usual one.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

/// Where a request came from, as W3C Trace Context writes it. Empty when nothing is traced. It travels beside the payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// `traceparent`.
    pub parent: String,
    /// `tracestate`.
    pub state: String,
}

/// An entry that is added to a log, and whom it wakes, in the same step as the change that it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The stream that is added to. It keeps about its last 1,000 entries, for 30 days after the last one.
    pub stream: String,
    /// The channel on which the new entry's id is published.
    pub channel: String,
    /// The entry's field `event`, beside `trace`, which is the job's `traceparent` where there is one. `{id}` in it is replaced by the job's name.
    pub event: String,
}

/// A job that is to be put into a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewJob {
    /// What kind of work it is, such as `gage-calibration`: for the handler and for the figures. No secret.
    pub kind: String,
    /// Everything that the work needs, in the handler's own form. At most 256 KiB.
    pub payload: Vec<u8>,
    /// Whose job it is. A user's jobs beyond the queue's limit wait aside until one of theirs ends.
    pub user: Option<String>,
    /// Which jobs are taken first.
    pub priority: Priority,
    /// Two jobs with the same key (of the same user) within a day are one job.
    pub idempotency_key: Option<String>,
    /// It is not started before so much time has passed, by the server's clock.
    pub delay: Duration,
    /// Where the request came from.
    pub trace: TraceContext,
    /// What is told to others in the same step.
    pub announcement: Option<Announcement>,
}

/// What became of a job that was put into a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the queue under this name.
    New(JobId),
    /// Its key was used before; this is the job of then.
    Duplicate(JobId),
}

/// A job that a worker holds.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its name.
    pub id: JobId,
    /// What kind of work it is.
    pub kind: String,
    /// Everything that the work needs.
    pub payload: Vec<u8>,
    /// Whose job it is.
    pub user: Option<String>,
    /// Where the request came from.
    pub trace: TraceContext,
    /// Which run this is, from 1. Runs that ended with a dead worker count; postponed ones do not.
    pub attempt: u32,
    /// When it was put into the queue, in milliseconds since 1970 by the server's clock.
    pub enqueued_at: u64,
    /// When it was ready for a worker: it was put in, its time had come, or another job of its user had ended.
    pub ready_at: u64,
    /// When it was claimed, by the same clock.
    pub claimed_at: u64,
    /// Ends when somebody cancelled the job, when its lease was lost, or when the worker must stop at once. Long work
    /// looks at it now and then.
    pub cancelled: CancellationToken,
}

/// How a run of a job ended, as its handler says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done {
        /// What came of it, kept for seven days. At most 1 MiB; larger ones belong into a file that this refers to.
        result: Vec<u8>,
    },
    /// It went wrong and may go right later: it runs again after a pause with back-off and full jitter, until the
    /// attempts are used up, and then it is dead.
    Retry {
        /// What went wrong, for people. No secret.
        error: String,
        /// Not before so much time has passed, where the other side said so.
        after: Option<Duration>,
    },
    /// It went wrong and will never go right: it is dead at once.
    Fail {
        /// What went wrong, for people. No secret.
        error: String,
    },
    /// It could not be tried now. This was no attempt; it runs again after the pause.
    Postpone {
        /// How long to wait.
        after: Duration,
    },
    /// It stopped because it was cancelled.
    Cancelled,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for a worker, or for one of its user's other jobs to end.
    Queued,
    /// It waits for its time: it was delayed, or it is tried again later.
    Delayed,
    /// A worker holds it.
    Running,
    /// It ended well.
    Done,
    /// It ended badly for good and is among the dead letters.
    Dead,
    /// It was cancelled.
    Cancelled,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInfo {
    /// Its name.
    pub id: JobId,
    /// What kind of work it is.
    pub kind: String,
    /// Everything that the work needs.
    pub payload: Vec<u8>,
    /// Whose job it is.
    pub user: Option<String>,
    /// Which jobs are taken first.
    pub priority: Priority,
    /// Where it is in its life.
    pub state: State,
    /// How often a worker took it.
    pub attempts: u32,
    /// What went wrong last, when something did.
    pub error: Option<String>,
    /// Where the request came from.
    pub trace: TraceContext,
    /// When it was put into the queue, in milliseconds since 1970 by the server's clock.
    pub enqueued_at: u64,
    /// When it was last claimed.
    pub started_at: Option<u64>,
    /// When it ended for good.
    pub finished_at: Option<u64>,
}
