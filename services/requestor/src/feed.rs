//! What an open page is told, in order: the one reader behind the websocket and the server-sent events.
//!
//! It reads the user's log at the page's own pace, from the last entry that the page has. Nothing is queued for a page: one
//! that reads slowly costs a place and a few entries, and finds the rest in the log.

use crate::fanout::{Place, Wake};
use crate::log::{Entry, EntryId, Logs};
use crate::sessions::{Session, Sessions};
use jiff::Timestamp;
use report_model::event::Event;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A page that has nothing yet gets so many of the last entries.
const FIRST: usize = 50;

/// So many entries are read at once.
const AT_ONCE: usize = 100;

/// The first reading waits at most so long until the user's channel is listened to.
const HEARD: Duration = Duration::from_secs(1);

/// The pause before Redis is asked again when it did not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// A session whose end cannot be looked up ends so long after its time.
const GRACE: Duration = Duration::from_secs(60);

/// Something that a page is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The entry's id; empty for what needs no resuming.
    pub id: String,
    /// What it is, such as `report.finished`.
    pub kind: &'static str,
    /// The whole of it as JSON, with both.
    pub text: String,
    /// The `traceparent` of what led to it; empty when there is none.
    pub trace: String,
}

/// What comes next for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Something to tell.
    Frame(Frame),
    /// Nothing any more: the session ended.
    SessionEnded,
    /// Nothing here any more: come back, with the session's new token, or to a service that has started again.
    ComeBack,
}

/// The reader of one page.
pub struct Feed {
    logs: Logs,
    sessions: Sessions,
    session: Session,
    place: Place,
    ends: CancellationToken,
    last: Start,
    ready: VecDeque<Frame>,
    seen: Wake,
    seen_alerts: u64,
    /// When the session is to be looked at.
    look: Instant,
    /// When the log may be read (again) at the earliest; none when there is nothing new.
    read: Option<Instant>,
}

/// From where a page wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It has nothing: the last entries.
    Fresh,
    /// It says that it has everything up to this entry.
    Claimed(EntryId),
    /// It has everything up to this entry.
    After(EntryId),
}

impl Feed {
    /// The reader of a page that is open in `session` and has a place; it ends with `ends`.
    pub fn new(
        logs: Logs,
        sessions: Sessions,
        session: Session,
        place: Place,
        start: Start,
        ends: CancellationToken,
    ) -> Self {
        let (seen, seen_alerts) = (*place.wake.borrow(), *place.alerts.borrow());
        // Listened to already: read at once. Otherwise the first wake-up says that it is.
        let wait = if seen.heard > 0 { Duration::ZERO } else { HEARD };
        let look = deadline(&session);
        let (ready, read) = (VecDeque::new(), Some(Instant::now() + wait));
        Self { logs, sessions, session, place, ends, last: start, ready, seen, seen_alerts, look, read }
    }

    /// What comes next; waits until there is something. Nothing is lost when the waiting is given up.
    pub async fn next(&mut self) -> Next {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Next::Frame(frame);
            }
            let reading = self.read;
            tokio::select! {
                biased;
                () = self.ends.cancelled() => return Next::ComeBack,
                () = tokio::time::sleep_until(self.look) => {
                    if let Some(ended) = self.look_at_session().await {
                        return ended;
                    }
                }
                Ok(()) = self.place.wake.changed() => self.woken(),
                Ok(()) = self.place.alerts.changed() => self.alerted(),
                () = tokio::time::sleep_until(reading.unwrap_or_else(Instant::now)), if reading.is_some() => {
                    self.read_on().await;
                }
            }
        }
    }

    /// Notes what the wake-up was for.
    fn woken(&mut self) {
        let wake = *self.place.wake.borrow_and_update();
        let now = Instant::now();
        if wake.log != self.seen.log {
            self.read = Some(now);
        }
        if wake.session != self.seen.session {
            self.look = now;
        }
        self.seen = wake;
    }

    /// Alerts changed: their list has no log, so only that is told.
    fn alerted(&mut self) {
        let times = *self.place.alerts.borrow_and_update();
        if times != self.seen_alerts {
            self.seen_alerts = times;
            self.ready.push_back(Frame::bare("alerts.changed"));
        }
    }

    /// Reads what is new in the log. When there may be more it is read on at once; when Redis does not answer, later.
    async fn read_on(&mut self) {
        match self.read_once().await {
            Ok(more) => self.read = more.then(Instant::now),
            Err(error) => {
                tracing::debug!(%error, "a user's log cannot be read; it is tried again");
                self.read = Some(Instant::now() + PAUSE);
            }
        }
    }

    async fn read_once(&mut self) -> Result<bool, crate::store::StoreError> {
        let user = &self.session.user;
        let (entries, more) = match self.last {
            Start::Fresh => (self.logs.latest(user, FIRST).await?, false),
            Start::Claimed(id) if !self.logs.holds(user, id).await? => {
                self.ready.push_back(Frame::bare("resync"));
                self.last = Start::Fresh;
                return Ok(true);
            }
            Start::Claimed(id) | Start::After(id) => {
                let entries = self.logs.after(user, id, AT_ONCE).await?;
                let more = entries.len() == AT_ONCE;
                (entries, more)
            }
        };
        let last = entries.last().map(|entry| entry.id);
        self.last = match (last, self.last) {
            (Some(id), _) | (None, Start::Claimed(id) | Start::After(id)) => Start::After(id),
            // The log is empty: all that will ever stand in it is new.
            (None, Start::Fresh) => Start::After(EntryId::default()),
        };
        self.ready.extend(entries.into_iter().filter_map(Frame::of));
        Ok(more)
    }

    /// Looks whether the session is still there.
    async fn look_at_session(&mut self) -> Option<Next> {
        match self.sessions.find_digest(&self.session.digest).await {
            Ok(Some(session)) if session.moved => Some(Next::ComeBack),
            Ok(Some(session)) => {
                self.session = session;
                // Our clock may be ahead of Redis's, which ends sessions.
                self.look = deadline(&self.session).max(Instant::now() + PAUSE);
                None
            }
            Ok(None) => Some(Next::SessionEnded),
            Err(error) => {
                tracing::debug!(%error, "a session cannot be looked up; it is tried again");
                self.look = Instant::now() + PAUSE;
                let over = Timestamp::now().duration_since(self.session.ends);
                Duration::try_from(over).is_ok_and(|over| over > GRACE).then_some(Next::SessionEnded)
            }
        }
    }
}

impl Frame {
    /// What a page is told of an entry; nothing when somebody damaged it.
    fn of(entry: Entry) -> Option<Self> {
        #[derive(Serialize)]
        struct Told<'a> {
            id: &'a str,
            #[serde(flatten)]
            event: &'a Event,
        }
        let id = entry.id.to_string();
        let event = serde_json::from_str::<Event>(&entry.event);
        let told = event.and_then(|event| Ok((event.kind, serde_json::to_string(&Told { id: &id, event: &event })?)));
        match told {
            Ok((kind, text)) => Some(Self { id, kind: kind.as_str(), text, trace: entry.trace }),
            Err(error) => {
                tracing::warn!(%error, entry = %id, "an entry of a user's log is not as it should be; it is passed over");
                None
            }
        }
    }

    /// Something that has no entry.
    fn bare(kind: &'static str) -> Self {
        let text = format!(r#"{{"id":"","type":"{kind}","timestamp":"{}"}}"#, Timestamp::now());
        Self { id: String::new(), kind, text, trace: String::new() }
    }
}

/// When a session is to be looked at: when its time is over.
fn deadline(session: &Session) -> Instant {
    let left = session.ends.duration_since(Timestamp::now());
    // A day at most, so that no clock's jump makes it for ever.
    let left = Duration::try_from(left).unwrap_or_default().min(Duration::from_hours(24));
    Instant::now() + left
}
