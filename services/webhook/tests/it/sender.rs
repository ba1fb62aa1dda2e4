//! Sending to a receiver that does everything that servers do on bad days.

use super::support::{Told, endpoint, id, job, quick, secrets, sender};
use jiff::Timestamp;
use report_queue::{Outcome, TraceContext};
use report_testing::{Answer, Identity, Receiver, free_port};
use report_webhook::{AttemptKind, MOST_BODY, Options, Sender, SenderError, schedule};
use reqwest::header::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

fn trace() -> TraceContext {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    TraceContext { parent: parent.to_owned(), state: "a=b".to_owned() }
}

#[tokio::test]
async fn what_is_sent_is_verified_by_the_receiver_and_carries_the_trace() {
    let receiver = Receiver::start();
    let told = Arc::<Told>::default();
    let endpoint = sender(&receiver, &quick(), &told).endpoint(&receiver.url("/hooks?a=b"), secrets()).unwrap();
    let attempt = endpoint.send(&id(), b"{\"a\":1}", &trace()).await;
    assert_eq!((attempt.kind, attempt.error.as_str()), (AttemptKind::Delivered, ""));

    let received = receiver.received();
    let request = &received[0];
    assert_eq!(request.line, "POST /hooks?a=b");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("traceparent"), Some(trace().parent.as_str()));
    assert_eq!(request.header("tracestate"), Some("a=b"));
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.header(name).unwrap().parse().unwrap());
    }
    assert_eq!(secrets().verify(&headers, &request.body, Timestamp::now()), Ok(id()));
    assert_eq!(told.all(), [(AttemptKind::Delivered, true, trace().parent)]);
}

#[tokio::test]
async fn a_trace_that_is_none_sends_no_headers() {
    let receiver = Receiver::start();
    let bad = TraceContext { parent: "a\r\nx-evil: 1".to_owned(), state: String::new() };
    endpoint(&receiver).send(&id(), b"{}", &bad).await;
    endpoint(&receiver).send(&id(), b"{}", &TraceContext::default()).await;
    for request in receiver.received() {
        assert_eq!((request.header("traceparent"), request.header("x-evil")), (None, None));
    }
}

#[tokio::test]
async fn every_status_means_what_the_contract_says() {
    let kind = |status: u16| match status {
        200..=299 => AttemptKind::Delivered,
        408 | 425 | 429 | 500..=599 | 300..=399 => AttemptKind::Retried,
        410 => AttemptKind::Gone,
        _ => AttemptKind::Refused,
    };
    let receiver = Receiver::start();
    let sender = sender(&receiver, &quick(), &Arc::default());
    for status in (200..=208).chain(300..=308).chain(400..=451).chain(500..=511) {
        receiver.script([Answer::Status(status)]);
        // A new one each time: 410 switches it off, failures in a row open its breaker.
        let endpoint = sender.endpoint(&receiver.url("/hooks"), secrets()).unwrap();
        let attempt = endpoint.send(&id(), b"{}", &TraceContext::default()).await;
        assert_eq!(attempt.kind, kind(status), "{status}");
        assert_eq!(attempt.error.is_empty(), attempt.kind == AttemptKind::Delivered);
        if attempt.kind != AttemptKind::Delivered {
            assert!(attempt.error.contains(&status.to_string()), "{}", attempt.error);
        }
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    receiver.script([301, 302, 303, 307, 308].map(|status| Answer::Header(status, "location", elsewhere.url("/"))));
    for _ in 0..5 {
        let attempt = endpoint(&receiver).send(&id(), b"{}", &TraceContext::default()).await;
        assert!(attempt.error.contains("redirect"), "{}", attempt.error);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn retry_after_is_honoured_within_an_hour() {
    let receiver = Receiver::start();
    let endpoint = endpoint(&receiver);
    let soon = (Timestamp::now() + Duration::from_secs(90)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for (status, text, least, most) in
        [(503, "120", 120, 120), (429, "999999", 3600, 3600), (503, soon.as_str(), 85, 90), (408, "0", 0, 0)]
    {
        receiver.script([Answer::Header(status, "retry-after", text.to_owned())]);
        let after = endpoint.send(&id(), b"{}", &TraceContext::default()).await.after.unwrap().as_secs();
        assert!((least..=most).contains(&after), "{text}: {after}");
    }
    receiver.script([Answer::Header(503, "retry-after", "soon".to_owned())]);
    assert_eq!(endpoint.send(&id(), b"{}", &TraceContext::default()).await.after, None);
}

#[tokio::test]
async fn cut_connections_and_nonsense_are_retried() {
    let receiver = Receiver::start();
    for answer in [Answer::Cut, Answer::CutInHead, Answer::Nonsense] {
        receiver.script([answer.clone()]);
        let attempt = endpoint(&receiver).send(&id(), b"{}", &TraceContext::default()).await;
        assert_eq!(attempt.kind, AttemptKind::Unreachable, "{answer:?}: {}", attempt.error);
    }
    // Each was sent once: nothing is repeated behind the queue's back.
    assert_eq!(receiver.received().len(), 3);
    let nobody = Url::parse(&format!("http://127.0.0.1:{}/", free_port())).unwrap();
    let sender = Sender::new(std::slice::from_ref(&nobody), &quick(), Arc::new(())).unwrap();
    let endpoint = sender.endpoint(nobody.as_str(), secrets()).unwrap();
    let attempt = endpoint.send(&id(), b"{}", &TraceContext::default()).await;
    assert_eq!(attempt.kind, AttemptKind::Unreachable);
    assert!(attempt.error.contains("refused"), "{}", attempt.error);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_timeout_and_one_without_end_is_left() {
    let receiver = Receiver::start();
    receiver.script([Answer::Held(204), Answer::Endless(200)]);
    let endpoint = endpoint(&receiver);
    let attempt = endpoint.send(&id(), b"{}", &TraceContext::default()).await;
    assert_eq!(attempt.kind, AttemptKind::Timeout, "{}", attempt.error);
    let attempt = endpoint.send(&id(), b"{}", &TraceContext::default()).await;
    assert_eq!(attempt.kind, AttemptKind::Delivered, "{}", attempt.error);
}

#[tokio::test]
async fn certificates_are_verified() {
    let identity = Identity::of(&["127.0.0.1"]);
    let receiver = Receiver::start_tls(&identity);
    let trusting = Options { authorities: Some(identity.pem().into()), ..quick() };
    let wrong_name = Identity::of(&["example.org"]);
    let elsewhere = Receiver::start_tls(&wrong_name);
    let trusting_wrong = Options { authorities: Some(wrong_name.pem().into()), ..quick() };
    for (receiver, options, kind) in [
        (&receiver, &trusting, AttemptKind::Delivered),
        (&receiver, &quick(), AttemptKind::Unreachable),
        (&elsewhere, &trusting_wrong, AttemptKind::Unreachable),
    ] {
        let endpoint = sender(receiver, options, &Arc::default()).endpoint(&receiver.url("/"), secrets()).unwrap();
        let attempt = endpoint.send(&id(), b"{}", &TraceContext::default()).await;
        assert_eq!(attempt.kind, kind, "{}", attempt.error);
        assert_eq!(attempt.error.contains("certificate"), kind == AttemptKind::Unreachable, "{}", attempt.error);
    }
    assert_eq!((receiver.received().len(), elsewhere.received().len()), (1, 0));
}

#[test]
fn addresses_outside_the_configuration_are_refused_and_not_shown() {
    let allowed = Url::parse("https://hooks.example:8443/a").unwrap();
    let sender = Sender::new(&[allowed], &quick(), Arc::new(())).unwrap();
    assert!(sender.endpoint("https://hooks.example:8443/elsewhere", secrets()).is_ok());
    for other in [
        "http://hooks.example:8443/a",
        "https://hooks.example/a",
        "https://hooks.example.org:8443/a",
        "https://169.254.169.254/latest?sig=secret",
    ] {
        let error = sender.endpoint(other, secrets()).unwrap_err();
        assert!(matches!(error, SenderError::NotAllowed(_)), "{other}");
        assert!(!error.to_string().contains("secret") && !error.to_string().contains("/a"), "{error}");
    }
    for bad in ["", "/hooks", "hooks.example", "ftp://hooks.example", "https://a:secret@hooks.example:8443/"] {
        let error = sender.endpoint(bad, secrets()).unwrap_err();
        assert!(matches!(error, SenderError::Address(_)), "{bad}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let endpoint = sender.endpoint("https://hooks.example:8443/path?sig=secret", secrets()).unwrap();
    assert!(!format!("{endpoint:?}").contains("sig"));
    let bad =
        Options { authorities: Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----".into()), ..quick() };
    assert!(matches!(Sender::new(&[], &bad, Arc::new(())), Err(SenderError::Client(_))));
}

#[tokio::test]
async fn bodies_are_smaller_than_the_limit() {
    let receiver = Receiver::start();
    let sender = sender(&receiver, &quick(), &Arc::default());
    let endpoint = sender.endpoint(&receiver.url("/"), secrets()).unwrap();
    let kind = async |size: usize| endpoint.send(&id(), &vec![b'x'; size], &TraceContext::default()).await.kind;
    assert_eq!(kind(MOST_BODY - 1).await, AttemptKind::Delivered);
    assert_eq!(kind(MOST_BODY).await, AttemptKind::Refused);
    assert_eq!(receiver.received().len(), 1);
    let door = sender.door(&receiver.url("/"), 28_000).unwrap();
    assert_eq!(door.post(&[b'x'; 28_000], &trace()).await.kind, AttemptKind::Delivered);
    assert_eq!(door.post(&[b'x'; 28_001], &trace()).await.kind, AttemptKind::Refused);
    assert_eq!(receiver.received()[1].header("webhook-signature"), None);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_gets_nothing_more() {
    let receiver = Receiver::start();
    receiver.script([Answer::Status(410)]);
    let endpoint = endpoint(&receiver);
    assert!(!endpoint.is_off());
    for _ in 0..3 {
        let attempt = endpoint.send(&id(), b"{}", &TraceContext::default()).await;
        assert_eq!(attempt.kind, AttemptKind::Gone);
        assert!(matches!(attempt.into_outcome(), Outcome::Fail { .. }));
    }
    assert!(endpoint.is_off());
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_delivery_is_given_up_after_a_day() {
    let receiver = Receiver::start();
    let endpoint = endpoint(&receiver);
    let late = schedule::LIFE + Duration::from_secs(1);
    receiver.script([503, 503, 503, 204, 400].map(Answer::Status));
    let deliver = async |age: Duration, attempt: u32| endpoint.deliver(&job(b"{}", age, attempt), &id()).await;
    assert!(matches!(deliver(schedule::LIFE, 100).await, Outcome::Retry { after: None, .. }));
    // It was given a new life, or nobody was there to send it.
    assert!(matches!(deliver(late, 1).await, Outcome::Retry { .. }));
    let Outcome::Fail { error } = deliver(late, schedule::FEWEST).await else { panic!("it goes on") };
    assert!(error.contains("24 hours") && error.contains("503"), "{error}");
    assert_eq!(deliver(late, 100).await, Outcome::Done { result: Vec::new() });
    assert!(matches!(deliver(Duration::ZERO, 1).await, Outcome::Fail { .. }));
    let cancelled = job(b"{}", Duration::ZERO, 1);
    cancelled.cancelled.cancel();
    receiver.always(Answer::Held(204));
    assert_eq!(endpoint.deliver(&cancelled, &id()).await, Outcome::Cancelled);
}
