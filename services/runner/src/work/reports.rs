//! Reports: a job is read, made into a document, and ended together with the callback that tells of it.

use super::{Runs, WEBHOOKS, callback};
use crate::reports::Times;
use crate::results::{Results, ResultsError};
use report_model::catalog::{Parameters, ReportType};
use report_model::document::Document;
use report_model::event::EventType;
use report_model::result::StoredResult;
use report_queue::{Claimed, Handler, NewJob, Outcome, Queue};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// A report that still runs after this is told of as started.
const STARTED_AFTER: Duration = Duration::from_millis(250);
/// A result of more bytes goes into a file.
const LARGEST_STORED: usize = 1024 * 1024;
/// What stands around a document that is stored in the queue.
const AROUND: (&[u8], &[u8]) = (br#"{"document":"#, b"}");
/// How long a worker waits for a place among the reports of a type, before it takes another job. Then this one comes
/// back after as long a time again, up to three times as long.
const PLACE: Duration = Duration::from_secs(1);
/// How long a report that was told to stop may take to do so, before it is left to itself.
const STOP: Duration = Duration::from_secs(2);

/// How a report can go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It may go right later: a source is away.
    Passing(String),
    /// It will never go right: a source lacks a column.
    Lasting(String),
    /// It was told to stop, and did.
    Stopped,
}

/// Who makes reports.
pub trait Maker: Send + Sync + 'static {
    /// Makes the report that `parameters` ask for; `times` are those of the request's way to here. When `cancelled` ends it stops soon, with [`Trouble::Stopped`].
    fn make(
        &self,
        parameters: Parameters,
        times: Times,
        cancelled: CancellationToken,
    ) -> impl Future<Output = Result<Document, Trouble>> + Send;
}

/// Makes the reports of the queue `reports`.
pub struct Reports<M, Q> {
    /// Who makes them.
    pub maker: M,
    /// What goes on, for spans.
    pub runs: Arc<Runs>,
    /// How many of a type are made at once; as many as there are workers of those that are not here.
    pub places: BTreeMap<ReportType, Arc<Semaphore>>,
    /// Where large results go; none when they make a report fail.
    pub results: Option<Results>,
    /// Where callbacks are put.
    pub webhooks: Q,
    /// How long a report may run.
    pub run_timeout: Duration,
}

impl<M: Maker, Q: Queue> Reports<M, Q> {
    async fn report(&self, job: Claimed) -> Outcome {
        let parameters: Parameters = match serde_json::from_slice(&job.payload) {
            Ok(parameters) => parameters,
            Err(error) => return Outcome::Fail { error: format!("the request cannot be read: {error}") },
        };
        let Ok(_place) = self.place(parameters.report()).await else {
            // Spread, so that those who come back do not all come at once.
            return Outcome::Postpone { after: PLACE + PLACE.mul_f64(2.0 * draw()) };
        };
        match self.made(&job, parameters).await {
            Ok(document) => self.stored(&job, document).await,
            Err(Trouble::Passing(error)) => Outcome::Retry { error, after: None },
            Err(Trouble::Lasting(error)) => Outcome::Fail { error },
            Err(Trouble::Stopped) => Outcome::Cancelled,
        }
    }

    /// A place among the reports of a type; an error when there is none for a while.
    async fn place(&self, report: ReportType) -> Result<Option<OwnedSemaphorePermit>, ()> {
        let Some(places) = self.places.get(&report) else { return Ok(None) };
        match timeout(PLACE, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(Some(place)),
            _ => Err(()),
        }
    }

    /// Makes the document, tells when that takes a moment, and gives up when it takes too long.
    async fn made(&self, job: &Claimed, parameters: Parameters) -> Result<Document, Trouble> {
        let stop = job.cancelled.child_token();
        let making = self.maker.make(parameters, times_of(job), stop.clone());
        tokio::pin!(making);
        let telling = async {
            sleep(STARTED_AFTER).await;
            self.tell_started(job).await;
        };
        let limit = sleep(self.run_timeout);
        tokio::pin!(telling, limit);
        let mut told = false;
        loop {
            tokio::select! {
                document = &mut making => return document,
                () = &mut telling, if !told => told = true,
                () = &mut limit => {
                    stop.cancel();
                    let _ = timeout(STOP, &mut making).await;
                    let error = format!("the report ran longer than the {} s that it may", self.run_timeout.as_secs());
                    return Err(Trouble::Passing(error));
                }
                () = job.cancelled.cancelled() => {
                    return timeout(STOP, &mut making).await.unwrap_or(Err(Trouble::Stopped));
                }
            }
        }
    }

    /// Says that a report runs. It is only news: when it cannot be told, the report goes on.
    async fn tell_started(&self, job: &Claimed) {
        let Some(started) = callback(job, EventType::Started, None, &Span::current()) else { return };
        // Told once, however many attempts there are.
        let key = Some(format!("{}-started", job.id));
        if let Err(error) = self.webhooks.enqueue(NewJob { idempotency_key: key, ..started }).await {
            tracing::warn!(%error, "it cannot be told that the report runs");
        }
    }

    /// The end of a report with a document, which goes into the queue or, when it is large, into a file.
    async fn stored(&self, job: &Claimed, document: Document) -> Outcome {
        let (id, results) = (job.id.clone(), self.results.clone());
        let storing = spawn_blocking(move || store(id.as_str(), &document, results.as_ref()));
        match storing.await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Retry { error: format!("the result was not stored: {error}"), after: None },
        }
    }
}

impl<M: Maker, Q: Queue> Handler for Reports<M, Q> {
    async fn run(&self, job: Claimed) -> Outcome {
        let span = self.runs.span(&job.id);
        self.report(job).instrument(span).await
    }

    fn follow_ups(&self, job: &Claimed, outcome: &Outcome) -> Vec<(String, NewJob)> {
        let (kind, error) = match outcome {
            Outcome::Done { .. } => (EventType::Finished, None),
            Outcome::Fail { error } => (EventType::Failed, Some(error.as_str())),
            Outcome::Cancelled => (EventType::Cancelled, None),
            Outcome::Retry { .. } | Outcome::Postpone { .. } => return Vec::new(),
        };
        let callback = callback(job, kind, error, &self.runs.span(&job.id));
        callback.map(|callback| (WEBHOOKS.to_owned(), callback)).into_iter().collect()
    }
}

/// What is stored of a document: itself, or where it is. It blocks.
fn store(id: &str, document: &Document, results: Option<&Results>) -> Outcome {
    let unreadable =
        |error: serde_json::Error| Outcome::Fail { error: format!("the result cannot be written: {error}") };
    let bytes = match serde_json::to_vec(document) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(error),
    };
    if bytes.len() + AROUND.0.len() + AROUND.1.len() <= LARGEST_STORED {
        return Outcome::Done { result: [AROUND.0, &bytes, AROUND.1].concat() };
    }
    let Some(results) = results else {
        let error = format!(
            "the result has {} bytes; without a folder for large results (--results-dir) at most {LARGEST_STORED} are kept",
            bytes.len()
        );
        return Outcome::Fail { error };
    };
    match results.keep(id, &bytes) {
        Ok(file) => match serde_json::to_vec(&StoredResult::File(file)) {
            Ok(result) => Outcome::Done { result },
            Err(error) => unreadable(error),
        },
        Err(error @ ResultsError::TooLarge(_)) => Outcome::Fail { error: error.to_string() },
        Err(error @ ResultsError::Disk { .. }) => {
            // Whoever asked for the report is not told of paths.
            tracing::warn!(%error, "a large result cannot be kept");
            Outcome::Retry {
                error: "the result is large and cannot be kept on the runner's disk now".to_owned(),
                after: None,
            }
        }
    }
}

/// A number from 0 to 1, without bias that matters here; one half when the system gives no random bytes.
fn draw() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// When a job was where. What the server says is always a time; else it is that of 1970.
fn times_of(job: &Claimed) -> Times {
    let at = |milliseconds: u64| {
        let milliseconds = i64::try_from(milliseconds).unwrap_or_default();
        jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default()
    };
    Times { accepted: at(job.enqueued_at), claimed: at(job.claimed_at) }
}
