//! Opens many websockets of as many users at a running service, publishes one event to each, and says how long each was on
//! its way: from before it is added to the log in Redis until the browser's side has it.
//!
//! ```text
//! cargo run --release -p report-requestor --example sockets -- --base http://127.0.0.1:8080 \
//!     --redis redis://127.0.0.1:6379 --admin-token-file admin --sockets 10000 --per-second 2000
//! ```
//!
//! One line of JSON tells the result. The service must allow that many: its `--sockets`, and the open files of both.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_macros,
    reason = "a tool that may stop, and that prints"
)]

use clap::Parser;
use futures_util::{StreamExt, stream};
use reqwest::redirect::Policy;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// So many sign in, or open a websocket, at once.
const AT_ONCE: usize = 64;

/// An event that has not come by then does not come.
const LONGEST: Duration = Duration::from_secs(60);

/// What the service does when the runner tells it of an event.
static PUBLISH: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        "local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', 1000, '*', 'event', ARGV[1], 'trace', '') \
         redis.call('EXPIRE', KEYS[1], 600) redis.call('PUBLISH', ARGV[2], id) return id",
    )
});

/// What is to be measured.
#[derive(Parser)]
struct Flags {
    /// Where the service is.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    base: String,
    /// The Redis of the service; with a user and password in it where it wants them.
    #[arg(long, default_value = "redis://127.0.0.1:6379")]
    redis: String,
    /// The file with the token for making links.
    #[arg(long)]
    admin_token_file: PathBuf,
    /// How many websockets are opened, each of a user of its own.
    #[arg(long, default_value_t = 10_000)]
    sockets: usize,
    /// How many events are published a second; 0 for as many as can be.
    #[arg(long, default_value_t = 2000)]
    per_second: u64,
    /// How many seconds to wait when all are open, until the service has told each of them what it has.
    #[arg(long, default_value_t = 5)]
    settle: u64,
}

#[tokio::main]
async fn main() {
    let flags = Flags::parse();
    report_webhook::install_tls();
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();

    let cookies = sign_in(&flags).await;
    let (open, door) = (Arc::new(Barrier::new(cookies.len() + 1)), Arc::new(Semaphore::new(AT_ONCE)));
    let began = Instant::now();
    let mut sockets = JoinSet::new();
    for (index, cookie) in cookies.into_iter().enumerate() {
        sockets.spawn(listen(flags.base.clone(), cookie, index, door.clone(), open.clone()));
    }
    open.wait().await;
    let opened = began.elapsed();
    sleep(Duration::from_secs(flags.settle)).await;

    let began = Instant::now();
    let published = publish(&flags).await;
    let publishing = began.elapsed();
    let mut took = Vec::new();
    while let Some(heard) = sockets.join_next().await {
        let (index, at): (usize, Instant) = heard.unwrap();
        took.push(at.duration_since(published[index]));
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let told = json!({
        "sockets": took.len(), "opened_s": round(opened.as_secs_f64()), "published_s": round(publishing.as_secs_f64()),
        "p50_ms": round(at(0.5)), "p99_ms": round(at(0.99)), "max_ms": round(at(1.0)),
    });
    println!("{told}");
}

/// Ends the measurement: without all of them it says nothing.
fn stop(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(1)
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A user that no run before had: their logs would tell of that.
fn user(index: usize) -> String {
    format!("bench-{}-{index}", std::process::id())
}

/// Signs so many users in, and gives their cookies.
async fn sign_in(flags: &Flags) -> Vec<String> {
    let token = std::fs::read_to_string(&flags.admin_token_file).unwrap();
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let one = |index| {
        let (client, token) = (&client, token.trim());
        async move {
            let link = client.post(format!("{}/admin/links", flags.base)).bearer_auth(token);
            let link = link.json(&json!({"user": user(index)})).send().await.unwrap().error_for_status().unwrap();
            let url = link.json::<Value>().await.unwrap()["url"].as_str().unwrap().to_owned();
            let path = url.find("/link/").map(|at| url[at..].to_owned()).unwrap();
            let answer = client.get(format!("{}{path}", flags.base)).send().await.unwrap();
            answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
        }
    };
    stream::iter(0..flags.sockets).map(one).buffered(AT_ONCE).collect().await
}

/// Opens a websocket and waits for its one event; says when it came.
async fn listen(
    base: String,
    cookie: String,
    index: usize,
    door: Arc<Semaphore>,
    open: Arc<Barrier>,
) -> (usize, Instant) {
    let mut request = format!("{}/api/socket", base.replacen("http", "ws", 1)).into_client_request().unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    let through = door.acquire().await.unwrap();
    let (mut socket, _) = match connect_async(request).await {
        Ok(opened) => opened,
        Err(error) => stop(&format!("socket {index} does not open: {error}")),
    };
    drop(through);
    open.wait().await;
    loop {
        match timeout(LONGEST, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) if text.contains("report.finished") => return (index, Instant::now()),
            Ok(Some(Ok(_))) => {}
            other => stop(&format!("socket {index} got {other:?}")),
        }
    }
}

/// Publishes one event to each user as the service does when the runner tells it, and says when each began.
async fn publish(flags: &Flags) -> Vec<Instant> {
    let client = redis::Client::open(flags.redis.as_str()).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(LONGEST));
    let connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let event = json!({
        "type": "report.finished", "timestamp": "2026-11-24T12:00:00Z",
        "data": {"id": "01m86sf5bsjcvxbtqx04yr8ssc", "report": "system-check", "trace_id": "", "attempt": 1},
    })
    .to_string();
    let mut pace = (flags.per_second > 0).then(|| interval(Duration::from_secs(1) / 100));
    let at_once = usize::try_from(flags.per_second / 100).unwrap().max(1);
    let (mut began, mut answers) = (Vec::with_capacity(flags.sockets), JoinSet::new());
    for index in 0..flags.sockets {
        if let Some(pace) = &mut pace
            && index % at_once == 0
        {
            pace.tick().await;
        }
        let mut call = PUBLISH.prepare_invoke();
        call.key(format!("user:{}:ev", user(index))).arg(&event).arg(format!("user:{}", user(index)));
        let mut connection = connection.clone();
        began.push(Instant::now());
        answers.spawn(async move { call.invoke_async::<String>(&mut connection).await.unwrap() });
    }
    answers.join_all().await;
    began
}
