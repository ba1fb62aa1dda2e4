//! The doors: for Alertmanager, for the requestor, for supervisors and Prometheus.

use crate::results::{Results, ResultsError};
use crate::scale::{Control, Payload, PayloadError};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use report_secret::Secret;
use report_telemetry::{HttpMetrics, Metrics, Readiness};
use serde_json::json;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::io::ReaderStream;
use tower_http::timeout::TimeoutLayer;

/// The largest notice of Alertmanager, in bytes.
const LARGEST_ALERTS: usize = 1024 * 1024;

/// How long a request may take until its answer begins.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many results may be on their way at once.
const DOWNLOADS: usize = 64;

/// What stands behind the doors.
pub struct Doors {
    /// Who is told of alerts.
    pub control: Arc<Control>,
    /// What Alertmanager shows; none when its door is closed.
    pub alerts_token: Option<Secret>,
    /// Where large results are; none when there are none.
    pub results: Option<Results>,
    /// What the requestor shows; none when its door is closed.
    pub results_token: Option<Secret>,
}

/// All doors. Those whose token is not configured are closed: they answer 404.
pub fn router(doors: Doors, readiness: Readiness, metrics: Metrics) -> Router {
    let http = HttpMetrics::register(&metrics);
    let mut router = report_telemetry::routes(metrics, readiness);
    if let Some(token) = doors.alerts_token {
        let alerts = Router::new()
            .route("/alerts", post(alerts).layer(DefaultBodyLimit::max(LARGEST_ALERTS)))
            .with_state(doors.control)
            .layer(from_fn_with_state(token, only_with));
        router = router.merge(alerts);
    }
    if let (Some(token), Some(results)) = (doors.results_token, doors.results) {
        let results = Router::new()
            .route("/results/{name}", get(result))
            .with_state((results, Arc::new(Semaphore::new(DOWNLOADS))))
            .layer(from_fn_with_state(token, only_with));
        router = router.merge(results);
    }
    let patience = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PATIENCE);
    report_telemetry::observe(router.fallback(nothing).layer(patience), http)
}

async fn alerts(State(control): State<Arc<Control>>, body: Bytes) -> Response {
    match Payload::read(&body) {
        Ok(payload) => {
            control.alerted(&payload);
            StatusCode::ACCEPTED.into_response()
        }
        Err(error @ PayloadError::Shape(_)) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(error @ PayloadError::Version(_)) => problem(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}

async fn result(State((results, places)): State<(Results, Arc<Semaphore>)>, Path(name): Path<String>) -> Response {
    let Ok(place) = places.acquire_owned().await else { return unavailable() };
    match tokio::task::spawn_blocking(move || results.file(&name)).await {
        Ok(Ok(Some((file, size)))) => {
            let headers: [(HeaderName, String); 3] = [
                (CONTENT_TYPE, "application/json".to_owned()),
                (CONTENT_LENGTH, size.to_string()),
                (CACHE_CONTROL, "private, no-store".to_owned()),
            ];
            let download = Download { file: tokio::fs::File::from_std(file), _place: place };
            (headers, Body::from_stream(ReaderStream::with_capacity(download, 64 * 1024))).into_response()
        }
        Ok(Ok(None)) => problem(StatusCode::NOT_FOUND, "there is no such result here, or its seven days are over"),
        Ok(Err(error)) => failed(&error),
        Err(_) => unavailable(),
    }
}

/// A file that is on its way, and its place among those that may be.
struct Download {
    file: tokio::fs::File,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Download {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(context, into)
    }
}

async fn nothing() -> Response {
    problem(StatusCode::NOT_FOUND, "there is nothing here")
}

/// Lets in only those who show the token.
async fn only_with(State(token): State<Secret>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(AUTHORIZATION).map(axum::http::HeaderValue::as_bytes);
    // The name of the scheme is the same in any case.
    let shown = shown.and_then(|value| value.split_at_checked("Bearer ".len()));
    match shown {
        Some((scheme, shown)) if scheme.eq_ignore_ascii_case(b"Bearer ") && token.is(shown.trim_ascii()) => {
            next.run(request).await
        }
        _ => {
            let refused = problem(StatusCode::UNAUTHORIZED, "show the token of this door: Authorization: Bearer …");
            ([(WWW_AUTHENTICATE, "Bearer")], refused).into_response()
        }
    }
}

fn failed(error: &ResultsError) -> Response {
    tracing::error!(%error, "a result cannot be handed out");
    unavailable()
}

fn unavailable() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the runner cannot do this right now; try again")
}

/// An answer in the form of RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
