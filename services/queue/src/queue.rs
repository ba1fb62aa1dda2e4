//! The queue as others see it.

use super::error::QueueError;
use super::id::JobId;
use super::job::{Claimed, Enqueued, JobInfo, NewJob, Outcome};
use std::future::Future;
use std::time::Duration;

/// A queue of jobs, as those see it who put jobs in and look after them.
///
/// Guarantees: a job that was accepted runs at least once and ends exactly once: the first run that finishes counts, the
/// end of any other is dropped. All of one call happens or nothing of it.
///
/// Errors: the server cannot be reached within the bound, or refuses.
pub trait Queue: Clone + Send + Sync + 'static {
    /// Puts a job into the queue.
    fn enqueue(&self, job: NewJob) -> impl Future<Output = Result<Enqueued, QueueError>> + Send;

    /// Asks for a job to be stopped. What waits is cancelled at once; what runs is told with the next heartbeat, and ends as
    /// its handler says, but is not tried again. False when it is not there or has ended.
    ///
    /// What follows from the end of a job that waited is put in by a worker, as for any other ([`Handler::follow_ups`] with
    /// [`Outcome::Cancelled`], without [`Handler::run`]): the job is handed out once more, before all others.
    fn cancel(&self, id: &JobId) -> impl Future<Output = Result<bool, QueueError>> + Send;

    /// What is known of a job; none when it is not there or its time to be kept is over.
    fn job(&self, id: &JobId) -> impl Future<Output = Result<Option<JobInfo>, QueueError>> + Send;

    /// What came of a job that is done, while it is kept.
    fn result(&self, id: &JobId) -> impl Future<Output = Result<Option<Vec<u8>>, QueueError>> + Send;

    /// A user's jobs, newest first, at most `limit`, older than `before` when it is given.
    fn jobs_of(
        &self,
        user: &str,
        before: Option<&JobId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<JobInfo>, QueueError>> + Send;

    /// The dead letters, newest first, at most `limit`.
    fn dead(&self, limit: usize) -> impl Future<Output = Result<Vec<JobInfo>, QueueError>> + Send;

    /// Gives a dead letter a new life with no attempt used. False when it is not among the dead.
    fn requeue(&self, id: &JobId) -> impl Future<Output = Result<bool, QueueError>> + Send;

    /// Stops handing out jobs, or goes on. Jobs are accepted all the while, and those that run go on.
    fn pause(&self, paused: bool) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// The queue's figures.
    fn stats(&self) -> impl Future<Output = Result<Stats, QueueError>> + Send;
}

/// The figures of a queue at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Jobs that wait for a worker.
    pub waiting: u64,
    /// Jobs that wait for one of their user's other jobs to end.
    pub parked: u64,
    /// Jobs that wait for their time.
    pub delayed: u64,
    /// Jobs that workers hold.
    pub running: u64,
    /// Dead letters. The newest 10,000 are kept, for 90 days.
    pub dead: u64,
    /// Dead letters that newer ones pushed out, ever.
    pub dropped: u64,
    /// How long the oldest job has waited for a worker; zero when none waits.
    pub oldest: Duration,
    /// All jobs ever accepted: its growth is the arrival rate.
    pub accepted: u64,
    /// Whether jobs are held back.
    pub paused: bool,
}

/// What is done with the jobs of a queue.
pub trait Handler: Send + Sync + 'static {
    /// Does the work of one job. It must be safe to do it twice. A panic in it counts as [`Outcome::Retry`].
    ///
    /// When `job.cancelled` ends, it stops soon and says [`Outcome::Cancelled`], whatever the reason was: if it was not
    /// somebody's wish but the end of this process, the job is given back and runs elsewhere, and this was no attempt.
    fn run(&self, job: Claimed) -> impl Future<Output = Outcome> + Send;

    /// The jobs of other queues that are put in, in the same step, when a job ends in this way: nothing can fall between.
    /// Called with how it really ends: a retry whose attempts are used up comes as [`Outcome::Fail`]. It is also called, without
    /// a run before it, for jobs that were cancelled while they waited, and (with [`Outcome::Fail`]) for those that killed
    /// their workers. May be called more than once for a job; what it returns is put in once. An announcement that this
    /// process's user of Redis may not make is left out.
    fn follow_ups(&self, job: &Claimed, outcome: &Outcome) -> Vec<(String, NewJob)> {
        let _ = (job, outcome);
        Vec::new()
    }
}
