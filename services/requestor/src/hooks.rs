//! What the runner tells: a signed webhook becomes an entry in the log of the user whose report it is.
//!
//! Guarantees: it is answered as received only when it is durable in Redis. A webhook that comes again within a day changes
//! nothing and is answered as the first. Who is told follows from the job in the queue, not from the webhook.

use crate::log::Logs;
use crate::notify::Notifications;
use crate::store::StoreError;
use crate::trace;
use crate::user::UserId;
use axum::http::HeaderMap;
use jiff::Timestamp;
use report_model::event::{Event, EventType};
use report_queue::{JobId, JobInfo, Queue, QueueError, State};
use report_webhook::{Secrets, VerifyError};

/// The most characters of an error that are kept.
const LONGEST_ERROR: usize = 2000;

/// What became of a webhook that is genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The user is told.
    New,
    /// It was received before.
    Repeated,
    /// It tells that a report began which has ended since.
    Late,
}

/// Why a webhook is not taken.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It is not genuine, or too old.
    #[error(transparent)]
    NotGenuine(#[from] VerifyError),
    /// It is genuine and says nothing that this version knows.
    #[error("the body is no event of a report: {0}")]
    Body(String),
    /// There is no such report.
    #[error("there is no report with this id; reports are kept for seven days")]
    NoReport,
    /// The queue did not answer.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Redis did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HookError {
    /// Its name in figures.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotGenuine(error) => error.as_str(),
            Self::Body(_) => "body",
            Self::NoReport => "no-report",
            Self::Queue(_) | Self::Store(_) => "away",
        }
    }
}

/// The receiver of the runner's webhooks.
pub struct Receiver<Q> {
    /// With one of these they are signed.
    pub secrets: Secrets,
    /// The queue that knows whose a report is.
    pub queue: Q,
    /// Where it is told.
    pub logs: Logs,
    /// Who tells people of reports that failed.
    pub notifications: Notifications,
}

impl<Q: Queue> Receiver<Q> {
    /// Takes a webhook: `body` must be the bytes as they came.
    pub async fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Result<Received, HookError> {
        let id = self.secrets.verify(headers, body, Timestamp::now())?;
        let mut event: Event = serde_json::from_slice(body).map_err(|error| HookError::Body(error.to_string()))?;
        let (job, user) = self.owner(&event).await?;
        if event.kind == EventType::Started && has_ended(job.state) {
            return Ok(Received::Late);
        }
        if let Some(error) = &mut event.data.error
            && let Some((end, _)) = error.char_indices().nth(LONGEST_ERROR)
        {
            error.truncate(end);
            error.push('…');
        }
        if event.kind == EventType::Failed {
            // First, since it is safe twice: once the log says that the webhook is known, it is never tried again.
            self.notifications.report_failed(&user, &event).await?;
        }
        let text = serde_json::to_string(&event).map_err(|error| HookError::Body(error.to_string()))?;
        let added = self.logs.add_once(&user, id.as_str(), &text, &trace::current().parent).await?;
        Ok(if added.is_some() { Received::New } else { Received::Repeated })
    }

    /// The job that an event tells of, and whose it is.
    async fn owner(&self, event: &Event) -> Result<(JobInfo, UserId), HookError> {
        let id = JobId::parse(&event.data.id).ok_or(HookError::NoReport)?;
        let job = self.queue.job(&id).await?.ok_or(HookError::NoReport)?;
        let user = job.user.as_deref().and_then(|user| UserId::parse(user).ok()).ok_or(HookError::NoReport)?;
        Ok((job, user))
    }
}

const fn has_ended(state: State) -> bool {
    matches!(state, State::Done | State::Dead | State::Cancelled)
}
