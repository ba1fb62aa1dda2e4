//! The form of a line of the log.

use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// A value of a line is cut after so many bytes.
const LONGEST: usize = 8 * 1024;

/// Fields of spans that are no news in a line.
const QUIET: [&str; 3] = ["otel.", "messaging.system", "messaging.operation."];

/// For whom the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for programs.
    #[default]
    Json,
    /// For people.
    Text,
}

/// A word that names no format.
#[derive(Debug, thiserror::Error)]
#[error("the format of the log is `json` or `text`")]
pub struct UnknownFormat;

impl FromStr for LogFormat {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        match word {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(UnknownFormat),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Json => "json",
            Self::Text => "text",
        })
    }
}

/// Writes lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) format: LogFormat,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        let about = span_fields(ctx);
        match self.format {
            LogFormat::Json => {
                let mut line = Map::new();
                line.insert("timestamp".to_owned(), time.into());
                line.insert("level".to_owned(), meta.level().as_str().into());
                line.insert("message".to_owned(), fields.message.into());
                line.insert("target".to_owned(), meta.target().into());
                // What the event says goes before what its spans say, and neither can take the names above.
                for (key, value) in fields.others.into_iter().chain(about).chain(trace()) {
                    line.entry(key).or_insert(value);
                }
                writeln!(writer, "{}", Value::Object(line))
            }
            LogFormat::Text => {
                write!(writer, "{time} {:>5} {}", meta.level(), fields.message)?;
                for (key, value) in fields.others.into_iter().chain(about).chain(trace()) {
                    match value {
                        Value::String(text) if !text.contains(char::is_whitespace) => write!(writer, " {key}={text}")?,
                        value => write!(writer, " {key}={value}")?,
                    }
                }
                writeln!(writer)
            }
        }
    }
}

/// The ids of the trace and of the span that are entered now.
fn trace() -> Vec<(String, Value)> {
    opentelemetry::Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        if !span.is_valid() {
            return Vec::new();
        }
        vec![
            ("trace_id".to_owned(), span.trace_id().to_string().into()),
            ("span_id".to_owned(), span.span_id().to_string().into()),
        ]
    })
}

/// What the spans around an event say, the inner ones first, without what only directs their export or is always the same.
fn span_fields<S, N>(ctx: &FmtContext<'_, S, N>) -> Vec<(String, Value)>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut all = Vec::new();
    for span in ctx.event_scope().into_iter().flatten() {
        let extensions = span.extensions();
        let Some(text) = extensions.get::<FormattedFields<N>>() else { continue };
        if let Ok(Value::Object(fields)) = serde_json::from_str(&text.fields) {
            all.extend(fields.into_iter().filter(|(key, _)| !QUIET.iter().any(|prefix| key.starts_with(prefix))));
        }
    }
    all
}

/// What an event says.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.others.insert(field.name().to_owned(), value.into());
    }

    fn put_text(&mut self, field: &Field, mut text: String) {
        if text.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
            text.push('…');
        }
        if field.name() == "message" { self.message = text } else { self.put(field, text) }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.put_text(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format!("{value:?}"));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing::{info, info_span};
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, act: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let lines = tracing_subscriber::fmt::layer()
            .event_format(Line { format })
            .fmt_fields(JsonFields::new())
            .with_writer(move || writer.clone());
        let subscriber =
            tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer)).with(lines);
        tracing::subscriber::with_default(subscriber, act);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_has_the_trace_and_what_its_spans_say() {
        let text = written(LogFormat::Json, || {
            let outer = info_span!("outer", job = "j1", otel.kind = "consumer").entered();
            let _inner = info_span!("inner", step = 2).entered();
            info!(rows = 7, level = "mine", job = "j2", "read\nall");
            drop(outer);
        });
        let line: Map<String, Value> = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["message"], "read\nall");
        assert_eq!(line["level"], "INFO");
        assert_eq!((&line["rows"], &line["step"], &line["job"]), (&7.into(), &2.into(), &"j2".into()));
        assert_eq!(line["trace_id"].as_str().map(str::len), Some(32));
        assert_eq!(line["span_id"].as_str().map(str::len), Some(16));
        assert!(!text.contains("otel."));
        assert_eq!(text.matches('\n').count(), 1, "one line each: {text}");
    }

    #[test]
    fn outside_of_spans_there_is_no_trace() {
        let text = written(LogFormat::Json, || info!("alone"));
        assert!(!text.contains("trace_id"), "{text}");
    }

    #[test]
    fn a_text_line_is_for_people() {
        let text = written(LogFormat::Text, || {
            let _span = info_span!("s", job = "j1").entered();
            info!(error = "two words", "it went wrong");
        });
        assert!(text.contains(" INFO it went wrong error=\"two words\" job=j1 trace_id="), "{text}");
    }

    #[test]
    fn long_values_are_cut() {
        let text = written(LogFormat::Json, || info!(error = "ä".repeat(9000), "long"));
        let line: Map<String, Value> = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["error"].as_str().map(|error| error.chars().count()), Some(LONGEST / 2 + 1));
    }

    #[test]
    fn formats_have_names() {
        assert_eq!("text".parse::<LogFormat>().unwrap(), LogFormat::Text);
        assert!("xml".parse::<LogFormat>().is_err_and(|error| error.to_string().contains("`json` or `text`")));
    }
}
