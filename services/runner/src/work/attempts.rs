//! Where the attempt before stands in its trace, so that a retry can be linked to it.

use report_queue::{JobId, TraceContext};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of so many jobs that are to be tried again it is remembered; what is pushed out is only a link that is missing.
const REMEMBERED: usize = 1000;

/// The attempts that went wrong, of jobs that this process may try again.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<VecDeque<(JobId, TraceContext)>>);

impl Attempts {
    /// An attempt at `id` went wrong; its span has this context.
    pub fn remember(&self, id: &JobId, trace: TraceContext) {
        let mut attempts = self.locked();
        attempts.retain(|(other, _)| other != id);
        if attempts.len() == REMEMBERED {
            attempts.pop_front();
        }
        attempts.push_back((id.clone(), trace));
    }

    /// The attempt before at `id`, which is forgotten.
    pub fn recall(&self, id: &JobId) -> Option<TraceContext> {
        let mut attempts = self.locked();
        let at = attempts.iter().position(|(other, _)| other == id)?;
        attempts.remove(at).map(|(_, trace)| trace)
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<(JobId, TraceContext)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
