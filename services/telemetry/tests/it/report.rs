//! One report is one trace: from the click over the queue, the report and the callback to the browser, through both real
//! services on a real Redis, told to a receiver that is not ours.

use futures_util::StreamExt;
use report_testing::{ADMIN_TOKEN, OtlpReceiver, RedisServer, Services};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const HEADER: (&str, &str) = ("uptrace-dsn", "http://t0ken@127.0.0.1:14318?grpc=14317");

/// What is below the click, each the parent of the next.
const TO_THE_REPORT: [&str; 3] = ["POST /api/reports", "send reports", "process reports"];
const TO_THE_BROWSER: [&str; 5] =
    ["send webhooks", "process webhooks", "POST /hooks/reports", "POST /hooks/reports", "push report.finished"];

/// Signs in and returns the cookie.
async fn sign_in(client: &reqwest::Client, url: &str) -> String {
    let asked = client.post(format!("{url}/admin/links")).bearer_auth(ADMIN_TOKEN).json(&json!({"user": "anna"}));
    let link: Value = asked.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    let answer = client.get(link["url"].as_str().unwrap()).send().await.unwrap();
    answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

/// Asks for a report, waits for its result at a websocket, and returns what the requestor answered at first.
async fn click(url: &str) -> Value {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let cookie = sign_in(&client, url).await;
    let mut request = format!("{}/api/socket", url.replacen("http", "ws", 1)).into_client_request().unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    request.headers_mut().insert("origin", url.parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let asked = client.post(format!("{url}/api/reports")).header("cookie", &cookie).header("origin", url);
    let asked =
        asked.header("idempotency-key", "k1").json(&json!({"type": "system-check", "parameters": {"seconds": 0}}));
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let answer: Value = answer.json().await.unwrap();
    let finished = async {
        loop {
            let frame = socket.next().await.unwrap().unwrap();
            if frame.is_text() && frame.to_text().unwrap().contains("report.finished") {
                return serde_json::from_str::<Value>(frame.to_text().unwrap()).unwrap();
            }
        }
    };
    let event = timeout(Duration::from_secs(30), finished).await.unwrap();
    assert_eq!((&event["data"]["id"], &event["data"]["trace_id"]), (&answer["id"], &answer["trace_id"]));
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_one_trace_from_the_click_to_the_browser() {
    let redis = RedisServer::start();
    let receiver = OtlpReceiver::start(HEADER);
    let endpoint = receiver.url();
    let headers = format!("{}={}", HEADER.0, HEADER.1);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", headers.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "100"),
    ];
    let services = Services::start(&redis.url(), &variables);
    let trace = click(&services.url()).await["trace_id"].as_str().unwrap().to_owned();
    let chain: Vec<&str> = TO_THE_REPORT.into_iter().chain(TO_THE_BROWSER).collect();
    // Both services told their part of it, and their logs, which come by themselves, name the trace that the user sees.
    let seen = receiver.wait("the trace is whole, and a log names it", |seen| {
        seen.chain(&trace, &chain).is_ok() && seen.logs.iter().any(|log| log["traceId"] == trace.as_str())
    });
    assert!(services.logs().contains(&trace), "{}", services.logs());
    assert_eq!(seen.refused, Vec::<String>::new());
    // What is told at once is in the trace too.
    seen.chain(&trace, &["POST /api/reports", "send reports", "push report.queued"]).unwrap();
    // Proof that this can fail: without any one of its spans the chain is broken.
    for name in chain.iter() {
        let mut less = seen.clone();
        less.spans.retain(|span| span["name"] != *name || span["traceId"] != trace.as_str());
        assert!(less.chain(&trace, &chain).is_err(), "nobody missed {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_whose_receiver_refuses_them_work_all_the_same() {
    let redis = RedisServer::start();
    let receiver = OtlpReceiver::start(HEADER);
    let endpoint = receiver.url();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "uptrace-dsn=http://wrong@127.0.0.1:14318"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let services = Services::start(&redis.url(), &variables);
    let trace = click(&services.url()).await["trace_id"].as_str().unwrap().to_owned();
    let seen = receiver.wait("something was refused", |seen| !seen.refused.is_empty());
    assert!(seen.chain(&trace, &TO_THE_REPORT).is_err());
    assert!(!services.logs().contains("wrong"), "{}", services.logs());
}
