//! The circuit breaker: an endpoint that fails again and again is left alone, and looked at now and then.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// After so many failures in a row nothing is sent.
pub(crate) const FAILURES: u32 = 5;
/// After so long one attempt is let through, to see whether the endpoint is back.
pub(crate) const PAUSE: Duration = Duration::from_secs(30);

/// Whether attempts at one endpoint are let through.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Failures since the last success.
    failures: u32,
    /// When the next attempt is let through alone; none while all are.
    probe_at: Option<Instant>,
    /// Whether that attempt is under way.
    probing: bool,
}

/// The leave to make one attempt. Dropped without a word it changes nothing, except that the next one may look.
#[derive(Debug)]
pub(crate) struct Leave<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    /// Asks for leave to make an attempt.
    ///
    /// # Errors
    /// Not now: how long until it is worth asking again.
    pub(crate) fn ask(&self) -> Result<Leave<'_>, Duration> {
        let mut inner = self.lock();
        let Some(probe_at) = inner.probe_at else { return Ok(Leave { breaker: self, probe: false }) };
        let now = Instant::now();
        if inner.probing {
            // The probe says soon what comes next.
            return Err(Duration::from_secs(2));
        }
        if now < probe_at {
            return Err(probe_at - now);
        }
        inner.probing = true;
        Ok(Leave { breaker: self, probe: true })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leave<'_> {
    /// Tells how the attempt went. True when this opened the breaker or closed it.
    pub(crate) fn tell(self, well: bool) -> bool {
        // This lock ends before `self` does, whose end takes it too.
        let mut inner = self.breaker.lock();
        let was_open = inner.probe_at.is_some();
        if well {
            // An answer to an attempt from before the breaker opened is as good a sign of life as a probe's.
            inner.failures = 0;
            inner.probe_at = None;
        } else {
            inner.failures = inner.failures.saturating_add(1);
            if self.probe || (!was_open && inner.failures >= FAILURES) {
                inner.probe_at = Some(Instant::now() + PAUSE);
            }
        }
        was_open != inner.probe_at.is_some()
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.lock().probing = false;
        }
    }
}
