//! The user's log as server-sent events: for browsers whose way lets no websocket through, and for `curl`.

use super::guard::Caller;
use super::problem::Problem;
use super::socket::{From, start};
use crate::app::App;
use crate::feed::{Feed, Next};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use report_telemetry::OpenSocket;
use std::convert::Infallible;
use std::time::Duration;

/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_secs(3);

/// How often something is sent when nothing happens, so that nobody between takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /api/events`
pub async fn events(
    State(app): State<App>,
    Caller(session): Caller,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // The header is what a browser adds when it comes back by itself; the address is then that of the first time.
    let header = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?").to_owned());
    let start = start(header.filter(|id| !id.is_empty()).or(from.last_id).as_deref())?;
    let feed = app.feed(session, start)?;
    let open = app.figures.sockets.open();
    let events = stream::unfold((feed, open, true), next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

type Reader = (Feed, OpenSocket, bool);

/// The next event; the first of all says when to come back.
async fn next((mut feed, open, first): Reader) -> Option<(Result<Event, Infallible>, Reader)> {
    if first {
        return Some((Ok(Event::default().retry(RETRY).comment("listening")), (feed, open, false)));
    }
    let Next::Frame(frame) = feed.next().await else { return None };
    let _pushed = report_telemetry::push_span(frame.kind, "sse", &frame.trace, "").entered();
    let mut event = Event::default().event(frame.kind).data(frame.text);
    if !frame.id.is_empty() {
        event = event.id(frame.id);
    }
    Some((Ok(event), (feed, open, false)))
}
