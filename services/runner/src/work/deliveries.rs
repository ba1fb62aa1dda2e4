//! Callbacks: each event of a report is sent to the requestor, signed, again and again until it has it.

use super::attempts::Attempts;
use super::{WEBHOOKS, context};
use report_model::event::Event;
use report_queue::{Claimed, Handler, Observer, Outcome, TraceContext};
use report_telemetry::{WebhookMetrics, WebhookOutcome, add_link, client_span, consumer_span, trace_id_in};
use report_webhook::{AttemptKind, Endpoint, WebhookId};
use std::time::Duration;
use tracing::Instrument;

/// Delivers the jobs of the queue `webhooks`.
pub struct Deliveries {
    endpoint: Endpoint,
    server: String,
    route: String,
    attempts: Attempts,
}

impl Deliveries {
    /// Delivers to `endpoint`, which is called `server` (a host, perhaps with a port) and `route` (a path) in traces.
    pub fn new(endpoint: Endpoint, server: String, route: String) -> Self {
        Self { endpoint, server, route, attempts: Attempts::default() }
    }

    async fn deliver(&self, job: Claimed) -> Outcome {
        let event: Event = match serde_json::from_slice(&job.payload) {
            Ok(event) => event,
            Err(error) => return Outcome::Fail { error: format!("this is no event that can be told: {error}") },
        };
        let id = match WebhookId::of(&event.data.id, event.kind.as_str()) {
            Ok(id) => id,
            Err(error) => return Outcome::Fail { error: error.to_string() },
        };
        let span = client_span("POST", &self.server, &self.route);
        let trace = context(&span);
        let job = Claimed { trace: if trace.parent.is_empty() { job.trace.clone() } else { trace }, ..job };
        self.endpoint.deliver(&job, &id).instrument(span).await
    }
}

impl Handler for Deliveries {
    async fn run(&self, job: Claimed) -> Outcome {
        let TraceContext { parent, state } = &job.trace;
        let span = consumer_span(WEBHOOKS, job.id.as_str(), job.attempt, parent, state);
        if let Some(before) = self.attempts.recall(&job.id) {
            add_link(&span, &before.parent, &before.state);
        }
        let (id, cancelled) = (job.id.clone(), job.cancelled.clone());
        let outcome = tokio::select! {
            outcome = self.deliver(job).instrument(span.clone()) => outcome,
            () = cancelled.cancelled() => Outcome::Cancelled,
        };
        if matches!(outcome, Outcome::Retry { .. }) {
            self.attempts.remember(&id, context(&span));
        }
        outcome
    }
}

/// Tells figures and logs of deliveries.
pub struct Told {
    metrics: WebhookMetrics,
}

impl Told {
    /// Tells `metrics`.
    pub fn new(metrics: WebhookMetrics) -> Self {
        Self { metrics }
    }
}

impl report_webhook::Observer for Told {
    fn attempted(&self, kind: AttemptKind, took: Option<Duration>, _trace: &TraceContext) {
        let Some(took) = took else { return };
        let outcome = if kind == AttemptKind::Delivered { WebhookOutcome::Delivered } else { WebhookOutcome::Failed };
        self.metrics.attempt(outcome, took);
    }
}

impl Observer for Told {
    fn finished(&self, job: &Claimed, outcome: &Outcome, _ran: Duration) {
        let (id, event, attempt) = (job.id.as_str(), job.kind.as_str(), job.attempt);
        match outcome {
            Outcome::Fail { error } => {
                let trace_id = trace_id_in(&job.trace.parent).unwrap_or_default();
                let hint = "a callback was given up; `queue requeue --queue webhooks` tries it again";
                tracing::error!(id, event, attempt, error, trace_id, "{hint}");
            }
            Outcome::Done { .. } => tracing::debug!(id, event, attempt, "callback delivered"),
            Outcome::Retry { .. } | Outcome::Postpone { .. } | Outcome::Cancelled => {}
        }
    }

    fn stuck(&self, problem: &str) {
        super::runs::end_soon(WEBHOOKS, problem);
    }
}
