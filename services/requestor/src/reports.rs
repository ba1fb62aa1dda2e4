//! Reports as people ask for them and see them: what the queue knows, told in their words.

use crate::log::Logs;
use crate::store::{Store, StoreError};
use crate::trace;
use crate::user::UserId;
use jiff::Timestamp;
use report_model::catalog::{self, Catalog, ParameterError, Parameters, ReportType};
use report_model::event::{Event, EventType, ReportEvent};
use report_model::source::{SOURCES_KEY, SourceInfo};
use report_queue::{Announcement, Enqueued, JobId, JobInfo, NewJob, Priority, Queue, QueueError, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument;

/// The queue of reports.
pub const QUEUE: &str = "reports";

/// The most characters of an idempotency key.
pub const LONGEST_KEY: usize = 200;

/// Why a report is not accepted, found or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no such type.
    #[error("there is no report of the type {0:?}; GET /api/catalog lists those that there are")]
    UnknownType(String),
    /// Parameters are not as they have to be; at least one is named.
    #[error("{}", problems(.0))]
    Parameters(Vec<ParameterError>),
    /// The idempotency key has a wrong form.
    #[error("an Idempotency-Key has 1 to {LONGEST_KEY} visible characters of ASCII")]
    Key,
    /// The key was used for something else.
    #[error(
        "this Idempotency-Key was used within the last day for a report with other content; take a new key for a new report"
    )]
    OtherContent,
    /// There is none, or it is another user's: nobody is told which.
    #[error("you have no report with this id; reports are kept for seven days")]
    NotFound,
    /// It has ended.
    #[error("the report has ended already")]
    Ended,
    /// What a runner told of its sources is not to be read.
    #[error("what the runner told of its sources cannot be read: {0}")]
    Sources(String),
    /// The queue did not do it.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Redis did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is sent to ask for a report.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Which report.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is told.
    #[serde(default = "nothing")]
    pub parameters: Value,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
}

/// What is answered to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The report's id.
    pub id: String,
    /// Which report.
    #[serde(rename = "type")]
    pub kind: ReportType,
    /// Where it is in its life.
    pub state: &'static str,
    /// The number to give to support.
    pub trace_id: String,
    /// Whether it was accepted just now, and not by an earlier request with the same key.
    #[serde(skip)]
    pub new: bool,
}

/// A report as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Its id.
    pub id: String,
    /// Which report.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name for people.
    pub title: String,
    /// What it was told.
    pub parameters: Value,
    /// `queued`, `delayed`, `running`, `done`, `failed` or `cancelled`.
    pub state: &'static str,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How often it was begun.
    pub attempts: u32,
    /// What went wrong last.
    pub error: Option<String>,
    /// The number to give to support.
    pub trace_id: String,
    /// That there is a result, once it is done.
    pub result: Option<ResultInfo>,
}

/// What is known of a result without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResultInfo {
    /// How many bytes its document has; none where only reading it would tell.
    pub size: Option<u64>,
}

/// A part of a user's reports, newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// The reports.
    pub reports: Vec<Report>,
    /// What to say as `before` to get the next part; none when there is none.
    pub next: Option<String>,
}

/// What can be asked for now.
pub async fn offered(store: &Store) -> Result<Catalog, ReportError> {
    Ok(catalog::catalog(&sources(store).await?, jiff::tz::TimeZone::UTC.to_datetime(Timestamp::now()).date()))
}

/// Accepts a request: at most one report a key and user within a day.
pub async fn accept(
    queue: &impl Queue,
    store: &Store,
    user: &UserId,
    key: Option<&str>,
    request: Request,
) -> Result<Accepted, ReportError> {
    let kind = ReportType::parse(&request.kind).ok_or_else(|| ReportError::UnknownType(short(&request.kind)))?;
    if key.is_some_and(|key| !is_key(key)) {
        return Err(ReportError::Key);
    }
    let sources = if needs_source(kind) { sources(store).await? } else { Vec::new() };
    let parameters = catalog::validate(kind, &request.parameters, &sources).map_err(ReportError::Parameters)?;
    let span = report_telemetry::producer_span(QUEUE);
    let job = span.in_scope(|| new_job(user, key, &parameters, request.priority));
    let (payload, trace_id) = (job.payload.clone(), trace::id_of(&job.trace));
    match queue.enqueue(job).instrument(span).await? {
        Enqueued::New(id) => Ok(Accepted { id: id.to_string(), kind, state: "queued", trace_id, new: true }),
        Enqueued::Duplicate(id) => again(queue, &id, kind, &payload).await,
    }
}

/// The report that an earlier request with the same key made, if it asked for the same.
async fn again(queue: &impl Queue, id: &JobId, kind: ReportType, payload: &[u8]) -> Result<Accepted, ReportError> {
    let first = queue.job(id).await?.ok_or(ReportError::NotFound)?;
    // The payload is what the parameters came to: names in another order or a number written otherwise are the same.
    if first.payload != payload {
        return Err(ReportError::OtherContent);
    }
    let (state, trace_id) = (word(first.state), trace::id_of(&first.trace));
    Ok(Accepted { id: id.to_string(), kind, state, trace_id, new: false })
}

/// One report of a user.
pub async fn find(queue: &impl Queue, user: &UserId, id: &str) -> Result<JobInfo, ReportError> {
    let id = JobId::parse(id).ok_or(ReportError::NotFound)?;
    let job = queue.job(&id).await?.ok_or(ReportError::NotFound)?;
    if job.user.as_deref() == Some(user.as_str()) { Ok(job) } else { Err(ReportError::NotFound) }
}

/// A user's reports, newest first, at most `limit`, older than `before` when it is given.
pub async fn list(queue: &impl Queue, user: &UserId, before: Option<&str>, limit: usize) -> Result<Page, ReportError> {
    let before = before.map(|id| JobId::parse(id).ok_or(ReportError::NotFound)).transpose()?;
    let jobs = queue.jobs_of(user.as_str(), before.as_ref(), limit + 1).await?;
    let more = jobs.len() > limit;
    let reports: Vec<Report> = jobs.into_iter().take(limit).map(Report::from).collect();
    let next = reports.last().filter(|_| more).map(|report| report.id.clone());
    Ok(Page { reports, next })
}

/// Stops a report of a user. One that waits has ended then, and that is told at once; of one that runs its worker tells.
pub async fn cancel(queue: &impl Queue, logs: &Logs, user: &UserId, id: &str) -> Result<(), ReportError> {
    let job = find(queue, user, id).await?;
    if !queue.cancel(&job.id).await? {
        return Err(ReportError::Ended);
    }
    let job = find(queue, user, id).await?;
    if job.state == State::Cancelled
        && let Some(report) = ReportType::parse(&job.kind)
    {
        let (trace_id, id) = (trace::id_of(&job.trace), job.id.to_string());
        // The name that the runner's webhook would have: whoever tells it first, it is told once.
        let webhook = format!("{id}.report-cancelled");
        let data = ReportEvent { id, report, trace_id, attempt: job.attempts, error: None };
        let event = Event { kind: EventType::Cancelled, timestamp: Timestamp::now(), data };
        logs.add_once(user, &webhook, &json(&event), &trace::current().parent).await?;
    }
    Ok(())
}

impl From<JobInfo> for Report {
    fn from(job: JobInfo) -> Self {
        let kind = ReportType::parse(&job.kind);
        let payload = serde_json::from_slice::<Value>(&job.payload).unwrap_or_default();
        let time = |millis: u64| Timestamp::from_millisecond(i64::try_from(millis).unwrap_or(i64::MAX)).ok();
        Self {
            id: job.id.to_string(),
            title: kind.map_or_else(|| job.kind.clone(), |kind| kind.title().to_owned()),
            kind: job.kind,
            parameters: payload.get("parameters").cloned().unwrap_or_else(nothing),
            state: word(job.state),
            created_at: time(job.enqueued_at).unwrap_or_default(),
            started_at: job.started_at.and_then(time),
            finished_at: job.finished_at.and_then(time),
            attempts: job.attempts,
            error: job.error,
            trace_id: trace::id_of(&job.trace),
            result: (job.state == State::Done).then_some(ResultInfo { size: None }),
        }
    }
}

/// The job that makes a report, and what its owner is told when it is accepted.
fn new_job(user: &UserId, key: Option<&str>, parameters: &Parameters, priority: Priority) -> NewJob {
    let trace = trace::current();
    let report = parameters.report();
    let data = ReportEvent { id: "{id}".to_owned(), report, trace_id: trace::id_of(&trace), attempt: 0, error: None };
    let event = Event { kind: EventType::Queued, timestamp: Timestamp::now(), data };
    NewJob {
        kind: report.to_string(),
        payload: json(parameters).into_bytes(),
        user: Some(user.to_string()),
        priority,
        idempotency_key: key.map(str::to_owned),
        trace,
        announcement: Some(Announcement { stream: user.log(), channel: user.channel(), event: json(&event) }),
        ..NewJob::default()
    }
}

/// What the runners offer. Nothing when none has told anything.
async fn sources(store: &Store) -> Result<Vec<SourceInfo>, ReportError> {
    let mut command = redis::cmd("GET");
    command.arg(SOURCES_KEY);
    let told: Option<String> = store.ask(&command).await?;
    let Some(told) = told else { return Ok(Vec::new()) };
    serde_json::from_str(&told).map_err(|error| ReportError::Sources(error.to_string()))
}

/// Whether a request for it can be checked only by knowing the sources.
const fn needs_source(kind: ReportType) -> bool {
    !matches!(kind, ReportType::SystemCheck)
}

/// The word for where a report is in its life.
pub const fn word(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Delayed => "delayed",
        State::Running => "running",
        State::Done => "done",
        State::Dead => "failed",
        State::Cancelled => "cancelled",
    }
}

fn is_key(text: &str) -> bool {
    (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
}

/// A value of ours as JSON. Such values have no maps with odd keys, so there is always one.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

fn problems(errors: &[ParameterError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
