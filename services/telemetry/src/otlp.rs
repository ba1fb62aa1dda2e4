//! Delivery by OTLP over HTTP, as the standard variables say. Every exporter works on a thread of its own with a bounded
//! buffer: when the receiver is away what does not fit is dropped, and nothing else waits.

use super::process;
use super::settings::{Settings, Signal};
use super::telemetry::Service;
use super::watch::Watch;
use opentelemetry::KeyValue;
use opentelemetry::trace::TraceId;
use opentelemetry_otlp::{LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, SdkLoggerProvider};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider, SpanData};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What makes telemetry, and sends it where the settings say so.
#[derive(Debug)]
pub(crate) struct Providers {
    /// Gives ids also when nothing is sent.
    pub(crate) traces: SdkTracerProvider,
    pub(crate) logs: Option<SdkLoggerProvider>,
    pub(crate) metrics: Option<SdkMeterProvider>,
}

impl Providers {
    /// Builds what `settings` ask for. What cannot be built is left out, and `complaints` say why.
    pub(crate) fn build(service: Service, settings: &mut Settings) -> Self {
        // Whoever came first has chosen; both ends of TLS are content with any choice.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let resource = resource(service, settings.named);
        let secrets: Arc<[String]> = settings.secrets.as_slice().into();
        let watch = |signal| Watch::new(signal, Arc::clone(&secrets));
        let headers = &settings.headers;
        let complaints = &mut settings.complaints;
        let mut traces = SdkTracerProvider::builder().with_resource(resource.clone());
        if settings.traces {
            let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            let exporter = exporter.with_headers(headers.clone()).build();
            if let Some(inner) = built(Signal::Traces, exporter, &secrets, complaints) {
                traces = traces.with_batch_exporter(Watched { inner, watch: watch(Signal::Traces) });
            }
        }
        let logs = settings.logs.then(|| {
            let exporter = LogExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            let exporter = exporter.with_headers(headers.clone()).build();
            let inner = built(Signal::Logs, exporter, &secrets, complaints)?;
            let exporter = Watched { inner, watch: watch(Signal::Logs) };
            Some(SdkLoggerProvider::builder().with_resource(resource.clone()).with_batch_exporter(exporter).build())
        });
        let metrics = settings.metrics.then(|| {
            let exporter = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
            let exporter = exporter.with_headers(headers.clone()).build();
            let inner = built(Signal::Metrics, exporter, &secrets, complaints)?;
            let reader = PeriodicReader::builder(Watched { inner, watch: watch(Signal::Metrics) }).build();
            let provider = SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(reader).build();
            process::observe(&provider);
            Some(provider)
        });
        Self { traces: traces.build(), logs: logs.flatten(), metrics: metrics.flatten() }
    }

    /// Sends what is left, all signals at once, and waits at most `bound`. What is not sent by then is lost.
    pub(crate) fn shutdown(&self, bound: Duration) {
        let (done, all_done) = mpsc::channel::<()>();
        let flush = |end: Box<dyn FnOnce() + Send>| {
            let done = done.clone();
            // The libraries' own bound does not hold while a request is under way, so nobody waits for these threads.
            std::thread::spawn(move || {
                end();
                drop(done);
            });
        };
        // How it ended was told by the watches; there is nobody left who could do anything about it.
        let traces = self.traces.clone();
        flush(Box::new(move || drop(traces.shutdown_with_timeout(bound))));
        if let Some(logs) = self.logs.clone() {
            flush(Box::new(move || drop(logs.shutdown_with_timeout(bound))));
        }
        if let Some(metrics) = self.metrics.clone() {
            flush(Box::new(move || drop(metrics.shutdown_with_timeout(bound))));
        }
        drop(done);
        // Nothing is ever sent: the channel closes when the last of them is done.
        let _ = all_done.recv_timeout(bound);
    }
}

fn built<E, F: std::fmt::Display>(
    signal: Signal,
    exporter: Result<E, F>,
    secrets: &[String],
    complaints: &mut Vec<String>,
) -> Option<E> {
    exporter
        .map_err(|error| {
            let error = super::redact::redact(&error.to_string(), secrets);
            complaints.push(format!("no {} are sent by OTLP: {error}", signal.as_str()));
        })
        .ok()
}

fn resource(service: Service, named: bool) -> Resource {
    let instance: TraceId = RandomIdGenerator::default().new_trace_id();
    let builder = Resource::builder().with_attributes([
        KeyValue::new("service.version", service.version),
        KeyValue::new("service.instance.id", instance.to_string()),
    ]);
    if named { builder.build() } else { builder.with_service_name(service.name).build() }
}

/// An exporter whose deliveries are watched.
#[derive(Debug)]
struct Watched<E> {
    inner: E,
    watch: Watch,
}

impl<E: opentelemetry_sdk::trace::SpanExporter> opentelemetry_sdk::trace::SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.watch.note(self.inner.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: opentelemetry_sdk::logs::LogExporter> opentelemetry_sdk::logs::LogExporter for Watched<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.watch.note(self.inner.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Watched<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.watch.note(self.inner.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}
