//! Links and sessions.

use crate::service::{ADMIN, Service, until};
use report_requestor::app::Patience;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_link_lets_in_once() {
    let service = Service::start().await;
    let link = service.link("anna").await;
    let head = service.http.head(&link).send().await.unwrap();
    assert_eq!(head.status(), 204, "a mail program that looks does not use it up");
    let mut browser = service.stranger();
    let answer = browser.open(&link).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/".parse().unwrap()));
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "http://127.0.0.1 would never send it back");
    let (status, me) = browser.read("/api/me").await;
    assert_eq!((status, me["user"].as_str()), (200, Some("anna")));

    let mut thief = service.stranger();
    let again = thief.open(&link).await;
    assert_eq!(again.status(), 410);
    assert!(again.text().await.unwrap().contains("reportctl user link"));
    assert_eq!(thief.read("/api/me").await.0, 401);
    assert_eq!(thief.open(&format!("{}/link/nonsense", service.base)).await.status(), 410);
}

#[tokio::test]
async fn of_many_who_open_a_link_at_once_one_gets_in() {
    let service = Service::start().await;
    let link = service.link("anna").await;
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mut browser, link) = (service.stranger(), link.clone());
        opening.spawn(async move { browser.open(&link).await.status().as_u16() });
    }
    let mut answers = opening.join_all().await;
    answers.sort_unstable();
    assert_eq!(answers, [vec![303], vec![410; 19]].concat());
}

#[tokio::test]
async fn a_link_that_is_too_old_lets_nobody_in() {
    let change = |settings: &mut report_requestor::settings::Settings| {
        settings.lifetimes.link = Duration::from_secs(1);
    };
    let service = Service::with(change, Patience::default()).await;
    let link = service.link("anna").await;
    let mut redis = service.redis.connection();
    until("the link is over", async || {
        redis::cmd("KEYS").arg("user:/link:*").query::<Vec<String>>(&mut redis).unwrap().is_empty()
    })
    .await;
    assert_eq!(service.stranger().open(&link).await.status(), 410);
}

#[tokio::test]
async fn cookies_are_for_https_where_the_service_is() {
    let change = |settings: &mut report_requestor::settings::Settings| settings.secure = true;
    let service = Service::with(change, Patience::default()).await;
    let answer = service.stranger().open(&service.link("anna").await).await;
    assert!(answer.headers()["set-cookie"].to_str().unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn redis_never_sees_a_token() {
    let service = Service::start().await;
    let link = service.link("ben").await;
    let anna = service.sign_in("anna").await;
    let mut redis = service.redis.connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg("user:/*").query(&mut redis).unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let dump: Vec<u8> = redis::cmd("DUMP").arg(&key).query(&mut redis).unwrap();
        let all = format!("{key} {}", String::from_utf8_lossy(&dump));
        assert!(!all.contains(&anna.token) && !all.contains(link.rsplit('/').next().unwrap()), "{all}");
        let left: i64 = redis::cmd("TTL").arg(&key).query(&mut redis).unwrap();
        assert!(left > 0, "{key} goes by itself");
    }
}

#[tokio::test]
async fn signing_in_again_ends_the_session_before() {
    let service = Service::start().await;
    let mut browser = service.sign_in("anna").await;
    let before = browser.clone();
    let mut socket = before.socket("").await;
    browser.open(&service.link("ben").await).await;
    assert_eq!(browser.read("/api/me").await.1["user"], "ben");
    assert_eq!(before.read("/api/me").await.0, 401);
    assert_eq!(socket.closed().await, 4401);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_its_sockets() {
    let service = Service::start().await;
    let (anna, elsewhere) = (service.sign_in("anna").await, service.sign_in("anna").await);
    let (mut here, mut there) = (anna.socket("").await, elsewhere.socket("").await);
    let answer = anna.post("/api/logout", &json!({}), None).await;
    assert_eq!(answer.status(), 204);
    assert!(answer.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(here.closed().await, 4401);
    assert_eq!(anna.read("/api/me").await.0, 401);
    let report = elsewhere.submit().await;
    assert_eq!(there.next().await["data"]["id"], report, "another session of the same person goes on");
}

#[tokio::test]
async fn a_session_that_is_over_closes_its_sockets() {
    let change = |settings: &mut report_requestor::settings::Settings| {
        settings.lifetimes.session = Duration::from_millis(700);
    };
    let service = Service::with(change, Patience::default()).await;
    let anna = service.sign_in("anna").await;
    let mut socket = anna.socket("").await;
    assert_eq!(socket.closed().await, 4401);
    assert_eq!(anna.read("/api/me").await.0, 401);
    assert_eq!(anna.try_socket("", Some(&service.base)).await.err(), Some(401));
}

#[tokio::test]
async fn a_session_that_is_used_moves_to_another_token() {
    let change = |settings: &mut report_requestor::settings::Settings| settings.lifetimes.fresh = Duration::ZERO;
    let service = Service::with(change, Patience::default()).await;
    let mut browser = service.sign_in("anna").await;
    let before = browser.clone();
    let mut socket = before.socket("").await;
    assert_eq!(browser.open(&format!("{}/", service.base)).await.status(), 200);
    assert_ne!(browser.token, before.token);
    assert_eq!(browser.read("/api/me").await.1["user"], "anna");
    assert_eq!(before.read("/api/me").await.0, 200, "what is on its way with the old one still arrives");
    assert_eq!(socket.closed().await, 1012, "the page comes back with the new one");
    let mut late = before.clone();
    late.open(&format!("{}/", service.base)).await;
    assert_eq!(late.token, before.token, "the old one does not make further ones");
    let left: i64 = {
        let mut redis = service.redis.connection();
        let keys: Vec<String> = redis::cmd("KEYS").arg("user:/session:*").query(&mut redis).unwrap();
        assert_eq!(keys.len(), 2);
        keys.iter().map(|key| redis::cmd("TTL").arg(key).query::<i64>(&mut redis).unwrap()).min().unwrap()
    };
    assert!((0..=60).contains(&left), "{left}");
}

#[tokio::test]
async fn only_those_with_the_token_make_links() {
    let service = Service::start().await;
    let url = format!("{}/admin/links", service.base);
    let ask = |token: Option<&'static str>, body: serde_json::Value| {
        let request = service.http.post(&url).json(&body);
        token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token)).send()
    };
    let anna = json!({"user": "anna"});
    assert_eq!(ask(None, anna.clone()).await.unwrap().status(), 401);
    assert_eq!(ask(Some("wrong"), anna.clone()).await.unwrap().status(), 401);
    assert_eq!(ask(Some("wrong"), json!({"user": "/"})).await.unwrap().status(), 401, "the token comes first");
    for (body, field) in [
        (json!({"user": "Anna"}), "user"),
        (json!({"user": "a:ev"}), "user"),
        (json!({"user": "a", "mail": "x\r\ny"}), "mail"),
    ] {
        let answer = ask(Some(ADMIN), body).await.unwrap();
        assert_eq!(answer.status(), 422);
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["field"], field);
    }
    assert_eq!(ask(Some(ADMIN), json!({"user": "anna", "mail": "anna@example.com"})).await.unwrap().status(), 201);
    let mail: String =
        redis::cmd("HGET").arg(&["user:/profile:anna", "mail"]).query(&mut service.redis.connection()).unwrap();
    assert_eq!(mail, "anna@example.com");
}

#[tokio::test]
async fn without_an_admin_token_the_door_is_closed() {
    let change = |settings: &mut report_requestor::settings::Settings| settings.admin_token = None;
    let service = Service::with(change, Patience::default()).await;
    let request = service.http.post(format!("{}/admin/links", service.base)).bearer_auth("");
    assert_eq!(request.json(&json!({"user": "anna"})).send().await.unwrap().status(), 403);
}
