//! The services' side of `benches/services/run`, which says what each mode is for and reads what it prints: one JSON object
//! a line.
//!
//! ```text
//! report-load enqueue REDIS KIND COUNT MS GAP      puts jobs in; GAP in ms, 0 for as fast as it goes
//! report-load work REDIS CONCURRENCY COUNT         does COUNT jobs and ends; 0 for ever
//! report-load clicks REQUESTOR TOKEN SECONDS RATE  asks for reports and waits for them at websockets
//! report-load sockets REQUESTOR TOKEN REDIS COUNT  opens COUNT websockets and publishes once to each
//! ```

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program of its own: it reads its command line and the clock, and prints"
)]

mod browser;
mod clicks;
mod figures;
mod queue;
mod sockets;

use std::process::ExitCode;
use std::time::Duration;

/// What a mode may end with.
type Bad = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("report-load: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[&str]) -> Result<(), Bad> {
    match *args {
        ["enqueue", redis, kind, count, ms, gap] => {
            let gap = Duration::from_millis(gap.parse()?);
            queue::enqueue(redis, kind, count.parse()?, ms.parse()?, gap).await
        }
        ["work", redis, concurrency, count] => queue::work(redis, concurrency.parse()?, count.parse()?).await,
        ["clicks", requestor, token, seconds, rate] => {
            clicks::run(requestor, token, seconds.parse()?, rate.parse()?).await
        }
        ["sockets", requestor, token, redis, count] => sockets::run(requestor, token, redis, count.parse()?).await,
        _ => Err("benches/services/run says how to call this".into()),
    }
}
