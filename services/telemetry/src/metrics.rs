//! Figures that are scraped, in the OpenMetrics format. Counters and buckets carry the trace of an example.

use super::context::sampled_trace_id;
use super::telemetry::Service;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter;
use prometheus_client::metrics::exemplar::{CounterWithExemplar, HistogramWithExemplars};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A figure that only grows, without labels.
pub type Counter = counter::Counter;

/// A figure that goes up and down.
pub type Gauge = gauge::Gauge<f64, AtomicU64>;

/// All figures of one service. Clones are the same.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// No figures but `report_build_info{service,version}`.
    pub fn new(service: Service) -> Self {
        let metrics = Self { registry: Arc::new(Mutex::new(Registry::default())) };
        let labels = vec![("service", service.name), ("version", service.version)];
        metrics.register("report_build", "Which service this is, and its version", Info::new(labels));
        metrics
    }

    /// Adds a figure. `name` is without `_total`, which counters get in the text; `help` is without a full stop. Labels
    /// have few values, and none of them names a user, a job or an address.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric);
    }

    /// Adds a counter without labels; `name` is without `_total`.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.register(name, help, counter.clone());
        counter
    }

    /// Adds counters with labels `L` and examples; `name` is without `_total`.
    pub fn counters<L: Labels>(&self, name: &str, help: &str) -> Counters<L> {
        let counters = Counters { family: Family::default() };
        self.register(name, help, counters.family.clone());
        counters
    }

    /// Adds a gauge without labels.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.register(name, help, gauge.clone());
        gauge
    }

    /// Adds a distribution of durations without labels; `name` ends in `_seconds`.
    pub fn seconds(&self, name: &str, help: &str) -> Seconds {
        let seconds = Seconds { histogram: histogram() };
        self.register(name, help, seconds.histogram.clone());
        seconds
    }

    /// Adds distributions of durations with labels `L`; `name` ends in `_seconds`.
    pub fn seconds_by<L: Labels>(&self, name: &str, help: &str) -> SecondsBy<L> {
        let seconds = SecondsBy { family: Family::new_with_constructor(histogram as fn() -> Histogram) };
        self.register(name, help, seconds.family.clone());
        seconds
    }

    /// All figures as text, in the format of [`Metrics::CONTENT_TYPE`]; none when a figure cannot be written.
    pub fn text(&self) -> Option<String> {
        let mut page = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut page, &registry).ok().map(|()| page)
    }

    /// The media type of the text.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

/// What labels must be able to do.
pub trait Labels: EncodeLabelSet + Clone + Hash + Eq + fmt::Debug + Send + Sync + 'static {}

impl<L: EncodeLabelSet + Clone + Hash + Eq + fmt::Debug + Send + Sync + 'static> Labels for L {}

/// Counters, one for each set of labels.
#[derive(Debug)]
pub struct Counters<L: Labels> {
    family: Family<L, CounterWithExemplar<Example>>,
}

impl<L: Labels> Clone for Counters<L> {
    fn clone(&self) -> Self {
        Self { family: self.family.clone() }
    }
}

impl<L: Labels> Counters<L> {
    /// Adds one, with the current trace as the example.
    pub fn add_one(&self, labels: &L) {
        self.family.get_or_create(labels).inc_by(1, example(), None);
    }

    /// Makes the counter appear with its value, zero at first: Prometheus cannot see the rise of what was not there.
    pub fn show(&self, labels: &L) {
        drop(self.family.get_or_create(labels));
    }
}

/// A distribution of durations.
#[derive(Debug, Clone)]
pub struct Seconds {
    histogram: Histogram,
}

impl Seconds {
    /// Adds a duration, with the current trace as the example of its bucket.
    pub fn observe(&self, took: Duration) {
        self.histogram.observe(took.as_secs_f64(), example(), None);
    }
}

/// Distributions of durations, one for each set of labels.
#[derive(Debug)]
pub struct SecondsBy<L: Labels> {
    family: Family<L, Histogram, fn() -> Histogram>,
}

impl<L: Labels> Clone for SecondsBy<L> {
    fn clone(&self) -> Self {
        Self { family: self.family.clone() }
    }
}

impl<L: Labels> SecondsBy<L> {
    /// Adds a duration, with the current trace as the example of its bucket.
    pub fn observe(&self, labels: &L, took: Duration) {
        self.family.get_or_create(labels).observe(took.as_secs_f64(), example(), None);
    }
}

type Histogram = HistogramWithExemplars<Example>;

/// The trace of an example.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Example {
    trace_id: String,
}

fn example() -> Option<Example> {
    sampled_trace_id().map(|trace_id| Example { trace_id })
}

/// From 1 ms to about 9 minutes, each bound twice the one before: reports take from milliseconds to minutes.
fn histogram() -> Histogram {
    HistogramWithExemplars::new(exponential_buckets(0.001, 2.0, 20))
}
