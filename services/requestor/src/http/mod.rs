//! The doors: what comes in by HTTP, each a short way to one function of the service.

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
