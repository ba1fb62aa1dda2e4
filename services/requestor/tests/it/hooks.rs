//! The runner's webhooks.

use crate::service::{OLD_SECRET, SECRET, Service, event_of, until};
use jiff::Timestamp;
use report_webhook::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP};

fn now() -> i64 {
    Timestamp::now().as_second()
}

#[tokio::test]
async fn a_webhook_reaches_the_socket_and_a_repeat_changes_nothing() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let report = anna.submit().await;
    let mut socket = anna.socket("").await;
    assert_eq!(socket.next().await["type"], "report.queued");
    for _ in 0..3 {
        assert_eq!(service.tell("report.finished", &report).await.status(), 200);
    }
    let told = socket.next().await;
    assert_eq!(told["type"], "report.finished");
    assert_eq!(told["data"]["id"], report);
    assert_eq!(told["data"]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    let log = service.log("anna");
    assert_eq!(log.last().unwrap(), &(told["id"].as_str().unwrap().to_owned(), "report.finished".to_owned()));
    assert_eq!(log.len(), 2);
    socket.nothing_came().await;
}

#[tokio::test]
async fn twenty_deliveries_at_once_are_one_entry() {
    let service = Service::start().await;
    let report = service.sign_in("anna").await.submit().await;
    let body = event_of("report.finished", &report, None);
    let all = futures_util::future::join_all((0..20).map(|_| service.deliver("one.report-finished", &body))).await;
    assert!(all.iter().all(|answer| answer.status() == 200));
    assert_eq!(service.log("anna").len(), 2);
}

#[tokio::test]
async fn what_is_forged_or_stale_or_nonsense_is_refused() {
    let service = Service::start().await;
    let report = service.sign_in("anna").await.submit().await;
    let good = event_of("report.finished", &report, None).to_string();
    let other = "whsec_eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=";
    assert_eq!(service.post_hook("a.x", now(), other, good.clone()).await.status(), 401);
    assert_eq!(service.post_hook("a.x", now() - 301, SECRET, good.clone()).await.status(), 401);
    assert_eq!(service.post_hook("a.x", now() + 310, SECRET, good.clone()).await.status(), 401);
    assert_eq!(service.post_hook("a.x", now(), SECRET, "{}".to_owned()).await.status(), 400);
    let unknown = event_of("report.finished", "01m86sf5bsjcvxbtqx04yr8ss0", None).to_string();
    assert_eq!(service.post_hook("a.x", now(), SECRET, unknown).await.status(), 404);
    let large = format!("{good}{}", " ".repeat(1024 * 1024));
    assert_eq!(service.post_hook("a.x", now(), SECRET, large).await.status(), 413);

    let post = || service.http.post(format!("{}/hooks/reports", service.base)).body(good.clone());
    assert_eq!(post().send().await.unwrap().status(), 400);
    let signature =
        service.app.settings.webhook_secrets.sign(&report_webhook::WebhookId::parse("a.x").unwrap(), now(), b"{}");
    let changed = post().header(HEADER_ID, "a.x").header(HEADER_TIMESTAMP, now()).header(HEADER_SIGNATURE, signature);
    assert_eq!(changed.send().await.unwrap().status(), 401, "another body than the signed one");
    assert_eq!(service.log("anna").len(), 1, "nothing of all this was told");

    assert_eq!(service.post_hook("a.x", now(), OLD_SECRET, good).await.status(), 200, "the secret before counts too");
    assert_eq!(service.log("anna").len(), 2);
}

#[tokio::test]
async fn who_is_told_follows_from_the_job() {
    let service = Service::start().await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    let report = anna.submit().await;
    let bens = ben.socket("").await;
    let mut body = event_of("report.finished", &report, None);
    body["data"]["user"] = "ben".into();
    body["user"] = "ben".into();
    assert_eq!(service.deliver("a.x", &body).await.status(), 200);
    assert_eq!(service.log("anna").len(), 2);
    assert!(service.log("ben").is_empty());
    bens.nothing_came().await;
}

#[tokio::test]
async fn a_start_that_is_told_after_the_end_is_not_told_on() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let report = anna.submit().await;
    anna.post(&format!("/api/reports/{report}/cancel"), &serde_json::json!({}), None).await;
    assert_eq!(service.tell("report.started", &report).await.status(), 200);
    assert_eq!(service.log("anna").last().unwrap().1, "report.cancelled");
}

#[tokio::test]
async fn long_errors_are_cut() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let report = anna.submit().await;
    let mut socket = anna.socket("").await;
    let body = event_of("report.failed", &report, Some(&"ä".repeat(100_000)));
    assert_eq!(service.deliver("a.x", &body).await.status(), 200);
    socket.next().await;
    assert_eq!(socket.next().await["data"]["error"].as_str().unwrap(), format!("{}…", "ä".repeat(2000)));
}

#[tokio::test]
async fn while_redis_is_away_the_runner_is_asked_to_try_again_and_then_it_is_told_once() {
    let mut service = Service::start().await;
    service.make_durable();
    let report = service.sign_in("anna").await.submit().await;
    service.redis.kill();
    let answer = service.tell("report.finished", &report).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    service.redis.start_again();
    until("it is taken", async || service.tell("report.finished", &report).await.status() == 200).await;
    assert_eq!(service.log("anna").len(), 2);
}
