//! What the services tell of themselves: logs, traces, metrics and health.
//!
//! - **Logs** go to standard error, one line each, as JSON or as text for people, with the trace that they belong to.
//! - **Traces** always have ids, so that a person can be given one; they leave the process only by OTLP.
//! - **OTLP** (HTTP with protobuf) carries traces, logs and the figures of the process itself, where the standard `OTEL_…`
//!   variables name a receiver; without them nothing is sent.
//! - **Metrics** about the work (`report_…`, `webhook_…`, `ws_…`, `http_…`, `redis_up`) are scraped from `/metrics` in the
//!   OpenMetrics format, with the trace of an example beside counters and buckets. No series goes both ways: what is
//!   scraped is not sent by OTLP, and what OTLP carries (`process.…`, `tokio.…`) is not scraped.
//!
//! No label ever names a user, a job or an address.

mod context;
mod format;
mod health;
mod http;
mod metrics;
mod otlp;
mod process;
mod redact;
mod series;
mod settings;
mod spans;
mod telemetry;
mod watch;

pub use context::{add_link, context_of, extract, inject, set_parent, trace_id, trace_id_in, trace_id_of};
pub use format::LogFormat;
pub use health::{Readiness, routes};
pub use http::{HttpMetrics, observe};
pub use metrics::{Counter, Counters, Gauge, Metrics, Seconds, SecondsBy};
pub use series::{
    Direction, JobMetrics, JobOutcome, JobRun, OpenSocket, RedisMetrics, SocketMetrics, WebhookMetrics, WebhookOutcome,
    WorkerMetrics,
};
pub use spans::{client_span, consumer_span, producer_span, push_span};
pub use telemetry::{Service, Telemetry, TelemetryError};
