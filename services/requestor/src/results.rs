//! What came of a report: in Redis when it is small, in a file of the runner when it is large.

use crate::reports::{self, ReportError};
use crate::runner::{Runner, RunnerError};
use crate::user::UserId;
use axum::body::{Body, Bytes};
use report_model::document::Document;
use report_model::result::{FileReference, StoredResult};
use report_queue::{JobInfo, Queue, QueueError, State};
use tokio::task::spawn_blocking;

/// A document of more bytes is handed out as it is, and not turned into other forms.
pub const LARGEST_TURNED: u64 = 64 * 1024 * 1024;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// The report is not done.
    #[error("there is no result: the report is {0}")]
    NotYet(&'static str),
    /// It was kept for its time, or the file is gone.
    #[error("the result is not kept any more: results stay for seven days; run the report again to get a new one")]
    Gone,
    /// It is too large to be turned into another form.
    #[error("the result has {size} bytes; up to {LARGEST_TURNED} are turned into this form, so take result.json")]
    TooLarge {
        /// Its size.
        size: u64,
    },
    /// The runner does not hand it out.
    #[error("the runner, which keeps this large result, does not hand it out right now; try again")]
    Runner(RunnerError),
    /// What is kept is no result.
    #[error("the result is not as it should be: {0}")]
    Damaged(String),
    /// There is no such report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The queue did not answer.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// In which form a result is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The document itself.
    Json,
    /// Its table.
    Csv,
    /// A small page with table and chart.
    Html,
}

/// A result in the form that was wanted.
pub struct Delivery {
    /// What a file with it is called, without the form's ending.
    pub name: String,
    /// The bytes.
    pub body: Body,
    /// How many they are, where that is known before.
    pub size: Option<u64>,
}

/// The result of one of a user's reports.
pub async fn deliver(
    queue: &impl Queue,
    runner: Option<&Runner>,
    user: &UserId,
    id: &str,
    form: Form,
) -> Result<Delivery, ResultError> {
    let job = reports::find(queue, user, id).await?;
    let name = format!("{}-{}", job.kind, job.id);
    match (stored(queue, &job).await?, form) {
        (StoredResult::Document(document), form) => small(name, document, form).await,
        (StoredResult::File(file), Form::Json) => {
            let size = Some(file.size);
            let body = Body::from_stream(runner_of(runner)?.stream(file).await.map_err(ResultError::from)?);
            Ok(Delivery { name, body, size })
        }
        (StoredResult::File(file), form) => {
            if file.size > LARGEST_TURNED {
                return Err(ResultError::TooLarge { size: file.size });
            }
            let bytes = runner_of(runner)?.whole(file).await?;
            let document = serde_json::from_slice(&bytes).map_err(damaged)?;
            small(name, document, form).await
        }
    }
}

/// How many bytes the document of a report that is done has; none when it is not there.
pub async fn size(queue: &impl Queue, job: &JobInfo) -> Result<Option<u64>, ResultError> {
    match stored(queue, job).await {
        Ok(StoredResult::File(FileReference { size, .. })) => Ok(Some(size)),
        Ok(StoredResult::Document(document)) => Ok(serde_json::to_vec(&document).ok().map(|bytes| bytes.len() as u64)),
        Err(ResultError::NotYet(_) | ResultError::Gone) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn stored(queue: &impl Queue, job: &JobInfo) -> Result<StoredResult, ResultError> {
    if job.state != State::Done {
        return Err(ResultError::NotYet(reports::word(job.state)));
    }
    let bytes = queue.result(&job.id).await?.ok_or(ResultError::Gone)?;
    serde_json::from_slice(&bytes).map_err(damaged)
}

/// Turns a document into its form, off the threads that serve.
async fn small(name: String, document: Document, form: Form) -> Result<Delivery, ResultError> {
    let turned = spawn_blocking(move || match form {
        Form::Json => serde_json::to_vec(&document).map_err(damaged),
        Form::Csv => Ok(document.csv().into_bytes()),
        Form::Html => Ok(document.html().into_bytes()),
    });
    let bytes: Bytes = turned.await.map_err(|error| ResultError::Damaged(error.to_string()))??.into();
    let size = Some(bytes.len() as u64);
    Ok(Delivery { name, body: bytes.into(), size })
}

fn runner_of(runner: Option<&Runner>) -> Result<&Runner, ResultError> {
    runner.ok_or(ResultError::Runner(RunnerError::NotSetUp))
}

fn damaged(error: serde_json::Error) -> ResultError {
    ResultError::Damaged(error.to_string())
}

impl From<RunnerError> for ResultError {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Gone => Self::Gone,
            error => Self::Runner(error),
        }
    }
}
