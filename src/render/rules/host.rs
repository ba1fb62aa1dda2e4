//! Rules about the machine: disks, memory, processors.

use super::{Alert, Fires, Quiet, Recording, Section, Severity};
use crate::model::component::ComponentName::NodeExporter;
use crate::model::quantity::Span;

const OF: &[crate::model::component::ComponentName] = &[NodeExporter];
const LABELS: &[(&str, &str)] = &[("component", "machine")];
const SERIES: &[(&str, &str)] = &[("instance", "n:1"), ("job", "node-exporter")];
const DISK: &[(&str, &str)] =
    &[("instance", "n:1"), ("job", "node-exporter"), ("device", "/dev/sda1"), ("fstype", "ext4"), ("mountpoint", "/")];

pub fn section() -> Section {
    let mut alerts = disks();
    alerts.extend(disk_faults());
    alerts.extend(load());
    Section { name: "machine", interval: None, recordings: recordings(), alerts }
}

fn recordings() -> Vec<Recording> {
    let recording = |name, expr| Recording { name, of: OF, expr };
    vec![
        recording(
            "instance:node_cpu_busy:ratio",
            r#"1 - avg by (instance, job) (rate(node_cpu_seconds_total{mode="idle"}[$window]))"#,
        ),
        recording(
            "instance:node_memory_available:ratio",
            "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
        ),
        // What lives in memory, or cannot be written by its nature, does not fill up.
        recording(
            "instance:node_filesystem_free:ratio",
            r#"node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|squashfs|iso9660|erofs|nsfs|fuse.*"} / (node_filesystem_size_bytes > 0)"#,
        ),
    ]
}

fn disks() -> Vec<Alert> {
    vec![
        Alert {
            name: "DiskSpaceLow",
            of: OF,
            expr: "instance:node_filesystem_free:ratio < 0.1",
            hold: Span::seconds(300),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "{{ $labels.mountpoint }} has {{ $value | humanizePercentage }} free space left",
            description: "The disk {{ $labels.device }} fills up. When it is full, Redis stops taking reports and \
                          Prometheus stops recording. What takes the space: `du -xh --max-depth=2 {{ $labels.mountpoint }}`.",
            fires: Fires {
                input: &[
                    (
                        r#"node_filesystem_avail_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "7x60",
                    ),
                    (
                        r#"node_filesystem_size_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "100x60",
                    ),
                ],
                at: 7,
                labels: DISK,
                summary: "/ has 7% free space left",
                description: Some(
                    "The disk /dev/sda1 fills up. When it is full, Redis stops taking reports and \
                                   Prometheus stops recording. What takes the space: `du -xh --max-depth=2 /`.",
                ),
            },
            quiet: Quiet {
                input: &[
                    (
                        r#"node_filesystem_avail_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "11x60",
                    ),
                    (
                        r#"node_filesystem_size_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "100x60",
                    ),
                    (
                        r#"node_filesystem_avail_bytes{job="node-exporter", instance="n:1", device="tmpfs", fstype="tmpfs", mountpoint="/run"}"#,
                        "0x60",
                    ),
                    (
                        r#"node_filesystem_size_bytes{job="node-exporter", instance="n:1", device="tmpfs", fstype="tmpfs", mountpoint="/run"}"#,
                        "100x60",
                    ),
                ],
                at: 12,
            },
        },
        Alert {
            name: "DiskFull",
            of: OF,
            expr: "instance:node_filesystem_free:ratio < 0.03",
            hold: Span::seconds(60),
            severity: Severity::Critical,
            labels: LABELS,
            summary: "{{ $labels.mountpoint }} is full: {{ $value | humanizePercentage }} free space left",
            description: "Redis is about to stop taking reports, and Prometheus to stop recording. Make room on \
                          {{ $labels.device }} now: `du -xh --max-depth=2 {{ $labels.mountpoint }}` shows what takes it.",
            fires: Fires {
                input: &[
                    (
                        r#"node_filesystem_avail_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "1x60",
                    ),
                    (
                        r#"node_filesystem_size_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "100x60",
                    ),
                ],
                at: 2,
                labels: DISK,
                summary: "/ is full: 1% free space left",
                description: Some(
                    "Redis is about to stop taking reports, and Prometheus to stop recording. Make room on \
                                   /dev/sda1 now: `du -xh --max-depth=2 /` shows what takes it.",
                ),
            },
            quiet: Quiet {
                input: &[
                    (
                        r#"node_filesystem_avail_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "4x60",
                    ),
                    (
                        r#"node_filesystem_size_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "100x60",
                    ),
                ],
                at: 10,
            },
        },
        Alert {
            name: "DiskWillFill",
            of: OF,
            // A line through a few minutes says nothing of tomorrow: there must be an hour of figures.
            expr: "instance:node_filesystem_free:ratio < 0.4 and predict_linear(node_filesystem_avail_bytes[6h], 86400) < 0 \
                   and node_filesystem_avail_bytes offset 1h",
            hold: Span::seconds(1800),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "{{ $labels.mountpoint }} will be full within a day",
            description: "If it goes on as in the last six hours, {{ $labels.device }} has no room left tomorrow. \
                          {{ $value | humanizePercentage }} is free now. What takes the space: `du -xh --max-depth=2 \
                          {{ $labels.mountpoint }}`.",
            fires: Fires {
                input: &[
                    (
                        r#"node_filesystem_avail_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "40000-10x400",
                    ),
                    (
                        r#"node_filesystem_size_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "100000x400",
                    ),
                ],
                at: 92,
                labels: DISK,
                summary: "/ will be full within a day",
                description: Some(
                    "If it goes on as in the last six hours, /dev/sda1 has no room left tomorrow. 36.32% is \
                                   free now. What takes the space: `du -xh --max-depth=2 /`.",
                ),
            },
            // It falls as fast, but from far above; and it stands still, but low.
            quiet: Quiet {
                input: &[
                    (
                        r#"node_filesystem_avail_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "90000-10x400",
                    ),
                    (
                        r#"node_filesystem_size_bytes{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "100000x400",
                    ),
                    (
                        r#"node_filesystem_avail_bytes{job="node-exporter", instance="n:1", device="/dev/sdb1", fstype="ext4", mountpoint="/data"}"#,
                        "20000x400",
                    ),
                    (
                        r#"node_filesystem_size_bytes{job="node-exporter", instance="n:1", device="/dev/sdb1", fstype="ext4", mountpoint="/data"}"#,
                        "100000x400",
                    ),
                ],
                at: 92,
            },
        },
    ]
}

fn disk_faults() -> Vec<Alert> {
    vec![
        Alert {
            name: "DiskBecameReadOnly",
            of: OF,
            expr: "node_filesystem_readonly == 1 and min_over_time(node_filesystem_readonly[1h]) == 0",
            hold: Span(0),
            severity: Severity::Critical,
            labels: LABELS,
            summary: "{{ $labels.mountpoint }} can no longer be written",
            description: "The kernel has made {{ $labels.device }} read-only, as it does after a fault of the disk. Look at \
                          `dmesg`, save what is there, and replace the disk.",
            fires: Fires {
                input: &[(
                    r#"node_filesystem_readonly{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                    "0x8 1x20",
                )],
                at: 4,
                labels: DISK,
                summary: "/ can no longer be written",
                description: Some(
                    "The kernel has made /dev/sda1 read-only, as it does after a fault of the disk. Look at \
                                   `dmesg`, save what is there, and replace the disk.",
                ),
            },
            // Some are read-only from the beginning and meant so.
            quiet: Quiet {
                input: &[(
                    r#"node_filesystem_readonly{job="node-exporter", instance="n:1", device="/dev/sr0", fstype="udf", mountpoint="/media"}"#,
                    "1x40",
                )],
                at: 8,
            },
        },
        Alert {
            name: "DiskInodesLow",
            of: OF,
            expr: r#"node_filesystem_files_free{fstype!~"tmpfs|ramfs|squashfs|iso9660|erofs|nsfs|fuse.*"} / (node_filesystem_files > 0) < 0.05"#,
            hold: Span::seconds(300),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "{{ $labels.mountpoint }} can hold hardly any more files",
            description: "Only {{ $value | humanizePercentage }} of its file entries are free, however much space is left. \
                          Find the folder with too many small files: `du -x --inodes --max-depth=2 {{ $labels.mountpoint }}`.",
            fires: Fires {
                input: &[
                    (
                        r#"node_filesystem_files_free{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "2x60",
                    ),
                    (
                        r#"node_filesystem_files{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="ext4", mountpoint="/"}"#,
                        "100x60",
                    ),
                ],
                at: 7,
                labels: DISK,
                summary: "/ can hold hardly any more files",
                description: Some(
                    "Only 2% of its file entries are free, however much space is left. Find the folder with \
                                   too many small files: `du -x --inodes --max-depth=2 /`.",
                ),
            },
            // Some filesystems do not count files.
            quiet: Quiet {
                input: &[
                    (
                        r#"node_filesystem_files_free{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="btrfs", mountpoint="/"}"#,
                        "0x60",
                    ),
                    (
                        r#"node_filesystem_files{job="node-exporter", instance="n:1", device="/dev/sda1", fstype="btrfs", mountpoint="/"}"#,
                        "0x60",
                    ),
                ],
                at: 12,
            },
        },
    ]
}

fn load() -> Vec<Alert> {
    vec![
        Alert {
            name: "MemoryLow",
            of: OF,
            expr: "instance:node_memory_available:ratio < 0.1",
            hold: Span::seconds(300),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "This machine has {{ $value | humanizePercentage }} of its memory left",
            description: "When none is left the kernel ends programs, Redis among them. Find what takes it: `ps aux --sort \
                          -rss | head`. Lower a `memory` in the environment's file, or use a larger machine.",
            fires: Fires {
                input: &[
                    (r#"node_memory_MemAvailable_bytes{job="node-exporter", instance="n:1"}"#, "5x60"),
                    (r#"node_memory_MemTotal_bytes{job="node-exporter", instance="n:1"}"#, "100x60"),
                ],
                at: 7,
                labels: SERIES,
                summary: "This machine has 5% of its memory left",
                description: None,
            },
            quiet: Quiet {
                input: &[
                    (r#"node_memory_MemAvailable_bytes{job="node-exporter", instance="n:1"}"#, "5x8 40x60"),
                    (r#"node_memory_MemTotal_bytes{job="node-exporter", instance="n:1"}"#, "100x60"),
                ],
                at: 7,
            },
        },
        Alert {
            name: "ProcessorsBusy",
            of: OF,
            expr: "instance:node_cpu_busy:ratio > 0.95",
            hold: Span::seconds(900),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "The processors of this machine have been busy for 15 minutes",
            description: "{{ $value | humanizePercentage }} of their time is used, so reports take longer. Find what uses \
                          it: `top`. Use fewer workers, or a larger machine.",
            fires: Fires {
                input: &[
                    (
                        r#"node_cpu_seconds_total{job="node-exporter", instance="n:1", cpu="0", mode="idle"}"#,
                        "0+0.15x120",
                    ),
                    (
                        r#"node_cpu_seconds_total{job="node-exporter", instance="n:1", cpu="0", mode="user"}"#,
                        "0+14.85x120",
                    ),
                ],
                at: 20,
                labels: SERIES,
                summary: "The processors of this machine have been busy for 15 minutes",
                description: Some(
                    "99% of their time is used, so reports take longer. Find what uses it: `top`. Use fewer \
                                   workers, or a larger machine.",
                ),
            },
            quiet: Quiet {
                input: &[(
                    r#"node_cpu_seconds_total{job="node-exporter", instance="n:1", cpu="0", mode="idle"}"#,
                    "0+3x120",
                )],
                at: 25,
            },
        },
        Alert {
            name: "MetricFileBroken",
            of: OF,
            expr: "node_textfile_scrape_error == 1",
            hold: Span::seconds(60),
            severity: Severity::Warning,
            labels: LABELS,
            summary: "A file with figures cannot be read",
            description: "The node exporter finds a file with mistakes in its folder for text files; until it is mended \
                          or removed, its figures are missing. Which one: `reportctl logs node-exporter $env`.",
            fires: Fires {
                input: &[(r#"node_textfile_scrape_error{job="node-exporter", instance="n:1"}"#, "1x20")],
                at: 2,
                labels: SERIES,
                summary: "A file with figures cannot be read",
                description: None,
            },
            quiet: Quiet {
                input: &[(r#"node_textfile_scrape_error{job="node-exporter", instance="n:1"}"#, "1 0x20")],
                at: 3,
            },
        },
    ]
}
