//! What workers tell of themselves, for figures, logs and alarms.

use super::job::{Claimed, Outcome};
use std::time::Duration;

/// Who is told of what workers do. Each call is short and does not block: it is made in the middle of the work.
pub trait Observer: Send + Sync + 'static {
    /// A job was taken, after it had been ready for a worker for `waited`.
    fn claimed(&self, job: &Claimed, waited: Duration) {
        let _ = (job, waited);
    }

    /// A run ended after `ran` in this way, and the queue knows it.
    fn finished(&self, job: &Claimed, outcome: &Outcome, ran: Duration) {
        let _ = (job, outcome, ran);
    }

    /// A run's lease was lost, since this process was silent for too long; another run counts.
    fn lost(&self, job: &Claimed) {
        let _ = job;
    }

    /// This process took back `runs` runs of workers that died; `given_up` of these jobs killed their worker too often.
    fn recovered(&self, runs: u64, given_up: u64) {
        let _ = (runs, given_up);
    }

    /// The connection for `what` (`claim`, `listen`, `finish`, `heartbeat`) failed, or is there again: then no problem is given.
    fn connection(&self, what: &'static str, problem: Option<&str>) {
        let _ = (what, problem);
    }

    /// The workers are stuck although the server answers. The process should end and be started anew. It is called on a
    /// thread of its own, which works even when the async runtime does not.
    fn stuck(&self, problem: &str) {
        let _ = problem;
    }
}

/// One who does not care.
impl Observer for () {}
