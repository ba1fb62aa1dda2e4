//! Traces across processes: W3C Trace Context as two strings, beside a job or as headers of HTTP.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// `traceparent` and `tracestate` of a span, to go with what it sends. Both are empty when it is not traced.
pub fn context_of(span: &Span) -> (String, String) {
    let mut pair = Pair::default();
    TraceContextPropagator::new().inject_context(&span.context(), &mut pair);
    (pair.parent, pair.state)
}

/// Makes what came with `parent` and `state` the parent of a span that was not entered yet. Nothing happens when they are
/// empty or no Trace Context: the span then begins a trace of its own.
pub fn set_parent(span: &Span, parent: &str, state: &str) {
    let context = remote(parent, state);
    if context.span().span_context().is_valid() {
        // It is refused where nothing is traced, or where the span has begun: then it stays where it is.
        let _ = span.set_parent(context);
    }
}

/// Links a span to another that it is not a child of, such as the attempt before. Nothing happens when `parent` and
/// `state` are empty or no Trace Context.
pub fn add_link(span: &Span, parent: &str, state: &str) {
    span.add_link(remote(parent, state).span().span_context().clone());
}

/// The id of the trace that goes on now, 32 hexadecimal digits: the number to give to support.
pub fn trace_id() -> Option<String> {
    trace_id_of(&Span::current())
}

/// The id of a span's trace.
pub fn trace_id_of(span: &Span) -> Option<String> {
    id(span.context().span().span_context())
}

/// The id of the trace that a `traceparent` belongs to; none when it is no Trace Context.
pub fn trace_id_in(parent: &str) -> Option<String> {
    id(remote(parent, "").span().span_context())
}

/// Adds the context of the current span to the headers of a request that is to be sent.
pub fn inject(headers: &mut HeaderMap) {
    let (parent, state) = context_of(&Span::current());
    for (name, value) in [(PARENT, parent), (STATE, state)] {
        if let Ok(value) = HeaderValue::from_str(&value)
            && !value.is_empty()
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// `traceparent` and `tracestate` from the headers of a request that came. Both are empty when there are none.
pub fn extract(headers: &HeaderMap) -> (String, String) {
    let get = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    (get(PARENT), get(STATE))
}

/// The id of the trace that goes on now, where it is one that is recorded.
pub(crate) fn sampled_trace_id() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    span.span_context().is_sampled().then(|| id(span.span_context())).flatten()
}

fn id(context: &SpanContext) -> Option<String> {
    Some(context.trace_id()).filter(|id| *id != TraceId::INVALID).map(|id| id.to_string())
}

fn remote(parent: &str, state: &str) -> Context {
    if !is_trace_context(parent) {
        return Context::new();
    }
    let pair = Pair { parent: parent.to_owned(), state: state.to_owned() };
    // Beside an empty context, or a caller within a span would hand its own on as the other's.
    TraceContextPropagator::new().extract_with_context(&Context::new(), &pair)
}

/// Stricter than the library, which fills up numbers that are too short.
fn is_trace_context(parent: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let mut parts = parent.split('-');
    // Later versions may add parts at the end.
    [2, 32, 16, 2].iter().all(|length| parts.next().is_some_and(|part| part.len() == *length && part.bytes().all(hex)))
}

#[derive(Debug, Default)]
struct Pair {
    parent: String,
    state: String,
}

impl Injector for Pair {
    fn set(&mut self, key: &str, value: String) {
        match key {
            PARENT => self.parent = value,
            STATE => self.state = value,
            _ => {}
        }
    }
}

impl Extractor for Pair {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => Some(self.parent.as_str()),
            STATE => Some(self.state.as_str()),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::info_span;
    use tracing_subscriber::layer::SubscriberExt;

    const SOME: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn traced(act: impl FnOnce()) {
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
    }

    #[test]
    fn a_trace_goes_on_behind_two_strings() {
        traced(|| {
            let span = info_span!("child");
            set_parent(&span, SOME, "vendor=1");
            assert_eq!(trace_id_of(&span).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
            let (parent, state) = context_of(&span);
            assert!(parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && parent != SOME, "{parent}");
            assert_eq!(state, "vendor=1");
            assert_eq!(trace_id_in(&parent), trace_id_of(&span));
        });
    }

    #[test]
    fn nonsense_begins_a_trace_of_its_own() {
        for nonsense in ["", "00-1-2-3", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "ä"] {
            traced(|| {
                let around = info_span!("around").entered();
                let span = info_span!(parent: None, "alone");
                set_parent(&span, nonsense, "");
                assert!(trace_id_of(&span).is_some_and(|id| Some(id) != trace_id()), "{nonsense}");
                assert_eq!(trace_id_in(nonsense), None);
                drop(around);
            });
        }
    }

    #[test]
    fn headers_carry_it() {
        traced(|| {
            let _span = info_span!("sender").entered();
            let mut headers = HeaderMap::new();
            inject(&mut headers);
            let (parent, state) = extract(&headers);
            assert_eq!(trace_id_in(&parent), trace_id());
            assert_eq!(state, "");
            assert!(!headers.contains_key(STATE), "an empty header is none");
        });
    }

    #[test]
    fn nothing_is_carried_where_nothing_is_traced() {
        let mut headers = HeaderMap::new();
        inject(&mut headers);
        assert!(headers.is_empty());
        assert_eq!(context_of(&Span::current()), (String::new(), String::new()));
        assert_eq!(trace_id(), None);
        set_parent(&Span::current(), SOME, "");
        add_link(&Span::current(), SOME, "");
    }
}
