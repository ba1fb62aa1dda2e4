//! The loop that measures, decides and sets the number of workers: on its own tick, and at once when an alert comes.

use super::payload::Payload;
use super::scaler::{Decision, Direction, Load, Reason, Scaler};
use report_queue::{Queue, Stats};
use report_telemetry::WorkerMetrics;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How often the runner looks at its queue by itself.
pub const TICK: Duration = Duration::from_secs(2);
/// How often it looks while nothing happens: it costs an idle Redis two dozen small commands each time.
pub const IDLE_TICK: Duration = Duration::from_secs(10);

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
    /// Whether nothing happened when the loop looked last.
    idle: AtomicBool,
    began: Instant,
    metrics: WorkerMetrics,
}

impl Control {
    /// Begins with what `scaler` begins with.
    pub fn new(scaler: Scaler, metrics: WorkerMetrics) -> Self {
        Self {
            scaler: Mutex::new(scaler),
            wake: Notify::new(),
            idle: AtomicBool::new(false),
            began: Instant::now(),
            metrics,
        }
    }

    /// Takes what an alertmanager told, and makes the loop look now. It does not wait for anything.
    pub fn alerted(&self, payload: &Payload) {
        let now = self.began.elapsed();
        self.locked(|scaler| scaler.take(now, payload));
        // However many alerts come while the loop looks, it looks once more.
        self.wake.notify_one();
    }

    /// Something happened: a job was taken, a connection broke. When the loop has gone to a slow pace, it looks now.
    pub fn noticed(&self) {
        if self.idle.swap(false, Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    /// Measures and decides for ever. While the queue cannot be asked, alerts still count.
    pub async fn run(&self, queue: &impl Queue, crew: &impl Crew) {
        let mut accepted = 0;
        loop {
            // What an alert asked for does not wait for a queue that may be away.
            self.apply(self.locked(|scaler| scaler.decide(self.began.elapsed())), crew);
            let stats = queue.stats().await;
            match &stats {
                Ok(stats) => crew.measured(Ok(stats)),
                Err(error) => crew.measured(Err(&error.to_string())),
            }
            let decision = self.decide(stats.as_ref().ok(), crew);
            self.apply(decision, crew);
            let quiet = stats.is_ok_and(|stats| {
                let news = std::mem::replace(&mut accepted, stats.accepted) != stats.accepted;
                !news && stats.waiting == 0 && stats.running == 0 && decision.workers == decision.wanted
            });
            self.idle.store(quiet, Ordering::Relaxed);
            // However many wake it meanwhile, it looks once. That the time is over is no error.
            let _ = timeout(if quiet { IDLE_TICK } else { TICK }, self.wake.notified()).await;
        }
    }

    fn decide(&self, stats: Option<&Stats>, crew: &impl Crew) -> Decision {
        let now = self.began.elapsed();
        self.locked(|scaler| {
            if let Some(Stats { accepted, waiting, .. }) = stats {
                let (run_time, runners) = (crew.run_time(), crew.runners());
                scaler.observe(now, Load { accepted: *accepted, waiting: *waiting, run_time, runners });
            }
            scaler.decide(now)
        })
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
