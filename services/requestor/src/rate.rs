//! How fast one user may ask: a bucket of tokens each, which fills evenly.

use crate::user::UserId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most so many users' buckets are kept. A full bucket is as good as none, so it goes when room is needed.
const BUCKETS: usize = 10_000;

/// The buckets of all users.
pub struct Rate {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<UserId, Bucket>>,
}

struct Bucket {
    tokens: f64,
    since: Instant,
}

impl Rate {
    /// Each user may ask `burst` times at once, and `per_second` times a second for ever. Both at least 1.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let (per_second, burst) = (f64::from(per_second.max(1)), f64::from(burst.max(1)));
        Self { per_second, burst, buckets: Mutex::default() }
    }

    /// Takes one token of `user`. When there is none it says how long to wait for the next.
    pub fn take(&self, user: &UserId, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS && !buckets.contains_key(user) {
            self.make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(user.clone()).or_insert(Bucket { tokens: self.burst, since: now });
        bucket.tokens = self.filled(bucket, now);
        bucket.since = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.per_second))
        }
    }

    fn filled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let since = now.saturating_duration_since(bucket.since).as_secs_f64();
        (bucket.tokens + since * self.per_second).min(self.burst)
    }

    /// Lets full buckets go, and if all are in use the one that was not used for longest.
    fn make_room(&self, buckets: &mut HashMap<UserId, Bucket>, now: Instant) {
        buckets.retain(|_, bucket| self.filled(bucket, now) < self.burst);
        if buckets.len() >= BUCKETS {
            let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.since).map(|(user, _)| user.clone());
            oldest.and_then(|user| buckets.remove(&user));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{BUCKETS, Rate};
    use crate::user::UserId;
    use std::time::{Duration, Instant};

    #[test]
    fn a_burst_is_taken_and_then_an_even_flow() {
        let (rate, start) = (Rate::new(2, 3), Instant::now());
        let anna = UserId::parse("anna").unwrap();
        for _ in 0..3 {
            assert_eq!(rate.take(&anna, start), Ok(()));
        }
        assert_eq!(rate.take(&anna, start), Err(Duration::from_millis(500)));
        assert_eq!(rate.take(&UserId::parse("ben").unwrap(), start), Ok(()));
        let later = start + Duration::from_millis(500);
        assert_eq!(rate.take(&anna, later), Ok(()));
        assert!(rate.take(&anna, later).is_err());
    }

    #[test]
    fn the_buckets_have_a_bound() {
        let (rate, start) = (Rate::new(1, 2), Instant::now());
        for number in 0..(BUCKETS + 500) {
            rate.take(&UserId::parse(&format!("u{number}")).unwrap(), start).unwrap();
        }
        assert!(rate.buckets.lock().unwrap().len() <= BUCKETS);
    }
}
