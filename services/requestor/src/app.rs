//! Everything that the doors of the service stand on.

use crate::fanout::Fanout;
use crate::fanout::Full;
use crate::feed::{Feed, Start};
use crate::hooks::Receiver;
use crate::log::Logs;
use crate::metrics::{Figures, Told};
use crate::notify::{self, Notifications, NotifySettingsError};
use crate::rate::Rate;
use crate::runner::{Runner, RunnerError};
use crate::sessions::{Session, Sessions};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use report_queue::{QueueError, QueueSettings, RedisQueue};
use report_telemetry::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a page may take to take what is sent to it, before it is sent away.
const WRITE: Duration = Duration::from_secs(10);

/// How often a page is asked whether it is still there.
const PING: Duration = Duration::from_secs(25);

/// What went wrong when the service began.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// With the queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// With Redis.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// With those who are to be told.
    #[error(transparent)]
    Notify(#[from] NotifySettingsError),
    /// With the way to the runner.
    #[error(transparent)]
    Runner(#[from] RunnerError),
}

/// The service, as its doors see it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the service consists of.
pub struct Parts {
    /// What it was told.
    pub settings: Settings,
    /// The queue of reports.
    pub queue: RedisQueue,
    /// The way to Redis.
    pub store: Store,
    /// The users' logs.
    pub logs: Logs,
    /// Links and sessions.
    pub sessions: Sessions,
    /// Open pages.
    pub fanout: Fanout,
    /// How fast users may ask.
    pub rate: Rate,
    /// Who tells people of alerts and failures.
    pub notifications: Notifications,
    /// What that is done through.
    pub notices: RedisQueue,
    /// The receiver of the runner's webhooks.
    pub receiver: Receiver<RedisQueue>,
    /// The way to the runner, where it is known.
    pub runner: Option<Runner>,
    /// Figures.
    pub figures: Figures,
    /// The patience with open pages.
    pub patience: Patience,
    /// Ends when the service ends.
    pub ends: CancellationToken,
}

/// The patience with open pages.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a page may take to take what is sent to it.
    pub write: Duration,
    /// How often it is asked whether it is still there; after two such times without an answer it is not.
    pub ping: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { write: WRITE, ping: PING }
    }
}

impl App {
    /// The service with these settings; its figures are added to `metrics`. Nothing is connected yet.
    pub fn new(settings: Settings, patience: Patience, metrics: &Metrics) -> Result<Self, AppError> {
        let store = Store::new(settings.redis.client()?)?;
        let queue = RedisQueue::connect(&settings.redis, QueueSettings::new(crate::reports::QUEUE))?;
        let logs = Logs::new(store.clone());
        let notices = RedisQueue::connect(&settings.redis, notify::queue_settings())?;
        let told = (metrics, Arc::new(Told::register(metrics)) as Arc<dyn report_webhook::Observer>);
        let notifications =
            Notifications::new(&settings.notify, store.clone(), notices.clone(), &settings.public_url, told)?;
        let receiver = Receiver {
            secrets: settings.webhook_secrets.clone(),
            queue: queue.clone(),
            logs: logs.clone(),
            notifications: notifications.clone(),
        };
        let runner = settings.runner.clone().map(|(url, token)| Runner::new(url, token)).transpose()?;
        Ok(Self(Arc::new(Parts {
            sessions: Sessions::new(store.clone(), settings.lifetimes),
            fanout: Fanout::new(settings.sockets.0, settings.sockets.1),
            rate: Rate::new(settings.rate.0, settings.rate.1),
            figures: Figures::register(metrics),
            ends: CancellationToken::new(),
            settings,
            queue,
            store,
            logs,
            notifications,
            notices,
            receiver,
            runner,
            patience,
        })))
    }

    /// A reader for a page that is open in `session`.
    pub fn feed(&self, session: Session, start: Start) -> Result<Feed, Full> {
        let place = self.fanout.join(&session.user)?;
        if start != Start::Fresh {
            self.figures.sockets.resumed();
        }
        let (logs, sessions) = (self.logs.clone(), self.sessions.clone());
        Ok(Feed::new(logs, sessions, session, place, start, self.ends.clone()))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
