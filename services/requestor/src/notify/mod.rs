//! Telling people: alerts that Alertmanager hands over, and reports that failed for good, by mail, in Teams, and by signed
//! webhooks.
//!
//! Guarantees: what was taken ([`Notifications::take_alerts`], [`Notifications::report_failed`] said yes) is told at least
//! once by every way that is configured, or is found among the dead letters of the queue [`QUEUE`], after others were told
//! that it could not be. A storm makes one notice a way and interval. Nothing is kept in this process.

mod channel;
mod handler;
mod hook;
mod item;
mod mail;
mod metrics;
mod notice;
mod payload;
mod settings;
mod shelf;
mod teams;

pub use item::{Alert, AlertStatus};
pub use mail::MailError;
pub use payload::PayloadError;
pub use settings::{NotifyFlags, NotifySettings, NotifySettingsError};

use crate::store::{Store, StoreError};
use crate::user::UserId;
use channel::Channels;
use handler::Telling;
use item::{FailedReport, Item, cut};
use metrics::NotifyMetrics;
use payload::{Payload, digest};
use report_model::event::Event;
use report_queue::{Enqueued, NewJob, Queue, QueueError, QueueSettings, RedisQueue, State, TraceContext};
use report_telemetry::Metrics;
use report_webhook::{Observer, schedule};
use shelf::Shelf;
use std::sync::Arc;
use std::time::Duration;

/// The queue through which everything is told. This service works on it.
pub const QUEUE: &str = "notifications";
/// How long the first notice waits for more that belongs to it.
const GATHER: Duration = Duration::from_secs(1);
/// No pause between two attempts is drawn beyond this: what came meanwhile waits too, and alerts grow old.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often it is looked anew whose turn it is to tell a channel, when others are at it too.
const ROUNDS: u32 = 5;
/// The most characters of a report's error.
const LONGEST_ERROR: usize = 1000;

/// Who tells people. Clones are the same.
#[derive(Clone)]
pub struct Notifications(Arc<Inner>);

struct Inner {
    shelf: Shelf,
    queue: RedisQueue,
    channels: Channels,
    interval: Duration,
    public_url: String,
    metrics: NotifyMetrics,
}

/// Why an alert was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// The payload is not understood: 400, and Alertmanager does not try again.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It cannot be kept: 503, and Alertmanager tries again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How the queue [`QUEUE`] behaves. How long something is tried is a matter of time, not of attempts.
pub fn queue_settings() -> QueueSettings {
    QueueSettings {
        max_attempts: schedule::ATTEMPTS,
        retry_first: schedule::BASE,
        retry_most: LONGEST_PAUSE,
        ..QueueSettings::new(QUEUE)
    }
}

impl Notifications {
    /// Tells as `settings` say; `queue` must be the one of [`queue_settings`], and this its handler. `public_url` is where
    /// the page is, for links. `observer` is told of each attempt by HTTP. Nothing is connected yet.
    ///
    /// # Errors
    /// An address or a certificate of the settings is of no use.
    pub fn new(
        settings: &NotifySettings,
        store: Store,
        queue: RedisQueue,
        public_url: &str,
        (metrics, observer): (&Metrics, Arc<dyn Observer>),
    ) -> Result<Self, NotifySettingsError> {
        Ok(Self(Arc::new(Inner {
            shelf: Shelf::new(store),
            queue,
            channels: Channels::new(settings, observer)?,
            interval: settings.interval,
            public_url: public_url.to_owned(),
            metrics: NotifyMetrics::register(metrics),
        })))
    }

    /// Takes what Alertmanager's webhook says, and gives how many alerts of it were new. When this returns without an error
    /// it is durable.
    ///
    /// # Errors
    /// It is not understood, or Redis is away; then some of it may have been taken, and the rest is when it comes again.
    pub async fn take_alerts(&self, body: &[u8], trace: &TraceContext) -> Result<usize, AlertError> {
        let payload = Payload::read(body)?;
        let channels = self.0.channels.operations();
        let mut new = 0;
        for alert in &payload.alerts {
            let item = Item::Alert(alert.clone());
            let is_new = self.0.shelf.put(&payload.identity(alert), &item, &channels).await?;
            self.0.metrics.alert(is_new);
            new += usize::from(is_new);
        }
        if payload.more > 0 {
            let item = Item::More { count: payload.more };
            let identity = digest(&["more", &payload.group, &payload.more.to_string()]);
            self.0.shelf.put(&identity, &item, &channels).await?;
        }
        self.schedule_all(&channels, trace).await?;
        tracing::info!(alerts = payload.alerts.len(), new, "alerts taken");
        Ok(new)
    }

    /// Has `user` told that a report failed for good: by mail when their profile has an address and mail is configured, and
    /// through operations otherwise. When this returns without an error it is durable. Safe to be called again with the same
    /// event.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn report_failed(&self, user: &UserId, event: &Event) -> Result<(), StoreError> {
        let channels = self.channels_for(user).await?;
        if channels.is_empty() {
            tracing::warn!(report = event.data.id, "a report failed, and nobody is configured to be told");
            return Ok(());
        }
        let at = event.timestamp;
        let error = event.data.error.as_deref().unwrap_or("it did not say why");
        let item = Item::Report(FailedReport {
            id: event.data.id.clone(),
            title: event.data.report.title().to_owned(),
            user: user.to_string(),
            error: cut(error, LONGEST_ERROR),
            trace_id: event.data.trace_id.clone(),
            at,
        });
        self.0.shelf.put(&digest(&["report", &event.data.id, &at.to_string()]), &item, &channels).await?;
        self.schedule_all(&channels, &TraceContext::default()).await
    }

    /// The alerts that were heard of in the last day, newest first: at most 500.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn alerts(&self) -> Result<Vec<Alert>, StoreError> {
        self.0.shelf.alerts().await
    }

    async fn channels_for(&self, user: &UserId) -> Result<Vec<String>, StoreError> {
        let address = if self.0.channels.has_mail() { self.0.shelf.mail_of(user).await? } else { None };
        let reachable = address.as_deref().and_then(channel::mailbox).is_some();
        Ok(if reachable { vec![channel::of_user(user)] } else { self.0.channels.operations() })
    }

    async fn schedule_all(&self, channels: &[String], trace: &TraceContext) -> Result<(), StoreError> {
        for channel in channels {
            self.schedule(channel, trace).await?;
        }
        Ok(())
    }

    /// Makes sure that there is a job that tells `channel` what waits for it.
    async fn schedule(&self, channel: &str, trace: &TraceContext) -> Result<(), StoreError> {
        for _ in 0..ROUNDS {
            let due = self.0.shelf.due(channel).await?;
            if due.waiting == 0 {
                return Ok(());
            }
            let telling = Telling { channel: channel.to_owned(), generation: due.generation };
            let job = NewJob { delay: due.pause.max(GATHER), trace: trace.clone(), ..telling.job() };
            let Enqueued::Duplicate(id) = self.0.queue.enqueue(job).await.map_err(store_error)? else { return Ok(()) };
            let state = self.0.queue.job(&id).await.map_err(store_error)?.map(|job| job.state);
            if let Some(State::Queued | State::Delayed | State::Running) = state {
                return Ok(());
            }
            // The generation's job has ended: either it ended the generation meanwhile, or it was cancelled or its end got
            // lost. Then the next one is for what waits.
            self.0.shelf.close(channel, due.generation, id.as_str(), Duration::ZERO, false).await?;
        }
        // Others schedule this channel all the time, so there is a job.
        Ok(())
    }
}

/// What the queue's error means here.
fn store_error(error: QueueError) -> StoreError {
    match error {
        QueueError::Away(reason) => StoreError::Away(reason),
        other => StoreError::Refused(other.to_string()),
    }
}
