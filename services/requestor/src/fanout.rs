//! Waking open pages: one connection to Redis listens for all users who have a page open, and wakes those pages' readers.
//!
//! Guarantees: after a reader joined, and after each time that the connection came back, the reader is woken once the channel
//! is listened to. So what was published while nobody listened is found in the log then, and no wake-up that is lost does
//! harm.

use crate::sessions::SESSION_CHANGED;
use crate::store::{Store, StoreError};
use crate::user::UserId;
use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// The channel on which it is told that alerts changed. No user's channel looks like it.
pub const ALERTS: &str = "user:/alerts";

/// At most so many channels are named in one command.
const AT_ONCE: usize = 1000;

/// The connection is tried with a ping so often, and given up when it does not answer for as long.
const TRIED: Duration = Duration::from_secs(10);

/// The pause before the connection is made again: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What has happened so far to the readers of one user. Each number only grows; what matters is that it changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wake {
    /// How often the channel began to be listened to.
    pub heard: u64,
    /// How often something was added to the log, or may have been.
    pub log: u64,
    /// How often a session changed, or may have.
    pub session: u64,
}

/// Why a page gets no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// This user has as many as one may have.
    #[error("too many pages of this user are open: close one, then try again")]
    User,
    /// All together have as many as there may be.
    #[error("too many pages are open: try again later")]
    All,
}

/// The pages that are open, by user.
#[derive(Clone)]
pub struct Fanout(Arc<Shared>);

struct Shared {
    users: Mutex<Users>,
    changed: Notify,
    emptied: Notify,
    alerts: watch::Sender<u64>,
    listening: AtomicBool,
    most_of_one: usize,
    most: usize,
}

#[derive(Default)]
struct Users {
    wakes: HashMap<UserId, watch::Sender<Wake>>,
    /// Those who came or went since the connection was last told.
    changed: HashSet<UserId>,
    places: usize,
}

/// A page's place: it is woken as long as this is kept.
pub struct Place {
    fanout: Fanout,
    user: UserId,
    /// What happened to this user.
    pub wake: watch::Receiver<Wake>,
    /// Grows when alerts changed.
    pub alerts: watch::Receiver<u64>,
}

impl Fanout {
    /// Nobody is there yet. At most `most_of_one` pages of one user are taken, and `most` in all.
    pub fn new(most_of_one: usize, most: usize) -> Self {
        Self(Arc::new(Shared {
            users: Mutex::default(),
            changed: Notify::new(),
            emptied: Notify::new(),
            alerts: watch::Sender::new(0),
            listening: AtomicBool::new(false),
            most_of_one,
            most,
        }))
    }

    /// Gives a page of `user` a place.
    pub fn join(&self, user: &UserId) -> Result<Place, Full> {
        let mut users = self.users();
        if users.places >= self.0.most {
            return Err(Full::All);
        }
        let there = users.wakes.get(user).map_or(0, watch::Sender::receiver_count);
        if there >= self.0.most_of_one {
            return Err(Full::User);
        }
        if there == 0 {
            users.changed.insert(user.clone());
            self.0.changed.notify_one();
        }
        users.places += 1;
        let wake = users.wakes.entry(user.clone()).or_default().subscribe();
        Ok(Place { fanout: self.clone(), user: user.clone(), wake, alerts: self.0.alerts.subscribe() })
    }

    /// Waits until no page is open.
    pub async fn empty(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            if self.places() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// How many pages are open.
    pub fn places(&self) -> usize {
        self.users().places
    }

    /// Whether the connection listens.
    pub fn listens(&self) -> bool {
        self.0.listening.load(Ordering::Relaxed)
    }

    /// Listens until `ends`, over one connection at a time, which is made again whenever it breaks.
    pub async fn listen(&self, store: &Store, ends: &CancellationToken) {
        let mut pause = PAUSES.0;
        loop {
            let began = tokio::time::Instant::now();
            let ended = tokio::select! {
                () = ends.cancelled() => return,
                ended = self.listen_once(store) => ended,
            };
            self.0.listening.store(false, Ordering::Relaxed);
            tracing::warn!(error = %ended, "the connection that listens to Redis ended; it is made again");
            pause = if began.elapsed() > TRIED { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
            tokio::select! {
                () = ends.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Listens over one connection until it breaks, and says why it broke.
    async fn listen_once(&self, store: &Store) -> StoreError {
        let (sink, stream) = match store.listener().await {
            Ok(listener) => listener.split(),
            Err(error) => return error,
        };
        {
            let mut users = self.users();
            let all: Vec<UserId> = users.wakes.keys().cloned().collect();
            users.changed.extend(all);
        }
        self.0.changed.notify_one();
        tokio::select! {
            ended = self.follow(sink) => ended,
            () = self.hear(stream) => StoreError::Away("the connection was closed".to_owned()),
        }
    }

    /// Keeps what is listened to as it should be, and wakes those who are newly listened to.
    async fn follow(&self, mut sink: PubSubSink) -> StoreError {
        let mut listened = HashSet::new();
        if let Err(error) = bounded(sink.subscribe(ALERTS)).await {
            return error;
        }
        self.0.listening.store(true, Ordering::Relaxed);
        self.0.alerts.send_modify(|times| *times += 1);
        loop {
            match tokio::time::timeout(TRIED, self.0.changed.notified()).await {
                Ok(()) => {
                    if let Err(error) = self.tell(&mut sink, &mut listened).await {
                        return error;
                    }
                }
                Err(_) => {
                    if let Err(error) = bounded(sink.ping::<redis::Value>()).await {
                        return error;
                    }
                }
            }
        }
    }

    /// Tells the connection who came and who went.
    async fn tell(&self, sink: &mut PubSubSink, listened: &mut HashSet<UserId>) -> Result<(), StoreError> {
        let (came, went) = {
            let mut users = self.users();
            let changed = std::mem::take(&mut users.changed);
            let (there, gone): (Vec<_>, Vec<_>) = changed.into_iter().partition(|user| users.wakes.contains_key(user));
            (there, gone.into_iter().filter(|user| listened.contains(user)).collect::<Vec<_>>())
        };
        for some in came.chunks(AT_ONCE) {
            let new: Vec<_> = some.iter().filter(|user| !listened.contains(*user)).map(UserId::channel).collect();
            if !new.is_empty() {
                bounded(sink.subscribe(new)).await?;
            }
            listened.extend(some.iter().cloned());
            self.heard(some);
        }
        for some in went.chunks(AT_ONCE) {
            bounded(sink.unsubscribe(some.iter().map(UserId::channel).collect::<Vec<_>>())).await?;
            some.iter().for_each(|user| _ = listened.remove(user));
        }
        Ok(())
    }

    /// Wakes all readers of these users, who are listened to from now on: anything may have happened before.
    fn heard(&self, new: &[UserId]) {
        let users = self.users();
        for wake in new.iter().filter_map(|user| users.wakes.get(user)) {
            wake.send_modify(|wake| {
                *wake = Wake { heard: wake.heard + 1, log: wake.log + 1, session: wake.session + 1 }
            });
        }
    }

    /// Wakes whom the messages mean, until there are no more.
    async fn hear(&self, mut stream: PubSubStream) {
        while let Some(message) = stream.next().await {
            let channel = message.get_channel_name();
            if channel == ALERTS {
                self.0.alerts.send_modify(|times| *times += 1);
                continue;
            }
            let session = message.get_payload_bytes() == SESSION_CHANGED.as_bytes();
            let Some(user) = channel.strip_prefix("user:").and_then(|user| UserId::parse(user).ok()) else { continue };
            if let Some(wake) = self.users().wakes.get(&user) {
                wake.send_modify(|wake| if session { wake.session += 1 } else { wake.log += 1 });
            }
        }
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.0.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut users = self.fanout.users();
        users.places -= 1;
        if users.places == 0 {
            self.fanout.0.emptied.notify_waiters();
        }
        // This place's own receiver is still there.
        if users.wakes.get(&self.user).is_some_and(|wake| wake.receiver_count() <= 1) {
            users.wakes.remove(&self.user);
            users.changed.insert(self.user.clone());
            self.fanout.0.changed.notify_one();
        }
    }
}

/// What the connection answers, if it does so in time.
async fn bounded<T>(asked: impl Future<Output = redis::RedisResult<T>>) -> Result<T, StoreError> {
    let late = |_| StoreError::Away(format!("no answer within {} s", TRIED.as_secs()));
    Ok(tokio::time::timeout(TRIED, asked).await.map_err(late)??)
}
