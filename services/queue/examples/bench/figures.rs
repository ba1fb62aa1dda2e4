//! What is read off processes and lists of times.

use std::time::Duration;

/// A percentile of sorted times, in ms.
pub fn percentile(sorted: &[Duration], percent: f64) -> f64 {
    let index = ((sorted.len() as f64 * percent / 100.0).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// The most memory that this process had, in MiB.
pub fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// The time that this process had the processor for, in seconds.
pub fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// A figure of the server's `INFO`.
pub fn info(connection: &mut redis::Connection, name: &str) -> f64 {
    let text: String = redis::cmd("INFO").arg("everything").query(connection).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

/// The processor time of the server, in seconds.
pub fn server_processor(connection: &mut redis::Connection) -> f64 {
    info(connection, "used_cpu_user") + info(connection, "used_cpu_sys")
}
