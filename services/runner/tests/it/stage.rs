//! A stage for the whole program: a Redis, a receiver of callbacks, and runners in processes of their own.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use report_model::catalog::{Parameters, SystemCheck};
use report_model::event::{Event, EventType};
use report_queue::{
    Connection, Enqueued, JobId, JobInfo, NewJob, Queue, QueueSettings, RedisQueue, State, TraceContext,
};
use report_testing::{Received, Receiver, RedisServer, eventually, free_port};
use report_webhook::{Options, Secrets};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, Permissions, read_to_string, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU";
pub const TOKEN: &str = "a-token-of-the-tests";
pub const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The stage. Runners that are started on it are ended with it.
pub struct Stage {
    pub redis: RedisServer,
    pub hook: Receiver,
    pub folder: TempDir,
    pub reports: RedisQueue,
    runtime: Runtime,
}

/// A runner in a process of its own.
pub struct Runner {
    child: Child,
    pub port: u16,
    log: PathBuf,
    client: reqwest::Client,
    runtime: Runtime,
}

impl Stage {
    pub fn new() -> Self {
        let redis = RedisServer::start();
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("hook", SECRET), ("token", TOKEN)] {
            let path = folder.path().join(name);
            write(&path, text).unwrap();
            set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        let reports = RedisQueue::connect(&Connection::to(redis.url()), QueueSettings::new("reports")).unwrap();
        let runtime = Runtime::new().unwrap();
        Self { redis, hook: Receiver::start(), folder, reports, runtime }
    }

    /// Starts a runner with further flags, and waits until it is ready.
    pub fn runner(&self, flags: &[&str]) -> Runner {
        self.runner_with(flags, &[])
    }

    /// The same with variables of the environment.
    pub fn runner_with(&self, flags: &[&str], variables: &[(&str, &str)]) -> Runner {
        let port = free_port();
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let log = self.folder.path().join(format!("log-{port}"));
        let child = program()
            .args(["--listen", &format!("127.0.0.1:{port}"), "--redis", &self.redis.url()])
            .args(["--callback-url", &self.hook.url("/hooks/reports"), "--webhook-secret-file", &path("hook")])
            .args(["--alerts-token-file", &path("token"), "--results-token-file", &path("token")])
            .args(["--results-dir", &path("results")])
            .args(flags)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let client = report_webhook::client(&Options::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let runner = Runner { child, port, log, client, runtime };
        eventually("the runner is ready", || runner.get("/readyz").is_some_and(|(status, _)| status == 200));
        runner
    }

    /// Puts a check of the system into the queue.
    pub fn check(&self, seconds: u32) -> JobId {
        self.ask(&Parameters::SystemCheck(SystemCheck { seconds }))
    }

    /// Puts a report into the queue.
    pub fn ask(&self, parameters: &Parameters) -> JobId {
        let job = NewJob {
            kind: parameters.report().to_string(),
            payload: serde_json::to_vec(parameters).unwrap(),
            user: Some("anna".to_owned()),
            trace: TraceContext { parent: format!("00-{TRACE}-b7ad6b7169203331-01"), state: String::new() },
            ..NewJob::default()
        };
        match self.runtime.block_on(self.reports.enqueue(job)).unwrap() {
            Enqueued::New(id) | Enqueued::Duplicate(id) => id,
        }
    }

    /// What is known of a report.
    pub fn job(&self, id: &JobId) -> JobInfo {
        self.runtime.block_on(self.reports.job(id)).unwrap().unwrap()
    }

    /// What came of a report, as JSON.
    pub fn result(&self, id: &JobId) -> serde_json::Value {
        let bytes = self.runtime.block_on(self.reports.result(id)).unwrap().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Waits until a report is where it should be.
    pub fn until(&self, id: &JobId, state: State) {
        eventually(&format!("{id} is {state:?}"), || self.job(id).state == state);
    }

    /// The callbacks that came so far, each found to be genuine: its id and what it tells.
    pub fn told(&self) -> Vec<(String, Event)> {
        self.hook.received().iter().map(genuine).collect()
    }

    /// Waits until an event of a report is told, and returns it with its id.
    pub fn until_told(&self, id: &JobId, kind: EventType) -> (String, Event) {
        let find = || self.told().into_iter().find(|(_, event)| event.data.id == id.as_str() && event.kind == kind);
        eventually(&format!("{kind} of {id} is told"), || find().is_some());
        find().unwrap()
    }

    /// Runs `report-runner queue …` on the stage's Redis.
    pub fn queue(&self, words: &[&str]) -> Output {
        program().arg("queue").args(words).args(["--redis", &self.redis.url()]).output().unwrap()
    }
}

impl Runner {
    /// Asks a door with GET.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        self.send("GET", path, None, "")
    }

    /// Asks a door, with a token where one is given.
    pub fn send(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Option<(u16, String)> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let mut request = self.client.request(method.parse().unwrap(), url).body(body.to_owned());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.ok()?;
            Some((answer.status().as_u16(), answer.text().await.ok()?))
        })
    }

    /// The value of a series, by its whole name with labels.
    pub fn figure(&self, series: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics")?;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?.to_owned();
        line.split(' ').next()?.parse().ok()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the runner has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub fn log(&self) -> String {
        read_to_string(&self.log).unwrap()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// The program, with nothing of the environment that would change what it does.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_report-runner"));
    let ours = |name: &str| name.starts_with("REPORT_") || name.starts_with("OTEL_") || name == "RUST_LOG";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command
}

/// A callback that is signed, and what it tells.
fn genuine(received: &Received) -> (String, Event) {
    assert_eq!(received.line, "POST /hooks/reports");
    let mut headers = HeaderMap::new();
    for (name, value) in &received.headers {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let secrets = Secrets::from_text(SECRET).unwrap();
    let id = secrets.verify(&headers, &received.body, Timestamp::now()).unwrap();
    assert!(received.header("traceparent").unwrap().contains(TRACE), "{received:?}");
    let event: Event = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(event.data.trace_id, TRACE);
    (id.to_string(), event)
}

/// How long a report of `seconds` takes that was taken over by another worker at most: a lease, and a little more.
pub const LEASE: Duration = Duration::from_secs(6);
