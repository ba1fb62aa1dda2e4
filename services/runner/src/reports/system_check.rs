//! The check of the system: a report that does nothing but go the way of all reports, and tells when it was where.

use super::{ReportError, column, count, number, text};
use jiff::Timestamp;
use report_model::catalog::SystemCheck;
use report_model::document::{Cell, Document};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// When a request was where on its way to the report, by the clock of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When it was put into the queue.
    pub accepted: Timestamp,
    /// When a worker took it.
    pub claimed: Timestamp,
}

/// Waits as long as asked, and tells the times.
pub(super) async fn report(
    told: &SystemCheck,
    times: Times,
    cancelled: &CancellationToken,
) -> Result<Document, ReportError> {
    let (started, clock) = (Timestamp::now(), std::time::Instant::now());
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(told.seconds.into())) => {}
        () = cancelled.cancelled() => return Err(ReportError::Cancelled),
    }
    let finished = Timestamp::now();
    let waited = between(times.accepted, times.claimed);
    let hop = |name: &str, at: Timestamp, seconds: Option<f64>| {
        vec![text(name), Cell::Text(format!("{at:.3}")), number(seconds)]
    };
    let rows = vec![
        hop("accepted into the queue", times.accepted, None),
        hop("taken by a worker", times.claimed, Some(waited)),
        hop("started", started, Some(between(times.claimed, started))),
        hop("finished", finished, Some((clock.elapsed().as_secs_f64() * 1e3).round() / 1e3)),
    ];
    let asked = count(told.seconds as usize, "second");
    Ok(Document {
        title: "System check".to_owned(),
        summary: vec![
            format!("The report went through queue and worker, and took the {asked} that it was asked to take."),
            format!("It waited {waited} s for a worker."),
        ],
        warnings: Vec::new(),
        columns: vec![
            column("hop", "Hop", None),
            column("at", "At (UTC)", None),
            column("since_the_hop_before", "Since the hop before", Some("s")),
        ],
        rows,
        chart: None,
    })
}

/// Seconds, to the millisecond. Two machines' clocks may differ: then it may be less than nothing, and is shown as nothing.
fn between(first: Timestamp, second: Timestamp) -> f64 {
    (second.as_millisecond() - first.as_millisecond()).max(0) as f64 / 1e3
}
