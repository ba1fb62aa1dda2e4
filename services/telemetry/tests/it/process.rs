//! Telemetry in a process of its own, with an environment of its own: this program runs itself.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use axum::routing::get;
use report_telemetry::{
    HttpMetrics, LogFormat, Metrics, Service, Telemetry, client_span, consumer_span, context_of, inject, observe,
    producer_span, trace_id,
};
use report_testing::free_port;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tower::ServiceExt;
use tracing::{Instrument, error, info, info_span};

const SERVICE: Service = Service { name: "report-test", version: "1.2.3" };

/// What the inner process does: a request comes in with a trace, puts a job into a queue; the job sends a request.
#[test]
#[ignore = "the other tests run it in a process of its own"]
fn inner() {
    let telemetry = Telemetry::start(SERVICE, std::env::var("FORMAT").unwrap().parse().unwrap()).unwrap();
    assert!(Telemetry::start(SERVICE, LogFormat::Json).is_err(), "only once");
    let metrics = Metrics::new(SERVICE);
    let http = HttpMetrics::register(&metrics);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let app = observe(Router::new().route("/api/reports", get(work)), http);
        let request = Request::builder()
            .uri("/api/reports")
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    });
    for line in metrics.text().unwrap().lines() {
        println!("figure {line}");
    }
    let begun = Instant::now();
    drop(telemetry);
    println!("flushed in {} ms", begun.elapsed().as_millis());
}

async fn work() {
    let (parent, state) = {
        let span = producer_span("reports");
        context_of(&span)
    };
    let job = consumer_span("reports", "j1", 1, &parent, &state);
    async {
        info_span!("extract", rows = 7).in_scope(|| info!(file = "gages.csv", "read all"));
        let request = client_span("POST", "localhost:8080", "/hooks/reports");
        request.in_scope(|| {
            let mut headers = HeaderMap::new();
            inject(&mut headers);
            println!("sent {}", headers["traceparent"].to_str().unwrap());
            println!("trace {}", trace_id().unwrap());
            error!(error = "connection refused", "the delivery failed");
        });
    }
    .instrument(job)
    .await;
}

/// Runs the inner process with nothing in its environment but what is given.
pub fn run_inner(format: &str, variables: &[(&str, &str)]) -> Output {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::inner", "--ignored", "--nocapture"])
        .env_clear()
        .env("FORMAT", format)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn without_a_receiver_there_is_a_trace_and_a_log_and_nothing_is_sent() {
    let output = run_inner("json", &[]);
    let (told, log) = (text(&output.stdout), text(&output.stderr));
    let trace = "0af7651916cd43dd8448eb211c80319c";
    assert!(told.contains(&format!("trace {trace}")) && told.contains(&format!("sent 00-{trace}-")), "{told}");
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert_eq!((&lines[0]["message"], &lines[0]["level"]), (&"read all".into(), &"INFO".into()));
    assert_eq!((&lines[0]["rows"], &lines[0]["messaging.message.id"]), (&7.into(), &"j1".into()));
    assert_eq!((&lines[1]["trace_id"], &lines[1]["error"]), (&trace.into(), &"connection refused".into()));
    assert_ne!(lines[0]["span_id"], lines[1]["span_id"]);
    // The example beside the bucket is the trace of the request.
    assert!(told.contains(&format!(r#"# {{trace_id="{trace}"}}"#)), "{told}");
}

#[test]
fn rust_log_bounds_the_log_and_not_the_traces() {
    let output = run_inner("text", &[("RUST_LOG", "error"), ("OTEL_SDK_DISABLED", "true")]);
    let log = text(&output.stderr);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(
        log.contains("ERROR the delivery failed error=\"connection refused\"") && log.contains(" trace_id=0af7"),
        "{log}"
    );
}

#[test]
fn what_is_not_sampled_is_no_example() {
    let output = run_inner("json", &[("OTEL_TRACES_SAMPLER", "always_off")]);
    let told = text(&output.stdout);
    assert!(told.contains("trace 0af7651916cd43dd8448eb211c80319c"), "{told}");
    assert!(!told.contains("# {trace_id"), "{told}");
}

#[test]
fn a_sampler_that_is_none_is_said() {
    let log = text(&run_inner("json", &[("OTEL_TRACES_SAMPLER", "sometimes")]).stderr);
    assert!(log.contains("OTEL_TRACES_SAMPLER"), "{log}");
}

#[test]
fn a_receiver_that_is_away_holds_nobody_up_and_is_told_once_without_secrets() {
    let address = format!("http://me:s3cret@127.0.0.1:{}", free_port());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "uptrace-dsn=http://t0ken@127.0.0.1:14318?grpc=14317"),
    ];
    let output = run_inner("json", &variables);
    let (told, log) = (text(&output.stdout), text(&output.stderr));
    assert!(flushed(&told) < Duration::from_secs(8), "{told}");
    for signal in ["traces", "logs", "metrics"] {
        assert_eq!(log.matches(&format!(r#""signal":"{signal}""#)).count(), 1, "{log}");
    }
    assert!(log.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{log}");
    assert!(!log.contains("t0ken") && !log.contains("s3cret"), "{log}");
}

#[test]
fn a_receiver_that_takes_and_never_answers_holds_nobody_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let output = run_inner("json", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &address)]);
    let took = flushed(&text(&output.stdout));
    assert!(took < Duration::from_secs(8), "{took:?}");
}

fn flushed(told: &str) -> Duration {
    let line = told.lines().find_map(|line| line.strip_prefix("flushed in ")?.strip_suffix(" ms")).unwrap();
    Duration::from_millis(line.parse().unwrap())
}
