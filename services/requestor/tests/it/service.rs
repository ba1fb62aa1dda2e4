//! A service of a test's own.

use crate::browser::Browser;
use clap::Parser;
use jiff::Timestamp;
use report_requestor::app::{App, Patience};
use report_requestor::serve::Server;
use report_requestor::settings::{Flags, Settings};
use report_telemetry::{Metrics, Service as Name};
use report_testing::{RedisServer, free_port};
use report_webhook::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, Secrets, WebhookId};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const ADMIN: &str = "the-admin-token-of-this-test";
pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
pub const OLD_SECRET: &str = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xkIG9sZCE=";

/// A service, which ends with the test.
pub struct Service {
    pub redis: RedisServer,
    pub app: App,
    pub base: String,
    pub http: Client,
    stop: CancellationToken,
    running: Option<JoinHandle<std::io::Result<()>>>,
}

impl Service {
    /// One with the usual settings.
    pub async fn start() -> Self {
        Self::with(|_| {}, Patience::default()).await
    }

    /// One whose settings are changed before it begins.
    pub async fn with(change: impl FnOnce(&mut Settings), patience: Patience) -> Self {
        Self::on(RedisServer::start(), change, patience).await
    }

    /// One on this Redis.
    pub async fn on(redis: RedisServer, change: impl FnOnce(&mut Settings), patience: Patience) -> Self {
        report_webhook::install_tls();
        let mut settings = settings(&redis.url());
        change(&mut settings);
        let metrics = Metrics::new(Name { name: "report-requestor", version: "test" });
        let app = App::new(settings, patience, &metrics).unwrap();
        let server = Server::open(app.clone(), metrics).unwrap();
        let base = format!("http://{}", server.address().unwrap());
        let stop = CancellationToken::new();
        let running = Some(tokio::spawn(server.run(stop.clone())));
        let service = Self { redis, app, base, http: Client::new(), stop, running };
        until("the service is ready", async || {
            service.http.get(format!("{}/readyz", service.base)).send().await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        service
    }

    /// A browser in which `user` is signed in.
    pub async fn sign_in(&self, user: &str) -> Browser {
        let mut browser = self.stranger();
        let answer = browser.open(&self.link(user).await).await;
        assert_eq!(answer.status(), 303);
        browser
    }

    /// A browser in which nobody is signed in.
    pub fn stranger(&self) -> Browser {
        Browser::new(&self.base)
    }

    /// A link that lets `user` in.
    pub async fn link(&self, user: &str) -> String {
        let request = self.http.post(format!("{}/admin/links", self.base)).bearer_auth(ADMIN);
        let answer = request.json(&json!({"user": user})).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let told: Value = answer.json().await.unwrap();
        told["url"].as_str().unwrap().to_owned()
    }

    /// The runner's webhook about a report, genuine and new.
    pub async fn tell(&self, event: &str, report: &str) -> Response {
        let body = event_of(event, report, None);
        self.deliver(&format!("{report}.{}", event.replace('.', "-")), &body).await
    }

    /// A genuine webhook with this id and body.
    pub async fn deliver(&self, id: &str, body: &Value) -> Response {
        self.post_hook(id, Timestamp::now().as_second(), SECRET, body.to_string()).await
    }

    /// A webhook, signed with `secret`.
    pub async fn post_hook(&self, id: &str, timestamp: i64, secret: &str, body: String) -> Response {
        let secrets = Secrets::from_text(secret).unwrap();
        let signature = secrets.sign(&WebhookId::parse(id).unwrap(), timestamp, body.as_bytes());
        let request = self.http.post(format!("{}/hooks/reports", self.base));
        let request = request.header(HEADER_ID, id).header(HEADER_TIMESTAMP, timestamp);
        request.header(HEADER_SIGNATURE, signature).body(body).send().await.unwrap()
    }

    /// From now on what was answered is on the disk: otherwise the last second may be lost when Redis is killed.
    pub fn make_durable(&self) {
        redis::cmd("CONFIG").arg(&["SET", "appendfsync", "always"]).exec(&mut self.redis.connection()).unwrap();
    }

    /// The entries of a user's log, oldest first: their ids and types.
    pub fn log(&self, user: &str) -> Vec<(String, String)> {
        let found: redis::streams::StreamRangeReply = redis::cmd("XRANGE")
            .arg(&[&format!("user:{user}:ev"), "-", "+"])
            .query(&mut self.redis.connection())
            .unwrap();
        let entry = |entry: &redis::streams::StreamId| {
            let event: Value = serde_json::from_str(&entry.get::<String>("event").unwrap()).unwrap();
            (entry.id.clone(), event["type"].as_str().unwrap().to_owned())
        };
        found.ids.iter().map(entry).collect()
    }

    /// Ends it as SIGTERM does, and waits until it has ended.
    pub async fn end(&mut self) {
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap().unwrap();
    }

    /// Begins to end it, without waiting.
    pub fn begin_to_end(&self) {
        self.stop.cancel();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The body of a webhook.
pub fn event_of(event: &str, report: &str, error: Option<&str>) -> Value {
    let mut body = json!({
        "type": event,
        "timestamp": "2026-11-24T12:00:00Z",
        "data": {"id": report, "report": "system-check", "trace_id": "0af7651916cd43dd8448eb211c80319c", "attempt": 1},
    });
    if let Some(error) = error {
        body["data"]["error"] = error.into();
    }
    body
}

/// Waits until `holds`, looking every 10 ms; panics after 30 s.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What `wanted` gives; panics when it takes longer than 20 s.
pub async fn soon<T>(what: &str, wanted: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(20), wanted).await {
        Ok(got) => got,
        Err(_) => panic!("not within 20 s: {what}"),
    }
}

fn settings(redis: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let listen = format!("127.0.0.1:{}", free_port());
    let hooks = file("hooks", &format!("{SECRET}\n{OLD_SECRET}\n"));
    let admin = file("admin", ADMIN);
    let flags = ["report-requestor", "--listen", &listen, "--redis", redis, "--webhook-secret-file", &hooks];
    let limits = ["--admin-token-file", &admin, "--burst", "10000"];
    Settings::resolve(&Flags::try_parse_from(flags.into_iter().chain(limits)).unwrap()).unwrap()
}
