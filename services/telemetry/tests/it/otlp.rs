//! Delivery by OTLP to a receiver that is not ours, and proof that these tests can fail.

use super::process::{run_inner, text};
use report_testing::{OtlpReceiver, Seen, free_port};
use serde_json::{Value, json};

/// Uptrace's header: its value holds `=` and `?`.
const HEADER: (&str, &str) = ("uptrace-dsn", "http://t0ken@127.0.0.1:14318?grpc=14317");
const GOOD: &str = "uptrace-dsn=http://t0ken@127.0.0.1:14318?grpc=14317";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// What the inner process tells, whole: nothing is missing, nothing is twice, and each span has the right parent.
fn whole(seen: &Seen) -> Result<(), String> {
    for path in ["v1/traces", "v1/logs", "v1/metrics"] {
        if !seen.taken.iter().any(|taken| taken == path) {
            return Err(format!("nothing came to {path}: {}", seen.summary()));
        }
    }
    seen.chain(TRACE, &["GET /api/reports", "send reports", "process reports", "extract"])?;
    seen.chain(TRACE, &["GET /api/reports", "send reports", "process reports", "POST /hooks/reports"])?;
    let count = |name: &str| seen.metrics.iter().filter(|metric| metric["name"] == name).count();
    if seen.spans.len() != 5 || seen.logs.len() != 2 || count("process.cpu.time") == 0 {
        return Err(format!("too much or too little came: {}", seen.summary()));
    }
    Ok(())
}

/// Runs the inner process against a receiver, and returns what came when the process had ended.
fn deliver(receiver: &OtlpReceiver, variables: &[(&str, &str)]) -> Seen {
    let url = receiver.url();
    let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_HEADERS", GOOD)];
    all.extend(variables);
    run_inner("json", &all);
    let taken = |signal: &str, seen: &Seen| seen.taken.iter().any(|path| path.ends_with(signal));
    // What the receiver took is read by it before it answers, and written soon after.
    receiver.wait("what was taken is written", |seen| {
        (!taken("traces", seen) || seen.spans.len() >= 5)
            && (!taken("logs", seen) || seen.logs.len() >= 2)
            && (!taken("metrics", seen) || seen.metrics.len() >= 3)
    })
}

fn attribute<'a>(of: &'a Value, key: &str) -> &'a Value {
    let all = of["attributes"].as_array().unwrap();
    all.iter().find(|attribute| attribute["key"] == key).map_or(&Value::Null, |attribute| &attribute["value"])
}

fn span<'a>(seen: &'a Seen, name: &str) -> &'a Value {
    seen.spans.iter().find(|span| span["name"] == name).unwrap()
}

#[test]
fn spans_logs_and_metrics_arrive_with_the_header_and_the_right_parents() {
    let receiver = OtlpReceiver::start(HEADER);
    let seen = deliver(&receiver, &[("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")]);
    whole(&seen).unwrap();
    assert_eq!(seen.refused, Vec::<String>::new());

    // The kinds and the words of the conventions.
    let request = span(&seen, "GET /api/reports");
    assert_eq!((&request["kind"], &request["parentSpanId"]), (&2.into(), &"b7ad6b7169203331".into()));
    assert_eq!(attribute(request, "http.response.status_code"), &json!({"intValue": "200"}));
    assert_eq!(span(&seen, "send reports")["kind"], 4);
    let job = span(&seen, "process reports");
    assert_eq!(job["kind"], 5);
    assert_eq!(attribute(job, "messaging.message.id"), &json!({"stringValue": "j1"}));
    assert_eq!(attribute(job, "attempt"), &json!({"intValue": "1"}));
    let failed = span(&seen, "POST /hooks/reports");
    assert_eq!((&failed["kind"], &failed["status"]["code"]), (&3.into(), &2.into()));

    // A log belongs to its span, and a metric is told as was wished.
    let log = seen.logs.iter().find(|log| log["body"]["stringValue"] == "read all").unwrap();
    assert_eq!((&log["traceId"], &log["spanId"]), (&TRACE.into(), &span(&seen, "extract")["spanId"]));
    let processor = seen.metrics.iter().find(|metric| metric["name"] == "process.cpu.time").unwrap();
    assert_eq!(processor["sum"]["aggregationTemporality"], 1);
    // What is scraped is not sent too.
    let twice = |metric: &&Value| metric["name"].as_str().unwrap().starts_with("http");
    assert_eq!(seen.metrics.iter().find(twice), None);
}

#[test]
fn the_header_can_come_from_a_file() {
    let receiver = OtlpReceiver::start(HEADER);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{GOOD}\n")).unwrap();
    let url = receiver.url();
    run_inner(
        "json",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS_FILE", file.path().to_str().unwrap()),
        ],
    );
    receiver.wait("all of it came", |seen| whole(seen).is_ok());
}

#[test]
fn without_the_right_header_nothing_arrives() {
    for headers in ["uptrace-dsn=http://t0ken@127.0.0.1:14318", "other=1", ""] {
        let receiver = OtlpReceiver::start(HEADER);
        let url = receiver.url();
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_HEADERS", headers)];
        let log = text(&run_inner("json", &variables).stderr);
        let seen = receiver.seen();
        assert!(whole(&seen).is_err());
        assert!(seen.refused.iter().any(|path| path == "v1/traces"), "{}", seen.summary());
        assert!(log.contains("401") && !log.contains("t0ken"), "{log}");
    }
}

#[test]
fn at_a_wrong_address_or_when_switched_off_nothing_arrives() {
    let receiver = OtlpReceiver::start(HEADER);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let seen = deliver(&receiver, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &nobody)]);
    assert!(whole(&seen).is_err() && seen.taken.is_empty());
    let seen = deliver(&receiver, &[("OTEL_SDK_DISABLED", "true")]);
    assert!(whole(&seen).is_err() && seen.taken.is_empty());
}

#[test]
fn each_signal_is_missed_when_it_is_off() {
    for signal in ["TRACES", "LOGS", "METRICS"] {
        let receiver = OtlpReceiver::start(HEADER);
        let seen = deliver(&receiver, &[(&format!("OTEL_{signal}_EXPORTER"), "none")]);
        let error = whole(&seen).unwrap_err();
        assert!(error.contains(&format!("v1/{}", signal.to_lowercase())), "{error}");
        assert_eq!(seen.taken.len(), 2, "{}", seen.summary());
    }
}

#[test]
fn a_broken_trace_is_noticed() {
    let receiver = OtlpReceiver::start(HEADER);
    let good = deliver(&receiver, &[]);
    whole(&good).unwrap();
    let at = |name: &str| good.spans.iter().position(|span| span["name"] == name).unwrap();
    let mut lost = good.clone();
    lost.spans.remove(at("send reports"));
    assert!(whole(&lost).unwrap_err().contains("no span `send reports` below GET /api/reports"));
    let mut other = good.clone();
    other.spans[at("process reports")]["traceId"] = "1af7651916cd43dd8448eb211c80319c".into();
    assert!(whole(&other).unwrap_err().contains("no span `process reports`"));
    let mut adopted = good.clone();
    adopted.spans[at("extract")]["parentSpanId"] = good.spans[at("send reports")]["spanId"].clone();
    assert!(whole(&adopted).unwrap_err().contains("no span `extract` below process reports"));
}

#[test]
fn what_is_not_sampled_is_not_sent() {
    let receiver = OtlpReceiver::start(HEADER);
    let seen = deliver(&receiver, &[("OTEL_TRACES_SAMPLER", "always_off")]);
    assert_eq!(seen.spans, Vec::<Value>::new());
    assert_eq!(seen.logs.len(), 2, "logs are sent all the same");
}
