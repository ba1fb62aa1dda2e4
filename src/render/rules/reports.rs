//! Rules about the reports themselves, from the series of the two services.
//!
//! The services' part of the bargain: `report_jobs_total` and `webhook_attempts_total` count failures as
//! `outcome="failed"`; durations are histograms; the depth of the queue is `report_queue_waiting`; each runner tells its
//! workers and how many it wants.

use super::{Alert, Fires, Quiet, Recording, Section, Severity};
use crate::model::component::ComponentName::{self, Requestor, Runner};
use crate::model::quantity::Span;

const OF: &[ComponentName] = &[Runner];
const LABELS: &[(&str, &str)] = &[("component", "runner")];
/// Alerts with this label go to the runner and not to people.
const SCALING: &[(&str, &str)] = &[("component", "runner"), ("purpose", "scaling")];

pub fn section() -> Section {
    let mut alerts = scaling();
    alerts.extend(waiting());
    alerts.extend(failing());
    alerts.extend(services());
    Section { name: "reports", interval: None, recordings: recordings(), alerts }
}

fn recordings() -> Vec<Recording> {
    let recording = |name, expr| Recording { name, of: OF, expr };
    vec![
        recording("report:queue_waiting:max", "max(report_queue_waiting)"),
        // Where a straight line through the last ten minutes is in five minutes.
        recording("report:queue_waiting:forecast", "clamp_min(max(predict_linear(report_queue_waiting[10m], 300)), 0)"),
        recording("report:workers:sum", "sum(report_workers)"),
        recording("report:jobs_running:sum", "sum(report_jobs_running)"),
        recording("report:jobs:rate", "sum by (outcome) (rate(report_jobs_total[$window]))"),
        recording(
            "report:job_seconds:p95",
            "histogram_quantile(0.95, sum by (le) (rate(report_job_seconds_bucket[$window])))",
        ),
        recording(
            "report:queue_wait_seconds:p95",
            "histogram_quantile(0.95, sum by (le) (rate(report_queue_wait_seconds_bucket[$window])))",
        ),
    ]
}

/// These are triggers, not commands: the runner computes the number of workers itself, and the same alert ten times gives
/// the same number.
fn scaling() -> Vec<Alert> {
    vec![
        Alert {
            name: "ReportWorkersTooFew",
            of: OF,
            expr: "report:queue_waiting:max > 2 * report:workers:sum \
                   or report:queue_waiting:forecast > 2 * report:workers:sum",
            hold: Span(0),
            severity: Severity::Info,
            labels: SCALING,
            summary: "More reports wait, or soon will, than the workers can take",
            description: "{{ $value | humanize }} reports. The runner is told and works out how many workers it wants; nobody \
                          needs to do anything.",
            fires: Fires {
                input: &[
                    (r#"report_queue_waiting{job="runner", instance="w:1"}"#, "0+2x60"),
                    (r#"report_workers{job="runner", instance="w:1"}"#, "4x60"),
                ],
                at: 1,
                labels: &[],
                summary: "More reports wait, or soon will, than the workers can take",
                description: Some(
                    "48 reports. The runner is told and works out how many workers it wants; nobody needs to do anything.",
                ),
            },
            quiet: Quiet {
                input: &[
                    (r#"report_queue_waiting{job="runner", instance="w:1"}"#, "5x60"),
                    (r#"report_workers{job="runner", instance="w:1"}"#, "4x60"),
                ],
                at: 10,
            },
        },
        Alert {
            name: "ReportWorkersTooMany",
            of: OF,
            expr: "report:workers:sum > sum(report_workers_wanted)",
            hold: Span::seconds(300),
            severity: Severity::Info,
            labels: SCALING,
            summary: "There are more workers than the runner has wanted for five minutes",
            description: "{{ $value }} workers. The runner is told and gives some up; nobody needs to do anything.",
            fires: Fires {
                input: &[
                    (r#"report_workers{job="runner", instance="w:1"}"#, "8x60"),
                    (r#"report_workers_wanted{job="runner", instance="w:1"}"#, "2x60"),
                ],
                at: 7,
                labels: &[],
                summary: "There are more workers than the runner has wanted for five minutes",
                description: Some("8 workers. The runner is told and gives some up; nobody needs to do anything."),
            },
            // An idle runner with its fewest workers is no alert.
            quiet: Quiet {
                input: &[
                    (r#"report_workers{job="runner", instance="w:1"}"#, "2x60"),
                    (r#"report_workers_wanted{job="runner", instance="w:1"}"#, "2x60"),
                ],
                at: 12,
            },
        },
    ]
}

fn waiting() -> Vec<Alert> {
    vec![
        Alert {
            name: "ReportsWaitLong",
            of: OF,
            expr: "max(report_queue_oldest_seconds) > 300",
            hold: Span::seconds(60),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "A report has been waiting for {{ $value | humanizeDuration }}",
            description: "Users are waiting. If the workers are busy, allow the runner more of them; if not, see what it \
                          says: `reportctl logs runner $env`.",
            fires: Fires {
                input: &[(r#"report_queue_oldest_seconds{job="runner", instance="w:1"}"#, "300+15x20")],
                at: 2,
                labels: &[],
                summary: "A report has been waiting for 7m 0s",
                description: None,
            },
            quiet: Quiet {
                input: &[(r#"report_queue_oldest_seconds{job="runner", instance="w:1"}"#, "290x8 310x2 5x20")],
                at: 3,
            },
        },
        Alert {
            name: "ReportsNotStarted",
            of: OF,
            expr: "max(report_queue_oldest_seconds) > 60 and on () report:jobs_running:sum == 0",
            hold: Span::seconds(60),
            severity: Severity::Critical,
            labels: LABELS,
            summary: "Reports wait and nobody makes them",
            description: "The oldest has been waiting for {{ $value | humanizeDuration }} and no worker is busy. What the \
                          runner says: `reportctl logs runner $env`. To start it again: `reportctl up $env`.",
            fires: Fires {
                input: &[
                    (r#"report_queue_oldest_seconds{job="runner", instance="w:1"}"#, "60+15x20"),
                    (r#"report_jobs_running{job="runner", instance="w:1"}"#, "0x20"),
                ],
                at: 2,
                labels: &[],
                summary: "Reports wait and nobody makes them",
                description: Some(
                    "The oldest has been waiting for 3m 0s and no worker is busy. What the runner says: `reportctl logs \
                     runner $env`. To start it again: `reportctl up $env`.",
                ),
            },
            quiet: Quiet {
                input: &[
                    (r#"report_queue_oldest_seconds{job="runner", instance="w:1"}"#, "60+15x20"),
                    (r#"report_jobs_running{job="runner", instance="w:1"}"#, "1x20"),
                ],
                at: 4,
            },
        },
        Alert {
            name: "ReportWorkersAtLimit",
            of: OF,
            expr: "report:jobs_running:sum >= report:workers:sum and report:queue_waiting:max > 0",
            hold: Span::seconds(600),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "All {{ $value }} workers have been busy for ten minutes, and reports wait",
            description: "The runner cannot have more workers than it is allowed. Allow it more, or use a larger machine.",
            fires: Fires {
                input: &[
                    (r#"report_jobs_running{job="runner", instance="w:1"}"#, "4x80"),
                    (r#"report_workers{job="runner", instance="w:1"}"#, "4x80"),
                    (r#"report_queue_waiting{job="runner", instance="w:1"}"#, "3x80"),
                ],
                at: 12,
                labels: &[],
                summary: "All 4 workers have been busy for ten minutes, and reports wait",
                description: None,
            },
            quiet: Quiet {
                input: &[
                    (r#"report_jobs_running{job="runner", instance="w:1"}"#, "4x80"),
                    (r#"report_workers{job="runner", instance="w:1"}"#, "4x80"),
                    (r#"report_queue_waiting{job="runner", instance="w:1"}"#, "0x80"),
                ],
                at: 15,
            },
        },
    ]
}

fn failing() -> Vec<Alert> {
    vec![
        Alert {
            name: "ReportsFailing",
            of: OF,
            expr: r#"sum(rate(report_jobs_total{outcome="failed"}[$window])) / sum(rate(report_jobs_total[$window])) > 0.1"#,
            hold: Span::seconds(300),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "{{ $value | humanizePercentage }} of the reports fail",
            description: "Mostly a source of data is away, or has changed its form. The errors: `reportctl logs runner $env`.",
            fires: Fires {
                input: &[
                    (r#"report_jobs_total{type="gage", outcome="failed", job="runner", instance="w:1"}"#, "0+1x60"),
                    (r#"report_jobs_total{type="gage", outcome="done", job="runner", instance="w:1"}"#, "0+3x60"),
                ],
                at: 10,
                labels: &[],
                summary: "25% of the reports fail",
                description: None,
            },
            quiet: Quiet {
                input: &[
                    (r#"report_jobs_total{type="gage", outcome="failed", job="runner", instance="w:1"}"#, "0+1x60"),
                    (r#"report_jobs_total{type="gage", outcome="done", job="runner", instance="w:1"}"#, "0+19x60"),
                ],
                at: 12,
            },
        },
        Alert {
            name: "ReportsGivenUp",
            of: OF,
            expr: "max(report_jobs_dead) > 0",
            hold: Span(0),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "{{ $value }} reports have been given up",
            description: "They failed again and again and are kept aside with their last error. Which ones and why: \
                          `reportctl logs runner $env`.",
            fires: Fires {
                input: &[(r#"report_jobs_dead{job="runner", instance="w:1"}"#, "2x20")],
                at: 1,
                labels: &[],
                summary: "2 reports have been given up",
                description: None,
            },
            quiet: Quiet { input: &[(r#"report_jobs_dead{job="runner", instance="w:1"}"#, "0x20")], at: 4 },
        },
        Alert {
            name: "WorkersDie",
            of: OF,
            expr: "sum(increase(report_jobs_recovered_total[15m])) > 0",
            hold: Span(0),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "A worker ended while it made a report",
            description: "The report is made again by another worker, so nothing is lost; but a report that ends its worker \
                          each time is given up at last. Often memory is short. What was said: `reportctl logs runner $env`.",
            fires: Fires {
                input: &[(r#"report_jobs_recovered_total{job="runner", instance="w:1"}"#, "0x8 1x20")],
                at: 4,
                labels: &[],
                summary: "A worker ended while it made a report",
                description: None,
            },
            quiet: Quiet { input: &[(r#"report_jobs_recovered_total{job="runner", instance="w:1"}"#, "4x60")], at: 8 },
        },
        Alert {
            name: "ResultsNotDelivered",
            of: &[Runner, Requestor],
            expr: r#"sum(rate(webhook_attempts_total{outcome="failed"}[$window])) / sum(rate(webhook_attempts_total[$window])) > 0.1"#,
            hold: Span::seconds(300),
            severity: Severity::Critical,
            labels: LABELS,
            summary: "{{ $value | humanizePercentage }} of the results do not reach the requestor",
            description: "Reports are made, but users do not get them yet; they are sent again later. How the requestor \
                          does: `reportctl status $env`. What it says: `reportctl logs requestor $env`.",
            fires: Fires {
                input: &[
                    (r#"webhook_attempts_total{outcome="failed", job="runner", instance="w:1"}"#, "0+1x60"),
                    (r#"webhook_attempts_total{outcome="delivered", job="runner", instance="w:1"}"#, "0+1x60"),
                ],
                at: 10,
                labels: &[],
                summary: "50% of the results do not reach the requestor",
                description: None,
            },
            quiet: Quiet {
                input: &[
                    (r#"webhook_attempts_total{outcome="failed", job="runner", instance="w:1"}"#, "3x60"),
                    (r#"webhook_attempts_total{outcome="delivered", job="runner", instance="w:1"}"#, "0+1x60"),
                ],
                at: 12,
            },
        },
    ]
}

fn services() -> Vec<Alert> {
    let requestor = Alert {
        name: "RequestorWithoutRedis",
        of: &[Requestor],
        expr: r#"redis_up{job="requestor"} == 0"#,
        hold: Span::seconds(30),
        severity: Severity::Critical,
        labels: &[("component", "requestor")],
        summary: "The requestor cannot reach Redis",
        description: "Nobody can ask for a report or get one until it can. If Redis answers others, it refuses the user or \
                      the password. What the requestor says: `reportctl logs requestor $env`.",
        fires: Fires {
            input: &[(r#"redis_up{job="requestor", instance="q:1"}"#, "0x20")],
            at: 2,
            labels: &[("instance", "q:1"), ("job", "requestor")],
            summary: "The requestor cannot reach Redis",
            description: None,
        },
        quiet: Quiet { input: &[(r#"redis_up{job="requestor", instance="q:1"}"#, "0 1x20")], at: 2 },
    };
    let runner = Alert {
        name: "RunnerWithoutRedis",
        of: OF,
        expr: r#"redis_up{job="runner"} == 0"#,
        labels: LABELS,
        summary: "The runner cannot reach Redis",
        description: "No report is made until it can. If Redis answers others, it refuses the user or the password. What \
                      the runner says: `reportctl logs runner $env`.",
        fires: Fires {
            input: &[(r#"redis_up{job="runner", instance="w:1"}"#, "0x20")],
            labels: &[("instance", "w:1"), ("job", "runner")],
            summary: "The runner cannot reach Redis",
            ..requestor.fires.clone()
        },
        quiet: Quiet { input: &[(r#"redis_up{job="runner", instance="w:1"}"#, "0 1x20")], at: 2 },
        ..requestor.clone()
    };
    vec![requestor, runner]
}
