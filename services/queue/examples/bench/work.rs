//! What the measured workers do, and the jobs that they do it with.

use report_queue::{
    Announcement, Claimed, Handler, JobId, NewJob, Outcome, QueueError, RedisQueue, TraceContext, Workers,
};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A job. With everything: a user, a key, a trace, an announcement.
pub fn job(number: usize, full: bool) -> NewJob {
    let bare = NewJob { kind: "bench".to_owned(), payload: format!("{{\"n\":{number}}}").into(), ..NewJob::default() };
    if !full {
        return bare;
    }
    let user = format!("user{}", number % 100);
    NewJob {
        idempotency_key: JobId::fresh().ok().map(|id| id.to_string()),
        trace: TraceContext {
            parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            state: String::new(),
        },
        announcement: Some(Announcement {
            stream: format!("user:{user}:ev"),
            channel: format!("user:{user}"),
            event: "{\"type\":\"report.queued\",\"data\":{\"id\":\"{id}\"}}".to_owned(),
        }),
        user: Some(user),
        ..bare
    }
}

/// Counts, waits if it shall, and says when it began.
#[derive(Default)]
pub struct Work {
    /// How long each job waits.
    pub sleep: Duration,
    /// Whether a result is kept and a job follows.
    pub full: bool,
    /// Where the times of the beginnings go.
    pub begun: Option<mpsc::UnboundedSender<Instant>>,
    /// Prints the name of each job that begins.
    pub print: bool,
    /// How many are done.
    pub count: AtomicUsize,
}

impl Work {
    /// Waits until so many are done.
    pub async fn done(&self, count: usize) {
        while self.count.load(Ordering::Acquire) < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Handler for Work {
    async fn run(&self, job: Claimed) -> Outcome {
        if let Some(begun) = &self.begun {
            let _ = begun.send(Instant::now());
        }
        if self.print {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{}", job.id).and_then(|()| out.flush());
        }
        if !self.sleep.is_zero() {
            tokio::time::sleep(self.sleep).await;
        }
        self.count.fetch_add(1, Ordering::AcqRel);
        let result = if self.full { b"{\"title\":\"no-op\",\"rows\":[]}".to_vec() } else { Vec::new() };
        Outcome::Done { result }
    }

    fn follow_ups(&self, job: &Claimed, _: &Outcome) -> Vec<(String, NewJob)> {
        if !self.full {
            return Vec::new();
        }
        let payload = format!("{{\"type\":\"report.finished\",\"data\":{{\"id\":\"{}\"}}}}", job.id);
        let follow = NewJob {
            kind: "webhook".to_owned(),
            payload: payload.into(),
            trace: job.trace.clone(),
            ..NewJob::default()
        };
        vec![("bench-webhooks".to_owned(), follow)]
    }
}

/// Works until the process is killed.
pub async fn worker(queue: &RedisQueue, sleep: Duration, concurrency: usize) -> Result<serde_json::Value, QueueError> {
    let work = Arc::new(Work { sleep, print: true, ..Work::default() });
    let _workers = Workers::start(queue, work, concurrency, Arc::new(()))?;
    std::future::pending().await
}
