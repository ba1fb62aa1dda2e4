//! The figures of notifications.

use prometheus_client::encoding::EncodeLabelSet;
use report_telemetry::{Counters, Metrics};

/// `notify_notices_total{channel,outcome}` and `notify_alerts_total{outcome}`.
#[derive(Debug, Clone)]
pub(crate) struct NotifyMetrics {
    notices: Counters<NoticeLabels>,
    alerts: Counters<AlertLabels>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NoticeLabels {
    channel: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    outcome: &'static str,
}

impl NotifyMetrics {
    /// Adds the series to `metrics`.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let this = Self {
            notices: metrics.counters("notify_notices", "Attempts to tell a channel, by how they ended"),
            alerts: metrics.counters("notify_alerts", "Alerts that Alertmanager told of, by whether they were known"),
        };
        for outcome in ["new", "repeated"] {
            this.alerts.show(&AlertLabels { outcome });
        }
        this
    }

    /// An attempt to tell a channel of this kind ended.
    pub(crate) fn notice(&self, channel: &'static str, outcome: &'static str) {
        self.notices.add_one(&NoticeLabels { channel, outcome });
    }

    /// Alertmanager told of an alert.
    pub(crate) fn alert(&self, new: bool) {
        self.alerts.add_one(&AlertLabels { outcome: if new { "new" } else { "repeated" } });
    }
}
