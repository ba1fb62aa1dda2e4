//! Server-sent events, from the same log.

use crate::browser::Browser;
use crate::service::{Service, soon};
use reqwest::Response;
use serde_json::Value;

/// The next event: its id, its type and its data.
async fn next(stream: &mut Response, rest: &mut String) -> (String, String, Value) {
    loop {
        while let Some((block, after)) = rest.split_once("\n\n") {
            let (block, after) = (block.to_owned(), after.to_owned());
            *rest = after;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").to_owned();
            if block.contains("data: ") {
                return (field("id: "), field("event: "), serde_json::from_str(&field("data: ")).unwrap());
            }
        }
        let chunk = soon("an event comes", stream.chunk()).await.unwrap().unwrap();
        rest.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

async fn listen(browser: &Browser, path: &str, last: Option<&str>) -> Response {
    let request = reqwest::Client::new().get(format!("{}{path}", browser.base));
    let request = request.header("cookie", format!("report_session={}", browser.token));
    last.map_or(request.try_clone().unwrap(), |last| request.header("last-event-id", last)).send().await.unwrap()
}

#[tokio::test]
async fn events_go_on_where_they_stopped() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let report = anna.submit().await;
    let (mut stream, mut rest) = (listen(&anna, "/api/events", None).await, String::new());
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let (first, kind, data) = next(&mut stream, &mut rest).await;
    assert_eq!(
        (kind.as_str(), &data["id"], &data["data"]["id"]),
        ("report.queued", &first.clone().into(), &report.clone().into())
    );
    service.tell("report.started", &report).await;
    let (second, kind, _) = next(&mut stream, &mut rest).await;
    assert_eq!(kind, "report.started");
    drop(stream);

    service.tell("report.finished", &report).await;
    let (mut stream, mut rest) = (listen(&anna, "/api/events", Some(&second)).await, String::new());
    assert_eq!(next(&mut stream, &mut rest).await.1, "report.finished");
    let mut stream = listen(&anna, &format!("/api/events?last_id={first}"), None).await;
    rest.clear();
    assert_eq!(next(&mut stream, &mut rest).await.1, "report.started");
    let mut stream = listen(&anna, &format!("/api/events?last_id={first}"), Some(&second)).await;
    rest.clear();
    assert_eq!(next(&mut stream, &mut rest).await.1, "report.finished", "the header is newer than the address");
    let mut stream = listen(&anna, "/api/events", Some("9999999999999-0")).await;
    rest.clear();
    assert_eq!(next(&mut stream, &mut rest).await.1, "resync");
}

#[tokio::test]
async fn only_their_own_and_only_with_a_cookie() {
    let service = Service::start().await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    assert_eq!(service.stranger().get("/api/events").await.status(), 401);
    assert_eq!(listen(&anna, "/api/events", Some("nonsense")).await.status(), 400);
    let (mut stream, mut rest) = (listen(&ben, "/api/events", None).await, String::new());
    anna.submit().await;
    let report = ben.submit().await;
    assert_eq!(next(&mut stream, &mut rest).await.2["data"]["id"], report);
}
