//! When a delivery is tried again, and when it is given up: settings for the queue that deliveries go through.

use report_queue::Claimed;
use std::time::Duration;

/// The most that is waited after the first failure; a pause is drawn between nothing and this (full jitter).
pub const BASE: Duration = Duration::from_secs(1);
/// By how much that grows with each further failure.
pub const FACTOR: u32 = 2;
/// Where it stops growing.
pub const CAP: Duration = Duration::from_mins(5);
/// A delivery that has not succeeded after so long, counted from when it was put into the queue, is given up.
pub const LIFE: Duration = Duration::from_hours(24);
/// How many attempts a queue should allow: more than [`LIFE`] has room for, since with the cap the pauses are 150 s long on
/// average. It is [`LIFE`] that ends a delivery.
pub const ATTEMPTS: u32 = 2_000;

/// So many attempts a delivery has in any case: one that waited for a day since nobody was there to send it, and a dead
/// letter that was given a new life.
pub const FEWEST: u32 = 10;

/// Whether `job` is given up when this attempt fails: it was put into the queue more than `life` ago, and had its
/// [`FEWEST`] attempts.
pub fn is_over(job: &Claimed, life: Duration) -> bool {
    job.attempt >= FEWEST && job.claimed_at.saturating_sub(job.enqueued_at) as u128 > life.as_millis()
}
