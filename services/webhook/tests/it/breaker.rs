//! What keeps a bad receiver from taking everything: the breaker and the limit of places.

use super::support::{Told, id, quick, secrets, sender};
use report_queue::{Outcome, TraceContext};
use report_testing::{Answer, Receiver};
use report_webhook::{AttemptKind, Endpoint, Options};
use std::sync::Arc;
use std::time::Duration;

async fn kind(endpoint: &Endpoint) -> AttemptKind {
    endpoint.send(&id(), b"{}", &TraceContext::default()).await.kind
}

/// Lets time go by without anybody waiting for it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn after_five_failures_in_a_row_attempts_wait_and_one_looks_each_half_minute() {
    let receiver = Receiver::start();
    let told = Arc::<Told>::default();
    let endpoint = sender(&receiver, &quick(), &told).endpoint(&receiver.url("/"), secrets()).unwrap();
    // A success between them: no five in a row.
    receiver.script([500, 500, 500, 500, 204, 500, 500, 500, 500, 500].map(Answer::Status));
    for _ in 0..10 {
        assert_ne!(kind(&endpoint).await, AttemptKind::Postponed);
    }
    let attempt = endpoint.send(&id(), b"{}", &TraceContext::default()).await;
    assert_eq!(attempt.kind, AttemptKind::Postponed);
    let after = attempt.after.unwrap();
    assert!((29..=45).contains(&after.as_secs()), "{after:?}");
    assert!(matches!(attempt.into_outcome(), Outcome::Postpone { .. }));
    assert_eq!(receiver.received().len(), 10);

    receiver.script([Answer::Status(500)]);
    pass(Duration::from_secs(31)).await;
    assert_eq!(kind(&endpoint).await, AttemptKind::Retried, "one looks");
    assert_eq!(kind(&endpoint).await, AttemptKind::Postponed, "and fails: half a minute more");
    pass(Duration::from_secs(31)).await;
    assert_eq!(kind(&endpoint).await, AttemptKind::Delivered);
    assert_eq!(kind(&endpoint).await, AttemptKind::Delivered);
    assert_eq!(told.all().iter().filter(|told| told.0 == AttemptKind::Postponed).count(), 2);
    assert!(told.all().iter().all(|told| told.1 == (told.0 != AttemptKind::Postponed)));
}

#[tokio::test]
async fn refusals_are_a_sign_of_life() {
    let receiver = Receiver::start();
    receiver.always(Answer::Status(400));
    let endpoint = sender(&receiver, &quick(), &Arc::default()).endpoint(&receiver.url("/"), secrets()).unwrap();
    for _ in 0..7 {
        assert_eq!(kind(&endpoint).await, AttemptKind::Refused);
    }
}

#[tokio::test]
async fn only_one_looks_and_one_that_was_dropped_makes_room_for_the_next() {
    let receiver = Receiver::start();
    receiver.script([Answer::Cut, Answer::Cut, Answer::Cut, Answer::Cut, Answer::Cut, Answer::Held(204)]);
    let options = Options { timeout: Duration::from_secs(20), ..quick() };
    let endpoint =
        Arc::new(sender(&receiver, &options, &Arc::default()).endpoint(&receiver.url("/"), secrets()).unwrap());
    for _ in 0..5 {
        assert_eq!(kind(&endpoint).await, AttemptKind::Unreachable);
    }
    pass(Duration::from_secs(31)).await;
    let probe = tokio::spawn({
        let endpoint = Arc::clone(&endpoint);
        async move { kind(&endpoint).await }
    });
    while receiver.received().len() < 6 {
        tokio::task::yield_now().await;
    }
    assert_eq!(kind(&endpoint).await, AttemptKind::Postponed);
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    assert_eq!(kind(&endpoint).await, AttemptKind::Delivered);
}

#[tokio::test]
async fn a_slow_receiver_takes_no_more_places_than_it_may() {
    let receiver = Receiver::start();
    receiver.always(Answer::Held(204));
    let options = Options { concurrency: 3, timeout: Duration::from_secs(20), ..quick() };
    let endpoint =
        Arc::new(sender(&receiver, &options, &Arc::default()).endpoint(&receiver.url("/"), secrets()).unwrap());
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let endpoint = Arc::clone(&endpoint);
        attempts.spawn(async move { kind(&endpoint).await });
    }
    let mut kinds = Vec::new();
    while kinds.len() < 7 {
        kinds.push(attempts.join_next().await.unwrap().unwrap());
    }
    assert_eq!(kinds, [AttemptKind::Postponed; 7]);
    receiver.release();
    assert_eq!(attempts.join_all().await, [AttemptKind::Delivered; 3]);
    assert_eq!(receiver.most_under_way(), 3);
}

#[tokio::test]
async fn connections_are_used_again() {
    let receiver = Receiver::start();
    let endpoint = sender(&receiver, &quick(), &Arc::default()).endpoint(&receiver.url("/"), secrets()).unwrap();
    for _ in 0..20 {
        assert_eq!(kind(&endpoint).await, AttemptKind::Delivered);
    }
    assert!(receiver.connections() < 5, "{}", receiver.connections());
}
