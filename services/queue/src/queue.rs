//! The queue as others see it.

use super::error::QueueError;
use super::job::{Claimed, Enqueued, JobId, JobInfo, NewJob, Outcome};
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

    /// Asks for a job to be stopped. What waits is cancelled at once; what runs is told, and ends as its handler says.
    /// False when it is not there or has ended.
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
    /// Dead letters.
    pub dead: u64,
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
    fn run(&self, job: Claimed) -> impl Future<Output = Outcome> + Send;

    /// The jobs of other queues that are put in, in the same step, when a job ends in this way: nothing can fall between.
    /// Called with how it really ends: a retry whose attempts are used up comes as [`Outcome::Fail`].
    fn follow_ups(&self, job: &Claimed, outcome: &Outcome) -> Vec<(String, NewJob)> {
        let _ = (job, outcome);
        Vec::new()
    }
}
