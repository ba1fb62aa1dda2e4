//! The fault loop: a stream of jobs goes through two worker processes and a Redis of their own, while programs are killed and
//! Redis is restarted, cut off and held. In the end no job may be lost and none may have ended twice.
//!
//! `tests/full/faults` runs it. It prints what it does, and in the end one line of JSON; its status says whether all was well.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::unwrap_used, reason = "a test program")]

mod account;
mod jobs;

use account::Account;
use clap::{Parser, Subcommand};
use jobs::{Work, put_all, settings};
use report_queue::{Connection, QueueError, RedisQueue, Workers};
use report_testing::RedisServer;
use report_testing::faults::{Program, Troublemaker};
use serde_json::json;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// How many jobs go through.
    #[arg(long, default_value_t = 10_000)]
    jobs: usize,
    /// How many are put in a second.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// What the troubles are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// After how many minutes it is given up.
    #[arg(long, default_value_t = 20)]
    minutes: u64,
}

#[derive(Subcommand)]
enum Mode {
    /// One of the worker processes.
    Worker {
        /// Where Redis is.
        redis: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.mode {
        Some(Mode::Worker { redis }) => work(redis).await,
        None => run(arguments).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Works until it is killed, or until it is stuck: then it ends, and is started again when its turn to be killed comes.
async fn work(redis: &str) -> Result<bool, QueueError> {
    let queue = RedisQueue::connect(&Connection::to(redis), settings())?;
    let workers = Workers::start(&queue, Arc::new(Work), 16, Arc::new(()))?;
    let problem = workers.stuck().await;
    Err(QueueError::Settings(problem))
}

async fn run(arguments: Arguments) -> Result<bool, QueueError> {
    let redis = RedisServer::start();
    let url = redis.url();
    let program = |url: String| {
        let start = move || {
            Command::new(std::env::current_exe().unwrap()).args(["worker", &url]).stdin(Stdio::null()).spawn().unwrap()
        };
        Program::start(start)
    };
    let programs = vec![program(url.clone()), program(url.clone())];
    let queue = RedisQueue::connect(&Connection::to(&url), settings())?;
    let account = Arc::new(Account::default());
    let putting = tokio::spawn(put_all(queue.clone(), arguments.jobs, arguments.rate, account.clone()));
    let counting = tokio::spawn(account.clone().count(queue.clone(), arguments.jobs));
    let begun = Instant::now();
    let finished = counting.abort_handle();
    // Making trouble blocks, and the server must outlive it: it comes back when all is done.
    let (made, trouble) = tokio::task::spawn_blocking(move || {
        let random = fastrand::Rng::with_seed(arguments.seed);
        let mut trouble = Troublemaker { redis, programs, random };
        let tell = |what: &str| println!("{:7.1} s  {what}", begun.elapsed().as_secs_f64());
        let made = trouble.make(Duration::from_secs(60 * arguments.minutes), || finished.is_finished(), tell);
        (made, trouble)
    })
    .await
    .map_err(|e| QueueError::Settings(e.to_string()))?;
    putting.abort();
    counting.abort();
    let verdict = account.settle(&queue, arguments.jobs).await?;
    drop(trouble);
    println!(
        "{}",
        json!({"jobs": arguments.jobs, "seconds": begun.elapsed().as_secs(), "kills": made.kills,
            "restarts": made.restarts, "cuts": made.cuts, "holds": made.holds, "long_holds": made.long_holds,
            "lost": verdict.lost, "ended_twice": verdict.twice, "put_in_twice": verdict.extra,
            "not_done": verdict.not_done, "runs": verdict.runs, "calls_made_again": verdict.again})
    );
    Ok(verdict.good())
}
