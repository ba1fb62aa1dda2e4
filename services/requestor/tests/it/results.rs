//! What came of reports: small ones from Redis, large ones from the runner.

use crate::browser::Browser;
use crate::service::{Service, until};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use report_model::document::{Cell, Column, Document};
use report_model::result::{FileReference, StoredResult};
use report_queue::{Claimed, Connection, Handler, Outcome, QueueSettings, RedisQueue, Workers};
use report_requestor::app::Patience;
use report_requestor::runner::Runner;
use report_requestor::settings::Settings;
use report_requestor::token::hex;
use report_secret::Secret;
use report_testing::RedisServer;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const TOKEN: &str = "the-results-token-of-this-test";

/// A worker whose reports all end in the same way.
struct Makes(Vec<u8>);

impl Handler for Makes {
    async fn run(&self, _: Claimed) -> Outcome {
        Outcome::Done { result: self.0.clone() }
    }
}

fn document() -> Document {
    let column = |name: &str| Column { name: name.to_owned(), label: name.to_owned(), unit: None };
    Document {
        title: "A <b>table</b>".to_owned(),
        summary: vec!["Two rows.".to_owned()],
        warnings: Vec::new(),
        columns: vec![column("gage"), column("days")],
        rows: vec![
            vec![Cell::Text("A, \"1\"".to_owned()), Cell::Number(3.0)],
            vec![Cell::Text("=1+1".to_owned()), Cell::Empty],
        ],
        chart: None,
    }
}

/// Has a report made whose stored result is this.
async fn make(service: &Service, browser: &Browser, stored: &StoredResult) -> String {
    let queue = RedisQueue::connect(&Connection::to(service.redis.url()), QueueSettings::new("reports")).unwrap();
    let makes = Arc::new(Makes(serde_json::to_vec(stored).unwrap()));
    let workers = Workers::start(&queue, makes, 1, Arc::new(())).unwrap();
    let report = browser.submit().await;
    until("the report is done", async || browser.read(&format!("/api/reports/{report}")).await.1["state"] == "done")
        .await;
    workers.drain(Duration::from_secs(5)).await;
    report
}

#[tokio::test]
async fn a_result_comes_as_json_csv_and_html() {
    let service = Service::start().await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    let report = anna.submit().await;
    let path = format!("/api/reports/{report}");
    assert_eq!(anna.get(&format!("{path}/result.json")).await.status(), 404, "it is not done");
    anna.post(&format!("{path}/cancel"), &Value::Null, None).await;

    let report = make(&service, &anna, &StoredResult::Document(document())).await;
    let path = format!("/api/reports/{report}");
    let (_, told) = anna.read(&path).await;
    let json = anna.get(&format!("{path}/result.json")).await;
    assert_eq!(json.headers()["content-type"], "application/json");
    let bytes = json.bytes().await.unwrap();
    assert_eq!(serde_json::from_slice::<Document>(&bytes).unwrap(), document());
    assert_eq!(told["result"]["size"], bytes.len());

    let csv = anna.get(&format!("{path}/result.csv")).await;
    let name = format!("attachment; filename=\"system-check-{report}.csv\"");
    assert_eq!(csv.headers()["content-disposition"].to_str().unwrap(), name);
    assert!(csv.text().await.unwrap().contains("\"A, \"\"1\"\"\",3"));

    let html = anna.get(&format!("{path}/result.html")).await;
    assert!(html.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(!html.text().await.unwrap().contains("<b>table"), "text stays text");
    assert_eq!(ben.get(&format!("{path}/result.json")).await.status(), 404);
}

#[tokio::test]
async fn a_result_that_is_not_kept_any_more_is_gone() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let report = make(&service, &anna, &StoredResult::Document(document())).await;
    let mut redis = service.redis.connection();
    let removed: i64 =
        redis::cmd("HDEL").arg(&[&format!("report:q:reports:job:{report}"), "result"]).query(&mut redis).unwrap();
    assert_eq!(removed, 1);
    assert_eq!(anna.get(&format!("/api/reports/{report}/result.json")).await.status(), 410);
    let (status, told) = anna.read(&format!("/api/reports/{report}")).await;
    assert_eq!((status, &told["result"]["size"]), (200, &Value::Null));
}

/// A runner that hands out one file under `/results/file`, and is asked as the settings say.
async fn runner(bytes: Vec<u8>) -> Url {
    let hand_out = async move |headers: HeaderMap| {
        let shown = headers.get("authorization").is_some_and(|shown| shown == &format!("Bearer {TOKEN}"));
        if shown { Ok(bytes.clone()) } else { Err(StatusCode::UNAUTHORIZED) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let router = Router::new().route("/results/file", get(hand_out));
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn token() -> Secret {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, TOKEN).unwrap();
    Secret::read(&path).unwrap()
}

async fn with_runner(base: &Url) -> (Service, Browser) {
    let runner = (base.clone(), token());
    let change = |settings: &mut Settings| settings.runner = Some(runner);
    let service = Service::on(RedisServer::start(), change, Patience::default()).await;
    let anna = service.sign_in("anna").await;
    (service, anna)
}

fn file(bytes: &[u8], url: String) -> StoredResult {
    let sha256 = hex(&Sha256::digest(bytes));
    StoredResult::File(FileReference { name: "file".to_owned(), size: bytes.len() as u64, sha256, url })
}

fn large() -> Vec<u8> {
    let mut document = document();
    document.rows = vec![vec![Cell::Text("x".repeat(1000)), Cell::Number(1.0)]; 5000];
    serde_json::to_vec(&document).unwrap()
}

#[tokio::test]
async fn a_large_result_is_fetched_from_the_runner() {
    let bytes = large();
    let base = runner(bytes.clone()).await;
    let (service, anna) = with_runner(&base).await;
    let report = make(&service, &anna, &file(&bytes, format!("{base}results/file"))).await;
    let path = format!("/api/reports/{report}");
    assert_eq!(anna.read(&path).await.1["result"]["size"], bytes.len());
    let got = anna.get(&format!("{path}/result.json")).await.bytes().await.unwrap();
    assert!(got == bytes);
    let csv = anna.get(&format!("{path}/result.csv")).await.text().await.unwrap();
    assert_eq!(csv.lines().count(), 5001);
}

#[tokio::test]
async fn a_file_that_is_not_the_announced_one_is_not_handed_on_as_whole() {
    let bytes = large();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() = b' ';
    let base = runner(changed).await;
    let (service, anna) = with_runner(&base).await;
    let report = make(&service, &anna, &file(&bytes, format!("{base}results/file"))).await;
    let got = anna.get(&format!("/api/reports/{report}/result.json")).await.bytes().await;
    assert!(got.is_err(), "a browser sees that it is not whole");
    assert_eq!(anna.get(&format!("/api/reports/{report}/result.csv")).await.status(), 502);
}

#[tokio::test]
async fn nothing_is_fetched_from_elsewhere() {
    let (bytes, other) = (large(), runner(large()).await);
    let base = runner(Vec::new()).await;
    let (service, anna) = with_runner(&base).await;
    let elsewhere = [format!("{other}results/file"), "file:///etc/passwd".to_owned(), format!("{base}missing")];
    for (url, status) in elsewhere.into_iter().zip([502, 502, 410]) {
        let report = make(&service, &anna, &file(&bytes, url.clone())).await;
        assert_eq!(anna.get(&format!("/api/reports/{report}/result.json")).await.status(), status, "{url}");
    }
    let unknown = Service::start().await;
    let anna = unknown.sign_in("anna").await;
    let report = make(&unknown, &anna, &file(&bytes, format!("{base}results/file"))).await;
    assert_eq!(anna.get(&format!("/api/reports/{report}/result.json")).await.status(), 502);
}

#[tokio::test]
async fn what_is_longer_than_announced_is_cut_off() {
    let base = runner(large()).await;
    report_webhook::install_tls();
    let runner = Runner::new(base.clone(), token()).unwrap();
    let reference =
        FileReference { name: "file".to_owned(), size: 10, sha256: String::new(), url: format!("{base}results/file") };
    assert!(runner.whole(reference).await.is_err());
}
