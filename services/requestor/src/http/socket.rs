//! The user's log over a websocket.

use super::guard::Caller;
use super::problem::Problem;
use crate::app::{App, Patience};
use crate::feed::{Feed, Frame, Next, Start};
use crate::log::EntryId;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use report_telemetry::OpenSocket;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::Instrument;

/// The most bytes that a page may send in one message. It has nothing to say.
const LARGEST_IN: usize = 4 * 1024;

/// The most bytes that wait in this process to be sent to one page.
const LARGEST_OUT: usize = 64 * 1024;

/// How long saying good-bye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// After so many questions without an answer a page is gone.
const MISSED: u32 = 2;

/// Why a websocket is closed from our side, as its code and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    SentSomething,
    ComeBack,
    TooSlow,
    SessionEnded,
    TooMany,
}

impl Close {
    const fn frame(self) -> (u16, &'static str) {
        match self {
            Self::SentSomething => (1008, "nothing is to be sent here"),
            Self::ComeBack => (1012, "come back in a moment"),
            Self::TooSlow => (1013, "too slow: come back and read on"),
            Self::SessionEnded => (4401, "the session ended"),
            Self::TooMany => (4429, "too many pages are open"),
        }
    }
}

/// From where a page wants to read on.
#[derive(Default, Deserialize)]
pub struct From {
    /// The last entry that it has.
    #[serde(default)]
    pub last_id: Option<String>,
}

/// `GET /api/socket`
pub async fn socket(
    State(app): State<App>,
    Caller(session): Caller,
    from: Result<Query<From>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Query(from) = from.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let start = start(from.last_id.as_deref())?;
    let upgrade = upgrade.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let upgrade = upgrade
        .read_buffer_size(LARGEST_IN)
        .write_buffer_size(0)
        .max_write_buffer_size(LARGEST_OUT)
        .max_message_size(LARGEST_IN)
        .max_frame_size(LARGEST_IN);
    Ok(match app.feed(session, start) {
        Ok(feed) => {
            let open = app.figures.sockets.open();
            upgrade.on_upgrade(move |socket| serve(socket, feed, app.patience, open))
        }
        // Only so can a browser tell this from a service that is away.
        Err(_) => upgrade.on_upgrade(async |mut socket| close(&mut socket, Close::TooMany).await),
    })
}

/// Reads from where a page wants to read on.
pub fn start(last_id: Option<&str>) -> Result<Start, Problem> {
    match last_id.filter(|id| !id.is_empty()) {
        None => Ok(Start::Fresh),
        Some(id) => EntryId::parse(id).map(Start::Claimed).ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "last_id must be the id of an entry, such as 1700000000000-0, or left out.",
            )
        }),
    }
}

/// Sends a page what it is told, until one of both goes.
async fn serve(mut socket: WebSocket, mut feed: Feed, patience: Patience, open: OpenSocket) {
    if let Err(Some(why)) = tell(&mut socket, &mut feed, patience).await {
        close(&mut socket, why).await;
    }
    // The figure and the place go when the page is gone, not before.
    drop((feed, open));
}

/// Ends with why the page is to be sent away, or with nothing when it went.
async fn tell(socket: &mut WebSocket, feed: &mut Feed, patience: Patience) -> Result<(), Option<Close>> {
    let mut pings = interval_at(Instant::now() + patience.ping, patience.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missed = 0;
    loop {
        tokio::select! {
            next = feed.next() => match next {
                Next::Frame(frame) => send(socket, frame, patience.write).await?,
                Next::SessionEnded => return Err(Some(Close::SessionEnded)),
                Next::ComeBack => return Err(Some(Close::ComeBack)),
            },
            heard = socket.recv() => match heard {
                Some(Ok(Message::Pong(_))) => missed = 0,
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(Message::Text(_) | Message::Binary(_))) => return Err(Some(Close::SentSomething)),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
            },
            _ = pings.tick() => {
                if missed >= MISSED {
                    return Err(None);
                }
                missed += 1;
                write(socket, Message::Ping(Default::default()), patience.write).await?;
            }
        }
    }
}

async fn send(socket: &mut WebSocket, frame: Frame, patience: Duration) -> Result<(), Option<Close>> {
    let span = report_telemetry::push_span(frame.kind, "websocket", &frame.trace, "");
    write(socket, Message::text(frame.text), patience).instrument(span).await
}

async fn write(socket: &mut WebSocket, message: Message, patience: Duration) -> Result<(), Option<Close>> {
    match timeout(patience, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(None),
        Err(_) => Err(Some(Close::TooSlow)),
    }
}

/// Says why, and good-bye. A page that does not listen is left.
async fn close(socket: &mut WebSocket, why: Close) {
    let (code, reason) = why.frame();
    let frame = CloseFrame { code, reason: reason.into() };
    let goodbye = async {
        socket.send(Message::Close(Some(frame))).await.ok()?;
        // The page answers with its own; what else comes before that is of no interest.
        while socket.recv().await?.is_ok() {}
        Some(())
    };
    _ = timeout(GOODBYE, goodbye).await;
}
