//! How fast jobs arrive, now and in a moment, from the queue's counter of all jobs that it ever accepted.

use crate::reports::forecast::{Bounds, Forecaster};
use std::collections::VecDeque;
use std::time::Duration;

/// Growth of the counter is gathered over so much time before it is one value of the series.
pub const BUCKET: Duration = Duration::from_secs(10);

/// How many values one average is made of.
pub const ORDER: usize = 6;

/// Values that are so much older than the next one say nothing about it: the queue could not be asked meanwhile.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// The arrival rate as a series. A pure value: whoever reads the counter says when.
#[derive(Debug, Clone, Default)]
pub struct Arrivals {
    last: Option<(Duration, u64)>,
    growth: u64,
    time: Duration,
    rates: VecDeque<f64>,
}

impl Arrivals {
    /// Takes a reading of the counter, `now` on a clock that never goes back. A counter that is smaller than before
    /// began again at zero.
    pub fn observe(&mut self, now: Duration, accepted: u64) {
        let Some((then, before)) = self.last.replace((now, accepted)) else { return };
        let passed = now.saturating_sub(then);
        if passed > FORGET_AFTER {
            *self = Self { last: Some((now, accepted)), ..Self::default() };
            return;
        }
        self.growth += if accepted >= before { accepted - before } else { accepted };
        self.time += passed;
        if self.time >= BUCKET {
            self.rates.push_back(rate(self.growth, self.time));
            while self.rates.len() > 2 * ORDER - 1 {
                self.rates.pop_front();
            }
            (self.growth, self.time) = (0, Duration::ZERO);
        }
    }

    /// Jobs a second on the average of the last minute, or of the time since the first reading where that is less. Zero
    /// in the first second.
    pub fn measured(&self) -> f64 {
        let recent = self.rates.len().min(ORDER);
        match recent {
            0 if self.time < Duration::from_secs(1) => 0.0,
            0 => rate(self.growth, self.time),
            _ => self.rates.iter().rev().take(recent).sum::<f64>() / count(recent),
        }
    }

    /// Jobs a second in ten seconds, by the double moving average; none in the first two minutes. Never below zero, and
    /// never above twice what was seen: after a jump the method shoots over.
    pub fn forecast(&self) -> Option<f64> {
        let most = self.rates.iter().copied().fold(0.0, f64::max) * 2.0;
        let mut forecaster = Forecaster::new(ORDER, Bounds { min: Some(0.0), max: Some(most) })?;
        self.rates.iter().for_each(|rate| forecaster.push(*rate));
        forecaster.forecast(1).map(|forecast| forecast.value)
    }
}

fn rate(growth: u64, time: Duration) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a count of jobs that is beyond 2^53 is not met")]
    let growth = growth as f64;
    growth / time.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn count(of: usize) -> f64 {
    u32::try_from(of).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Reads the counter each two seconds while it grows by `growth(second)` a second.
    fn observed(seconds: u64, growth: impl Fn(u64) -> u64) -> Arrivals {
        let mut arrivals = Arrivals::default();
        let mut accepted = 1000;
        for second in 0..=seconds {
            if second % 2 == 0 {
                arrivals.observe(Duration::from_secs(second), accepted);
            }
            accepted += growth(second);
        }
        arrivals
    }

    #[test]
    fn a_steady_stream_is_measured_and_forecast_as_it_is() {
        let arrivals = observed(200, |_| 7);
        assert!((arrivals.measured() - 7.0).abs() < 1e-9);
        assert!((arrivals.forecast().unwrap() - 7.0).abs() < 1e-9);
    }

    #[test]
    fn a_ramp_is_forecast_ahead_of_what_is_measured() {
        let arrivals = observed(200, |second| second);
        // The last bucket ended at second 200 and had 194.5 a second in its middle; the next has ten more.
        assert!((arrivals.forecast().unwrap() - 204.5).abs() < 1e-6, "{arrivals:?}");
        assert!(arrivals.measured() < 175.0);
    }

    #[test]
    fn there_is_no_forecast_before_there_are_values_for_it() {
        assert_eq!(observed(100, |_| 5).forecast(), None);
        assert!(observed(112, |_| 5).forecast().is_some());
    }

    #[test]
    fn a_fall_is_never_forecast_below_zero_nor_a_jump_beyond_twice_what_was_seen() {
        assert!(observed(200, |second| if second < 150 { 50 } else { 0 }).forecast().unwrap() >= 0.0);
        assert!(observed(200, |second| if second < 180 { 0 } else { 50 }).forecast().unwrap() <= 100.0);
    }

    #[test]
    fn a_counter_that_began_again_is_counted_from_zero() {
        let mut arrivals = Arrivals::default();
        arrivals.observe(Duration::from_secs(0), 1_000_000);
        arrivals.observe(Duration::from_secs(10), 20);
        assert!((arrivals.measured() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_long_gap_is_a_gap_and_not_a_quiet_time() {
        let mut arrivals = observed(200, |_| 5);
        arrivals.observe(Duration::from_secs(500), 5000);
        assert!(arrivals.forecast().is_none());
        arrivals.observe(Duration::from_secs(510), 5040);
        assert!((arrivals.measured() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn the_first_second_says_nothing_and_two_readings_at_once_divide_by_no_zero() {
        let mut arrivals = Arrivals::default();
        assert!(arrivals.measured().abs() < f64::EPSILON);
        arrivals.observe(Duration::ZERO, 5);
        arrivals.observe(Duration::ZERO, 9);
        assert!(arrivals.measured().abs() < f64::EPSILON);
    }
}
