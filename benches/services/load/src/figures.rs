//! Times and what is told of them.

use std::time::{Duration, SystemTime};

/// Seconds since 1970: contestants in all languages tell their times so, and run on one machine.
pub fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

/// The value below which `part` of `sorted` lies; zero of nothing.
pub fn at(sorted: &[f64], part: f64) -> f64 {
    let index = (part * sorted.len() as f64) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// `{"p50":…,"p99":…,"max":…}` in milliseconds.
pub fn percentiles(mut seconds: Vec<f64>) -> serde_json::Value {
    seconds.sort_by(f64::total_cmp);
    serde_json::json!({
        "count": seconds.len(),
        "p50": at(&seconds, 0.5) * 1000.0,
        "p99": at(&seconds, 0.99) * 1000.0,
        "max": at(&seconds, 1.0) * 1000.0,
    })
}
