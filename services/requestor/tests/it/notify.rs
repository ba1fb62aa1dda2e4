//! What the tests of notifications share: who tells, what Alertmanager says, and what a Workflow wants.

use report_queue::{Connection, Queue, QueueSettings, RedisQueue, State, TraceContext, Workers};
use report_requestor::notify::{Notifications, NotifyFlags, NotifySettings, queue_settings};
use report_requestor::store::Store;
use report_telemetry::{Metrics, Service};
use report_testing::{Identity, Received, Receiver, RedisServer, SmtpServer};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The secret that webhooks to others are signed with.
pub const SIGNING: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// The user and the password at the mail server.
pub const LOGIN: (&str, &str) = ("reports@example.org", "pass word+%");

/// Settings, and the files that they name.
pub struct Files {
    pub flags: NotifyFlags,
    folder: TempDir,
}

impl Files {
    pub fn new() -> Self {
        let flags = NotifyFlags { notify_interval: 1, ..NotifyFlags::default() };
        Self { flags, folder: tempfile::tempdir().unwrap() }
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Mail through a server that wants the login, to `to`.
    pub fn mail(mut self, scheme: &str, server: &SmtpServer, identity: &Identity, to: &[&str]) -> Self {
        let user = if scheme == "smtp+insecure" { "" } else { "reports%40example.org@" };
        self.flags.smtp_url = Some(format!("{scheme}://{user}127.0.0.1:{}", server.port()));
        self.flags.smtp_password_file = (!user.is_empty()).then(|| self.file("password", LOGIN.1));
        self.flags.mail_from = Some("Reports <reports@example.org>".to_owned());
        self.flags.mail_to = to.iter().map(ToString::to_string).collect();
        self.flags.notify_ca_file = Some(self.file("ca.pem", identity.pem()));
        self
    }

    pub fn teams(mut self, receiver: &Receiver) -> Self {
        self.flags.teams_url_file = Some(self.file("teams", &receiver.url("/workflows/abc?sig=secret")));
        self
    }

    pub fn hook(mut self, receiver: &Receiver) -> Self {
        self.flags.notify_url_file = Some(self.file("urls", &receiver.url("/notices")));
        self.flags.notify_secret_file = Some(self.file("signing", SIGNING));
        self
    }

    pub fn settings(&self) -> NotifySettings {
        NotifySettings::resolve(&self.flags).unwrap()
    }
}

/// Who tells, on a Redis of its own, with workers.
pub struct Desk {
    pub redis: RedisServer,
    pub notifications: Notifications,
    pub queue: RedisQueue,
    workers: Option<Workers>,
}

impl Desk {
    pub fn open(files: &Files) -> Self {
        Self::with(files, queue_settings())
    }

    /// One whose queue gives up after so many attempts, which come quickly one after the other.
    pub fn impatient(files: &Files, max_attempts: u32) -> Self {
        let retry_most = Duration::from_millis(20);
        Self::with(files, QueueSettings { max_attempts, retry_first: retry_most, retry_most, ..queue_settings() })
    }

    fn with(files: &Files, settings: QueueSettings) -> Self {
        let redis = RedisServer::start();
        let connection = Connection::to(redis.url());
        let queue = RedisQueue::connect(&connection, settings).unwrap();
        let store = Store::new(connection.client().unwrap()).unwrap();
        let metrics = Metrics::new(Service { name: "test", version: "0" });
        let notifications =
            Notifications::new(&files.settings(), store, queue.clone(), "http://page.test", (&metrics, Arc::new(())))
                .unwrap();
        let mut desk = Self { redis, notifications, queue, workers: None };
        desk.begin();
        desk
    }

    /// Starts the workers.
    pub fn begin(&mut self) {
        let handler = Arc::new(self.notifications.clone());
        self.workers = Some(Workers::start(&self.queue, handler, 4, Arc::new(())).unwrap());
    }

    /// Drops the workers in the middle of what they do.
    pub fn stop(&mut self) {
        self.workers = None;
    }

    pub async fn take(&self, payload: &Value) -> usize {
        self.notifications.take_alerts(payload.to_string().as_bytes(), &TraceContext::default()).await.unwrap()
    }

    /// Waits until nothing is to be done, and checks that nothing is dead.
    pub async fn done(&self) {
        self.idle().await;
        assert_eq!(self.queue.dead(10).await.unwrap(), []);
    }

    /// Waits until nothing is to be done.
    pub async fn idle(&self) {
        wait("the queue is empty", async || {
            let stats = self.queue.stats().await.unwrap();
            stats.waiting + stats.delayed + stats.running + stats.parked == 0
        })
        .await;
    }

    /// The errors of the dead letters.
    pub async fn dead(&self) -> Vec<String> {
        let dead = self.queue.dead(10).await.unwrap();
        assert!(dead.iter().all(|job| job.state == State::Dead));
        dead.into_iter().filter_map(|job| job.error).collect()
    }
}

/// Waits until `holds`, looking every 10 ms, at most 30 s.
pub async fn wait(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok(), "not within 30 s: {what}");
}

/// What Alertmanager says of alerts of one group, each a name and whether it fires.
pub fn payload(alerts: &[(&str, bool)]) -> Value {
    let alerts: Vec<_> = alerts
        .iter()
        .map(|(name, firing)| {
            json!({
                "status": if *firing { "firing" } else { "resolved" },
                "labels": {"alertname": name, "severity": "critical", "job": "report-runner"},
                "annotations": {"summary": format!("{name}: <the queue> is long")},
                "startsAt": "2026-11-24T12:00:00Z",
                "endsAt": if *firing { "0001-01-01T00:00:00Z" } else { "2026-11-24T12:05:00Z" },
                "generatorURL": "http://127.0.0.1:9090/graph?g0.expr=up",
                "fingerprint": format!("{name:0>16}"),
            })
        })
        .collect();
    json!({"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "requestor", "alerts": alerts})
}

/// Checks a request as strictly as a Workflow and Teams do, and gives the card's texts.
pub fn card(request: &Received) -> String {
    assert_eq!(request.line, "POST /workflows/abc?sig=secret");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.body.len() <= 28_000, "{} bytes", request.body.len());
    let message: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(message["type"], "message");
    let attachments = message["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 1);
    assert_eq!(attachments[0]["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachments[0]["content"];
    assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    assert_eq!(card["$schema"], "http://adaptivecards.io/schemas/adaptive-card.json");
    let mut texts = Vec::new();
    elements(&card["body"], &mut texts);
    texts.join("\n")
}

/// Checks elements against what version 1.4 of the schema says of them.
fn elements(list: &Value, texts: &mut Vec<String>) {
    for element in list.as_array().unwrap() {
        let keys: Vec<_> = element.as_object().unwrap().keys().map(String::as_str).collect();
        match element["type"].as_str().unwrap() {
            "Container" => {
                assert!(keys.iter().all(|key| ["type", "items", "separator"].contains(key)), "{keys:?}");
                assert!(!element["items"].as_array().unwrap().is_empty());
                elements(&element["items"], texts);
            }
            "RichTextBlock" => {
                assert_eq!(keys, ["type", "inlines"]);
                for run in element["inlines"].as_array().unwrap() {
                    assert_eq!(run["type"], "TextRun");
                    let allowed = ["type", "text", "size", "weight", "color", "isSubtle"];
                    assert!(run.as_object().unwrap().keys().all(|key| allowed.contains(&key.as_str())), "{run}");
                    texts.push(run["text"].as_str().unwrap().to_owned());
                }
            }
            "ActionSet" => {
                for action in element["actions"].as_array().unwrap() {
                    assert_eq!(action["type"], "Action.OpenUrl");
                    assert!(action["url"].as_str().unwrap().starts_with("http"));
                    assert!(action["title"].is_string());
                }
            }
            other => panic!("{other} is no element that we use"),
        }
    }
}
