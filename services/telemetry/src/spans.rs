//! The spans between the services, named and described as OpenTelemetry's conventions have it.
//!
//! A report is one trace: the request of the page, `send reports`, `process reports`, the steps within the report,
//! `send webhooks`, `process webhooks`, the request to the requestor, and `push` to the browser, each a child of the one
//! before. A retry is a child of the same parent, with a link to the attempt before.

use super::context::set_parent;
use tracing::{Span, info_span};

/// A job is put into `queue`: `send QUEUE`. Carry it with [`super::context_of`].
pub fn producer_span(queue: &str) -> Span {
    info_span!(
        "send",
        otel.name = format!("send {queue}"),
        otel.kind = "producer",
        messaging.system = "redis",
        messaging.operation.type = "send",
        messaging.operation.name = "send",
        messaging.destination.name = queue,
    )
}

/// A job of `queue` is worked on: `process QUEUE`, a child of what `parent` and `state` name, whatever is entered now.
/// `attempt` counts from 1.
pub fn consumer_span(queue: &str, job: &str, attempt: u32, parent: &str, state: &str) -> Span {
    let span = info_span!(
        parent: None,
        "process",
        otel.name = format!("process {queue}"),
        otel.kind = "consumer",
        messaging.system = "redis",
        messaging.operation.type = "process",
        messaging.operation.name = "process",
        messaging.destination.name = queue,
        messaging.message.id = job,
        // The export writes unsigned numbers as text.
        attempt = i64::from(attempt),
    );
    set_parent(&span, parent, state);
    span
}

/// A request is sent to another server: `METHOD ROUTE`. `route` is a template without ids, such as `/hooks/reports`;
/// `server` is a host, perhaps with a port. Record `http.response.status_code` (as an `i64`) when the answer is there, and log an
/// error within the span when it is none.
pub fn client_span(method: &str, server: &str, route: &str) -> Span {
    info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "client",
        http.request.method = method,
        http.response.status_code = tracing::field::Empty,
        server.address = server,
        url.template = route,
    )
}

/// An event is sent to a browser over `transport` (`websocket` or `sse`): `push EVENT`, a child of what `parent` and
/// `state` name, whatever is entered now.
pub fn push_span(event: &str, transport: &'static str, parent: &str, state: &str) -> Span {
    let span = info_span!(
        parent: None,
        "push",
        otel.name = format!("push {event}"),
        otel.kind = "producer",
        messaging.operation.type = "send",
        messaging.operation.name = "push",
        network.protocol.name = transport,
        event,
    );
    set_parent(&span, parent, state);
    span
}
