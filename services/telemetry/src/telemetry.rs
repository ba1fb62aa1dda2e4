//! Starting and ending telemetry.

use super::format::{Line, LogFormat};
use super::otlp::Providers;
use super::settings;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::{Level, Metadata, Subscriber, warn};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// How long the end waits for the receiver to take the rest.
const FLUSH: Duration = Duration::from_secs(3);

static STARTED: AtomicBool = AtomicBool::new(false);

/// Who tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its name, such as `report-runner`. `OTEL_SERVICE_NAME` goes before it.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG: {0}; write for example `info` or `info,report_queue=debug`")]
    Filter(String),
    /// It was started before in this process.
    #[error("telemetry was started twice in one process")]
    StartedBefore,
}

/// Telemetry of this process. When it is dropped, what is left is sent, for at most 3 s.
#[derive(Debug)]
#[must_use = "telemetry ends when this is dropped"]
pub struct Telemetry {
    providers: Providers,
}

impl Telemetry {
    /// Starts telemetry for the whole process: logs on standard error, traces with ids, and delivery by OTLP where the
    /// environment names a receiver. What is wrong with the `OTEL_…` variables is logged and does not stop anything;
    /// neither does a receiver that is away.
    ///
    /// Within a tokio runtime its figures are observed too.
    ///
    /// # Errors
    ///
    /// `RUST_LOG` cannot be read, or telemetry was started before.
    pub fn start(service: Service, format: LogFormat) -> Result<Self, TelemetryError> {
        let mut settings = settings::of_process();
        let filter = || EnvFilter::try_new(&settings.filter).map_err(|error| TelemetryError::Filter(error.to_string()));
        let (for_lines, for_otlp) = (filter()?, filter()?);
        if STARTED.swap(true, Ordering::Relaxed) {
            return Err(TelemetryError::StartedBefore);
        }
        // What the libraries complain about while they read their variables is not lost.
        let early = registry().with(lines(format, EnvFilter::new("warn")));
        let providers = tracing::subscriber::with_default(early, || Providers::build(service, &mut settings));

        let bridge = providers.logs.as_ref().map(|logs| {
            OpenTelemetryTracingBridge::new(logs).with_filter(for_otlp.and(filter_fn(|meta| !of_delivery(meta))))
        });
        // Logs go their own way; only errors are told within spans too, so that a span with one is seen to be bad.
        let spans = tracing_opentelemetry::layer()
            .with_tracer(providers.traces.tracer("report"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|meta| {
                !of_delivery(meta)
                    && if meta.is_span() { *meta.level() <= Level::INFO } else { *meta.level() == Level::ERROR }
            }));
        registry()
            .with(spans)
            .with(bridge)
            .with(lines(format, for_lines))
            .try_init()
            .map_err(|_| TelemetryError::StartedBefore)?;
        for complaint in &settings.complaints {
            warn!("{complaint}");
        }
        Ok(Self { providers })
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.providers.shutdown(FLUSH);
    }
}

fn lines<S: Subscriber + for<'a> LookupSpan<'a>>(format: LogFormat, filter: EnvFilter) -> impl Layer<S> {
    tracing_subscriber::fmt::layer()
        .event_format(Line { format })
        .fmt_fields(JsonFields::new())
        .with_writer(std::io::stderr)
        .with_filter(filter.and(filter_fn(|meta| !of_delivery(meta) || is_advice(meta))))
}

/// What the libraries that deliver telemetry say of themselves. It must not be delivered in turn, and how deliveries end is
/// told by the watches, without secrets.
fn of_delivery(meta: &Metadata<'_>) -> bool {
    const OWN: [&str; 6] = ["opentelemetry", "hyper", "reqwest", "rustls", "h2", "tower"];
    OWN.iter().any(|prefix| meta.target().starts_with(prefix))
}

/// What of it people should read all the same: variables that cannot be used, and buffers that overflow.
fn is_advice(meta: &Metadata<'_>) -> bool {
    meta.target().starts_with("opentelemetry") && (meta.name().contains(".Config.") || meta.name().contains("Dropp"))
}
