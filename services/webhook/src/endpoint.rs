//! One address that is sent to, with what is known of it: whether it fails, whether it wants nothing any more.

use super::attempt::{Attempt, AttemptKind, Observer};
use super::breaker::Breaker;
use super::id::WebhookId;
use super::secret::Secrets;
use super::sign::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP};
use super::{retry_after, schedule};
use jiff::Timestamp;
use report_queue::{Claimed, Outcome, TraceContext};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use url::Url;

/// How long a place is waited for before an attempt is postponed.
const PLACE: Duration = Duration::from_millis(250);
/// How long, and how far in bytes, an answer is read so that its connection can be used again.
const REST: (Duration, usize) = (Duration::from_secs(1), 16 * 1024);

/// A receiver of signed webhooks. Made by [`Sender::endpoint`](super::Sender::endpoint), which checks the address. It keeps
/// its state (breaker, places, switched off or not) for as long as it lives: make one and share it.
#[derive(Debug)]
pub struct Endpoint {
    door: Door,
    secrets: Secrets,
}

impl Endpoint {
    pub(crate) const fn new(door: Door, secrets: Secrets) -> Self {
        Self { door, secrets }
    }

    /// Delivers the payload of `job`, and says how its run ended: what a queue's handler of deliveries does. What did not
    /// succeed within [`schedule::LIFE`] is given up, after at least [`schedule::FEWEST`] attempts.
    pub async fn deliver(&self, job: &Claimed, id: &WebhookId) -> Outcome {
        let attempt = tokio::select! {
            attempt = self.send(id, &job.payload, &job.trace) => attempt,
            () = job.cancelled.cancelled() => return Outcome::Cancelled,
        };
        if attempt.kind == AttemptKind::Delivered || !schedule::is_over(job, schedule::LIFE) {
            return attempt.into_outcome();
        }
        Outcome::Fail { error: format!("given up after 24 hours; last: {}", attempt.error) }
    }

    /// Makes one attempt, signed now. Bodies of [`MOST_BODY`](super::MOST_BODY) bytes or more are refused.
    pub async fn send(&self, id: &WebhookId, body: &[u8], trace: &TraceContext) -> Attempt {
        let timestamp = Timestamp::now().as_second();
        let mut headers = HeaderMap::new();
        let values = [
            (HEADER_ID, id.as_str().to_owned()),
            (HEADER_TIMESTAMP, timestamp.to_string()),
            (HEADER_SIGNATURE, self.secrets.sign(id, timestamp, body)),
        ];
        for (name, value) in values {
            insert(&mut headers, name, &value);
        }
        self.door.send(headers, body, trace).await
    }

    /// Whether it answered 410: nothing is sent any more until the process starts again.
    pub fn is_off(&self) -> bool {
        self.door.is_off()
    }
}

/// An address that JSON is posted to. Made by [`Sender::door`](super::Sender::door); it keeps its state for as long as it
/// lives, as an [`Endpoint`] does.
pub struct Door {
    client: Client,
    url: Url,
    /// Its name for people: the origin alone, since the rest of an address may be a secret.
    name: String,
    most: usize,
    places: Semaphore,
    breaker: Breaker,
    off: AtomicBool,
    observer: Arc<dyn Observer>,
}

impl Door {
    pub(crate) fn new(client: Client, url: Url, most: usize, places: usize, observer: Arc<dyn Observer>) -> Self {
        let name = url.origin().ascii_serialization();
        let off = AtomicBool::new(false);
        Self { client, url, name, most, places: Semaphore::new(places), breaker: Breaker::default(), off, observer }
    }

    /// Makes one attempt to post `body`.
    pub async fn post(&self, body: &[u8], trace: &TraceContext) -> Attempt {
        self.send(HeaderMap::new(), body, trace).await
    }

    /// Whether it answered 410: nothing is sent any more until the process starts again.
    pub fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    async fn send(&self, headers: HeaderMap, body: &[u8], trace: &TraceContext) -> Attempt {
        let start = Instant::now();
        let (attempt, sent) = match self.attempt(headers, body, trace).await {
            Ok(attempt) => (attempt, true),
            Err(attempt) => (attempt, false),
        };
        self.observer.attempted(attempt.kind, sent.then(|| start.elapsed()), trace);
        match attempt.kind {
            AttemptKind::Delivered => tracing::debug!(endpoint = self.name, "webhook delivered"),
            AttemptKind::Postponed => {
                tracing::debug!(endpoint = self.name, reason = attempt.error, "webhook postponed")
            }
            kind => {
                tracing::warn!(endpoint = self.name, outcome = kind.as_str(), error = attempt.error, "webhook failed")
            }
        }
        attempt
    }

    /// Makes an attempt; an error is one before which nothing was sent.
    async fn attempt(&self, headers: HeaderMap, body: &[u8], trace: &TraceContext) -> Result<Attempt, Attempt> {
        if self.is_off() {
            let error = format!("{} answered 410 before, so nothing is sent there until the next start", self.name);
            return Err(failed(AttemptKind::Gone, error));
        }
        if body.len() > self.most {
            let error = format!("the body has {} bytes; {} takes at most {}", body.len(), self.name, self.most);
            return Err(failed(AttemptKind::Refused, error));
        }
        let _place = self.place().await?;
        let leave = self.breaker.ask().map_err(|wait| self.postponed(wait, "it failed several times in a row"))?;
        let request = self.client.post(self.url.clone()).headers(with_context(headers, trace)).body(body.to_vec());
        let (attempt, response) = match request.send().await {
            Ok(response) => (self.judge(&response), Some(response)),
            Err(error) => (self.broken(&error), None),
        };
        if leave.tell(!attempt.kind.may_pass()) {
            self.tell_breaker(attempt.kind.may_pass());
        }
        if let Some(response) = response {
            read_rest(response).await;
        }
        Ok(attempt)
    }

    /// A place among those who may speak to it now.
    async fn place(&self) -> Result<SemaphorePermit<'_>, Attempt> {
        match timeout(PLACE, self.places.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            // It is never closed; either way there is no place now.
            _ => Err(self.postponed(Duration::from_secs(1), "as many attempts as allowed are under way")),
        }
    }

    fn postponed(&self, wait: Duration, why: &str) -> Attempt {
        // Spread, so that those who wait do not all come at once.
        let spread = wait.mul_f64(1.0 + fastrand::f64() / 2.0);
        let error = format!("{} is left alone for a moment: {why}", self.name);
        Attempt { kind: AttemptKind::Postponed, error, after: Some(spread) }
    }

    fn judge(&self, response: &Response) -> Attempt {
        let (status, name) = (response.status(), &self.name);
        match status {
            _ if status.is_success() => failed(AttemptKind::Delivered, String::new()),
            StatusCode::GONE => {
                self.off.store(true, Ordering::Relaxed);
                tracing::error!(endpoint = self.name, "answered 410: switched off until the next start");
                failed(AttemptKind::Gone, format!("{name} answered 410: it wants no webhooks any more"))
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                self.retried(response)
            }
            _ if status.is_server_error() => self.retried(response),
            _ if status.is_redirection() => {
                let hint = "a redirect, which is not followed: configure the address that it leads to";
                failed(AttemptKind::Retried, format!("{name} answered {}, {hint}", status.as_u16()))
            }
            _ => failed(AttemptKind::Refused, format!("{name} answered {}", status.as_u16())),
        }
    }

    fn retried(&self, response: &Response) -> Attempt {
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|text| retry_after::read(text, Timestamp::now()));
        let error = format!("{} answered {}", self.name, response.status().as_u16());
        Attempt { kind: AttemptKind::Retried, error, after }
    }

    fn broken(&self, error: &reqwest::Error) -> Attempt {
        let name = &self.name;
        if error.is_timeout() {
            let what = if error.is_connect() { "no connection" } else { "no answer" };
            return failed(AttemptKind::Timeout, format!("{what} from {name} in time"));
        }
        let what = if error.is_connect() { "cannot be reached" } else { "broke off" };
        failed(AttemptKind::Unreachable, format!("{name} {what}: {}", cause(error)))
    }

    fn tell_breaker(&self, opened: bool) {
        if opened {
            tracing::warn!(endpoint = self.name, "fails again and again: tried only every 30 s from now on");
        } else {
            tracing::info!(endpoint = self.name, "works again");
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("name", &self.name).field("off", &self.off).finish_non_exhaustive()
    }
}

const fn failed(kind: AttemptKind, error: String) -> Attempt {
    Attempt { kind, error, after: None }
}

/// The innermost reason, which says most; the outer ones would show the address.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let innermost =
        if std::ptr::addr_eq(inner, error) { "the request could not be sent".to_owned() } else { inner.to_string() };
    innermost.chars().take(200).collect()
}

fn with_context(mut headers: HeaderMap, trace: &TraceContext) -> HeaderMap {
    insert(&mut headers, CONTENT_TYPE.as_str(), "application/json");
    // An empty state says nothing, and one without a parent is not allowed.
    if !trace.parent.is_empty() {
        insert(&mut headers, "traceparent", &trace.parent);
        if !trace.state.is_empty() {
            insert(&mut headers, "tracestate", &trace.state);
        }
    }
    headers
}

/// Adds a header; what cannot stand in one (only a trace from outside could hold it) is left out.
fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Reads what is left of an answer, within bounds. What it says does not count.
async fn read_rest(mut response: Response) {
    let (time, most) = REST;
    let reading = async {
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > most {
                break;
            }
        }
    };
    let _ = timeout(time, reading).await;
}
