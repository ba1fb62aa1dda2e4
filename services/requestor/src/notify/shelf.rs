//! What is to be told, as it is kept in Redis until it is told: nothing of it lives in this process.
//!
//! Each channel has a state and a list of items. One job at a time tells a channel what waits: the job of the channel's
//! current *generation*. Its idempotency key is made of both, so however often it is asked for there is only one. When it
//! begins it takes what waits, and tells exactly that however often it runs; when it has told it, or never will, the
//! generation ends, and what came meanwhile is for the next one's job, after a pause. So a storm makes one notice a channel
//! and pause, and a channel that is away has one job that is tried again.

use super::item::{Alert, Item};
use crate::store::{Store, StoreError};
use crate::user::UserId;
use redis::{FromRedisValue, Script, ScriptInvocation};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::sleep;

/// Where the alerts are, by fingerprint; also the channel on which it is told that they changed.
const ALERTS: &str = "user:/alerts";
/// When each alert was last heard of.
const HEARD: &str = "user:/alerts:heard";
/// How many alerts are kept.
const MOST_ALERTS: usize = 500;
/// How long an alert is kept after it was last heard of. Alertmanager repeats those that fire every few hours.
const ALERT_KEPT: Duration = Duration::from_hours(24);
/// How long a repeat is known as one, after the last one. Shorter than the interval in which Alertmanager reminds of alerts
/// that still fire (4 h unless set), so that its reminders come through.
const REPEATED: Duration = Duration::from_hours(1);
/// How long anything else is known as told, so that a webhook of the runner that comes again does not tell twice.
const KNOWN: Duration = Duration::from_hours(48);
/// How many items wait for a channel; of more only their number is told.
const MOST_ITEMS: usize = 500;
/// How long what a channel waits for is kept, and what a dead letter was to tell.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// How often a question that may be asked twice is asked.
const ATTEMPTS: u32 = 3;

static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/put.lua")));
static DUE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/due.lua")));
static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/begin.lua")));
static CLOSE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/close.lua")));

/// What a channel waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// Its generation.
    pub generation: u64,
    /// How many items wait.
    pub waiting: u64,
    /// In how long it may be told again.
    pub pause: Duration,
}

/// The keeper of what is to be told.
#[derive(Clone)]
pub(crate) struct Shelf(Store);

impl Shelf {
    pub(crate) const fn new(store: Store) -> Self {
        Self(store)
    }

    /// Adds an item for `channels`, unless one of this `identity` was added before; an alert also goes into the table of
    /// alerts. True when it was new.
    pub(crate) async fn put(&self, identity: &str, item: &Item, channels: &[String]) -> Result<bool, StoreError> {
        let text = serde_json::to_string(item).map_err(|error| StoreError::Refused(error.to_string()))?;
        let (fingerprint, known) = match item {
            Item::Alert(alert) => (alert.fingerprint.as_str(), REPEATED),
            _ => ("", KNOWN),
        };
        let mut call = PUT.key(format!("user:/notify:seen:{identity}"));
        call.key(ALERTS).key(HEARD);
        for channel in channels {
            call.key(state(channel)).key(items(channel));
        }
        call.arg(known.as_secs()).arg(MOST_ITEMS).arg(KEPT.as_secs()).arg(text);
        call.arg(fingerprint).arg(ALERT_KEPT.as_secs()).arg(MOST_ALERTS).arg(ALERTS);
        // Lost is only the answer, if at all: a second call then says that the item was there before, which is true.
        self.ask::<u8>(&call).await.map(|new| new == 1)
    }

    /// What a channel waits for.
    pub(crate) async fn due(&self, channel: &str) -> Result<Due, StoreError> {
        let mut call = DUE.key(state(channel));
        call.key(items(channel));
        let (generation, waiting, pause) = self.ask(&call).await?;
        Ok(Due { generation, waiting, pause: Duration::from_millis(pause) })
    }

    /// Fixes what `job` tells `channel` in its `generation`, and gives it: the same each time. Nothing when the generation
    /// has ended without this job.
    pub(crate) async fn begin(&self, channel: &str, generation: u64, job: &str) -> Result<Vec<Item>, StoreError> {
        let mut call = BEGIN.key(state(channel));
        call.key(items(channel)).key(batch(job));
        call.arg(generation).arg(KEPT.as_secs()).arg(r#"{"about":"more","count":%d}"#);
        let texts: Vec<String> = self.ask(&call).await?;
        Ok(texts.iter().filter_map(|text| read_item(text)).collect())
    }

    /// Ends a generation, if it has not ended. What its `job` told is forgotten when it `succeeded`, and kept for a dead
    /// letter otherwise.
    pub(crate) async fn close(
        &self,
        channel: &str,
        generation: u64,
        job: &str,
        pause: Duration,
        succeeded: bool,
    ) -> Result<(), StoreError> {
        let mut call = CLOSE.key(state(channel));
        call.key(batch(job));
        call.arg(generation).arg(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)).arg(KEPT.as_secs());
        call.arg(u8::from(succeeded));
        self.ask::<u8>(&call).await.map(drop)
    }

    /// The alerts that were heard of in the last day, newest first.
    pub(crate) async fn alerts(&self) -> Result<Vec<Alert>, StoreError> {
        let mut command = redis::cmd("HVALS");
        command.arg(ALERTS);
        let texts: Vec<String> = self.0.ask(&command).await?;
        let mut alerts: Vec<_> = texts
            .iter()
            .filter_map(|text| if let Some(Item::Alert(alert)) = read_item(text) { Some(alert) } else { None })
            .collect();
        alerts.sort_by(|a, b| (b.starts_at, &a.name).cmp(&(a.starts_at, &b.name)));
        Ok(alerts)
    }

    /// A user's mail address, as it was given.
    pub(crate) async fn mail_of(&self, user: &UserId) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(user.profile()).arg("mail");
        self.0.ask(&command).await
    }

    /// Runs a script that may run twice.
    async fn ask<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        let mut attempt = 1;
        loop {
            match self.0.run(call).await {
                Err(StoreError::Away(_)) if attempt < ATTEMPTS => {
                    sleep(Duration::from_millis(50 * u64::from(attempt))).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }
}

/// An item; none when it is not what this version writes.
fn read_item(text: &str) -> Option<Item> {
    serde_json::from_str(text).inspect_err(|error| tracing::warn!(%error, "an item of a notice cannot be read")).ok()
}

fn state(channel: &str) -> String {
    format!("user:/notify:{channel}")
}

fn items(channel: &str) -> String {
    format!("user:/notify:{channel}:items")
}

fn batch(job: &str) -> String {
    format!("user:/notify:batch:{job}")
}
