//! A real OTLP receiver that is not ours: `oteltap` from PyPI, behind a door that wants a header, as Uptrace's does.

use super::{eventually, free_port, python};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The receiver. What it was sent and could read is here as it says it: as OTLP's JSON.
pub struct OtlpReceiver {
    tap: Child,
    port: u16,
    seen: Arc<Mutex<Seen>>,
    runtime: Option<Runtime>,
}

/// What came.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Spans.
    pub spans: Vec<Value>,
    /// Records of logs.
    pub logs: Vec<Value>,
    /// Metrics.
    pub metrics: Vec<Value>,
    /// Paths of requests that the receiver took.
    pub taken: Vec<String>,
    /// Paths of requests without the header, which were answered with 401.
    pub refused: Vec<String>,
}

impl OtlpReceiver {
    /// Starts one that wants `header`, a name and a value, with every request. The virtual environment that it runs in is
    /// made when it is missing.
    pub fn start(header: (&'static str, &'static str)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::new();
        let inner = free_port();
        let mut tap = Command::new(python("otel"))
            .args(["-u", "-m", "oteltap", "--port", &inner.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let output = tap.stdout.take().unwrap();
        let notes = Arc::clone(&seen);
        std::thread::spawn(move || read(output, &notes));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let door = Door { header, inner, seen: Arc::clone(&seen), client };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = Router::new().route("/{*path}", post(take)).with_state(door);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
        eventually("oteltap listens", || TcpStream::connect(("127.0.0.1", inner)).is_ok());
        Self { tap, port, seen, runtime: Some(runtime) }
    }

    /// Its address, for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What came until now.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until what came is enough, and returns it.
    ///
    /// Panics after 30 s, naming what was waited for and telling what came.
    pub fn wait(&self, what: &str, enough: impl Fn(&Seen) -> bool) -> Seen {
        let what = || format!("{what}; {}", self.seen().summary());
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let seen = self.seen();
            if enough(&seen) {
                return seen;
            }
            assert!(Instant::now() < end, "not within 30 s: {}", what());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Seen {
    /// What came, in one line: names of spans with their parents, bodies of logs, names of metrics.
    pub fn summary(&self) -> String {
        let spans: Vec<_> = self.spans.iter().map(|span| format!("{} {}", span["traceId"], span["name"])).collect();
        let logs: Vec<_> = self.logs.iter().map(|log| log["body"]["stringValue"].to_string()).collect();
        let metrics: Vec<_> = self.metrics.iter().map(|metric| metric["name"].to_string()).collect();
        format!(
            "spans {spans:?}, logs {logs:?}, metrics {metrics:?}, taken {:?}, refused {:?}",
            self.taken, self.refused
        )
    }

    /// Looks whether `names` are a chain of spans in the trace `trace`, each the parent of the next.
    ///
    /// Errors: which link is missing.
    pub fn chain(&self, trace: &str, names: &[&str]) -> Result<(), String> {
        let all: Vec<_> = self.spans.iter().filter(|span| span["traceId"] == trace).collect();
        // A name may occur more than once, so all chains are followed at once.
        let mut ends: Vec<Option<&Value>> = vec![None];
        for (index, name) in names.iter().enumerate() {
            ends = all
                .iter()
                .filter(|span| span["name"] == *name)
                .filter(|span| ends.iter().any(|end| end.is_none_or(|end| span["parentSpanId"] == end["spanId"])))
                .map(|span| Some(*span))
                .collect();
            if ends.is_empty() {
                let above = index.checked_sub(1).map_or("the beginning", |above| names[above]);
                return Err(format!("no span `{name}` below {above}; {}", self.summary()));
            }
        }
        Ok(())
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        let _ = self.tap.kill();
        let _ = self.tap.wait();
        // A test may be asynchronous, and there a runtime cannot be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Door {
    header: (&'static str, &'static str),
    inner: u16,
    seen: Arc<Mutex<Seen>>,
    client: reqwest::Client,
}

async fn take(State(door): State<Door>, path: Path<String>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers.get(door.header.0).is_none_or(|value| value != door.header.1) {
        door.seen.lock().unwrap().refused.push(path.0);
        return StatusCode::UNAUTHORIZED;
    }
    let url = format!("http://127.0.0.1:{}{}", door.inner, uri.path());
    let request = door.client.post(url).header("content-type", headers["content-type"].clone()).body(body);
    let status = request.send().await.map_or(StatusCode::BAD_GATEWAY, |answer| answer.status());
    if status.is_success() {
        door.seen.lock().unwrap().taken.push(path.0);
    }
    status
}

fn read(output: ChildStdout, seen: &Mutex<Seen>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // The first line greets.
        let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
        let mut seen = seen.lock().unwrap();
        if value.get("severityNumber").is_some() {
            seen.logs.push(value);
        } else if value.get("spanId").is_some() {
            seen.spans.push(value);
        } else {
            seen.metrics.push(value);
        }
    }
}
