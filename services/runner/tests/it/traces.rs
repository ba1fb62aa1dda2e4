//! One trace from the request to the callback, as a receiver of OTLP that is not ours sees it.

use crate::stage::{Stage, TRACE};
use report_model::event::EventType;
use report_testing::{Answer, OtlpReceiver};
use rustix::process::Signal;

const HEADER: (&str, &str) = ("uptrace-dsn", "http://secret@127.0.0.1:14318?grpc=14317");

#[test]
fn a_report_and_its_callbacks_are_one_trace_with_a_link_to_the_attempt_before() {
    let otlp = OtlpReceiver::start(HEADER);
    let stage = Stage::new();
    stage.hook.script([Answer::Status(503)]);
    let headers = format!("{}={}", HEADER.0, HEADER.1);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()), ("OTEL_EXPORTER_OTLP_HEADERS", headers)];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut runner = stage.runner_with(&[], &variables);
    let id = stage.check(0);
    stage.until_told(&id, EventType::Finished);
    report_testing::eventually("it is taken", || {
        runner.figure(r#"webhook_attempts_total{outcome="delivered"}"#) == Some(1.0)
    });
    runner.signal(Signal::TERM);
    assert_eq!(runner.ended().code(), Some(0));

    let chain = ["process reports", "send webhooks", "process webhooks", "POST /hooks/reports"];
    let seen = otlp.wait("the trace is whole", |seen| seen.chain(TRACE, &chain).is_ok());
    // What the requestor is shown as its parent is the span of the request itself.
    let received = stage.hook.received();
    let parents: Vec<_> = received.iter().map(|one| one.header("traceparent").unwrap().to_owned()).collect();
    let requests = seen.spans.iter().filter(|span| span["name"] == "POST /hooks/reports");
    let ids: Vec<_> = requests.map(|span| span["spanId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| parents.iter().any(|parent| parent.contains(id.as_str()))), "{ids:?} {parents:?}");
    // The second attempt is linked to the first.
    let attempts: Vec<_> = seen.spans.iter().filter(|span| span["name"] == "process webhooks").collect();
    let (linked, first): (Vec<_>, Vec<_>) =
        attempts.into_iter().partition(|span| span["links"].as_array().is_some_and(|links| !links.is_empty()));
    assert_eq!(linked[0]["links"][0]["spanId"], first[0]["spanId"]);
    assert!(seen.refused.is_empty(), "{:?}", seen.refused);
}
