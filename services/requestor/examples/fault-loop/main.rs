//! The fault loop of the services: users ask for reports on their pages while the requestor and two runners are killed and
//! Redis is restarted, cut off and held. In the end every report that was accepted must have come back on its user's
//! socket, once, and on nobody else's.
//!
//! `tests/full/services` runs it. It prints what it does, and in the end one line of JSON; its status says whether all was
//! well.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::unwrap_used, reason = "a test program")]

mod books;
mod stack;
mod user;

use books::Books;
use clap::Parser;
use report_testing::faults::Troublemaker;
use serde_json::json;
use stack::Stack;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the loop is told.
#[derive(Parser, Clone)]
pub struct Arguments {
    /// The program of the requestor.
    #[arg(long)]
    requestor: PathBuf,
    /// The program of the runner.
    #[arg(long)]
    runner: PathBuf,
    /// How many reports are asked for.
    #[arg(long, default_value_t = 10_000)]
    reports: usize,
    /// How many users ask.
    #[arg(long, default_value_t = 20)]
    users: usize,
    /// How many reports are asked for in a second, by all users together.
    #[arg(long, default_value_t = 40)]
    rate: usize,
    /// What the troubles are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// After how many minutes it is given up.
    #[arg(long, default_value_t = 25)]
    minutes: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    report_webhook::install_tls();
    let arguments = Arguments::parse();
    let (stack, redis, programs) = Stack::start(&arguments);
    let stack = Arc::new(stack);
    let books = Arc::new(Books::default());
    let share = arguments.reports / arguments.users;
    let pause = Duration::from_secs_f64(arguments.users as f64 / arguments.rate as f64);
    let mut tasks = Vec::new();
    for number in 0..arguments.users {
        let user = user::sign_in(stack.clone(), books.clone(), &format!("user{number}")).await;
        tasks.push(tokio::spawn(user.clone().listen()));
        tasks.push(tokio::spawn(user.ask(share, pause)));
    }
    let begun = Instant::now();
    let wanted = share * arguments.users;
    let watched = books.clone();
    // Making trouble blocks, and the servers must outlive it: they come back when all is done.
    let (made, trouble) = tokio::task::spawn_blocking(move || {
        let random = fastrand::Rng::with_seed(arguments.seed);
        let mut trouble = Troublemaker { redis, programs, random };
        let tell = |what: &str| println!("{:7.1} s  {what}", begun.elapsed().as_secs_f64());
        let give_up = Duration::from_secs(60 * arguments.minutes);
        let made = trouble.make(give_up, || watched.all_ended(wanted), tell);
        (made, trouble)
    })
    .await
    .unwrap();
    // What comes twice comes late: the requestor is asked to repeat everything once more before the books are closed.
    books.quiet().await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    drop(trouble);
    let verdict = books.close(wanted);
    println!(
        "{}",
        json!({"reports": wanted, "seconds": begun.elapsed().as_secs(), "kills": made.kills, "restarts": made.restarts,
            "cuts": made.cuts, "holds": made.holds, "long_holds": made.long_holds, "lost": verdict.lost,
            "delivered_twice": verdict.twice, "to_others": verdict.to_others, "failed": verdict.failed,
            "unknown": verdict.unknown, "calls_made_again": verdict.again, "sockets": verdict.sockets,
            "frames": verdict.frames, "frames_repeated": verdict.repeated})
    );
    if verdict.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
