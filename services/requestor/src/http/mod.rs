//! The doors: what comes in by HTTP, each a short way to one function of the service.
//!
//! For people, with the cookie of their session; pages of other sites are refused by their `Origin`:
//!
//! | call | answer |
//! |---|---|
//! | `GET /link/{token}` | once: sets the cookie, 303 to `/`; afterwards a page with 410. `HEAD` uses nothing up |
//! | `GET /api/me` | `{"user","expires_at"}` |
//! | `POST /api/logout` | 204; the session's sockets are closed with 4401 |
//! | `GET /api/catalog` | what can be asked for: [`report_model::catalog::Catalog`] |
//! | `POST /api/reports` `{"type","parameters","priority"?}` | 202 and `Location`; with an `Idempotency-Key` that was used within the day 200 and the first report, or 422 when it stood for other content |
//! | `GET /api/reports?limit=50&before=ID` | `{"reports":[…],"next":ID or null}`, newest first |
//! | `GET /api/reports/{id}` | [`crate::reports::Report`]; another user's: 404 |
//! | `GET /api/reports/{id}/result.json`, `.csv`, `.html` | the document; 404 until it is done, 410 when it is not kept any more |
//! | `POST /api/reports/{id}/cancel` | 202; 409 when it has ended |
//! | `GET /api/alerts` | `{"alerts":[…]}`, newest first |
//! | `GET /api/events`, `GET /api/socket?last_id=` | the user's log from there on, as server-sent events or over a websocket |
//!
//! What events and socket tell is JSON: `{"id","type","timestamp","data"}`, with the entry's id to go on from. Two have
//! no entry: `alerts.changed`, and `resync`, which says that the last id is not in the log (any more): the page forgets
//! it and reads its list anew. The socket is closed with 1008 when the page sends something, 1012 when it is to come back,
//! 1013 when it reads too slowly, 4401 when the session ended, 4429 when too many are open.
//!
//! For programs: `POST /hooks/reports` (signed), `POST /hooks/alerts` and `POST /admin/links` `{"user","mail"?}` (bearer).
//!
//! Errors are problems as RFC 9457 has them, with the parameter in `field` where one is wrong, and the trace's id.

mod account;
mod body;
mod events;
mod guard;
mod hooks;
mod problem;
mod reports;
mod socket;

use crate::app::App;
use crate::assets;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use problem::Problem;
use std::time::Duration;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

/// A request that is not answered by then is given up.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The most bytes of what people send.
const LARGEST_REQUEST: usize = 64 * 1024;

/// The most bytes of a webhook.
const LARGEST_HOOK: usize = 1024 * 1024;

/// What a browser may do with an answer that is not the page: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// All doors but those of telemetry.
pub fn router(app: &App) -> Router {
    let page = assets::router().layer(from_fn_with_state(app.clone(), account::refresh));
    let people = people().layer(from_fn_with_state(app.clone(), guard::origin));
    let people = people.layer(RequestBodyLimitLayer::new(LARGEST_REQUEST));
    let all = Router::new()
        .merge(page)
        .merge(people)
        .merge(machines().layer(RequestBodyLimitLayer::new(LARGEST_HOOK)))
        .route("/link/{token}", get(account::open).head(async || StatusCode::NO_CONTENT))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address."))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method.")
        })
        .with_state(app.clone());
    let header =
        |name: HeaderName, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    all.layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(from_fn(body::problems))
        .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
        .layer(header(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
}

/// The doors for people, with the cookie of their session.
fn people() -> Router<App> {
    Router::new()
        .route("/api/me", get(account::me))
        .route("/api/logout", post(account::logout))
        .route("/api/catalog", get(reports::catalog))
        .route("/api/reports", get(reports::list).post(reports::create))
        .route("/api/reports/{id}", get(reports::show))
        .route("/api/reports/{id}/cancel", post(reports::cancel))
        .route("/api/reports/{id}/result.json", get(reports::json))
        .route("/api/reports/{id}/result.csv", get(reports::csv))
        .route("/api/reports/{id}/result.html", get(reports::html))
        .route("/api/alerts", get(hooks::alerts))
        .route("/api/events", get(events::events))
        .route("/api/socket", get(socket::socket))
}

/// The doors for other programs, each with its own proof.
fn machines() -> Router<App> {
    Router::new()
        .route("/hooks/reports", post(hooks::reports))
        .route("/hooks/alerts", post(hooks::take_alerts))
        .route("/admin/links", post(account::make_link))
}
