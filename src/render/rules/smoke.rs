//! The alert that a smoke test makes on purpose, to prove the way from a series to a notification.

use super::{Alert, Fires, Quiet, Section, Severity};
use crate::model::component::ComponentName::{Alertmanager, NodeExporter, Prometheus, Runner};
use crate::model::quantity::Span;

/// The alert's name.
pub const ALERT: &str = "ReportctlSmoke";
/// The name of the one that asks for workers.
pub const SCALING: &str = "ReportctlSmokeScaling";

pub fn section() -> Section {
    Section {
        name: "smoke",
        // The test waits for it, so it is looked at each second.
        interval: Some(Span::seconds(1)),
        recordings: Vec::new(),
        alerts: vec![
            Alert {
                name: ALERT,
                of: &[Prometheus, Alertmanager, NodeExporter],
                // A file that a killed smoke test left behind fires for ten minutes and not for ever.
                expr: "reportctl_smoke_alert == 1 \
                   and on (instance) time() - max by (instance) (node_textfile_mtime_seconds) < 600",
                hold: Span(0),
                severity: Severity::Info,
                labels: &[("component", "smoke")],
                summary: "A smoke test is under way",
                description: "Run {{ $labels.run }} of `reportctl smoke` makes this alert to prove that alerts arrive. Nobody \
                          needs to do anything.",
                fires: Fires {
                    input: &[
                        (r#"reportctl_smoke_alert{run="abcd2345", job="node-exporter", instance="n:1"}"#, "1x40"),
                        (
                            r#"node_textfile_mtime_seconds{file="smoke.prom", job="node-exporter", instance="n:1"}"#,
                            "0x40",
                        ),
                    ],
                    at: 1,
                    labels: &[("instance", "n:1"), ("job", "node-exporter"), ("run", "abcd2345")],
                    summary: "A smoke test is under way",
                    description: Some(
                        "Run abcd2345 of `reportctl smoke` makes this alert to prove that alerts arrive. Nobody needs to do \
                     anything.",
                    ),
                },
                quiet: Quiet {
                    input: &[
                        (r#"reportctl_smoke_alert{run="abcd2345", job="node-exporter", instance="n:1"}"#, "1x80"),
                        (
                            r#"node_textfile_mtime_seconds{file="smoke.prom", job="node-exporter", instance="n:1"}"#,
                            "0x80",
                        ),
                    ],
                    at: 12,
                },
            },
            scaling(),
        ],
    }
}

/// The figure's label `workers` goes with the alert, and tells the runner how many are asked for.
fn scaling() -> Alert {
    Alert {
        name: SCALING,
        of: &[Prometheus, Alertmanager, NodeExporter, Runner],
        expr: "reportctl_smoke_scaling == 1 \
               and on (instance) time() - max by (instance) (node_textfile_mtime_seconds) < 600",
        hold: Span(0),
        severity: Severity::Info,
        labels: &[("component", "runner"), ("purpose", "scaling")],
        summary: "A smoke test asks for {{ $labels.workers }} workers",
        description: "Run {{ $labels.run }} of `reportctl smoke` makes this alert to prove that alerts change the number of \
                      workers. Nobody needs to do anything.",
        fires: Fires {
            input: &[
                (
                    r#"reportctl_smoke_scaling{run="abcd2345", workers="3", job="node-exporter", instance="n:1"}"#,
                    "1x40",
                ),
                (r#"node_textfile_mtime_seconds{file="s.prom", job="node-exporter", instance="n:1"}"#, "0x40"),
            ],
            at: 1,
            labels: &[("instance", "n:1"), ("job", "node-exporter"), ("run", "abcd2345"), ("workers", "3")],
            summary: "A smoke test asks for 3 workers",
            description: Some(
                "Run abcd2345 of `reportctl smoke` makes this alert to prove that alerts change the number of workers. \
                 Nobody needs to do anything.",
            ),
        },
        quiet: Quiet {
            input: &[
                (
                    r#"reportctl_smoke_scaling{run="abcd2345", workers="3", job="node-exporter", instance="n:1"}"#,
                    "1x80",
                ),
                (r#"node_textfile_mtime_seconds{file="s.prom", job="node-exporter", instance="n:1"}"#, "0x80"),
            ],
            at: 12,
        },
    }
}
