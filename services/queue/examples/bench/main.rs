//! Measures the queue on a Redis that is there already: each mode prints one line of JSON.
//!
//! `cargo run --release -p report-queue --example bench -- --redis redis://127.0.0.1:6379 drain --jobs 100000`
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a measuring program prints and starts processes"
)]

mod crash;
mod figures;
mod load;
mod rest;
mod work;

use clap::{Parser, Subcommand};
use report_queue::{Connection, QueueError, QueueSettings, RedisQueue};
use std::process::ExitCode;
use std::time::Duration;

/// What all modes share.
#[derive(Parser)]
struct Arguments {
    /// The server. What it holds under the queue's name is used and added to.
    #[arg(long, default_value = "redis://127.0.0.1:6379")]
    redis: String,
    /// The queue's name.
    #[arg(long, default_value = "bench")]
    queue: String,
    /// How many jobs of one user may be inside at once.
    #[arg(long, default_value_t = 1_000_000)]
    per_user: u32,
    /// Jobs with nothing but a payload: no user, key, trace, announcement, result or follow-up.
    #[arg(long)]
    bare: bool,
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Puts jobs in, so many at once, and nobody takes them.
    Enqueue {
        /// How many jobs.
        #[arg(long, default_value_t = 100_000)]
        jobs: usize,
        /// How many calls at once.
        #[arg(long, default_value_t = 1)]
        at_once: usize,
    },
    /// Puts jobs in, 64 at once, then takes them all and does nothing.
    Drain {
        /// How many jobs.
        #[arg(long, default_value_t = 100_000)]
        jobs: usize,
        /// How many run at once.
        #[arg(long, default_value_t = 1000)]
        concurrency: usize,
    },
    /// From the call that puts a job in to the start of its handler, with idle workers.
    Latency {
        /// How many jobs.
        #[arg(long, default_value_t = 2000)]
        jobs: usize,
        /// The pause between two, in ms.
        #[arg(long, default_value_t = 5)]
        pause: u64,
    },
    /// How many commands idle workers send.
    Idle {
        /// For how long, in seconds.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// Many jobs that only wait, all at once in this process.
    Sleepers {
        /// How many jobs.
        #[arg(long, default_value_t = 10_000)]
        jobs: usize,
        /// How long each waits, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// A worker is killed in the middle of a job and another one started: how long until the job runs again.
    Crash {
        /// How often.
        #[arg(long, default_value_t = 3)]
        times: usize,
    },
    /// A worker process that prints the name of each job that it starts: for `crash`.
    Worker {
        /// How long each job takes, in ms.
        #[arg(long, default_value_t = 0)]
        sleep: u64,
        /// How many run at once.
        #[arg(long, default_value_t = 10)]
        concurrency: usize,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments).await {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<serde_json::Value, QueueError> {
    let settings = QueueSettings { per_user: Some(arguments.per_user), ..QueueSettings::new(&arguments.queue) };
    let queue = RedisQueue::connect(&Connection::to(&arguments.redis), settings)?;
    let full = !arguments.bare;
    match arguments.mode {
        Mode::Enqueue { jobs, at_once } => load::enqueue(&queue, jobs, at_once, full).await,
        Mode::Drain { jobs, concurrency } => load::drain(&queue, jobs, concurrency, full).await,
        Mode::Latency { jobs, pause } => rest::latency(&queue, jobs, Duration::from_millis(pause), full).await,
        Mode::Idle { seconds } => rest::idle(&queue, Duration::from_secs(seconds)).await,
        Mode::Sleepers { jobs, seconds } => rest::sleepers(&queue, jobs, Duration::from_secs(seconds), full).await,
        Mode::Crash { times } => crash::crash(&queue, arguments, times).await,
        Mode::Worker { sleep, concurrency } => work::worker(&queue, Duration::from_millis(sleep), concurrency).await,
    }
}
