//! When each part of the workers last made a step, so that a watchdog can see one that does not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The parts. Each does only things that are bounded, so each makes a step every so often, or says that it rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Takes jobs.
    Fetch,
    /// Tells the server of ends.
    Finish,
    /// Keeps the leases.
    Heartbeat,
}

const PARTS: [(Part, &str); 3] =
    [(Part::Fetch, "taking jobs"), (Part::Finish, "telling the ends of jobs"), (Part::Heartbeat, "keeping the leases")];

/// The times of the last steps.
pub struct Progress {
    since: Instant,
    /// Milliseconds after `since`, plus one; zero while a part rests.
    steps: [AtomicU64; 3],
}

impl Progress {
    /// All rest.
    pub fn new() -> Self {
        Self { since: Instant::now(), steps: Default::default() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// A part made a step and will make another.
    pub fn step(&self, part: Part) {
        self.steps[part as usize].store(self.now(), Ordering::Release);
    }

    /// A part waits for something that may take for ever.
    pub fn rest(&self, part: Part) {
        self.steps[part as usize].store(0, Ordering::Release);
    }

    /// A part that has made no step for `bound`, in words.
    pub fn stuck(&self, bound: Duration) -> Option<&'static str> {
        let now = self.now();
        let bound = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        let late = |part: Part| match self.steps[part as usize].load(Ordering::Acquire) {
            0 => false,
            step => now.saturating_sub(step) > bound,
        };
        PARTS.iter().find(|(part, _)| late(*part)).map(|(_, words)| *words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_rests_is_not_stuck_and_who_stops_is() {
        let progress = Progress::new();
        assert_eq!(progress.stuck(Duration::ZERO), None);
        progress.step(Part::Finish);
        assert_eq!(progress.stuck(Duration::from_secs(60)), None);
        while progress.stuck(Duration::from_millis(1)).is_none() {
            std::hint::spin_loop();
        }
        assert_eq!(progress.stuck(Duration::from_millis(1)), Some("telling the ends of jobs"));
        progress.rest(Part::Finish);
        assert_eq!(progress.stuck(Duration::ZERO), None);
    }
}
