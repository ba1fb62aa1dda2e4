//! When a delivery is tried again, and when it is given up: settings for the queue that deliveries go through.

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

/// Whether a delivery is given up: `now` is more than [`LIFE`] after `enqueued_at`, both in milliseconds by one clock.
pub const fn is_over(enqueued_at: u64, now: u64) -> bool {
    now.saturating_sub(enqueued_at) as u128 > LIFE.as_millis()
}
