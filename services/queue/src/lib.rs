//! A queue of jobs on Redis Streams: at least once, with leases that are kept alive, retries, dead letters, priorities,
//! a limit per user, cancelling and pausing. It uses no command that is newer than Redis 7.0.

mod error;
mod job;
mod queue;

pub use error::QueueError;
pub use job::{Announcement, Claimed, Enqueued, JobId, JobInfo, NewJob, Outcome, Priority, State, TraceContext};
pub use queue::{Handler, Queue, Stats};
