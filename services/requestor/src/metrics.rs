//! The service's own figures.

use prometheus_client::encoding::EncodeLabelSet;
use report_queue::TraceContext;
use report_telemetry::{Counters, Metrics, RedisMetrics, SocketMetrics, WebhookMetrics, WebhookOutcome};
use report_webhook::{AttemptKind, Observer};
use std::time::Duration;

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    outcome: &'static str,
}

/// `ws_connections`, `ws_resumed_total`, `redis_up`, `webhook_received_total{outcome}`.
pub struct Figures {
    /// Open pages.
    pub sockets: SocketMetrics,
    /// Whether Redis answers.
    pub redis: RedisMetrics,
    received: Counters<Outcome>,
}

impl Figures {
    /// Adds the series to `metrics`.
    pub fn register(metrics: &Metrics) -> Self {
        let received = metrics.counters("webhook_received", "Webhooks that came in, by what became of them");
        for outcome in ["new", "repeated", "late", "malformed", "stale", "forged", "body", "no-report", "away"] {
            received.show(&Outcome { outcome });
        }
        Self { sockets: SocketMetrics::register(metrics), redis: RedisMetrics::register(metrics), received }
    }

    /// A webhook came in; `outcome` is one word of few.
    pub fn received(&self, outcome: &'static str) {
        self.received.add_one(&Outcome { outcome });
    }
}

/// `webhook_attempts_total{outcome}`, `webhook_seconds`: of webhooks to Teams and to others.
pub struct Told(WebhookMetrics);

impl Told {
    /// Adds the series to `metrics`.
    pub fn register(metrics: &Metrics) -> Self {
        Self(WebhookMetrics::register(metrics))
    }
}

impl Observer for Told {
    fn attempted(&self, kind: AttemptKind, took: Option<Duration>, _: &TraceContext) {
        let outcome = if kind == AttemptKind::Delivered { WebhookOutcome::Delivered } else { WebhookOutcome::Failed };
        if let Some(took) = took {
            self.0.attempt(outcome, took);
        }
    }
}
