//! Teams, signed webhooks, and what keeps a storm small.

use super::notify::{Desk, Files, LOGIN, SIGNING, card, payload, wait};
use jiff::Timestamp;
use report_queue::{Queue, TraceContext};
use report_requestor::notify::{AlertError, AlertStatus};
use report_requestor::store::StoreError;
use report_testing::{Answer, Identity, Receiver, SmtpMode, SmtpServer, eventually};
use report_webhook::Secrets;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::time::Duration;

fn workflow() -> Receiver {
    let receiver = Receiver::start();
    receiver.always(Answer::Status(202));
    receiver
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_becomes_a_card_and_its_end_too() {
    let teams = workflow();
    let desk = Desk::open(&Files::new().teams(&teams));
    assert_eq!(desk.take(&payload(&[("Hot", true)])).await, 1);
    eventually("it is told", || teams.received().len() == 1);
    // The same once more, as a second Alertmanager or a retry brings it, and then its end.
    assert_eq!(desk.take(&payload(&[("Hot", true)])).await, 0);
    assert_eq!(desk.take(&payload(&[("Hot", false)])).await, 1);
    eventually("its end is told", || teams.received().len() == 2);
    desk.done().await;
    let texts: Vec<_> = teams.received().iter().map(card).collect();
    assert!(
        texts[0].contains("Firing: Hot (critical)") && texts[0].contains("Hot: <the queue> is long"),
        "{}",
        texts[0]
    );
    assert!(
        texts[1].contains("1 resolved: Hot") && texts[1].contains("until: 2026-11-24 12:05:00 UTC"),
        "{}",
        texts[1]
    );

    let alerts = desk.notifications.alerts().await.unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].name.as_str(), alerts[0].status), ("Hot", AlertStatus::Resolved));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_one_card_an_interval_within_the_limit() {
    let teams = workflow();
    let desk = Desk::open(&Files::new().teams(&teams));
    let names: Vec<String> = (0..300).map(|i| format!("Alert{i}")).collect();
    for chunk in names.chunks(50) {
        let alerts: Vec<_> = chunk.iter().map(|name| (name.as_str(), true)).collect();
        desk.take(&payload(&alerts)).await;
    }
    desk.done().await;
    let received = teams.received();
    // Taking them may have been slower than the time in which they are gathered.
    assert!((1..=4).contains(&received.len()), "{} cards", received.len());
    let texts: Vec<_> = received.iter().map(card).collect();
    let firing: usize = texts.iter().map(|text| text[..text.find(' ').unwrap()].parse::<usize>().unwrap()).sum();
    assert_eq!(firing, 300);
    assert!(texts.iter().any(|text| text.contains(" more. ")), "{texts:?}");
    assert_eq!(desk.notifications.alerts().await.unwrap().len(), 300);
    for pair in received.windows(2) {
        assert!(pair[1].at - pair[0].at > Duration::from_millis(900));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_workflow_is_given_the_time_that_it_asks_for() {
    let teams = workflow();
    teams.script([Answer::Header(429, "retry-after", "2".to_owned())]);
    let desk = Desk::impatient(&Files::new().teams(&teams), 5);
    desk.take(&payload(&[("Hot", true)])).await;
    desk.done().await;
    let received = teams.received();
    assert_eq!(received.len(), 2);
    assert!(received[1].at - received[0].at >= Duration::from_secs(2));
    assert_eq!(card(&received[0]), card(&received[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_workflow_is_gone_operations_are_told_by_mail_and_it_can_be_tried_again() {
    let identity = Identity::of(&["127.0.0.1"]);
    let server = SmtpServer::start(SmtpMode::StartTls, &identity, Some(LOGIN));
    let teams = workflow();
    teams.script([Answer::Status(404)]);
    let desk = Desk::open(&Files::new().mail("smtp", &server, &identity, &["ops@example.org"]).teams(&teams));
    desk.take(&payload(&[("Hot", true)])).await;
    let mails = server.wait(2);
    desk.idle().await;
    let told = mails.iter().find(|mail| mail.message.contains("could not be told")).unwrap();
    assert!(told.message.contains("answered 404") && told.message.contains("Hot is firing"), "{}", told.message);
    assert!(!told.message.contains("sig="), "the address is a secret");
    let dead = desk.queue.dead(10).await.unwrap();
    assert!(dead.len() == 1 && !dead[0].error.as_ref().unwrap().contains("sig="));
    // What comes later goes its way, and the dead letter can be given a new life.
    desk.take(&payload(&[("Cold", true)])).await;
    eventually("the next is told", || teams.received().len() == 2);
    assert!(desk.queue.requeue(&dead[0].id).await.unwrap());
    eventually("the dead letter is told", || teams.received().len() == 3);
    desk.done().await;
    let texts: Vec<_> = teams.received().iter().map(card).collect();
    assert!(texts[1].contains("Cold") && !texts[1].contains("Hot") && texts[2].contains("Hot"), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_are_used_up_are_told_too() {
    let (teams, other) = (workflow(), Receiver::start());
    teams.always(Answer::Cut);
    let desk = Desk::impatient(&Files::new().teams(&teams).hook(&other), 3);
    desk.take(&payload(&[("Hot", true)])).await;
    eventually("the other is told twice", || other.received().len() == 2);
    desk.idle().await;
    assert_eq!(teams.received().len(), 3);
    assert_eq!(desk.dead().await.len(), 1);
    let body: Value = serde_json::from_slice(&other.received()[1].body).unwrap();
    assert_eq!(body["data"]["items"][0]["about"], "undelivered");
    assert_eq!(body["data"]["items"][0]["titles"][0], "Hot is firing");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_get_signed_webhooks() {
    let other = Receiver::start();
    let desk = Desk::open(&Files::new().hook(&other));
    desk.take(&payload(&[("Hot", true)])).await;
    desk.done().await;
    let request = &other.received()[0];
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, request.header(name).unwrap().parse().unwrap());
    }
    let id = Secrets::from_text(SIGNING).unwrap().verify(&headers, &request.body, Timestamp::now()).unwrap();
    assert!(id.as_str().ends_with(".notice"), "{id}");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["title"]), (&"notice.created".into(), &"1 firing: Hot".into()));
    assert_eq!(body["data"]["items"][0]["name"], "Hot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_while_it_tells_leaves_the_same_to_the_next() {
    let teams = workflow();
    teams.script([Answer::Held(202)]);
    let mut desk = Desk::open(&Files::new().teams(&teams));
    desk.take(&payload(&[("Hot", true)])).await;
    eventually("it is on the way", || teams.received().len() == 1);
    desk.take(&payload(&[("Cold", true)])).await;
    desk.stop();
    desk.begin();
    eventually("both are told", || teams.received().len() >= 3);
    desk.done().await;
    let texts: Vec<_> = teams.received().iter().map(card).collect();
    assert_eq!(texts.len(), 3);
    assert_eq!(texts[0], texts[1]);
    assert!(texts[2].contains("1 firing: Cold"), "{}", texts[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_was_cancelled_does_not_hold_up_the_channel() {
    let teams = workflow();
    let mut desk = Desk::open(&Files::new().teams(&teams));
    desk.stop();
    desk.take(&payload(&[("Hot", true)])).await;
    let job = wait_for_job(&desk);
    assert!(desk.queue.cancel(&job).await.unwrap());
    desk.begin();
    desk.idle().await;
    desk.take(&payload(&[("Cold", true)])).await;
    desk.done().await;
    let texts: Vec<_> = teams.received().iter().map(card).collect();
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("Hot") && texts[0].contains("Cold"), "{texts:?}");
}

/// The one job that there is.
fn wait_for_job(desk: &Desk) -> report_queue::JobId {
    let mut connection = desk.redis.connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg("report:q:notifications:*").query(&mut connection).unwrap();
    let name = keys.iter().find_map(|key| report_queue::JobId::parse(key.rsplit(':').next()?));
    name.unwrap_or_else(|| panic!("no job among {keys:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_refused_and_what_cannot_be_kept_is_asked_for_again() {
    let teams = workflow();
    let mut desk = Desk::open(&Files::new().teams(&teams));
    let take = async |text: &str| desk.notifications.take_alerts(text.as_bytes(), &TraceContext::default()).await;
    assert!(matches!(take("{\"version\":\"3\"}").await, Err(AlertError::Payload(_))));
    assert!(matches!(take("not json").await, Err(AlertError::Payload(_))));
    assert_eq!(take("{\"version\":\"4\"}").await.unwrap(), 0);
    desk.redis.kill();
    let text = payload(&[("Hot", true)]).to_string();
    let refused = desk.notifications.take_alerts(text.as_bytes(), &TraceContext::default()).await;
    assert!(matches!(refused, Err(AlertError::Store(StoreError::Away(_)))), "{refused:?}");
    desk.redis.start_again();
    wait("it is taken", async || {
        desk.notifications.take_alerts(text.as_bytes(), &TraceContext::default()).await.is_ok()
    })
    .await;
    eventually("it is told", || !teams.received().is_empty());
    desk.done().await;
    assert_eq!(teams.received().len(), 1);
}
