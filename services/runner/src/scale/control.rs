//! The loop that measures, decides and sets the number of workers: on its own tick, and at once when an alert comes.

use super::payload::Payload;
use super::scaler::{Decision, Direction, Load, Reason, Scaler};
use report_queue::{Queue, Stats};
use report_telemetry::WorkerMetrics;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

/// How often the runner looks at its queue by itself.
pub const TICK: Duration = Duration::from_secs(2);

/// What the loop asks for and sets.
pub trait Crew: Send + Sync {
    /// How long a job runs on the average.
    fn run_time(&self) -> Duration;
    /// How many runners share the queue.
    fn runners(&self) -> u32;
    /// The queue was asked: its figures, or what went wrong.
    fn measured(&self, stats: Result<&Stats, &str>);
    /// Sets the number of workers.
    fn set_workers(&self, workers: u32);
}

/// The state that the loop and the door for alerts share.
pub struct Control {
    scaler: Mutex<Scaler>,
    wake: Notify,
    began: Instant,
    metrics: WorkerMetrics,
}

impl Control {
    /// Begins with what `scaler` begins with.
    pub fn new(scaler: Scaler, metrics: WorkerMetrics) -> Self {
        Self { scaler: Mutex::new(scaler), wake: Notify::new(), began: Instant::now(), metrics }
    }

    /// Takes what an alertmanager told, and makes the loop look now. It does not wait for anything.
    pub fn alerted(&self, payload: &Payload) {
        let now = self.began.elapsed();
        self.locked(|scaler| scaler.take(now, payload));
        // However many alerts come while the loop looks, it looks once more.
        self.wake.notify_one();
    }

    /// Measures and decides for ever. While the queue cannot be asked, alerts still count.
    pub async fn run(&self, queue: &impl Queue, crew: &impl Crew) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.wake.notified() => {}
            }
            // What an alert asked for does not wait for a queue that may be away.
            self.apply(self.locked(|scaler| scaler.decide(self.began.elapsed())), crew);
            let stats = queue.stats().await;
            match &stats {
                Ok(stats) => crew.measured(Ok(stats)),
                Err(error) => crew.measured(Err(&error.to_string())),
            }
            let now = self.began.elapsed();
            let decision = self.locked(|scaler| {
                if let Ok(Stats { accepted, waiting, .. }) = stats {
                    let (run_time, runners) = (crew.run_time(), crew.runners());
                    scaler.observe(now, Load { accepted, waiting, run_time, runners });
                }
                scaler.decide(now)
            });
            self.apply(decision, crew);
        }
    }

    fn apply(&self, decision: Decision, crew: &impl Crew) {
        let Decision { workers, wanted, change } = decision;
        crew.set_workers(workers);
        self.metrics.set(workers.into(), wanted.into());
        if let Some((direction, reason)) = change {
            self.metrics.scaled(told(direction), word(reason));
            tracing::info!(workers, wanted, reason = word(reason), "the number of workers changes");
        }
    }

    fn locked<T>(&self, act: impl FnOnce(&mut Scaler) -> T) -> T {
        act(&mut self.scaler.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

const fn told(direction: Direction) -> report_telemetry::Direction {
    match direction {
        Direction::Up => report_telemetry::Direction::Up,
        Direction::Down => report_telemetry::Direction::Down,
    }
}

/// A reason's name in figures and logs.
const fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Arrivals => "arrivals",
        Reason::Forecast => "forecast",
        Reason::Backlog => "backlog",
        Reason::Alert => "alert",
        Reason::Quiet => "quiet",
        Reason::Resolved => "resolved",
    }
}
