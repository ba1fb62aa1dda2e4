//! Websockets: nothing is lost, nothing comes twice, and nothing goes to others.

use crate::proxy::Proxy;
use crate::service::{Service, event_of, soon, until};
use futures_util::{SinkExt, StreamExt};
use report_requestor::app::Patience;
use report_requestor::settings::Settings;
use serde_json::Value;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

fn id(event: &Value) -> String {
    event["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_socket_that_is_cut_between_publish_and_receipt_loses_nothing() {
    let service = Service::start().await;
    let mut anna = service.sign_in("anna").await;
    let report = anna.submit().await;
    let proxy = Proxy::to(&service.base).await;
    let origin = service.base.clone();
    anna.base = proxy.base.clone();
    let mut socket = anna.try_socket("", Some(&origin)).await.unwrap();
    let last = id(&socket.next().await);

    proxy.swallow();
    assert_eq!(service.tell("report.finished", &report).await.status(), 200);
    until("it was sent", async || proxy.swallowed() > 0).await;
    proxy.cut();
    socket.closed().await;

    anna.base = service.base.clone();
    let mut again = anna.socket(&last).await;
    assert_eq!(again.take(1).await, [("report.finished".to_owned(), report)]);
    again.nothing_came().await;
}

#[tokio::test]
async fn two_tabs_get_the_same_in_the_same_order() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let (mut one, mut two) = (anna.socket("").await, anna.socket("").await);
    let mut reports = Vec::new();
    for _ in 0..10 {
        reports.push(("report.queued".to_owned(), anna.submit().await));
    }
    assert_eq!(one.take(10).await, reports);
    assert_eq!(two.take(10).await, reports);
    drop(one);
    let report = anna.submit().await;
    assert_eq!(two.next().await["data"]["id"], report, "the other tab's end is not this one's");
}

#[tokio::test]
async fn another_users_cookie_gets_nothing_and_none_gets_no_socket() {
    let service = Service::start().await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    let bens = ben.socket("").await;
    let report = anna.submit().await;
    assert_eq!(service.tell("report.finished", &report).await.status(), 200);
    let last = service.log("anna")[0].0.clone();
    let mut resumed = ben.socket(&last).await;
    assert_eq!(resumed.next().await["type"], "resync", "another's place is no place in one's own log");
    resumed.nothing_came().await;
    bens.nothing_came().await;
    assert_eq!(service.stranger().try_socket("", Some(&service.base)).await.err(), Some(401));
}

#[tokio::test]
async fn pages_of_other_sites_get_no_socket() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    assert_eq!(anna.try_socket("", Some("https://evil.example")).await.err(), Some(403));
    assert_eq!(anna.try_socket("", Some("null")).await.err(), Some(403));
    assert!(anna.try_socket("", None).await.is_ok(), "what is no browser says no origin");
    assert_eq!(service.app.fanout.places(), 1);
}

#[tokio::test]
async fn a_page_that_has_nothing_gets_the_last_fifty() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let mut reports = Vec::new();
    for _ in 0..60 {
        reports.push(("report.queued".to_owned(), anna.submit().await));
    }
    let mut fresh = anna.socket("").await;
    assert_eq!(fresh.take(50).await, reports[10..]);
    fresh.nothing_came().await;
    let from = service.log("anna")[4].0.clone();
    let mut resumed = anna.socket(&from).await;
    assert_eq!(resumed.take(55).await, reports[5..], "one that comes back gets all that it has not");
    resumed.nothing_came().await;
}

#[tokio::test]
async fn ids_that_are_too_old_from_the_future_or_nonsense() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let (gone, kept) = (anna.submit().await, anna.submit().await);
    let log = service.log("anna");
    let mut redis = service.redis.connection();
    redis::cmd("XTRIM").arg(&["user:anna:ev", "MAXLEN", "1"]).exec(&mut redis).unwrap();
    for last in [log[0].0.as_str(), "9999999999999-0", "0-0"] {
        let mut socket = anna.socket(last).await;
        let first = socket.next().await;
        assert_eq!((first["type"].as_str(), first["id"].as_str()), (Some("resync"), Some("")), "{last}");
        let then = socket.next().await;
        assert_eq!((id(&then), then["data"]["id"].as_str()), (log[1].0.clone(), Some(kept.as_str())));
        let report = anna.submit().await;
        assert_eq!(socket.next().await["data"]["id"], report, "what is new comes after {last} too");
        redis::cmd("XDEL").arg("user:anna:ev").arg(&service.log("anna").last().unwrap().0).exec(&mut redis).unwrap();
    }
    for bad in ["1", "x", "%24", "1-0-0", "-1-0", "18446744073709551616-0"] {
        assert_eq!(anna.try_socket(bad, Some(&service.base)).await.err(), Some(400), "{bad}");
    }
    drop(gone);
}

#[tokio::test]
async fn a_burst_waits_for_a_reader_that_stopped() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let mut reading = anna.socket("").await;
    let mut stopped = anna.socket("").await;
    let report = anna.submit().await;
    for number in 0..100 {
        let body = event_of("report.started", &report, None);
        assert_eq!(service.deliver(&format!("a.x{number}"), &body).await.status(), 200);
    }
    assert_eq!(reading.take(101).await.len(), 101, "nobody waits for the one that stopped");
    let first = stopped.take(101).await;
    assert_eq!(first[0].0, "report.queued");
    assert!(first[1..].iter().all(|(kind, _)| kind == "report.started"));
}

#[tokio::test]
async fn a_reader_that_stays_stopped_is_sent_away_and_finds_the_rest_in_the_log() {
    let patience = Patience { write: Duration::from_millis(300), ping: Duration::from_secs(25) };
    let service = Service::with(|_| {}, patience).await;
    let anna = service.sign_in("anna").await;
    let report = anna.submit().await;
    let mut stopped = anna.socket("").await;
    let error = "x".repeat(2000);
    for burst in 0..30 {
        let bodies = (0..30).map(|number| {
            let (id, body) = (format!("a.x{burst}-{number}"), event_of("report.failed", &report, Some(&error)));
            let service = &service;
            async move { service.deliver(&id, &body).await.status() }
        });
        assert!(futures_util::future::join_all(bodies).await.iter().all(|status| *status == 200));
    }
    // The systems of both sides keep some; a log of 2 MB is more than they take.
    let mut got = 0;
    until("it is sent away", async || service.app.fanout.places() == 0).await;
    let mut last = String::new();
    while let Some(Ok(message)) = soon("what was kept comes", stopped.stream.next()).await {
        let Message::Text(text) = message else { continue };
        last = id(&serde_json::from_str(&text).unwrap());
        got += 1;
    }
    let log = service.log("anna");
    assert!((1..log.len()).contains(&got), "{got}");
    let mut again = anna.socket(&last).await;
    assert_eq!(again.take(log.len() - got).await.len() + got, log.len());
    again.nothing_came().await;
}

#[tokio::test]
async fn a_user_and_all_together_have_so_many_pages() {
    let change = |settings: &mut Settings| settings.sockets = (2, 3);
    let service = Service::with(change, Patience::default()).await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    let one = anna.socket("").await;
    let _two = anna.socket("").await;
    assert_eq!(anna.socket("").await.closed().await, 4429);
    assert_eq!(anna.get("/api/events").await.status(), 429);
    let _three = ben.socket("").await;
    assert_eq!(ben.socket("").await.closed().await, 4429, "there are no more in all");
    drop(one);
    until("a place is free", async || service.app.fanout.places() == 2).await;
    let report = anna.submit().await;
    assert_eq!(anna.socket("").await.next().await["data"]["id"], report);
}

#[tokio::test]
async fn a_page_that_does_not_answer_is_gone() {
    let patience = Patience { write: Duration::from_secs(10), ping: Duration::from_millis(50) };
    let service = Service::with(|_| {}, patience).await;
    let anna = service.sign_in("anna").await;
    let mut answering = anna.socket("").await;
    // It answers only while it reads.
    let _silent = anna.socket("").await;
    assert_eq!(service.app.fanout.places(), 2);
    let ponging = async { while !matches!(answering.stream.next().await, None | Some(Err(_))) {} };
    let gone = until("the silent one is gone", async || service.app.fanout.places() == 1);
    tokio::select! { () = ponging => panic!("the one that answers was closed"), () = gone => {} }
}

#[tokio::test]
async fn what_is_too_large_ends_it() {
    let service = Service::start().await;
    let mut socket = service.sign_in("anna").await.socket("").await;
    socket.stream.send(Message::text("x".repeat(1024 * 1024))).await.ok();
    socket.closed().await;
    until("its place is free", async || service.app.fanout.places() == 0).await;
}

#[tokio::test]
async fn at_the_end_pages_are_told_to_come_back() {
    let mut service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let mut socket = anna.socket("").await;
    let mut events = anna.get("/api/events").await;
    service.begin_to_end();
    assert_eq!(socket.closed().await, 1012);
    while soon("the events end", events.chunk()).await.unwrap().is_some() {}
    service.end().await;
}
