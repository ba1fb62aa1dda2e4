//! The series of the services. Rules and panels of the command line tool stand on these names and labels.

use super::metrics::{Counter, Counters, Gauge, Metrics, Seconds, SecondsBy};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use std::collections::HashSet;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// More types of jobs than these are told as `other`, so that nobody makes ever new series.
const TYPES: usize = 50;

/// How a run of a job ended, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobOutcome {
    /// Well.
    Done,
    /// Badly, for good.
    Failed,
    /// Because somebody cancelled it.
    Cancelled,
    /// Badly, and it is tried again: the job has not ended.
    Retried,
    /// It was put off or its lease was lost: nothing is known of how the job ends, and nothing is counted.
    LetGo,
}

impl EncodeLabelValue for JobOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Retried => "retried",
            Self::LetGo => "let go",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabel {
    r#type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    r#type: String,
    outcome: JobOutcome,
}

/// `report_jobs_total{type,outcome}`, `report_job_retries_total{type}`, `report_job_seconds{type}`,
/// `report_queue_wait_seconds`, `report_queue_waiting`, `report_queue_oldest_seconds`, `report_jobs_running`,
/// `report_jobs_recovered_total`, `report_jobs_dead`: the queue `reports`.
#[derive(Debug, Clone)]
pub struct JobMetrics {
    ended: Counters<JobLabels>,
    retries: Counters<TypeLabel>,
    seconds: SecondsBy<TypeLabel>,
    wait: Seconds,
    waiting: Gauge,
    oldest: Gauge,
    running: Gauge,
    recovered: Counter,
    dead: Gauge,
    known: Arc<Mutex<HashSet<String>>>,
}

impl JobMetrics {
    /// Adds the series to `metrics`. Jobs of `types` are shown with zero from the beginning.
    pub fn register(metrics: &Metrics, types: &[&str]) -> Self {
        let this = Self {
            ended: metrics.counters("report_jobs", "Reports that ended, by how they ended"),
            retries: metrics.counters("report_job_retries", "Runs of reports that went wrong and are tried again"),
            seconds: metrics.seconds_by("report_job_seconds", "Time to make a report, of those that ended well"),
            wait: metrics.seconds("report_queue_wait_seconds", "Time from the request until a worker took the report"),
            waiting: metrics.gauge("report_queue_waiting", "Reports that wait for a worker"),
            oldest: metrics.gauge("report_queue_oldest_seconds", "How long the oldest waiting report has waited"),
            running: metrics.gauge("report_jobs_running", "Reports that workers of this process make now"),
            recovered: metrics.counter("report_jobs_recovered", "Reports taken over from workers that died"),
            dead: metrics.gauge("report_jobs_dead", "Reports that were given up and are kept aside"),
            known: Arc::default(),
        };
        for kind in types {
            for outcome in [JobOutcome::Done, JobOutcome::Failed, JobOutcome::Cancelled] {
                this.ended.show(&JobLabels { r#type: this.label(kind), outcome });
            }
        }
        this
    }

    /// A worker took a job of this type, which had waited so long. Call it within the job's span.
    pub fn start(&self, kind: &str, waited: Duration) -> JobRun {
        self.wait.observe(waited);
        self.running.inc();
        JobRun { metrics: self.clone(), kind: self.label(kind), begun: Instant::now() }
    }

    /// Jobs of a dead worker were taken over.
    pub fn recovered(&self, jobs: u64) {
        self.recovered.inc_by(jobs);
    }

    /// How the queue stands now.
    pub fn queue(&self, waiting: u64, oldest: Duration, dead: u64) {
        self.waiting.set(figure(waiting));
        self.oldest.set(oldest.as_secs_f64());
        self.dead.set(figure(dead));
    }

    fn label(&self, kind: &str) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(kind) || known.len() < TYPES && known.insert(kind.to_owned()) {
            return kind.to_owned();
        }
        "other".to_owned()
    }
}

/// A run of a job. One that is dropped without an end was let go.
#[derive(Debug)]
#[must_use = "the run ends when this is dropped"]
pub struct JobRun {
    metrics: JobMetrics,
    kind: String,
    begun: Instant,
}

impl JobRun {
    /// It ended. Call it within the job's span.
    pub fn end(self, outcome: JobOutcome) {
        let label = TypeLabel { r#type: self.kind.clone() };
        match outcome {
            JobOutcome::LetGo => return,
            JobOutcome::Retried => return self.metrics.retries.add_one(&label),
            JobOutcome::Done => self.metrics.seconds.observe(&label, self.begun.elapsed()),
            JobOutcome::Failed | JobOutcome::Cancelled => {}
        }
        self.metrics.ended.add_one(&JobLabels { r#type: self.kind.clone(), outcome });
    }
}

impl Drop for JobRun {
    fn drop(&mut self) {
        self.metrics.running.dec();
    }
}

/// Whether there are more or fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// More.
    Up,
    /// Fewer.
    Down,
}

impl EncodeLabelValue for Direction {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScaleLabels {
    direction: Direction,
    reason: &'static str,
}

/// `report_workers`, `report_workers_wanted`, `report_scale_total{direction,reason}`.
#[derive(Debug, Clone)]
pub struct WorkerMetrics {
    workers: Gauge,
    wanted: Gauge,
    scaled: Counters<ScaleLabels>,
}

impl WorkerMetrics {
    /// Adds the series to `metrics`.
    pub fn register(metrics: &Metrics) -> Self {
        Self {
            workers: metrics.gauge("report_workers", "Workers that this process has"),
            wanted: metrics.gauge("report_workers_wanted", "Workers that this process works out it should have"),
            scaled: metrics.counters("report_scale", "Changes of the number of workers"),
        }
    }

    /// There are so many workers, and so many are wanted.
    pub fn set(&self, workers: u64, wanted: u64) {
        self.workers.set(figure(workers));
        self.wanted.set(figure(wanted));
    }

    /// The number was changed; `reason` is one word of few, such as `alert` or `tick`.
    pub fn scaled(&self, direction: Direction, reason: &'static str) {
        self.scaled.add_one(&ScaleLabels { direction, reason });
    }
}

/// How an attempt to deliver ended, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WebhookOutcome {
    /// The receiver has it.
    Delivered,
    /// The receiver has it not, or did not say so.
    Failed,
}

impl EncodeLabelValue for WebhookOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    outcome: WebhookOutcome,
}

/// `webhook_attempts_total{outcome}`, `webhook_seconds`: the sender's side.
#[derive(Debug, Clone)]
pub struct WebhookMetrics {
    attempts: Counters<WebhookLabels>,
    seconds: Seconds,
}

impl WebhookMetrics {
    /// Adds the series to `metrics`.
    pub fn register(metrics: &Metrics) -> Self {
        let this = Self {
            attempts: metrics.counters("webhook_attempts", "Attempts to deliver, by how they ended"),
            seconds: metrics.seconds("webhook_seconds", "Time that an attempt to deliver took"),
        };
        for outcome in [WebhookOutcome::Delivered, WebhookOutcome::Failed] {
            this.attempts.show(&WebhookLabels { outcome });
        }
        this
    }

    /// An attempt ended. Call it within its span.
    pub fn attempt(&self, outcome: WebhookOutcome, took: Duration) {
        self.attempts.add_one(&WebhookLabels { outcome });
        self.seconds.observe(took);
    }
}

/// `ws_connections`, `ws_resumed_total`.
#[derive(Debug, Clone)]
pub struct SocketMetrics {
    connections: Gauge,
    resumed: Counter,
}

impl SocketMetrics {
    /// Adds the series to `metrics`.
    pub fn register(metrics: &Metrics) -> Self {
        Self {
            connections: metrics.gauge("ws_connections", "Browsers that listen now"),
            resumed: metrics.counter("ws_resumed", "Browsers that came back and said what they had seen last"),
        }
    }

    /// A browser listens, until what this returns is dropped.
    pub fn open(&self) -> OpenSocket {
        self.connections.inc();
        OpenSocket { connections: self.connections.clone() }
    }

    /// A browser came back with the id of what it had seen last.
    pub fn resumed(&self) {
        self.resumed.inc();
    }
}

/// A browser that listens.
#[derive(Debug)]
#[must_use = "it stops listening when this is dropped"]
pub struct OpenSocket {
    connections: Gauge,
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.connections.dec();
    }
}

/// `redis_up`.
#[derive(Debug, Clone)]
pub struct RedisMetrics {
    up: Gauge,
}

impl RedisMetrics {
    /// Adds the series to `metrics`, as down.
    pub fn register(metrics: &Metrics) -> Self {
        Self { up: metrics.gauge("redis_up", "1 when this service reaches Redis, 0 when it does not") }
    }

    /// Redis answers, or does not.
    pub fn set(&self, up: bool) {
        self.up.set(if up { 1.0 } else { 0.0 });
    }
}

/// Counts are far below 2⁵³, up to which this is exact.
#[allow(clippy::cast_precision_loss, reason = "exact for every count that can occur")]
fn figure(count: u64) -> f64 {
    count as f64
}
