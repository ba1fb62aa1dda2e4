//! What is done with jobs: reports are made, callbacks are delivered.

mod attempts;
mod deliveries;
mod library;
mod reports;
mod runs;

pub use deliveries::{Deliveries, Told};
pub use library::Library;
pub use reports::{Maker, Reports, Trouble};
pub use runs::Runs;

use report_model::event::{Event, EventType, ReportEvent};
use report_queue::{Claimed, NewJob, TraceContext};
use report_telemetry::{context_of, producer_span, trace_id_in};
use tracing::Span;

/// The queue of reports to be made.
pub const REPORTS: &str = "reports";
/// The queue of callbacks to be delivered.
pub const WEBHOOKS: &str = "webhooks";

/// The most of an error that is told, in characters: a callback has less than 20 kB.
const LONGEST_ERROR: usize = 2000;

/// The context of a span, to go with a job or a request.
fn context(span: &Span) -> TraceContext {
    let (parent, state) = context_of(span);
    TraceContext { parent, state }
}

/// The callback that tells what happened to the report of `job`; none when it is no report that this version knows. It
/// goes on with the trace of `span`.
fn callback(job: &Claimed, kind: EventType, error: Option<&str>, span: &Span) -> Option<NewJob> {
    let report = report_model::catalog::ReportType::parse(&job.kind)?;
    let event = Event {
        kind,
        timestamp: jiff::Timestamp::now(),
        data: ReportEvent {
            id: job.id.to_string(),
            report,
            trace_id: trace_id_in(&job.trace.parent).unwrap_or_default(),
            attempt: job.attempt,
            error: error.map(|error| error.chars().take(LONGEST_ERROR).collect()),
        },
    };
    let payload = serde_json::to_vec(&event).ok()?;
    let trace = span.in_scope(|| context(&producer_span(WEBHOOKS)));
    let trace = if trace.parent.is_empty() { job.trace.clone() } else { trace };
    Some(NewJob { kind: kind.to_string(), payload, trace, ..NewJob::default() })
}
