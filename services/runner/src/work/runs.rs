//! The runs of reports that go on now: their spans, their figures, and how long they take.

use super::attempts::Attempts;
use super::context;
use crate::scale::Control;
use report_queue::{Claimed, JobId, Observer, Outcome, TraceContext};
use report_telemetry::{JobMetrics, JobOutcome, JobRun, add_link, consumer_span};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::Span;

/// How much the latest run counts in the average.
const WEIGHT: f64 = 0.2;
/// What a run is thought to take before one has ended.
const UNKNOWN: Duration = Duration::from_secs(1);
/// How long a process that is stuck may try to end well before it is ended.
const LAST_CHANCE: Duration = Duration::from_secs(10);

/// The runs that go on, and what is remembered of those before.
pub struct Runs {
    queue: &'static str,
    metrics: JobMetrics,
    control: Arc<Control>,
    attempts: Attempts,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runs: HashMap<JobId, Run>,
    average: Option<Duration>,
}

struct Run {
    metrics: JobRun,
    span: Span,
    begun: Instant,
}

impl Runs {
    /// No run of `queue` yet. `control` is told when something happens.
    pub fn new(queue: &'static str, metrics: JobMetrics, control: Arc<Control>) -> Self {
        Self { queue, metrics, control, attempts: Attempts::default(), state: Mutex::default() }
    }

    /// The span of a job that runs here; one that leads nowhere when it does not.
    pub fn span(&self, id: &JobId) -> Span {
        self.state().runs.get(id).map_or_else(Span::none, |run| run.span.clone())
    }

    /// How long a run takes: the average of those that ended, later ones counting more; or twice the age of those that go
    /// on, which are on the average half done, when that is longer.
    pub fn run_time(&self) -> Duration {
        let state = self.state();
        let ages: Duration = state.runs.values().map(|run| run.begun.elapsed()).sum();
        let running = u32::try_from(state.runs.len()).unwrap_or(u32::MAX).max(1);
        state.average.unwrap_or(UNKNOWN).max(ages * 2 / running)
    }

    /// The queue's figures, for those who scrape.
    pub fn metrics(&self) -> &JobMetrics {
        &self.metrics
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run of a job; a new one when it is not known that it runs.
    fn take(&self, job: &Claimed) -> Run {
        let known = self.state().runs.remove(&job.id);
        known.unwrap_or_else(|| self.begin(job, Duration::ZERO))
    }

    fn begin(&self, job: &Claimed, waited: Duration) -> Run {
        let TraceContext { parent, state } = &job.trace;
        let span = consumer_span(self.queue, job.id.as_str(), job.attempt, parent, state);
        let metrics = span.in_scope(|| self.metrics.start(&job.kind, waited));
        Run { metrics, span, begun: Instant::now() }
    }
}

impl State {
    fn ran(&mut self, time: Duration) {
        let average = self.average.map_or(time, |average| average.mul_f64(1.0 - WEIGHT) + time.mul_f64(WEIGHT));
        self.average = Some(average);
    }
}

impl Observer for Runs {
    fn claimed(&self, job: &Claimed, waited: Duration) {
        let run = self.begin(job, waited);
        if let Some(before) = self.attempts.recall(&job.id) {
            add_link(&run.span, &before.parent, &before.state);
        }
        self.state().runs.insert(job.id.clone(), run);
        self.control.noticed();
    }

    fn finished(&self, job: &Claimed, outcome: &Outcome, ran: Duration) {
        let Run { metrics, span, .. } = self.take(job);
        if !matches!(outcome, Outcome::Postpone { .. }) {
            self.state().ran(ran);
        }
        if matches!(outcome, Outcome::Retry { .. }) {
            self.attempts.remember(&job.id, context(&span));
        }
        let took = u64::try_from(ran.as_millis()).unwrap_or(u64::MAX);
        // The attempt stands in the span.
        let (id, report) = (job.id.as_str(), job.kind.as_str());
        span.in_scope(|| {
            metrics.end(counted(outcome));
            match outcome {
                Outcome::Done { .. } => tracing::info!(id, report, took_ms = took, "report done"),
                Outcome::Cancelled => tracing::info!(id, report, "report cancelled"),
                Outcome::Retry { error, .. } => {
                    tracing::warn!(id, report, error, "report failed, and is tried again");
                }
                Outcome::Fail { error } => tracing::error!(id, report, error, "report failed for good"),
                Outcome::Postpone { .. } => tracing::debug!(id, report, "report postponed"),
            }
        });
    }

    fn lost(&self, job: &Claimed) {
        let Run { metrics, span, .. } = self.take(job);
        let id = job.id.as_str();
        span.in_scope(|| {
            metrics.end(JobOutcome::LetGo);
            tracing::warn!(
                id,
                "this process was silent for too long: the report was given to another worker, whose run counts"
            );
        });
    }

    fn recovered(&self, runs: u64, given_up: u64) {
        self.metrics.recovered(runs);
        tracing::warn!(runs, given_up, "reports of a worker that died were taken over");
    }

    fn connection(&self, _what: &'static str, _problem: Option<&str>) {
        self.control.noticed();
    }

    fn stuck(&self, problem: &str) {
        end_soon(self.queue, problem);
    }
}

/// Ends the process with status 1 a moment later, from a thread of its own: what is stuck may be all the others.
pub fn end_soon(queue: &str, problem: &str) {
    tracing::error!(queue, problem, "the workers are stuck, so this process ends; its supervisor starts it anew");
    let end = || {
        std::thread::park_timeout(LAST_CHANCE);
        std::process::exit(1);
    };
    if std::thread::Builder::new().name("end".to_owned()).spawn(end).is_err() {
        std::process::exit(1);
    }
}

fn counted(outcome: &Outcome) -> JobOutcome {
    match outcome {
        Outcome::Done { .. } => JobOutcome::Done,
        Outcome::Retry { .. } => JobOutcome::Retried,
        Outcome::Fail { .. } => JobOutcome::Failed,
        Outcome::Postpone { .. } => JobOutcome::LetGo,
        Outcome::Cancelled => JobOutcome::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::scale::{Limits, Scaler};
    use report_telemetry::{Metrics, Service, WorkerMetrics};

    fn runs() -> Runs {
        let metrics = Metrics::new(Service { name: "test", version: "1" });
        let scaler = Scaler::new(Limits { min: 1, max: 2 });
        let control = Arc::new(Control::new(scaler, WorkerMetrics::register(&metrics)));
        Runs::new("reports", JobMetrics::register(&metrics, &[]), control)
    }

    fn job() -> Claimed {
        Claimed {
            id: JobId::parse("01j0000000000000000000000a").unwrap(),
            kind: "system-check".to_owned(),
            payload: Vec::new(),
            user: None,
            trace: TraceContext::default(),
            attempt: 1,
            enqueued_at: 0,
            ready_at: 0,
            claimed_at: 0,
            cancelled: tokio_util::sync::CancellationToken::new(),
        }
    }

    #[test]
    fn later_runs_count_more_in_the_time_that_a_run_takes() {
        let (runs, job, done) = (runs(), job(), Outcome::Done { result: Vec::new() });
        assert_eq!(runs.run_time(), UNKNOWN);
        for (ran, expected) in [(10, 10.0), (20, 12.0), (12, 12.0)] {
            runs.claimed(&job, Duration::ZERO);
            runs.finished(&job, &done, Duration::from_secs(ran));
            assert!((runs.run_time().as_secs_f64() - expected).abs() < 1e-6, "{:?}", runs.run_time());
        }
    }

    #[test]
    fn what_was_put_off_says_nothing_of_the_time_that_a_run_takes() {
        let (runs, job) = (runs(), job());
        runs.claimed(&job, Duration::ZERO);
        runs.finished(&job, &Outcome::Postpone { after: Duration::ZERO }, Duration::from_secs(50));
        assert_eq!(runs.run_time(), UNKNOWN);
    }
}
