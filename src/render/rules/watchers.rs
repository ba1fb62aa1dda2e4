//! Rules about what watches: targets, Prometheus itself, Alertmanager.

use super::{Alert, Fires, Quiet, Section, Severity};
use crate::model::component::ComponentName::{Alertmanager, Prometheus};
use crate::model::quantity::Span;

const PROMETHEUS: &[(&str, &str)] = &[("component", "prometheus")];
const ALERTMANAGER: &[(&str, &str)] = &[("component", "alertmanager")];
const OF_PROMETHEUS: &[(&str, &str)] = &[("instance", "p:1"), ("job", "prometheus")];
const OF_ALERTMANAGER: &[(&str, &str)] = &[("instance", "a:1"), ("job", "alertmanager")];

pub fn section() -> Section {
    let mut alerts = vec![target_down()];
    alerts.extend(prometheus());
    alerts.extend(notifying());
    alerts.extend(alertmanager());
    Section { name: "monitoring", interval: None, recordings: Vec::new(), alerts }
}

fn target_down() -> Alert {
    Alert {
        name: "TargetDown",
        of: &[Prometheus],
        expr: "up == 0",
        hold: Span::seconds(60),
        severity: Severity::Critical,
        labels: &[("component", "{{ $labels.job }}")],
        summary: "{{ $labels.job }} gives no figures",
        description: "{{ $labels.job }} at {{ $labels.instance }} has ended or does not answer, so nobody watches what it \
                      watches. How it does: `reportctl status $env`. What it says: `reportctl logs {{ $labels.job }} $env`.",
        fires: Fires {
            input: &[(r#"up{job="node-exporter", instance="n:1"}"#, "1x4 0x20")],
            at: 3,
            labels: &[("instance", "n:1"), ("job", "node-exporter"), ("component", "node-exporter")],
            summary: "node-exporter gives no figures",
            description: Some(
                "node-exporter at n:1 has ended or does not answer, so nobody watches what it watches. How it does: \
                 `reportctl status $env`. What it says: `reportctl logs node-exporter $env`.",
            ),
        },
        quiet: Quiet { input: &[(r#"up{job="node-exporter", instance="n:1"}"#, "1x4 0x2 1x20")], at: 3 },
    }
}

fn prometheus() -> Vec<Alert> {
    vec![
        Alert {
            name: "PrometheusConfigRejected",
            of: &[Prometheus],
            expr: "prometheus_config_last_reload_successful == 0",
            hold: Span::seconds(60),
            severity: Severity::Warning,
            labels: PROMETHEUS,
            summary: "Prometheus works with an old configuration",
            description: "It could not read the last one. What is wrong with it: `reportctl logs prometheus $env`. To put \
                          the right one in place: `reportctl up $env`.",
            fires: Fires {
                input: &[(r#"prometheus_config_last_reload_successful{job="prometheus", instance="p:1"}"#, "0x20")],
                at: 2,
                labels: OF_PROMETHEUS,
                summary: "Prometheus works with an old configuration",
                description: None,
            },
            quiet: Quiet {
                input: &[(r#"prometheus_config_last_reload_successful{job="prometheus", instance="p:1"}"#, "0 1x20")],
                at: 3,
            },
        },
        Alert {
            name: "PrometheusRulesFailing",
            of: &[Prometheus],
            expr: "increase(prometheus_rule_evaluation_failures_total[$window]) > 0",
            hold: Span(0),
            severity: Severity::Warning,
            labels: PROMETHEUS,
            summary: "A rule cannot be evaluated",
            description: "An alert of the group {{ $labels.rule_group }} may be missing. Why: `reportctl logs prometheus \
                          $env`.",
            fires: Fires {
                input: &[(
                    r#"prometheus_rule_evaluation_failures_total{job="prometheus", instance="p:1", rule_group="redis"}"#,
                    "0x8 2x20",
                )],
                at: 4,
                labels: &[("instance", "p:1"), ("job", "prometheus"), ("rule_group", "redis")],
                summary: "A rule cannot be evaluated",
                description: Some("An alert of the group redis may be missing. Why: `reportctl logs prometheus $env`."),
            },
            quiet: Quiet {
                input: &[(
                    r#"prometheus_rule_evaluation_failures_total{job="prometheus", instance="p:1", rule_group="redis"}"#,
                    "3x40",
                )],
                at: 8,
            },
        },
        Alert {
            name: "PrometheusStorageFailing",
            of: &[Prometheus],
            expr: "increase(prometheus_tsdb_compactions_failed_total[1h]) > 0 \
                   or increase(prometheus_tsdb_reloads_failures_total[1h]) > 0 \
                   or increase(prometheus_tsdb_wal_corruptions_total[1h]) > 0 \
                   or increase(prometheus_tsdb_wal_writes_failed_total[1h]) > 0 \
                   or increase(prometheus_tsdb_head_truncations_failed_total[1h]) > 0",
            hold: Span(0),
            severity: Severity::Critical,
            labels: PROMETHEUS,
            summary: "Prometheus has trouble with its storage",
            description: "Figures of the past may be lost, and new ones not be kept. Mostly the disk is full or broken. What \
                          it says: `reportctl logs prometheus $env`.",
            fires: Fires {
                input: &[
                    (r#"prometheus_tsdb_compactions_failed_total{job="prometheus", instance="p:1"}"#, "0x40"),
                    (r#"prometheus_tsdb_wal_writes_failed_total{job="prometheus", instance="p:1"}"#, "0x8 1x20"),
                ],
                at: 4,
                labels: OF_PROMETHEUS,
                summary: "Prometheus has trouble with its storage",
                description: None,
            },
            quiet: Quiet {
                input: &[
                    (r#"prometheus_tsdb_compactions_failed_total{job="prometheus", instance="p:1"}"#, "2x40"),
                    (r#"prometheus_tsdb_wal_corruptions_total{job="prometheus", instance="p:1"}"#, "0x40"),
                ],
                at: 8,
            },
        },
    ]
}

fn notifying() -> Vec<Alert> {
    vec![
        Alert {
            name: "PrometheusWithoutAlertmanager",
            of: &[Prometheus, Alertmanager],
            expr: "prometheus_notifications_alertmanagers_discovered < 1",
            hold: Span::seconds(120),
            severity: Severity::Critical,
            labels: PROMETHEUS,
            summary: "Prometheus knows no Alertmanager",
            description: "Alerts are seen on Prometheus's own pages only, and nobody is told. `reportctl up $env` puts the \
                          right configuration in place.",
            fires: Fires {
                input: &[(
                    r#"prometheus_notifications_alertmanagers_discovered{job="prometheus", instance="p:1"}"#,
                    "0x20",
                )],
                at: 3,
                labels: OF_PROMETHEUS,
                summary: "Prometheus knows no Alertmanager",
                description: None,
            },
            // For the first seconds after a start it knows none.
            quiet: Quiet {
                input: &[(
                    r#"prometheus_notifications_alertmanagers_discovered{job="prometheus", instance="p:1"}"#,
                    "0x3 1x20",
                )],
                at: 4,
            },
        },
        Alert {
            name: "PrometheusCannotNotify",
            of: &[Prometheus, Alertmanager],
            expr: "sum by (instance, job) (increase(prometheus_notifications_errors_total[$window])) > 0",
            hold: Span::seconds(60),
            severity: Severity::Critical,
            labels: PROMETHEUS,
            summary: "Prometheus cannot hand its alerts to Alertmanager",
            description: "Nobody is told of what goes wrong now. How Alertmanager does: `reportctl status $env`. What it \
                          says: `reportctl logs alertmanager $env`.",
            fires: Fires {
                input: &[(
                    r#"prometheus_notifications_errors_total{job="prometheus", instance="p:1", alertmanager="http://a:1/api/v2/alerts"}"#,
                    "0+1x30",
                )],
                at: 4,
                labels: OF_PROMETHEUS,
                summary: "Prometheus cannot hand its alerts to Alertmanager",
                description: None,
            },
            quiet: Quiet {
                input: &[(
                    r#"prometheus_notifications_errors_total{job="prometheus", instance="p:1", alertmanager="http://a:1/api/v2/alerts"}"#,
                    "5x60",
                )],
                at: 8,
            },
        },
    ]
}

fn alertmanager() -> Vec<Alert> {
    vec![
        Alert {
            name: "AlertmanagerConfigRejected",
            of: &[Prometheus, Alertmanager],
            expr: "alertmanager_config_last_reload_successful == 0",
            hold: Span::seconds(60),
            severity: Severity::Warning,
            labels: ALERTMANAGER,
            summary: "Alertmanager works with an old configuration",
            description: "It could not read the last one. What is wrong with it: `reportctl logs alertmanager $env`. To put \
                          the right one in place: `reportctl up $env`.",
            fires: Fires {
                input: &[(r#"alertmanager_config_last_reload_successful{job="alertmanager", instance="a:1"}"#, "0x20")],
                at: 2,
                labels: OF_ALERTMANAGER,
                summary: "Alertmanager works with an old configuration",
                description: None,
            },
            quiet: Quiet {
                input: &[(r#"alertmanager_config_last_reload_successful{job="alertmanager", instance="a:1"}"#, "1x20")],
                at: 3,
            },
        },
        Alert {
            name: "AlertmanagerCannotNotify",
            of: &[Prometheus, Alertmanager],
            expr: "sum by (instance, job, integration) (increase(alertmanager_notifications_failed_total[$window])) > 0",
            hold: Span::seconds(60),
            severity: Severity::Critical,
            labels: ALERTMANAGER,
            summary: "Alertmanager cannot deliver by {{ $labels.integration }}",
            description: "People or programs are not told of alerts. Who cannot be reached, and why: `reportctl logs \
                          alertmanager $env`.",
            fires: Fires {
                input: &[(
                    r#"alertmanager_notifications_failed_total{job="alertmanager", instance="a:1", integration="webhook"}"#,
                    "0+1x30",
                )],
                at: 4,
                labels: &[("instance", "a:1"), ("job", "alertmanager"), ("integration", "webhook")],
                summary: "Alertmanager cannot deliver by webhook",
                description: None,
            },
            quiet: Quiet {
                input: &[(
                    r#"alertmanager_notifications_failed_total{job="alertmanager", instance="a:1", integration="email"}"#,
                    "2x60",
                )],
                at: 8,
            },
        },
    ]
}
