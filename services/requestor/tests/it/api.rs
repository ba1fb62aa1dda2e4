//! Asking for reports, and seeing one's own.

use crate::service::Service;
use serde_json::{Value, json};
use tokio::task::JoinSet;

fn check(seconds: u32) -> Value {
    json!({"type": "system-check", "parameters": {"seconds": seconds}})
}

#[tokio::test]
async fn twenty_requests_with_one_key_are_one_report() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let mut asking = JoinSet::new();
    for _ in 0..20 {
        let anna = anna.clone();
        asking.spawn(async move {
            let answer = anna.post("/api/reports", &check(1), Some("click-1")).await;
            let status = answer.status().as_u16();
            let place = answer.headers()["location"].to_str().unwrap().to_owned();
            (status, place, answer.json::<Value>().await.unwrap()["id"].clone())
        });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(status, ..)| *status);
    let (_, place, id) = answers[0].clone();
    assert_eq!(place, format!("/api/reports/{}", id.as_str().unwrap()));
    assert!(answers.iter().all(|(_, other, same)| *other == place && *same == id), "{answers:?}");
    assert_eq!(answers.iter().filter(|(status, ..)| *status == 202).count(), 1);
    let (_, list) = anna.read("/api/reports").await;
    assert_eq!(list["reports"].as_array().unwrap().len(), 1);
    assert_eq!(service.log("anna").len(), 1, "and it is told once");
}

#[tokio::test]
async fn a_key_stands_for_one_content_and_one_user() {
    let service = Service::start().await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    let first = anna.post("/api/reports", &check(1), Some("k")).await;
    assert_eq!(first.status(), 202);
    let first: Value = first.json().await.unwrap();
    assert_eq!((first["state"].as_str(), first["type"].as_str()), (Some("queued"), Some("system-check")));

    let same = json!({"parameters": {"seconds": 1.0}, "type": "system-check"});
    let again = anna.post("/api/reports", &same, Some("k")).await;
    assert_eq!(again.status(), 200);
    assert_eq!(again.json::<Value>().await.unwrap(), first);

    let other = anna.post("/api/reports", &check(2), Some("k")).await;
    assert_eq!(other.status(), 422);
    assert_eq!(other.headers()["content-type"], "application/problem+json");
    assert!(other.json::<Value>().await.unwrap()["detail"].as_str().unwrap().contains("Idempotency-Key"));

    let bens = ben.post("/api/reports", &check(2), Some("k")).await;
    assert_eq!(bens.status(), 202);
    assert_ne!(bens.json::<Value>().await.unwrap()["id"], first["id"]);
    for bad in ["", "a b", &"k".repeat(201)] {
        assert_eq!(anna.post("/api/reports", &check(1), Some(bad)).await.status(), 400, "{bad:?}");
    }
}

#[tokio::test]
async fn another_user_sees_nothing_of_it() {
    let service = Service::start().await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    let report = anna.submit().await;
    for path in ["", "/result.json", "/result.csv", "/result.html"] {
        let path = format!("/api/reports/{report}{path}");
        assert_eq!(ben.get(&path).await.status(), 404, "{path}");
        assert_eq!(service.stranger().get(&path).await.status(), 401, "{path}");
    }
    let cancel = format!("/api/reports/{report}/cancel");
    assert_eq!(ben.post(&cancel, &json!({}), None).await.status(), 404);
    assert_eq!(ben.read("/api/reports").await.1, json!({"reports": [], "next": null}));
    let (status, mine) = anna.read(&format!("/api/reports/{report}")).await;
    assert_eq!((status, mine["state"].as_str(), &mine["result"]), (200, Some("queued"), &Value::Null));
    assert_eq!(mine["parameters"], json!({"seconds": 0}));
    assert_eq!(mine["title"], "System check");
}

#[tokio::test]
async fn the_list_comes_in_parts_newest_first() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(anna.submit().await);
    }
    ids.reverse();
    let (mut got, mut path) = (Vec::new(), "/api/reports?limit=2".to_owned());
    loop {
        let (_, page) = anna.read(&path).await;
        got.extend(page["reports"].as_array().unwrap().iter().map(|report| report["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/reports?limit=2&before={next}"),
            None => break,
        }
    }
    assert_eq!(got, ids);
}

#[tokio::test]
async fn what_waits_is_cancelled_at_once_and_that_is_told_once() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let mut socket = anna.socket("").await;
    let report = anna.submit().await;
    let cancel = format!("/api/reports/{report}/cancel");
    assert_eq!(anna.post(&cancel, &json!({}), None).await.status(), 202);
    assert_eq!(anna.post(&cancel, &json!({}), None).await.status(), 409);
    let told = ["report.queued", "report.cancelled"].map(|event| (event.to_owned(), report.clone()));
    assert_eq!(socket.take(2).await, told);
    assert_eq!(service.tell("report.cancelled", &report).await.status(), 200);
    assert_eq!(service.log("anna").len(), 2, "the runner may tell it too");
    assert_eq!(anna.read(&format!("/api/reports/{report}")).await.1["state"], "cancelled");
}

#[tokio::test]
async fn errors_say_what_to_do_and_where() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let cases = [
        (json!({"type": "nonsense"}), "type"),
        (json!({"type": "system-check", "parameters": {"seconds": 61}}), "parameters.seconds"),
        (json!({"type": "system-check"}), "parameters.seconds"),
        (json!({"type": "system-check", "parameters": []}), "parameters"),
        (json!({"type": "gage-calibration", "parameters": {"source": "gages"}}), "parameters.source"),
    ];
    for (body, field) in cases {
        let answer = anna.post("/api/reports", &body, None).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
            (422, "application/problem+json")
        );
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["field"], field, "{problem}");
        assert_eq!(problem["status"], 422);
    }
    let odd = json!({"type": "system-check", "parameters": {"seconds": 1}, "user": "ben"});
    assert_eq!(anna.post("/api/reports", &odd, None).await.status(), 422, "nobody asks for another");
    for (method, path, status) in
        [("GET", "/nothing", 404), ("DELETE", "/api/reports", 405), ("GET", "/api/reports?limit=x", 400)]
    {
        let request = service.http.request(method.parse().unwrap(), format!("{}{path}", service.base));
        let answer = request.header("cookie", format!("report_session={}", anna.token)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    assert!(service.log("anna").is_empty());
}

#[tokio::test]
async fn pages_of_other_sites_can_do_nothing() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let posting = |origin: &str| {
        let request = service.http.post(format!("{}/api/reports", service.base)).json(&check(0));
        request.header("cookie", format!("report_session={}", anna.token)).header("origin", origin.to_owned()).send()
    };
    let port = service.base.rsplit(':').next().unwrap();
    for origin in ["https://evil.example", "null", "http://127.0.0.1", &format!("http://localhost.evil.example:{port}")]
    {
        assert_eq!(posting(origin).await.unwrap().status(), 403, "{origin}");
    }
    assert!(service.log("anna").is_empty());
    assert_eq!(posting(&format!("http://localhost:{port}")).await.unwrap().status(), 202);
}

#[tokio::test]
async fn the_catalog_offers_what_the_runner_offers() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let choices = |catalog: &Value| catalog["reports"][0]["parameters"][0]["choices"].clone();
    assert_eq!(choices(&anna.read("/api/catalog").await.1), json!([]));
    let names = ["gage_id", "measured_at", "nominal", "reading", "tolerance", "interval_days"];
    let columns: Vec<Value> = names.iter().map(|name| json!({"name": name, "kind": "number"})).collect();
    let sources = json!([{"name": "gages", "label": "Gages", "reports": ["gage-calibration"], "columns": columns}]);
    let mut redis = service.redis.connection();
    redis::cmd("SET").arg("report:sources").arg(sources.to_string()).exec(&mut redis).unwrap();
    let (status, catalog) = anna.read("/api/catalog").await;
    assert_eq!((status, choices(&catalog)), (200, json!([{"value": "gages", "label": "Gages"}])));
    let body = json!({"type": "gage-calibration", "parameters": {"source": "gages", "as_of": "2026-11-24", "horizon_days": 30}});
    assert_eq!(anna.post("/api/reports", &body, None).await.status(), 202);
}

#[tokio::test]
async fn answers_are_strict_with_browsers() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    for path in ["/", "/api/me", "/api/reports", "/nothing"] {
        let answer = anna.get(path).await;
        let headers = answer.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"), "{path}");
    }
}
