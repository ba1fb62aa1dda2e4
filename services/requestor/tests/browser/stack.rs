//! A real Redis, the real program, and a worker that does what the test says.

use crate::chromium::eventually;
use crate::proxy::Proxy;
use report_model::catalog::ReportType;
use report_model::document::{Cell, Chart, Column, Document, Series};
use report_model::event::{Event, EventType, ReportEvent};
use report_model::result::StoredResult;
use report_model::source::{ColumnKind, SOURCES_KEY, SourceColumn, SourceInfo};
use report_queue::{Claimed, Connection, Handler, NewJob, Outcome, Queue, QueueSettings, RedisQueue, Workers};
use report_testing::{RedisServer, free_port};
use report_webhook::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, Secrets, WebhookId};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};

const TOKEN: &str = "a-token-of-thirty-two-characters";
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Everything that stands behind the page.
pub struct Stack {
    /// The way of the browsers to the service.
    pub proxy: Proxy,
    redis: RedisServer,
    program: Child,
    port: u16,
    direct: String,
    worker: Arc<Worker>,
    told: watch::Receiver<Vec<Event>>,
    _workers: [Workers; 2],
    folder: TempDir,
}

impl Stack {
    /// Starts it all, with two sources that reports may read.
    pub async fn start() -> Self {
        report_webhook::install_tls();
        let redis = RedisServer::start();
        let port = free_port();
        let proxy = Proxy::start(([127, 0, 0, 1], port).into()).await;
        let folder = tempfile::tempdir().unwrap();
        let program = start_program(&folder, port, proxy.port, &redis.url());
        let direct = format!("http://127.0.0.1:{port}");
        ready(&direct).await;
        let queue = |name| RedisQueue::connect(&Connection::to(redis.url()), QueueSettings::new(name)).unwrap();
        let (reports, webhooks) = (queue("reports"), queue("webhooks"));
        let worker = Arc::new(Worker { gate: Semaphore::new(0), webhooks: webhooks.clone() });
        let messenger = Arc::new(Messenger::to(&direct));
        let told = messenger.taken_in.subscribe();
        let workers = [
            Workers::start(&reports, worker.clone(), 8, Arc::new(())).unwrap(),
            Workers::start(&webhooks, messenger, 8, Arc::new(())).unwrap(),
        ];
        let stack = Self { proxy, redis, program, port, direct, worker, told, _workers: workers, folder };
        stack.offer_sources(true);
        stack
    }

    /// The address of the page.
    pub fn page(&self) -> String {
        format!("http://127.0.0.1:{}/", self.proxy.port)
    }

    /// A one-time link for somebody.
    pub async fn link(&self, user: &str) -> String {
        let client = reqwest::Client::new();
        let request =
            client.post(format!("{}/admin/links", self.direct)).bearer_auth(TOKEN).json(&json!({ "user": user }));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["url"].as_str().unwrap_or_else(|| panic!("no link: {answer}")).to_owned()
    }

    /// Lets the worker end one report.
    pub fn finish_one(&self) {
        self.worker.gate.add_permits(1);
    }

    /// Stops the program as a supervisor does, and starts it again.
    pub async fn restart(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.program.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let ended = eventually("the program ends by itself", async || self.program.try_wait().unwrap()).await;
        assert!(ended.success(), "it was told to end, and {ended}");
        self.program = start_program(&self.folder, self.port, self.proxy.port, &self.redis.url());
        ready(&self.direct).await;
    }

    /// Tells what reports may read; no sources at all with `false`.
    pub fn offer_sources(&self, offer: bool) {
        let told = if offer { sources() } else { Vec::new() };
        let told = serde_json::to_string(&told).unwrap();
        redis::cmd("SET").arg(SOURCES_KEY).arg(told).exec(&mut self.redis.connection()).unwrap();
    }

    /// Waits until the service has taken in that this happened to some report, and tells to which.
    pub async fn taken_in(&self, kind: EventType) -> String {
        let mut told = self.told.clone();
        let events = told.wait_for(|events| events.iter().any(|event| event.kind == kind));
        let events =
            tokio::time::timeout(crate::chromium::PATIENCE, events).await.expect("the webhook is taken in").unwrap();
        events.iter().rev().find(|event| event.kind == kind).unwrap().data.id.clone()
    }

    /// How many entries a user's log has.
    pub fn log_length(&self, user: &str) -> usize {
        redis::cmd("XLEN").arg(format!("user:{user}:ev")).query(&mut self.redis.connection()).unwrap()
    }

    /// Tells the service of an alert, as Alertmanager does.
    pub async fn alert(&self, status: &str) {
        let ends = if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-11-24T10:05:00Z" };
        let alert = json!({
            "status": status, "fingerprint": "0123456789abcdef", "startsAt": "2026-11-24T10:00:00Z", "endsAt": ends,
            "generatorURL": "http://127.0.0.1:9090/graph",
            "labels": { "alertname": "ReportQueueGrows", "severity": "warning", "queue": "reports" },
            "annotations": { "summary": "Reports wait longer than they should." },
        });
        let body = json!({
            "version": "4", "groupKey": "{}:{alertname=\"ReportQueueGrows\"}", "truncatedAlerts": 0, "status": status,
            "receiver": "requestor", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
            "externalURL": "http://127.0.0.1:9093", "alerts": [alert],
        });
        let client = reqwest::Client::new();
        let request = client.post(format!("{}/hooks/alerts", self.direct)).bearer_auth(TOKEN).json(&body);
        let status = request.send().await.unwrap().status();
        assert!(status.is_success(), "the door for alerts answered {status}");
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

async fn ready(direct: &str) {
    eventually("the requestor is ready", async || {
        let answer = reqwest::get(format!("{direct}/readyz")).await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}

fn start_program(folder: &TempDir, port: u16, public: u16, redis: &str) -> Child {
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (token, secret) = (file("token", TOKEN), file("secret", SECRET));
    Command::new(env!("CARGO_BIN_EXE_report-requestor"))
        .args(["--listen", &format!("127.0.0.1:{port}"), "--public-url", &format!("http://127.0.0.1:{public}")])
        .args(["--redis", redis])
        .arg("--webhook-secret-file")
        .arg(secret)
        .arg("--admin-token-file")
        .arg(&token)
        .arg("--alerts-token-file")
        .arg(&token)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Holds every report until the test lets it end, and tells what happens as the runner does.
struct Worker {
    gate: Semaphore,
    webhooks: RedisQueue,
}

impl Handler for Worker {
    async fn run(&self, job: Claimed) -> Outcome {
        self.webhooks.enqueue(webhook(&event(&job, EventType::Started, None))).await.unwrap();
        tokio::select! {
            permit = self.gate.acquire() => permit.unwrap().forget(),
            () = job.cancelled.cancelled() => return Outcome::Cancelled,
        }
        // A report of no seconds is the one that goes wrong.
        if String::from_utf8_lossy(&job.payload).contains("\"seconds\":0") {
            return Outcome::Fail { error: "The gages <b>could not</b> be read.".to_owned() };
        }
        Outcome::Done { result: serde_json::to_vec(&StoredResult::Document(document())).unwrap() }
    }

    fn follow_ups(&self, job: &Claimed, outcome: &Outcome) -> Vec<(String, NewJob)> {
        let event = match outcome {
            Outcome::Done { .. } => event(job, EventType::Finished, None),
            Outcome::Fail { error } => event(job, EventType::Failed, Some(error.clone())),
            Outcome::Cancelled => event(job, EventType::Cancelled, None),
            Outcome::Retry { .. } | Outcome::Postpone { .. } => return Vec::new(),
        };
        vec![("webhooks".to_owned(), webhook(&event))]
    }
}

/// Sends events as signed webhooks, and remembers those that were taken in.
struct Messenger {
    direct: String,
    client: reqwest::Client,
    secrets: Secrets,
    taken_in: watch::Sender<Vec<Event>>,
}

impl Messenger {
    fn to(direct: &str) -> Self {
        let secrets = Secrets::from_text(SECRET).unwrap();
        Self { direct: direct.to_owned(), client: reqwest::Client::new(), secrets, taken_in: watch::Sender::default() }
    }
}

impl Handler for Messenger {
    async fn run(&self, job: Claimed) -> Outcome {
        let event: Event = serde_json::from_slice(&job.payload).unwrap();
        let id = WebhookId::of(&event.data.id, event.kind.as_str()).unwrap();
        let now = jiff::Timestamp::now().as_second();
        let request = self.client.post(format!("{}/hooks/reports", self.direct));
        let request = request.header(HEADER_ID, id.as_str()).header(HEADER_TIMESTAMP, now.to_string());
        let request = request.header(HEADER_SIGNATURE, self.secrets.sign(&id, now, &job.payload)).body(job.payload);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                self.taken_in.send_modify(|all| all.push(event));
                Outcome::Done { result: Vec::new() }
            }
            Ok(answer) => Outcome::Retry { error: answer.status().to_string(), after: None },
            Err(error) => Outcome::Retry { error: error.to_string(), after: None },
        }
    }
}

fn event(job: &Claimed, kind: EventType, error: Option<String>) -> Event {
    let report = ReportType::parse(&job.kind).unwrap();
    let trace_id = job.trace.parent.split('-').nth(1).unwrap_or_default().to_owned();
    let data = ReportEvent { id: job.id.to_string(), report, trace_id, attempt: job.attempt, error };
    Event { kind, timestamp: jiff::Timestamp::now(), data }
}

fn webhook(event: &Event) -> NewJob {
    NewJob { kind: event.kind.to_string(), payload: serde_json::to_vec(event).unwrap(), ..NewJob::default() }
}

/// Two sources: one of gages, one series.
fn sources() -> Vec<SourceInfo> {
    let column = |(name, kind): (&str, ColumnKind)| SourceColumn { name: name.to_owned(), kind };
    let (number, date, text) = (ColumnKind::Number, ColumnKind::Date, ColumnKind::Text);
    let gages = [
        ("gage_id", text),
        ("measured_at", date),
        ("nominal", number),
        ("reading", number),
        ("tolerance", number),
        ("interval_days", number),
    ];
    let series = [("month", date), ("passengers", number)];
    vec![
        SourceInfo::new("gages", "Gages (sample)", gages.map(column).into()),
        SourceInfo::new("passengers", "Passengers (sample)", series.map(column).into()),
    ]
}

/// A result with more rows than a page shows, a chart with a gap, and words that would be mischief as HTML.
pub fn document() -> Document {
    let column = |name: &str, label: &str, unit: Option<&str>| Column {
        name: name.to_owned(),
        label: label.to_owned(),
        unit: unit.map(str::to_owned),
    };
    let row = |index: u32| {
        let text = if index == 2 {
            "<img src=x onerror=\"document.title='hacked'\">".to_owned()
        } else {
            format!("G-{index}")
        };
        let drift = if index == 3 { Cell::Empty } else { Cell::Number(f64::from(index) / 8.0) };
        vec![Cell::Text(text), Cell::Number(f64::from(120 - index)), drift]
    };
    let values =
        |from: u32| (0..24).map(|index| (index >= from && index != 7).then_some(f64::from(index * index))).collect();
    Document {
        title: "Gages & <script>document.title='hacked'</script>".to_owned(),
        summary: vec!["3 of 120 gages are overdue.".to_owned(), "The worst is <b>G-1</b>.".to_owned()],
        warnings: [
            "One gage was measured only once.",
            "The second warning.",
            "The third warning.",
            "The fourth warning.",
            "The fifth warning.",
        ]
        .map(str::to_owned)
        .into(),
        columns: vec![
            column("gage", "Gage", None),
            column("days", "Days overdue", Some("days")),
            column("drift", "Drift", Some("mm")),
        ],
        rows: (1..=120).map(row).collect(),
        chart: Some(Chart {
            title: "Drift by month".to_owned(),
            x_label: "Month".to_owned(),
            y_label: "Drift (mm)".to_owned(),
            x: (0..24).map(|index| format!("{}-{:02}-01", 2025 + index / 12, 1 + index % 12)).collect(),
            series: vec![
                Series { label: "Drift".to_owned(), forecast: false, values: values(0) },
                Series { label: "Forecast".to_owned(), forecast: true, values: values(18) },
            ],
        }),
    }
}
