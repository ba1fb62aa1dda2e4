//! The queue as a contestant: with what the services have on at each job, namely the context of a trace, the spans of the
//! producer and of the consumer, figures, an idempotency key, a user's list, a stored result and the delivery that follows.

use super::Bad;
use super::figures::{at, now};
use report_queue::{
    Claimed, Connection, Handler, NewJob, Outcome, Queue, QueueSettings, RedisQueue, TraceContext, Workers,
};
use report_telemetry::{
    JobMetrics, JobOutcome, LogFormat, Metrics, Service, Telemetry, consumer_span, context_of, producer_span,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::Instrument;

const SERVICE: Service = Service { name: "report-load", version: env!("CARGO_PKG_VERSION") };
/// So many calls are under way at once when jobs are put in as fast as it goes.
const ABREAST: u64 = 256;
/// As in the runner: the queue that the delivery of a result is put into.
const FOLLOW_UP: &str = "bench-webhooks";

fn open(redis: &str) -> Result<RedisQueue, Bad> {
    let mut settings = QueueSettings::new("bench");
    // A backlog of a million must not fail on one slow answer of a machine that is busy.
    settings.patience = Duration::from_secs(20);
    Ok(RedisQueue::connect(&Connection::to(redis), settings)?)
}

/// Puts `count` jobs in that take `ms` each.
pub async fn enqueue(redis: &str, kind: &str, count: u64, ms: u64, gap: Duration) -> Result<(), Bad> {
    let _telemetry = Telemetry::start(SERVICE, LogFormat::Text)?;
    let queue = open(redis)?;
    let begun = now();
    if gap.is_zero() {
        let mut tasks = JoinSet::new();
        for lane in 0..ABREAST.min(count) {
            let (queue, kind) = (queue.clone(), kind.to_owned());
            tasks.spawn(async move {
                for n in (lane..count).step_by(ABREAST as usize) {
                    queue.enqueue(job(&kind, n, ms)).await?;
                }
                Ok::<(), report_queue::QueueError>(())
            });
        }
        while let Some(end) = tasks.join_next().await {
            end??;
        }
    } else {
        for n in 0..count {
            queue.enqueue(job(kind, n, ms)).await?;
            sleep(gap).await;
        }
    }
    println!("{}", json!({"seconds": now() - begun}));
    Ok(())
}

fn job(kind: &str, n: u64, ms: u64) -> NewJob {
    let (parent, state) = context_of(&producer_span("bench"));
    NewJob {
        kind: kind.to_owned(),
        payload: json!({"sent": now(), "ms": ms}).to_string().into_bytes(),
        user: Some(format!("user-{}", n % 1000)),
        idempotency_key: Some(format!("{:x}-{n}", std::process::id())),
        trace: TraceContext { parent, state },
        ..NewJob::default()
    }
}

/// Does `count` jobs, tells how it went, and ends; for ever when it is 0, and then tells when a job is started.
pub async fn work(redis: &str, concurrency: usize, count: u64) -> Result<(), Bad> {
    let _telemetry = Telemetry::start(SERVICE, LogFormat::Text)?;
    let queue = open(redis)?;
    let metrics = Metrics::new(SERVICE);
    let bench = Arc::new(Bench {
        count,
        jobs: JobMetrics::register(&metrics, &["noop", "sleep"]),
        ended: AtomicU64::new(0),
        state: Mutex::default(),
        over: Notify::new(),
    });
    let workers = Workers::start(&queue, Arc::clone(&bench), concurrency, Arc::new(Ends(Arc::clone(&bench))))?;
    println!("{}", json!({"ready": true}));
    bench.over.notified().await;
    println!("{}", bench.summary());
    workers.drain(Duration::from_secs(5)).await;
    Ok(())
}

struct Bench {
    count: u64,
    jobs: JobMetrics,
    ended: AtomicU64,
    state: Mutex<State>,
    over: Notify,
}

#[derive(Default)]
struct State {
    first: f64,
    last_start: f64,
    last_end: f64,
    running: u64,
    most: u64,
    waits: Vec<f64>,
}

impl Bench {
    fn started(&self, sent: f64) -> f64 {
        let start = now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.first == 0.0 {
            state.first = start;
        }
        state.last_start = start;
        state.running += 1;
        state.most = state.most.max(state.running);
        state.waits.push(start - sent);
        start
    }

    fn summary(&self) -> Value {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waits.sort_by(f64::total_cmp);
        json!({
            "done": self.ended.load(Ordering::Relaxed),
            "seconds": state.last_end - state.first,
            "all_started": state.last_start - state.first,
            "most": state.most,
            "p50": at(&state.waits, 0.5) * 1000.0,
            "p99": at(&state.waits, 0.99) * 1000.0,
        })
    }
}

impl Handler for Bench {
    async fn run(&self, job: Claimed) -> Outcome {
        let TraceContext { parent, state } = &job.trace;
        let span = consumer_span("bench", job.id.as_str(), job.attempt, parent, state);
        let run = span.in_scope(|| self.jobs.start(&job.kind, Duration::ZERO));
        let payload: Value = serde_json::from_slice(&job.payload).unwrap_or_default();
        let start = self.started(payload["sent"].as_f64().unwrap_or_default());
        let outcome = async {
            if job.kind == "sleep" {
                if self.count == 0 {
                    println!("{}", json!({"started": start}));
                }
                sleep(Duration::from_millis(payload["ms"].as_u64().unwrap_or_default())).await;
            }
            Outcome::Done { result: b"done".to_vec() }
        }
        .instrument(span.clone())
        .await;
        span.in_scope(|| run.end(JobOutcome::Done));
        self.state.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        outcome
    }

    fn follow_ups(&self, job: &Claimed, _outcome: &Outcome) -> Vec<(String, NewJob)> {
        let payload = json!({"type": "report.finished", "data": {"id": job.id.as_str()}}).to_string().into_bytes();
        vec![(
            FOLLOW_UP.to_owned(),
            NewJob { kind: "finished".to_owned(), payload, trace: job.trace.clone(), ..NewJob::default() },
        )]
    }
}

/// A job counts when the queue knows that it ended.
struct Ends(Arc<Bench>);

impl report_queue::Observer for Ends {
    fn finished(&self, _job: &Claimed, _outcome: &Outcome, _ran: Duration) {
        let ended = self.0.ended.fetch_add(1, Ordering::Relaxed) + 1;
        if ended == self.0.count {
            self.0.state.lock().unwrap_or_else(PoisonError::into_inner).last_end = now();
            self.0.over.notify_one();
        }
    }
}
