//! The work of the queue: to tell a channel what waits for it, and to tell others when that failed for good.

use super::item::{Item, Undelivered};
use super::notice::Notice;
use super::payload::digest;
use super::{Inner, Notifications, QUEUE, channel};
use crate::store::StoreError;
use report_queue::{Claimed, Handler, NewJob, Outcome};
use report_webhook::schedule;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The kind of the jobs that tell a channel.
const NOTICE: &str = "notice";
/// The kind of the jobs that tell others that a channel could not be told.
const UNDELIVERED: &str = "undelivered";
/// The most things that are named of those that a channel was to be told.
const MOST_TITLES: usize = 20;

/// A job that tells a channel what waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Telling {
    /// Which channel.
    pub channel: String,
    /// In which of its generations.
    pub generation: u64,
}

/// A job that tells others that a channel could not be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Giving {
    /// What was to be told.
    telling: Telling,
    /// By which job.
    job: String,
    /// Why it failed.
    error: String,
}

impl Telling {
    /// The job, of which there is one a generation.
    pub(crate) fn job(&self) -> NewJob {
        let key = format!("{}:{}", self.channel, self.generation);
        NewJob { kind: NOTICE.to_owned(), payload: encoded(self), idempotency_key: Some(key), ..NewJob::default() }
    }
}

impl Handler for Notifications {
    async fn run(&self, job: Claimed) -> Outcome {
        // What is broken off here is done again as a whole.
        tokio::select! {
            outcome = self.work(&job) => outcome,
            () = job.cancelled.cancelled() => Outcome::Cancelled,
        }
    }

    fn follow_ups(&self, job: &Claimed, outcome: &Outcome) -> Vec<(String, NewJob)> {
        let Outcome::Fail { error } = outcome else { return Vec::new() };
        let telling = serde_json::from_slice(&job.payload).ok().filter(|_| job.kind == NOTICE);
        let giving = telling.map(|telling| Giving { telling, job: job.id.to_string(), error: error.clone() });
        let next = giving.map(|giving| NewJob {
            kind: UNDELIVERED.to_owned(),
            payload: encoded(&giving),
            trace: job.trace.clone(),
            ..NewJob::default()
        });
        next.map(|next| (QUEUE.to_owned(), next)).into_iter().collect()
    }
}

impl Notifications {
    async fn work(&self, job: &Claimed) -> Outcome {
        if job.kind == UNDELIVERED {
            return match serde_json::from_slice::<Giving>(&job.payload) {
                Ok(giving) => self.give_up(&giving, job).await.unwrap_or_else(away),
                Err(error) => unreadable(&error),
            };
        }
        match serde_json::from_slice::<Telling>(&job.payload) {
            Ok(telling) => self.tell(&telling, job).await.unwrap_or_else(away),
            Err(error) => unreadable(&error),
        }
    }

    async fn tell(&self, telling: &Telling, job: &Claimed) -> Result<Outcome, StoreError> {
        let Telling { channel, generation } = telling;
        let inner = &self.0;
        let items = inner.shelf.begin(channel, *generation, job.id.as_str()).await?;
        if items.is_empty() {
            // It was told before this process or another died, and only the end of the job got lost.
            self.schedule(channel, &job.trace).await?;
            return Ok(Outcome::Done { result: Vec::new() });
        }
        let to = match channel::user_of(channel) {
            Some(user) => inner.shelf.mail_of(&user).await?.as_deref().and_then(channel::mailbox),
            None => None,
        };
        let notice = Notice::of(&items, &inner.public_url);
        let outcome = inner.channels.tell(channel, to.as_ref(), (&items, &notice), (&job.id, &job.trace)).await;
        let outcome = inner.within_life(channel, job, outcome);
        inner.record(channel, &items, job, &outcome);
        if let Outcome::Done { .. } = outcome {
            inner.shelf.close(channel, *generation, job.id.as_str(), inner.interval, true).await?;
            self.schedule(channel, &job.trace).await?;
        }
        Ok(outcome)
    }

    /// Tells all other channels that this one could not be told, and of what; and lets it go on with what came meanwhile.
    async fn give_up(&self, giving: &Giving, job: &Claimed) -> Result<Outcome, StoreError> {
        let Giving { telling: Telling { channel, generation }, job: failed, error } = giving;
        let inner = &self.0;
        let items = inner.shelf.begin(channel, *generation, failed).await?;
        // That a channel could not be told that another could not be told is for the log alone.
        let titles: Vec<_> =
            items.iter().filter(|item| !matches!(item, Item::Undelivered(_))).map(Item::title).collect();
        let others: Vec<_> = inner.channels.operations().into_iter().filter(|other| other != channel).collect();
        if !titles.is_empty() && !others.is_empty() {
            let item = Item::Undelivered(Undelivered {
                channel: channel::title(channel),
                error: error.clone(),
                more: titles.len().saturating_sub(MOST_TITLES),
                titles: titles.into_iter().take(MOST_TITLES).collect(),
            });
            // Each end of a job that was given a new life is told anew.
            inner.shelf.put(&digest(&["undelivered", job.id.as_str()]), &item, &others).await?;
            self.schedule_all(&others, &job.trace).await?;
        }
        inner.shelf.close(channel, *generation, failed, Duration::ZERO, false).await?;
        self.schedule(channel, &job.trace).await?;
        Ok(Outcome::Done { result: Vec::new() })
    }
}

impl Inner {
    /// What becomes of an attempt that failed: it is given up when its time is over.
    fn within_life(&self, channel: &str, job: &Claimed, outcome: Outcome) -> Outcome {
        let life = self.channels.life(channel);
        let last = match &outcome {
            Outcome::Retry { error, .. } => error.as_str(),
            Outcome::Postpone { .. } => "it has failed again and again before",
            _ => return outcome,
        };
        if !schedule::is_over(job, life) {
            return outcome;
        }
        Outcome::Fail { error: format!("given up after {} hours; last: {last}", life.as_secs() / 3600) }
    }

    /// The record of what was told to whom.
    fn record(&self, channel: &str, items: &[Item], job: &Claimed, outcome: &Outcome) {
        let (word, error) = match outcome {
            Outcome::Done { .. } => ("sent", ""),
            Outcome::Retry { error, .. } => ("retried", error.as_str()),
            Outcome::Fail { error } => ("failed", error.as_str()),
            Outcome::Postpone { .. } | Outcome::Cancelled => ("postponed", ""),
        };
        self.metrics.notice(channel::kind(channel), word);
        let (items, attempt) = (items.len(), job.attempt);
        if error.is_empty() {
            tracing::info!(channel, outcome = word, items, job = %job.id, attempt, "notice");
        } else {
            tracing::warn!(channel, outcome = word, items, job = %job.id, attempt, error, "notice");
        }
    }
}

/// Numbers and texts can always be written.
fn encoded(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn away(error: StoreError) -> Outcome {
    Outcome::Retry { error: error.to_string(), after: None }
}

fn unreadable(error: &serde_json::Error) -> Outcome {
    Outcome::Fail { error: format!("the job cannot be read: {error}") }
}
