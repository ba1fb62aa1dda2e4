//! The figures of the process itself, as OpenTelemetry's conventions name them. They go by OTLP only.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tokio::runtime::{Handle, RuntimeMetrics};

/// Linux tells processor time in this many parts of a second, on every machine.
const TICKS: f64 = 100.0;

/// Has the process and, within tokio, its runtime observed at every export.
pub(crate) fn observe(provider: &SdkMeterProvider) {
    let meter = provider.meter("report-telemetry");
    processor(&meter);
    memory(&meter);
    if let Ok(handle) = Handle::try_current() {
        runtime(&meter, handle.metrics());
    }
}

fn processor(meter: &Meter) {
    meter
        .f64_observable_counter("process.cpu.time")
        .with_unit("s")
        .with_description("Processor time that the process has used")
        .with_callback(|observer| {
            let Some((user, system)) = read("/proc/self/stat").as_deref().and_then(processor_time) else { return };
            observer.observe(user, &[KeyValue::new("cpu.mode", "user")]);
            observer.observe(system, &[KeyValue::new("cpu.mode", "system")]);
        })
        .build();
}

fn memory(meter: &Meter) {
    let gauge = |name, unit, description, key: &'static str, factor: i64| {
        meter
            .i64_observable_up_down_counter(name)
            .with_unit(unit)
            .with_description(description)
            .with_callback(move |observer| {
                let Some(value) = read("/proc/self/status").as_deref().and_then(|text| status(text, key)) else {
                    return;
                };
                observer.observe(value.saturating_mul(factor), &[]);
            })
            .build();
    };
    gauge("process.memory.usage", "By", "Memory that the process holds in RAM", "VmRSS", 1024);
    gauge("process.thread.count", "{thread}", "Threads of the process", "Threads", 1);
}

fn runtime(meter: &Meter, metrics: RuntimeMetrics) {
    meter
        .u64_observable_gauge("tokio.tasks")
        .with_unit("{task}")
        .with_description("Tasks that the runtime has")
        .with_callback(move |observer| observer.observe(metrics.num_alive_tasks() as u64, &[]))
        .build();
}

/// What the kernel says; none where it does not say it in this way.
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// User and system time in seconds, from the text of `/proc/PID/stat`. The name before them may hold anything.
fn processor_time(stat: &str) -> Option<(f64, f64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map(|field| field.parse::<f64>().ok());
    Some((fields.next()?? / TICKS, fields.next()?? / TICKS))
}

/// The number behind `key` in the text of `/proc/PID/status`.
fn status(text: &str, key: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_whatever_the_name_is() {
        let text = "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 250 125 0 0 20 0 4 0 9 1 2";
        assert_eq!(processor_time(text), Some((2.5, 1.25)));
        assert_eq!(processor_time("7 (short) S 1"), None);
        assert!(read("/proc/self/stat").as_deref().and_then(processor_time).is_some());
    }

    #[test]
    fn figures_of_memory_are_found() {
        let text = "Name:\tx\nVmRSSX:\t1 kB\nVmRSS:\t  2048 kB\nThreads:\t3\n";
        assert_eq!(status(text, "VmRSS"), Some(2048));
        assert_eq!(status(text, "Threads"), Some(3));
        assert_eq!(status(text, "Nothing"), None);
    }
}
