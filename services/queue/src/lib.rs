//! A queue of jobs on Redis Streams: at least once, with leases that are kept alive, retries, dead letters, priorities,
//! a limit per user, cancelling and pausing. It uses no command that is newer than Redis 7.0.
//!
//! [`RedisQueue`] is for those who put jobs in, [`Workers`] for those who do them.

mod bell;
mod error;
mod fetch;
mod finish;
mod heartbeat;
mod id;
mod job;
mod lease;
mod link;
mod observer;
mod progress;
mod queue;
mod redis_queue;
mod run;
mod script;
mod settings;
mod slots;
mod watchdog;
mod wire;
mod workers;

pub use error::QueueError;
pub use id::JobId;
pub use job::{Announcement, Claimed, Enqueued, JobInfo, NewJob, Outcome, Priority, State, TraceContext};
pub use observer::Observer;
pub use queue::{Handler, Queue, Stats};
pub use redis_queue::RedisQueue;
pub use settings::{Connection, QueueSettings};
pub use workers::{Drained, Workers};
