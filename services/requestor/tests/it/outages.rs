//! Redis goes and comes back: pages notice nothing but a delay.

use crate::service::{Service, until};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_connection_that_listens_is_killed() {
    let service = Service::start().await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    let (mut annas, mut bens) = (anna.socket("").await, ben.socket("").await);
    annas_turn(&anna, &mut annas).await;
    for _ in 0..5 {
        let mut redis = service.redis.connection();
        let killed: i64 = redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query(&mut redis).unwrap();
        assert_eq!(killed, 1, "there is one for all");
        // At once, while nobody listens.
        annas_turn(&anna, &mut annas).await;
        annas_turn(&ben, &mut bens).await;
    }
    annas.nothing_came().await;
    bens.nothing_came().await;
}

#[tokio::test]
async fn all_connections_are_killed() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let mut socket = anna.socket("").await;
    for _ in 0..5 {
        let mut redis = service.redis.connection();
        redis::cmd("CLIENT").arg(&["KILL", "SKIPME", "yes", "MAXAGE", "0"]).exec(&mut redis).ok();
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]).exec(&mut redis).unwrap();
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).exec(&mut redis).unwrap();
        assert_eq!(anna.read("/api/me").await.0, 200, "a person does not notice");
        annas_turn(&anna, &mut socket).await;
    }
    socket.nothing_came().await;
}

#[tokio::test]
async fn redis_is_started_anew() {
    let mut service = Service::start().await;
    service.make_durable();
    let anna = service.sign_in("anna").await;
    let mut socket = anna.socket("").await;
    annas_turn(&anna, &mut socket).await;
    service.redis.kill();
    let began = Instant::now();
    let answer = anna.get("/api/me").await;
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "2"));
    assert!(began.elapsed() < Duration::from_secs(10), "the answer has a bound: {:?}", began.elapsed());
    let readyz = service.http.get(format!("{}/readyz", service.base));
    assert_eq!(readyz.try_clone().unwrap().send().await.unwrap().status(), 503);
    assert_eq!(service.http.get(format!("{}/healthz", service.base)).send().await.unwrap().status(), 200);
    service.redis.start_again();
    until("the service is ready", async || readyz.try_clone().unwrap().send().await.unwrap().status() == 200).await;
    annas_turn(&anna, &mut socket).await;
    socket.nothing_came().await;
}

#[tokio::test]
async fn redis_is_held_for_a_while() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let mut socket = anna.socket("").await;
    annas_turn(&anna, &mut socket).await;
    service.redis.pause();
    assert_eq!(anna.get("/api/me").await.status(), 503);
    service.redis.resume();
    until("it goes on", async || anna.get("/api/me").await.status() == 200).await;
    annas_turn(&anna, &mut socket).await;
    socket.nothing_came().await;
}

/// Asks for a report, again until it is accepted, and sees it come once.
async fn annas_turn(browser: &crate::browser::Browser, socket: &mut crate::browser::Socket) {
    let key = format!("turn-{:?}", Instant::now()).replace([' ', '{', '}', ':', ','], "");
    let body = json!({"type": "system-check", "parameters": {"seconds": 0}});
    let mut id = String::new();
    until("the report is accepted", async || {
        let answer = browser.post("/api/reports", &body, Some(&key)).await;
        let accepted = answer.status().is_success();
        assert!(accepted || answer.status() == 503, "{answer:?}");
        if accepted {
            id = answer.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
        }
        accepted
    })
    .await;
    assert_eq!(socket.take(1).await, [("report.queued".to_owned(), id)]);
}
