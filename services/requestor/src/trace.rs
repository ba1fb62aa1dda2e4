//! The trace that goes from the click to the result.

use report_queue::TraceContext;

/// Where the work that is done now stands in its trace, to go beside a job.
pub fn current() -> TraceContext {
    let (parent, state) = report_telemetry::context_of(&tracing::Span::current());
    TraceContext { parent, state }
}

/// The id of a trace: the number to give to support. Empty when nothing is traced.
pub fn id_of(trace: &TraceContext) -> String {
    report_telemetry::trace_id_in(&trace.parent).unwrap_or_default()
}
