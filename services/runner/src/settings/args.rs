//! The command line as it is written: texts, not yet checked.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Runs the reports that users ask for, and calls back with what came of them.
#[derive(Debug, Parser)]
#[command(name = "report-runner", version, args_conflicts_with_subcommands = true, max_term_width = 120)]
pub struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// For `serve` without its name.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run reports until told to stop (SIGTERM): this is what it does when no command is given
    Serve(Box<ServeArgs>),
    /// Look at the queues, requeue dead letters, pause, resume, cancel
    Queue(QueueArgs),
}

/// Where Redis is.
#[derive(Debug, Clone, Args)]
pub struct RedisArgs {
    /// The Redis that holds the queues, such as redis://127.0.0.1:6379. No password stands in it
    #[arg(long, value_name = "URL", env = "REPORT_REDIS", default_value = "redis://127.0.0.1:6379")]
    pub redis: String,
    /// The user to log in to Redis as
    #[arg(long, value_name = "NAME", env = "REPORT_REDIS_USER")]
    pub redis_user: Option<String>,
    /// A file whose first line is the password for Redis
    #[arg(long, value_name = "FILE", env = "REPORT_REDIS_PASSWORD_FILE")]
    pub redis_password_file: Option<PathBuf>,
}

/// What `serve` is told.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The address to listen at, for alerts, large results, health and metrics
    #[arg(long, value_name = "ADDRESS:PORT", env = "REPORT_LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: String,
    /// Where Redis is.
    #[command(flatten)]
    pub redis: RedisArgs,
    /// Where to call back; nothing is ever sent to another origin
    #[arg(
        long,
        value_name = "URL",
        env = "REPORT_CALLBACK_URL",
        default_value = "http://127.0.0.1:8080/hooks/reports"
    )]
    pub callback_url: String,
    /// A file with the secrets that sign callbacks, one `whsec_…` a line; all of them sign (needed)
    #[arg(long, value_name = "FILE", env = "REPORT_WEBHOOK_SECRET_FILE")]
    pub webhook_secret_file: Option<PathBuf>,
    /// A file with the token that Alertmanager shows at /alerts; without it that door is closed
    #[arg(long, value_name = "FILE", env = "REPORT_ALERTS_TOKEN_FILE")]
    pub alerts_token_file: Option<PathBuf>,
    /// A file with the token that the requestor shows at /results; without it that door is closed
    #[arg(long, value_name = "FILE", env = "REPORT_RESULTS_TOKEN_FILE")]
    pub results_token_file: Option<PathBuf>,
    /// A folder for results over 1 MiB; without it such reports fail
    #[arg(long, value_name = "FOLDER", env = "REPORT_RESULTS_DIR")]
    pub results_dir: Option<PathBuf>,
    /// Where the requestor fetches large results; http:// and the address listened at when nothing is said
    #[arg(long, value_name = "URL", env = "REPORT_ADVERTISE_URL")]
    pub advertise_url: Option<String>,
    /// The fewest workers
    #[arg(long, value_name = "N", env = "REPORT_WORKERS_MIN", default_value = "1")]
    pub workers_min: String,
    /// The most workers
    #[arg(long, value_name = "N", env = "REPORT_WORKERS_MAX", default_value = "32")]
    pub workers_max: String,
    /// How many of one user's reports may wait in front or run at once; the others wait aside. 0 for no limit
    #[arg(long, value_name = "N", env = "REPORT_PER_USER", default_value = "10")]
    pub per_user: String,
    /// How many callbacks are delivered at once
    #[arg(long, value_name = "N", env = "REPORT_DELIVERIES", default_value = "16")]
    pub deliveries: String,
    /// At most so many reports of a type at once, such as gage-calibration=4; 8 for those that read a source when
    /// nothing is said, and no limit for others. It bounds the memory: a source's rows are held while its report runs
    #[arg(long = "limit", value_name = "TYPE=N", env = "REPORT_LIMITS", value_delimiter = ',')]
    pub limits: Vec<String>,
    /// How long a report may run, in seconds, before it counts as failed and is tried again
    #[arg(long, value_name = "SECONDS", env = "REPORT_RUN_TIMEOUT", default_value = "900")]
    pub run_timeout: String,
    /// A source that reports may read: NAME=csv:/path or NAME=postgres:/path/of/file-with-url#table-or-view; the
    /// samples when none is given
    #[arg(long = "source", value_name = "NAME=KIND:WHERE", env = "REPORT_SOURCES", value_delimiter = ',')]
    pub sources: Vec<String>,
    /// How many rows a source may have. With --limit it bounds the memory: a source's rows are held while its report runs
    #[arg(long, value_name = "N", env = "REPORT_MAX_ROWS", default_value = "1000000")]
    pub max_rows: String,
    /// How many MiB a source may have
    #[arg(long, value_name = "MIB", env = "REPORT_MAX_MIB", default_value = "256")]
    pub max_mib: String,
    /// How long running reports may go on after SIGTERM, in seconds, before they are handed back to the queue
    #[arg(long, value_name = "SECONDS", env = "REPORT_DRAIN", default_value = "25")]
    pub drain: String,
    /// How the log is written
    #[arg(long, value_enum, env = "REPORT_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What `queue` is told.
#[derive(Debug, Clone, Args)]
#[command(mut_args(|arg| arg.global(true)))]
pub struct QueueArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub action: QueueAction,
    /// Where Redis is.
    #[command(flatten)]
    pub redis: RedisArgs,
    /// Which queue; all of them for `status`, `reports` for the others, when nothing is said
    #[arg(long, value_enum)]
    pub queue: Option<QueueName>,
    /// How the answer is written
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: Output,
}

/// What can be done with a queue.
#[derive(Debug, Clone, Subcommand)]
pub enum QueueAction {
    /// Show how many jobs wait, run and are dead
    Status,
    /// List the dead letters, newest first
    Dead {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Give dead letters a new life, with no attempt used
    Requeue {
        /// Which job
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All dead letters that there are now
        #[arg(long)]
        all: bool,
    },
    /// Hand out no more jobs; those that run go on, and new ones are accepted
    Pause,
    /// Hand out jobs again
    Resume,
    /// Cancel a job: one that waits at once, one that runs as soon as it notices
    Cancel {
        /// Which job
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// The queues of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueueName {
    /// Reports to be made.
    Reports,
    /// Callbacks to be delivered.
    Webhooks,
    /// Mails and messages to be sent.
    Notifications,
}

impl QueueName {
    /// All of them, in the order of a report's life.
    pub const ALL: [Self; 3] = [Self::Reports, Self::Webhooks, Self::Notifications];

    /// Its name in Redis.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Webhooks => "webhooks",
            Self::Notifications => "notifications",
        }
    }
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Human,
    /// One JSON document.
    Json,
}
