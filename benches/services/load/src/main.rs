//! The services' side of `benches/services/run`, which says what each mode is for and reads what it prints: one JSON object
//! a line.
//!
//! ```text
//! report-load enqueue REDIS KIND COUNT MS GAP      puts jobs in; GAP in ms, 0 for as fast as it goes
//! report-load work REDIS CONCURRENCY COUNT         does COUNT jobs and ends; 0 for ever
//! report-load clicks REQUESTOR ADMIN SECONDS RATE  asks for reports and waits for them at websockets
//! report-load sockets REQUESTOR ADMIN REDIS COUNT  opens COUNT websockets and publishes once to each
//! ```
//!
//! ADMIN is a file with the token of the administrator.

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

use browser::Door;
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
        ["clicks", requestor, admin, seconds, rate] => {
            clicks::run(&Door::of(requestor, admin)?, seconds.parse()?, rate.parse()?).await
        }
        ["sockets", requestor, admin, redis, count] => {
            sockets::run(&Door::of(requestor, admin)?, redis, count.parse()?).await
        }
        _ => Err("benches/services/run says how to call this".into()),
    }
}
