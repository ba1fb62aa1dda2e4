//! Reports that failed for good: their requesters are told.

use super::notify::{Desk, Files, LOGIN, card};
use report_model::event::Event;
use report_requestor::user::UserId;
use report_testing::{Answer, Identity, Receiver, SmtpMode, SmtpServer};
use serde_json::json;

fn failed(id: &str) -> Event {
    serde_json::from_value(json!({
        "type": "report.failed",
        "timestamp": "2026-11-24T12:00:00Z",
        "data": {"id": id, "report": "gage-calibration", "trace_id": "0af7651916cd43dd8448eb211c80319c", "attempt": 5,
                 "error": "the file has no rows"},
    }))
    .unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn has_mail(desk: &Desk, user: &UserId, address: &str) {
    let mut connection = desk.redis.connection();
    let _: i64 = redis::cmd("HSET").arg(user.profile()).arg("mail").arg(address).query(&mut connection).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_is_told_by_mail_and_others_through_operations() {
    let identity = Identity::of(&["127.0.0.1"]);
    let server = SmtpServer::start(SmtpMode::StartTls, &identity, Some(LOGIN));
    let desk = Desk::open(&Files::new().mail("smtp", &server, &identity, &["ops@example.org"]));
    let (anna, ben, eve) = (user("anna"), user("ben"), user("eve"));
    has_mail(&desk, &anna, "anna@example.org");
    has_mail(&desk, &eve, "eve@example.org\r\nBcc: all@example.org");
    // The runner tells again what it is not sure of.
    for _ in 0..3 {
        desk.notifications.report_failed(&anna, &failed("01anna")).await.unwrap();
    }
    desk.notifications.report_failed(&ben, &failed("01ben")).await.unwrap();
    desk.notifications.report_failed(&eve, &failed("01eve")).await.unwrap();
    desk.done().await;
    let mails = server.mails();
    let to = |address: &str| mails.iter().filter(|mail| mail.to == [address]).collect::<Vec<_>>();
    assert_eq!((to("anna@example.org").len(), to("ops@example.org").len(), mails.len()), (1, 1, 2));
    let anna = &to("anna@example.org")[0].message;
    for words in
        ["Gage calibration", "the file has no rows", "01anna", "0af7651916cd43dd8448eb211c80319c", "http://page.test"]
    {
        assert!(anna.contains(words), "{words}: {anna}");
    }
    assert!(!anna.contains("01ben"));
    let operations = &to("ops@example.org")[0].message;
    assert!(operations.contains("01ben") && operations.contains("01eve") && !operations.contains("01anna"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_whose_mail_is_refused_is_told_through_operations() {
    let identity = Identity::of(&["127.0.0.1"]);
    let mut server = SmtpServer::start(SmtpMode::StartTls, &identity, Some(LOGIN));
    let teams = Receiver::start();
    teams.always(Answer::Status(202));
    let desk = Desk::open(&Files::new().mail("smtp", &server, &identity, &[]).teams(&teams));
    has_mail(&desk, &user("anna"), "anna@example.org");
    server.script("RCPT", 1, "550 gone");
    desk.notifications.report_failed(&user("anna"), &failed("01anna")).await.unwrap();
    desk.idle().await;
    let texts: Vec<_> = teams.received().iter().map(card).collect();
    assert_eq!(texts.len(), 1);
    assert!(texts[0].contains("anna (by mail) could not be told") && texts[0].contains("01anna"), "{}", texts[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nobody_to_tell_nothing_is_kept() {
    let desk = Desk::open(&Files::new());
    desk.notifications.report_failed(&user("anna"), &failed("01anna")).await.unwrap();
    desk.done().await;
    let mut connection = desk.redis.connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg("user:/notify*").query(&mut connection).unwrap();
    assert_eq!(keys, Vec::<String>::new());
}
