//! The list of panels. It is the only place where a panel is described.

use super::Kind::{Graph, Number, Stack, State};
use super::Level::{Bad, Good, Plain, Warn};
use super::Unit::{Bytes, BytesPerSecond, Count, PerSecond, Ratio, Seconds};
use super::{Panel, Query, Row, Scale, Unit};
use crate::model::component::ComponentName::{
    self, Alertmanager, Clickhouse, NodeExporter, Prometheus, Redis, RedisExporter, Requestor, Runner,
};

const EMPTY: &str = "No figures in this time. What tells them may be down, or have just started.";

const fn query(expr: &'static str, legend: &'static str) -> Query {
    Query { expr, legend }
}

fn graph(
    of: &'static [ComponentName],
    width: u32,
    (title, about): (&'static str, &'static str),
    unit: Unit,
    queries: Vec<Query>,
) -> Panel {
    Panel {
        title,
        about,
        of,
        kind: Graph,
        unit,
        width,
        queries,
        scale: Scale { base: Plain, steps: &[] },
        empty: EMPTY,
    }
}

/// Every row, whether or not what it shows is running.
pub fn rows() -> Vec<Row> {
    vec![
        Row { title: "At a glance", panels: glance() },
        Row { title: "Reports", panels: reports() },
        Row { title: "Redis", panels: redis() },
        Row { title: "This machine", panels: machine() },
        Row { title: "Traces", panels: traces() },
        Row { title: "Monitoring", panels: monitoring() },
    ]
}

fn glance() -> Vec<Panel> {
    vec![
        Panel {
            title: "Who answers",
            about: "Every component that Prometheus asks. What is down gives no figures, so its other panels stand still.",
            of: &[Prometheus],
            kind: State,
            unit: Count,
            width: 12,
            queries: vec![
                query("max by (job) (up)", "{{job}}"),
                // The exporter answers when Redis does not.
                query(r#"max(redis_up{job="redis-exporter"})"#, "redis"),
            ],
            scale: Scale { base: Bad, steps: &[(1.0, Good)] },
            empty: EMPTY,
        },
        Panel {
            title: "Alerts",
            about: "Alerts that fire and are for people.",
            of: &[Prometheus],
            kind: Number,
            unit: Count,
            width: 4,
            queries: vec![query(r#"count(ALERTS{alertstate="firing", severity!="info"}) or vector(0)"#, "alerts")],
            scale: Scale { base: Good, steps: &[(1.0, Bad)] },
            empty: EMPTY,
        },
        Panel {
            title: "Redis memory",
            about: "The part of Redis's memory that is used. When it is full, new reports are refused.",
            of: &[Redis, RedisExporter, Prometheus],
            kind: Number,
            unit: Ratio,
            width: 4,
            queries: vec![query("max(redis:memory_used:ratio)", "used")],
            scale: Scale { base: Good, steps: &[(0.8, Warn), (0.95, Bad)] },
            empty: EMPTY,
        },
        Panel {
            title: "Disk free",
            about: "The part of the fullest disk that is free.",
            of: &[NodeExporter, Prometheus],
            kind: Number,
            unit: Ratio,
            width: 4,
            queries: vec![query("min(instance:node_filesystem_free:ratio)", "free")],
            scale: Scale { base: Bad, steps: &[(0.03, Warn), (0.1, Good)] },
            empty: EMPTY,
        },
    ]
}

fn reports() -> Vec<Panel> {
    let of: &[_] = &[Runner, Prometheus];
    let panel = |title, about, unit, queries| graph(of, 8, (title, about), unit, queries);
    vec![
        panel(
            "Reports waiting",
            "How many reports wait, and how many it will be in five minutes if it goes on like this.",
            Count,
            vec![query("report:queue_waiting:max", "waiting"), query("report:queue_waiting:forecast", "in 5 minutes")],
        ),
        panel(
            "Reports made",
            "Reports that ended, by how they ended.",
            PerSecond,
            vec![query("sum by (outcome) (rate(report_jobs_total[$window]))", "{{outcome}}")],
        ),
        panel(
            "Workers",
            "How many workers there are, how many are busy, and how many the runner wants.",
            Count,
            vec![
                query("sum(report_workers)", "there"),
                query("sum(report_jobs_running)", "busy"),
                query("sum(report_workers_wanted)", "wanted"),
            ],
        ),
        panel(
            "Time to make a report",
            "Half of the reports take less than the one, 95 of 100 less than the other.",
            Seconds,
            vec![
                query("histogram_quantile(0.5, sum by (le) (rate(report_job_seconds_bucket[$window])))", "half"),
                query("histogram_quantile(0.95, sum by (le) (rate(report_job_seconds_bucket[$window])))", "95 of 100"),
            ],
        ),
        panel(
            "Time in the queue",
            "How long reports wait until a worker takes them, and how long the oldest has been waiting.",
            Seconds,
            vec![
                query(
                    "histogram_quantile(0.95, sum by (le) (rate(report_queue_wait_seconds_bucket[$window])))",
                    "95 of 100",
                ),
                query("max(report_queue_oldest_seconds)", "oldest"),
            ],
        ),
        Panel {
            of: &[Runner, Requestor, Prometheus],
            ..panel(
                "Results on their way",
                "Attempts to hand results to the requestor, by how they ended, and browsers that listen for them.",
                Count,
                vec![
                    query("sum by (outcome) (rate(webhook_attempts_total[$window]))", "{{outcome}} a second"),
                    query("sum(ws_connections)", "browsers"),
                ],
            )
        },
    ]
}

fn redis() -> Vec<Panel> {
    let of: &[_] = &[Redis, RedisExporter, Prometheus];
    let panel = |title, about, unit, queries| graph(of, 8, (title, about), unit, queries);
    vec![
        panel(
            "Commands",
            "What Redis is asked, all clients together.",
            PerSecond,
            vec![query("sum(rate(redis_commands_processed_total[$window]))", "commands")],
        ),
        panel(
            "Memory",
            "What the data takes, and the limit at which Redis refuses new reports. Nothing is thrown away.",
            Bytes,
            vec![
                query("sum(redis_memory_used_bytes)", "used"),
                query("sum(redis_memory_max_bytes > 0)", "limit"),
                query("sum(redis_memory_used_rss_bytes)", "of the machine"),
            ],
        ),
        panel(
            "Time a command takes",
            "The mean of the five slowest commands, without the network. More than some milliseconds is much.",
            Seconds,
            vec![query(
                "topk(5, sum by (cmd) (rate(redis_commands_duration_seconds_total[$window])) \
                 / (sum by (cmd) (rate(redis_commands_total[$window])) > 0))",
                "{{cmd}}",
            )],
        ),
        panel(
            "Clients",
            "Programs that are connected, and those that wait for work.",
            Count,
            vec![query("sum(redis_connected_clients)", "connected"), query("sum(redis_blocked_clients)", "waiting")],
        ),
        panel(
            "Data on the disk",
            "The append-only file. It is rewritten, and shrinks, when it has doubled.",
            Bytes,
            vec![
                query("sum(redis_aof_current_size_bytes)", "file"),
                query("sum(redis_aof_base_size_bytes)", "after the last rewrite"),
            ],
        ),
        Panel {
            empty: "Nothing was refused.",
            ..panel(
                "Refused",
                "Commands that ended in an error, by sort. OOM: the memory is full. NOPERM: a user did what it may not.",
                PerSecond,
                vec![query("sum by (err) (rate(redis_errors_total[$window]))", "{{err}}")],
            )
        },
    ]
}

fn machine() -> Vec<Panel> {
    let of: &[_] = &[NodeExporter, Prometheus];
    let panel = |title, about, unit, queries| graph(of, 8, (title, about), unit, queries);
    vec![
        Panel {
            kind: Stack,
            ..panel(
                "Processors",
                "What their time goes to. 100 % is all of them busy.",
                Ratio,
                vec![query(
                    r#"sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[$window])) / scalar(count(count by (cpu) (node_cpu_seconds_total)))"#,
                    "{{mode}}",
                )],
            )
        },
        panel(
            "Memory of the machine",
            "What programs use, and what the machine has. Near the limit the kernel ends programs.",
            Bytes,
            vec![
                query("sum(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)", "used"),
                query("sum(node_memory_MemTotal_bytes)", "there is"),
            ],
        ),
        panel(
            "Space on disks",
            "The free part of each disk.",
            Ratio,
            vec![query("min by (mountpoint) (instance:node_filesystem_free:ratio)", "{{mountpoint}}")],
        ),
        panel(
            "Disk traffic",
            "What is read from and written to disks.",
            BytesPerSecond,
            vec![
                query("sum(rate(node_disk_read_bytes_total[$window]))", "read"),
                query("sum(rate(node_disk_written_bytes_total[$window]))", "written"),
            ],
        ),
        panel(
            "Network traffic",
            "What comes in and goes out, without the traffic within the machine.",
            BytesPerSecond,
            vec![
                query(r#"sum(rate(node_network_receive_bytes_total{device!="lo"}[$window]))"#, "in"),
                query(r#"sum(rate(node_network_transmit_bytes_total{device!="lo"}[$window]))"#, "out"),
            ],
        ),
        panel(
            "Waiting",
            "The part of the time in which some program waits for a processor, for memory or for a disk.",
            Ratio,
            vec![
                query("max(rate(node_pressure_cpu_waiting_seconds_total[$window]))", "processor"),
                query("max(rate(node_pressure_memory_waiting_seconds_total[$window]))", "memory"),
                query("max(rate(node_pressure_io_waiting_seconds_total[$window]))", "disk"),
            ],
        ),
    ]
}

fn traces() -> Vec<Panel> {
    let of: &[_] = &[Clickhouse, Prometheus];
    let panel = |title, about, unit, queries| graph(of, 12, (title, about), unit, queries);
    vec![
        panel(
            "Rows stored",
            "Spans, logs and metrics that Uptrace writes to ClickHouse.",
            PerSecond,
            vec![query("sum(rate(ClickHouseProfileEvents_InsertedRows[$window]))", "rows")],
        ),
        panel(
            "Memory of ClickHouse",
            "What its queries and caches take.",
            Bytes,
            vec![query("sum(ClickHouseMetrics_MemoryTracking)", "used")],
        ),
    ]
}

fn monitoring() -> Vec<Panel> {
    let of: &[_] = &[Prometheus];
    let panel = |title, about, unit, queries| graph(of, 8, (title, about), unit, queries);
    vec![
        panel(
            "Time of a scrape",
            "How long each component takes to tell its figures.",
            Seconds,
            vec![query("max by (job) (scrape_duration_seconds)", "{{job}}")],
        ),
        panel(
            "Series",
            "How many figures Prometheus keeps in memory. A steady rise means that something makes ever new labels.",
            Count,
            vec![query("sum(prometheus_tsdb_head_series)", "series")],
        ),
        Panel {
            of: &[Prometheus, Alertmanager],
            ..panel(
                "Notifications",
                "What Alertmanager sent, and what it could not deliver.",
                PerSecond,
                vec![
                    query("sum(rate(alertmanager_notifications_total[$window]))", "sent"),
                    query("sum(rate(alertmanager_notifications_failed_total[$window]))", "failed"),
                ],
            )
        },
    ]
}
