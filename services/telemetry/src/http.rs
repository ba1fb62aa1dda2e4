//! Requests that come in: one span and some figures each.

use super::context::{extract, set_parent};
use super::metrics::{Counters, Gauge, Metrics, SecondsBy};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use std::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

/// Supervisors and Prometheus ask these every few seconds: they are counted, but make no spans.
const UNTRACED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

/// `http_requests_total{method,route,status}`, `http_request_seconds{method,route}`, `http_requests_in_flight`. `route`
/// is a route's template, or empty where none fits; `status` is a class such as `2xx`, or `dropped` when the client went.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Counters<RequestLabels>,
    seconds: SecondsBy<RouteLabels>,
    in_flight: Gauge,
}

impl HttpMetrics {
    /// Adds the series to `metrics`.
    pub fn register(metrics: &Metrics) -> Self {
        Self {
            requests: metrics.counters("http_requests", "Requests that came in, by how they were answered"),
            seconds: metrics.seconds_by("http_request_seconds", "Time until a request was answered"),
            in_flight: metrics.gauge("http_requests_in_flight", "Requests that are being answered"),
        }
    }
}

/// Has every request to the routes that `router` has now told: as a span of its route, a child of what the client names in
/// `traceparent`, and in `metrics`.
pub fn observe<S: Clone + Send + Sync + 'static>(router: Router<S>, metrics: HttpMetrics) -> Router<S> {
    router.layer(from_fn_with_state(metrics, one))
}

async fn one(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let span = if UNTRACED.contains(&route.as_str()) { Span::none() } else { span(method, &route, &request) };
    let mut told = Told::begin(metrics, span.clone(), method, route);
    let response = next.run(request).instrument(span).await;
    told.status = Some(response.status());
    response
}

fn span(method: &'static str, route: &str, request: &Request) -> Span {
    let name = if route.is_empty() { method.to_owned() } else { format!("{method} {route}") };
    let span = info_span!(
        parent: None,
        "request",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
    );
    let (parent, state) = extract(request.headers());
    set_parent(&span, &parent, &state);
    span
}

/// A request that is being answered. It is told when this is dropped, whoever drops it.
struct Told {
    metrics: HttpMetrics,
    span: Span,
    method: &'static str,
    route: String,
    begun: Instant,
    status: Option<StatusCode>,
}

impl Told {
    fn begin(metrics: HttpMetrics, span: Span, method: &'static str, route: String) -> Self {
        metrics.in_flight.inc();
        Self { metrics, span, method, route, begun: Instant::now(), status: None }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(status) = self.status {
            // The export writes unsigned numbers as text.
            self.span.record("http.response.status_code", i64::from(status.as_u16()));
        }
        if self.status.is_some_and(|status| status.is_server_error()) {
            self.span.record("otel.status_code", "ERROR");
        }
        let (method, route) = (self.method, std::mem::take(&mut self.route));
        let labels = RouteLabels { method, route: route.clone() };
        self.span.in_scope(|| {
            self.metrics.seconds.observe(&labels, self.begun.elapsed());
            self.metrics.requests.add_one(&RequestLabels { method, route, status: class(self.status) });
        });
        self.metrics.in_flight.dec();
    }
}

fn class(status: Option<StatusCode>) -> &'static str {
    match status.map(|status| status.as_u16() / 100) {
        None => "dropped",
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(_) => "5xx",
    }
}

/// Clients can write any word as a method; unknown ones are one label, with the name that the conventions give them.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}
