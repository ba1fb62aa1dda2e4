//! Rules about Redis. `up` says only that the exporter answers: `redis_up` says that Redis does.

use super::{Alert, Fires, Quiet, Recording, Section, Severity};
use crate::model::component::ComponentName::{Redis, RedisExporter};
use crate::model::quantity::Span;

const OF: &[crate::model::component::ComponentName] = &[Redis, RedisExporter];
const LABELS: &[(&str, &str)] = &[("component", "redis")];
const SERIES: &[(&str, &str)] = &[("instance", "r:1"), ("job", "redis-exporter")];

pub fn section() -> Section {
    let mut alerts = vec![down(), keeps_restarting(), rejects_connections()];
    alerts.extend(memory());
    alerts.extend(persistence());
    Section {
        name: "redis",
        interval: None,
        recordings: vec![
            Recording {
                name: "redis:memory_used:ratio",
                of: OF,
                expr: "redis_memory_used_bytes / (redis_memory_max_bytes > 0)",
            },
            Recording {
                name: "redis:commands:rate",
                of: OF,
                expr: "sum by (instance, job) (rate(redis_commands_processed_total[$window]))",
            },
        ],
        alerts,
    }
}

fn down() -> Alert {
    Alert {
        name: "RedisDown",
        of: OF,
        expr: r#"redis_up{job="redis-exporter"} == 0"#,
        hold: Span::seconds(30),
        severity: Severity::Critical,
        labels: LABELS,
        summary: "Redis does not answer",
        description: "Redis cannot be reached, or refuses the exporter's password. No report can be queued or \
                      delivered. What it says: `reportctl logs redis $env`. To start it again: `reportctl up $env`.",
        fires: Fires {
            input: &[
                (r#"redis_up{job="redis-exporter", instance="r:1"}"#, "1x4 0x20"),
                (r#"up{job="redis-exporter", instance="r:1"}"#, "1x30"),
            ],
            at: 3,
            labels: SERIES,
            summary: "Redis does not answer",
            description: None,
        },
        // A restart takes less than the time that the alert waits; and what a service says of Redis is another alert.
        quiet: Quiet {
            input: &[
                (r#"redis_up{job="redis-exporter", instance="r:1"}"#, "1x4 0 1x20"),
                (r#"redis_up{job="requestor", instance="q:1"}"#, "0x30"),
            ],
            at: 3,
        },
    }
}

fn keeps_restarting() -> Alert {
    Alert {
        name: "RedisKeepsRestarting",
        of: OF,
        expr: "resets(redis_uptime_in_seconds[15m]) > 2",
        hold: Span(0),
        severity: Severity::Warning,
        labels: LABELS,
        summary: "Redis was restarted {{ $value }} times in 15 minutes",
        description: "Something ends Redis again and again: the memory of this machine, a full disk, or a person. \
                      What it said before it ended: `reportctl logs redis $env`.",
        fires: Fires {
            input: &[(
                r#"redis_uptime_in_seconds{job="redis-exporter", instance="r:1"}"#,
                "15+15x3 1+15x3 1+15x3 1+15x9",
            )],
            at: 5,
            labels: SERIES,
            summary: "Redis was restarted 3 times in 15 minutes",
            description: None,
        },
        quiet: Quiet {
            input: &[(r#"redis_uptime_in_seconds{job="redis-exporter", instance="r:1"}"#, "15+15x8 1+15x20")],
            at: 5,
        },
    }
}

fn rejects_connections() -> Alert {
    Alert {
        name: "RedisRejectsConnections",
        of: OF,
        expr: "increase(redis_rejected_connections_total[$window]) > 0",
        hold: Span(0),
        severity: Severity::Warning,
        labels: LABELS,
        summary: "Redis turns clients away",
        description: "More programs want to connect to Redis than it accepts (1000). Usually one of them opens \
                      connections and never closes them. How many there are now: the page of `reportctl open prometheus \
                      $env`.",
        fires: Fires {
            input: &[(r#"redis_rejected_connections_total{job="redis-exporter", instance="r:1"}"#, "0x8 5x20")],
            at: 4,
            labels: SERIES,
            summary: "Redis turns clients away",
            description: None,
        },
        quiet: Quiet {
            input: &[(r#"redis_rejected_connections_total{job="redis-exporter", instance="r:1"}"#, "7x40")],
            at: 8,
        },
    }
}

fn memory() -> Vec<Alert> {
    vec![
        Alert {
            name: "RedisMemoryHigh",
            of: OF,
            expr: "redis:memory_used:ratio > 0.8",
            hold: Span::seconds(300),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "Redis uses {{ $value | humanizePercentage }} of its memory",
            description: "When it is full, Redis refuses new reports; it never throws one away. Either reports come in \
                          faster than they are done, or `memory` of redis in the environment's file is too small.",
            fires: Fires {
                input: &[
                    (r#"redis_memory_used_bytes{job="redis-exporter", instance="r:1"}"#, "85x60"),
                    (r#"redis_memory_max_bytes{job="redis-exporter", instance="r:1"}"#, "100x60"),
                ],
                at: 7,
                labels: SERIES,
                summary: "Redis uses 85% of its memory",
                description: None,
            },
            // Below the threshold; and no limit is no ratio.
            quiet: Quiet {
                input: &[
                    (r#"redis_memory_used_bytes{job="redis-exporter", instance="r:2"}"#, "79x60"),
                    (r#"redis_memory_max_bytes{job="redis-exporter", instance="r:2"}"#, "100x60"),
                    (r#"redis_memory_used_bytes{job="redis-exporter", instance="r:1"}"#, "85x60"),
                    (r#"redis_memory_max_bytes{job="redis-exporter", instance="r:1"}"#, "0x60"),
                ],
                at: 7,
            },
        },
        Alert {
            name: "RedisMemoryFull",
            of: OF,
            expr: "redis:memory_used:ratio > 0.95",
            hold: Span::seconds(60),
            severity: Severity::Critical,
            labels: LABELS,
            summary: "Redis is nearly full: {{ $value | humanizePercentage }} of its memory is used",
            description: "In a moment Redis refuses new reports. Give redis more `memory` in the environment's file, then \
                          `reportctl up $env`: nothing that is queued is lost by that.",
            fires: Fires {
                input: &[
                    (r#"redis_memory_used_bytes{job="redis-exporter", instance="r:1"}"#, "97x60"),
                    (r#"redis_memory_max_bytes{job="redis-exporter", instance="r:1"}"#, "100x60"),
                ],
                at: 2,
                labels: SERIES,
                summary: "Redis is nearly full: 97% of its memory is used",
                description: None,
            },
            quiet: Quiet {
                input: &[
                    (r#"redis_memory_used_bytes{job="redis-exporter", instance="r:1"}"#, "94x60"),
                    (r#"redis_memory_max_bytes{job="redis-exporter", instance="r:1"}"#, "100x60"),
                ],
                at: 10,
            },
        },
        Alert {
            name: "RedisEvicts",
            of: OF,
            expr: "increase(redis_evicted_keys_total[$window]) > 0",
            hold: Span(0),
            severity: Severity::Critical,
            labels: LABELS,
            summary: "Redis throws data away",
            description: "A queue must never evict, and reportctl configures it so: somebody has changed the running server. \
                          Reports may be lost. To set it right at once, as user admin: `redis-cli config set \
                          maxmemory-policy noeviction`.",
            fires: Fires {
                input: &[(r#"redis_evicted_keys_total{job="redis-exporter", instance="r:1"}"#, "0x8 3x20")],
                at: 4,
                labels: SERIES,
                summary: "Redis throws data away",
                description: None,
            },
            quiet: Quiet {
                input: &[(r#"redis_evicted_keys_total{job="redis-exporter", instance="r:1"}"#, "0x40")],
                at: 8,
            },
        },
    ]
}

fn persistence() -> Vec<Alert> {
    vec![
        Alert {
            name: "RedisRefusesWrites",
            of: OF,
            expr: r#"increase(redis_errors_total{err=~"OOM|MISCONF"}[$window]) > 0"#,
            hold: Span(0),
            severity: Severity::Critical,
            labels: LABELS,
            summary: "Redis refuses to take new reports ({{ $labels.err }})",
            description: "OOM: its memory is full; give redis more `memory` in the environment's file, then `reportctl up \
                          $env`. MISCONF: it cannot write to the disk; look for a full or broken one.",
            fires: Fires {
                input: &[(r#"redis_errors_total{err="OOM", job="redis-exporter", instance="r:1"}"#, "1x4 9x30")],
                at: 3,
                labels: &[("instance", "r:1"), ("job", "redis-exporter"), ("err", "OOM")],
                summary: "Redis refuses to take new reports (OOM)",
                description: None,
            },
            quiet: Quiet {
                input: &[
                    (r#"redis_errors_total{err="OOM", job="redis-exporter", instance="r:1"}"#, "4x60"),
                    (r#"redis_errors_total{err="ERR", job="redis-exporter", instance="r:1"}"#, "0+1x60"),
                ],
                at: 8,
            },
        },
        Alert {
            name: "RedisAppendOnlyFileFailing",
            of: OF,
            expr: "redis_aof_last_write_status == 0 or redis_aof_last_bgrewrite_status == 0",
            hold: Span::seconds(60),
            severity: Severity::Critical,
            labels: LABELS,
            summary: "Redis cannot write its data to the disk",
            description: "What is queued now would be lost in a power cut. Mostly the disk is full or read-only, or there \
                          is too little memory for a rewrite. What it says: `reportctl logs redis $env`.",
            fires: Fires {
                input: &[
                    (r#"redis_aof_last_write_status{job="redis-exporter", instance="r:1"}"#, "1x20"),
                    (r#"redis_aof_last_bgrewrite_status{job="redis-exporter", instance="r:1"}"#, "0x20"),
                ],
                at: 2,
                labels: SERIES,
                summary: "Redis cannot write its data to the disk",
                description: None,
            },
            quiet: Quiet {
                input: &[
                    (r#"redis_aof_last_write_status{job="redis-exporter", instance="r:1"}"#, "1x20"),
                    (r#"redis_aof_last_bgrewrite_status{job="redis-exporter", instance="r:1"}"#, "1x20"),
                ],
                at: 4,
            },
        },
        Alert {
            name: "RedisNotDurable",
            of: OF,
            expr: "redis_aof_enabled == 0",
            hold: Span::seconds(60),
            severity: Severity::Critical,
            labels: LABELS,
            summary: "Redis keeps its data in memory only",
            description: "The append-only file is switched off, which reportctl never does: a restart would lose every \
                          report that is queued. Do not restart it. To write all that it holds to the disk, as user admin: \
                          `redis-cli config set appendonly yes`.",
            fires: Fires {
                input: &[(r#"redis_aof_enabled{job="redis-exporter", instance="r:1"}"#, "0x20")],
                at: 2,
                labels: SERIES,
                summary: "Redis keeps its data in memory only",
                description: None,
            },
            quiet: Quiet {
                input: &[(r#"redis_aof_enabled{job="redis-exporter", instance="r:1"}"#, "0 0 1x20")],
                at: 2,
            },
        },
    ]
}
