//! How many workers are wanted, and how many there may be right now. Values only: who asks says what time it is.
//!
//! It is a level and not an edge: the same load and the same alerts give the same number, however often they are told.

use super::arrivals::Arrivals;
use super::floors::Floors;
use super::payload::Payload;
use std::time::Duration;

/// The part of the workers that is to be busy at the forecast rate; the rest takes what comes unevenly.
const UTILISATION: f64 = 0.7;
/// The time in which a backlog is to be gone. Each job that waits is one: of quick jobs it takes many to want one more
/// worker, of long ones a single one does.
const CLEAR_WITHIN: Duration = Duration::from_secs(15);
/// The number at most doubles in so much time. A little less than two ticks, so that each second tick may.
pub const UP_EVERY: Duration = Duration::from_millis(3500);
/// It falls only after fewer were wanted for so long …
pub const QUIET: Duration = Duration::from_secs(300);
/// … and then by a quarter each time that so much has passed.
pub const DOWN_EVERY: Duration = Duration::from_secs(60);

/// Between which numbers the runner may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The fewest workers, at least 1.
    pub min: u32,
    /// The most workers, at least as many.
    pub max: u32,
}

/// What is known of the load at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// All jobs that the queue ever accepted.
    pub accepted: u64,
    /// Jobs that wait for a worker.
    pub waiting: u64,
    /// How long a job runs on the average.
    pub run_time: Duration,
    /// How many runners share the queue, this one included. Each takes its part.
    pub runners: u32,
}

/// Whether there are more or fewer workers than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// More.
    Up,
    /// Fewer.
    Down,
}

/// Why their number changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// So many jobs come.
    Arrivals,
    /// So many jobs will come.
    Forecast,
    /// So many jobs wait.
    Backlog,
    /// An alert asks for so many.
    Alert,
    /// Fewer were wanted for five minutes.
    Quiet,
    /// The alert that asked for more has ended.
    Resolved,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// How many workers there shall be now.
    pub workers: u32,
    /// How many are wanted in the end; steps and quiet time may stand between.
    pub wanted: u32,
    /// What changed, where something did.
    pub change: Option<(Direction, Reason)>,
}

/// The state between decisions.
#[derive(Debug, Clone)]
pub struct Scaler {
    limits: Limits,
    arrivals: Arrivals,
    load: Option<Load>,
    floors: Floors,
    /// How many there are.
    workers: u32,
    /// How many there would be without alerts.
    base: u32,
    last_up: Option<Duration>,
    quiet_since: Option<Duration>,
    last_down: Option<Duration>,
}

impl Scaler {
    /// Starts with the fewest workers.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            arrivals: Arrivals::default(),
            load: None,
            floors: Floors::default(),
            workers: limits.min,
            base: limits.min,
            last_up: None,
            quiet_since: None,
            last_down: None,
        }
    }

    /// Takes a measurement, `now` on a clock that never goes back.
    pub fn observe(&mut self, now: Duration, load: Load) {
        self.arrivals.observe(now, load.accepted);
        self.load = Some(load);
    }

    /// Takes what an alertmanager told.
    pub fn take(&mut self, now: Duration, payload: &Payload) {
        self.floors.take(now, payload);
    }

    /// Decides on what is known. Asked again at the same time, it decides the same and changes nothing.
    pub fn decide(&mut self, now: Duration) -> Decision {
        let Limits { min, max } = self.limits;
        let (own, because) = self.own();
        let own = own.clamp(min, max);
        let floor = self.floors.highest(now).min(max);
        let ceiling = self.ceiling(now);
        self.rise_or_fall(now, own, ceiling);
        let goal = self.base.max(floor.min(ceiling));
        let before = std::mem::replace(&mut self.workers, goal);
        let change = if goal > before {
            self.last_up = Some(now);
            Some((Direction::Up, if floor > own { Reason::Alert } else { because }))
        } else if goal < before {
            let by_alert = before > self.base && self.last_down != Some(now);
            Some((Direction::Down, if by_alert { Reason::Resolved } else { Reason::Quiet }))
        } else {
            None
        };
        Decision { workers: goal, wanted: own.max(floor), change }
    }

    /// How many may be there now: twice as many as before, when the last step is long enough ago.
    fn ceiling(&self, now: Duration) -> u32 {
        let may = self.last_up.is_none_or(|last| now.saturating_sub(last) >= UP_EVERY);
        if may { self.workers.saturating_mul(2) } else { self.workers }.min(self.limits.max)
    }

    /// Moves the level that does not depend on alerts: up at once as far as the ceiling allows, down only after quiet.
    fn rise_or_fall(&mut self, now: Duration, own: u32, ceiling: u32) {
        if own >= self.base {
            self.base = own.min(ceiling).max(self.base);
            (self.quiet_since, self.last_down) = (None, None);
            return;
        }
        let since = *self.quiet_since.get_or_insert(now);
        let quiet = now.saturating_sub(since) >= QUIET;
        let paused = self.last_down.is_none_or(|last| now.saturating_sub(last) >= DOWN_EVERY);
        if quiet && paused {
            let quarter_less = self.base - (self.base / 4).max(1);
            self.base = own.max(quarter_less);
            self.last_down = Some(now);
        }
    }

    /// How many this runner wants for its own part of the queue, by Little's law, and mostly because of what.
    fn own(&self) -> (u32, Reason) {
        let Some(load) = self.load else { return (0, Reason::Arrivals) };
        let measured = self.arrivals.measured();
        // Up on the forecast, down only on the measurement: so the larger of the two counts.
        let arrivals = self.arrivals.forecast().unwrap_or(measured).max(measured);
        let (steady, backlog) = demand(arrivals, load.waiting, load.run_time);
        let part = (steady + backlog) / f64::from(load.runners.max(1));
        let because = match () {
            () if backlog > steady => Reason::Backlog,
            () if arrivals > measured * 1.05 => Reason::Forecast,
            () => Reason::Arrivals,
        };
        (whole(part), because)
    }
}

/// The workers that a stream of `arrivals` a second keeps busy, and those that a backlog needs beside them.
fn demand(arrivals: f64, waiting: u64, run_time: Duration) -> (f64, f64) {
    let run_time = run_time.as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a queue of more than 2^53 jobs is not met")]
    let waiting = waiting as f64;
    (arrivals * run_time / UTILISATION, waiting * run_time / CLEAR_WITHIN.as_secs_f64())
}

/// Rounds up. What is not a number, or below zero, is none.
fn whole(workers: f64) -> u32 {
    // A sum of fractions that should be whole may be a hair above.
    let up = (workers - 1e-9).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
    let up = up as u32;
    up
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const LIMITS: Limits = Limits { min: 1, max: 32 };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn load(accepted: u64, waiting: u64, run_time: u64) -> Load {
        Load { accepted, waiting, run_time: Duration::from_millis(run_time), runners: 1 }
    }

    fn asks(status: &str, workers: u32) -> Payload {
        let body = format!(
            r#"{{"version":"4","alerts":[{{"status":"{status}","fingerprint":"f","annotations":{{"workers":"{workers}"}}}}]}}"#
        );
        Payload::read(body.as_bytes()).unwrap()
    }

    /// Decides each two seconds from `from` until `to` and gives the last decision.
    fn run(scaler: &mut Scaler, from: u64, to: u64, at: impl Fn(u64) -> Load) -> Decision {
        let mut last = scaler.decide(seconds(from));
        for second in (from..=to).step_by(2) {
            scaler.observe(seconds(second), at(second));
            last = scaler.decide(seconds(second));
        }
        last
    }

    #[test]
    fn littles_law_gives_the_workers_that_a_stream_needs() {
        // 7 jobs a second of one second each at 70 % are ten workers.
        let decision = run(&mut Scaler::new(LIMITS), 0, 200, |second| load(7 * second, 0, 1000));
        assert_eq!(decision, Decision { workers: 10, wanted: 10, change: None });
    }

    #[test]
    fn a_backlog_of_quick_jobs_wants_few_workers_and_one_of_long_jobs_many() {
        assert_eq!(run(&mut Scaler::new(LIMITS), 0, 60, |_| load(0, 100, 50)).wanted, 1);
        assert_eq!(run(&mut Scaler::new(LIMITS), 0, 60, |_| load(0, 1, 60_000)).wanted, 4);
        assert_eq!(run(&mut Scaler::new(LIMITS), 0, 60, |_| load(0, 1_000_000, 60_000)).wanted, 32);
    }

    #[test]
    fn runners_share_the_load() {
        let shared = |runners| move |_| Load { runners, ..load(0, 60, 4000) };
        assert_eq!(run(&mut Scaler::new(LIMITS), 0, 60, shared(1)).wanted, 16);
        assert_eq!(run(&mut Scaler::new(LIMITS), 0, 60, shared(4)).wanted, 4);
        assert_eq!(run(&mut Scaler::new(LIMITS), 0, 60, shared(0)).wanted, 16);
    }

    #[test]
    fn the_number_at_most_doubles_each_step() {
        let mut scaler = Scaler::new(LIMITS);
        let mut seen = Vec::new();
        for second in (0..=20).step_by(4) {
            scaler.observe(seconds(second), load(0, 1000, 60_000));
            seen.push(scaler.decide(seconds(second)).workers);
        }
        assert_eq!(seen, [2, 4, 8, 16, 32, 32]);
    }

    #[test]
    fn it_falls_after_five_quiet_minutes_by_a_quarter_a_minute() {
        let mut scaler = Scaler::new(LIMITS);
        run(&mut scaler, 0, 60, |_| load(0, 1000, 60_000));
        assert_eq!(run(&mut scaler, 62, 360, |_| load(0, 0, 1000)).workers, 32);
        let falling: Vec<u32> = (0..5)
            .map(|minute| run(&mut scaler, 362 + 60 * minute, 420 + 60 * minute, |_| load(0, 0, 1000)).workers)
            .collect();
        assert_eq!(falling, [24, 18, 14, 11, 9]);
        assert_eq!(run(&mut scaler, 662, 1800, |_| load(0, 0, 1000)), Decision { workers: 1, wanted: 1, change: None });
    }

    #[test]
    fn a_busy_moment_begins_the_quiet_time_anew() {
        let mut scaler = Scaler::new(LIMITS);
        run(&mut scaler, 0, 60, |_| load(0, 1000, 60_000));
        run(&mut scaler, 62, 300, |_| load(0, 0, 1000));
        run(&mut scaler, 302, 302, |_| load(0, 1000, 60_000));
        assert_eq!(run(&mut scaler, 304, 600, |_| load(0, 0, 1000)).workers, 32);
        assert_eq!(run(&mut scaler, 602, 604, |_| load(0, 0, 1000)).workers, 24);
    }

    #[test]
    fn an_alert_raises_the_number_for_as_long_as_it_fires() {
        let mut scaler = Scaler::new(LIMITS);
        run(&mut scaler, 0, 10, |_| load(0, 0, 100));
        scaler.take(seconds(11), &asks("firing", 4));
        let up = Some((Direction::Up, Reason::Alert));
        assert_eq!(scaler.decide(seconds(11)), Decision { workers: 2, wanted: 4, change: up });
        assert_eq!(scaler.decide(seconds(15)), Decision { workers: 4, wanted: 4, change: up });
        scaler.take(seconds(30), &asks("resolved", 4));
        let down = Some((Direction::Down, Reason::Resolved));
        assert_eq!(scaler.decide(seconds(30)), Decision { workers: 1, wanted: 1, change: down });
    }

    #[test]
    fn the_end_of_an_alert_takes_no_worker_that_the_load_wants() {
        let mut scaler = Scaler::new(LIMITS);
        scaler.take(seconds(0), &asks("firing", 16));
        assert_eq!(run(&mut scaler, 0, 60, |_| load(0, 10, 9000)).workers, 16);
        scaler.take(seconds(61), &asks("resolved", 16));
        assert_eq!(scaler.decide(seconds(61)).workers, 6);
    }

    #[test]
    fn ten_equal_alerts_give_the_same_number_as_one() {
        let mut scaler = Scaler::new(LIMITS);
        scaler.observe(seconds(0), load(0, 1000, 60_000));
        let alert = asks("firing", 20);
        scaler.take(seconds(1), &alert);
        let first = scaler.decide(seconds(1));
        for _ in 0..10 {
            scaler.take(seconds(1), &alert);
            assert_eq!(scaler.decide(seconds(1)), Decision { change: None, ..first });
        }
    }

    /// Whatever happens: within the limits, at most doubling in a step's time, and without alerts falling only when
    /// nothing as large was wanted in the five minutes before.
    #[test]
    fn the_rules_hold_under_any_load() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let alerts = random.bool();
            let mut scaler = Scaler::new(Limits { min: 1 + random.u32(0..3), max: 4 + random.u32(0..60) });
            let (mut now, mut accepted, mut history) = (0_u64, 0_u64, Vec::<(u64, Decision)>::new());
            for _ in 0..600 {
                now += random.u64(0..5000);
                accepted = if random.u32(0..100) == 0 { 0 } else { accepted + random.u64(0..50) };
                let waiting = if random.u32(0..10) == 0 { random.u64(0..500) } else { 0 };
                let clock = Duration::from_millis(now);
                scaler
                    .observe(clock, Load { runners: random.u32(0..4), ..load(accepted, waiting, random.u64(0..5000)) });
                if alerts && random.u32(0..20) == 0 {
                    scaler.take(clock, &asks(if random.bool() { "firing" } else { "resolved" }, random.u32(1..200)));
                }
                history.push((now, scaler.decide(clock)));
                assert_eq!(scaler.decide(clock).change, None, "seed {seed}");
                check(&scaler, &history, alerts, seed);
            }
        }
    }

    fn check(scaler: &Scaler, history: &[(u64, Decision)], alerts: bool, seed: u64) {
        let (now, last) = *history.last().unwrap();
        let Limits { min, max } = scaler.limits;
        assert!((min..=max).contains(&last.workers) && (min..=max).contains(&last.wanted), "seed {seed}: {last:?}");
        let Some((_, before)) = history.len().checked_sub(2).map(|at| history[at]) else { return };
        assert!(last.workers <= before.workers * 2, "seed {seed}: {before:?} {last:?}");
        if !alerts && last.workers < before.workers {
            let recent = history.iter().rev().skip(1).take_while(|(then, _)| now - then < 299_000);
            let largest = recent.map(|(_, decision)| decision.wanted).max().unwrap_or_default();
            assert!(largest < before.workers, "seed {seed}: {largest} was wanted, {before:?} {last:?}");
            assert!(last.workers >= last.wanted && before.workers - last.workers <= (before.workers / 4).max(1));
        }
    }
}
