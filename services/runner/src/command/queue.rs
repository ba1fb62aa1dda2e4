//! `queue`: looking at the queues and looking after them.

use super::table::table;
use crate::settings::args::{Output, QueueAction, QueueArgs, QueueName};
use crate::settings::{Problems, Redis};
use jiff::Timestamp;
use report_queue::{Connection, JobId, JobInfo, Queue, QueueError, QueueSettings, RedisQueue, Stats};
use report_telemetry::trace_id_in;
use serde_json::{Value, json};

/// So many dead letters are requeued by one command at most; the queue keeps no more.
const ALL: usize = 10_000;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The settings are not as they have to be.
    #[error(transparent)]
    Settings(#[from] Problems),
    /// A text is no job's id.
    #[error("`{0}` is no job's id: an id has 26 lower-case letters and digits, as `queue dead` and the page show them")]
    NoId(String),
    /// There is no such dead letter.
    #[error(
        "there is no dead letter {id} in the queue {queue}; `queue dead --queue {queue}` lists those that there are"
    )]
    NotDead {
        /// The job.
        id: JobId,
        /// Where it was looked for.
        queue: &'static str,
    },
    /// There is no job that could be cancelled.
    #[error("there is no job {id} in the queue {queue} that waits or runs: it has ended, or never was")]
    NotThere {
        /// The job.
        id: JobId,
        /// Where it was looked for.
        queue: &'static str,
    },
    /// The queue did not do it.
    #[error("{error}; the address is {redis} (--redis, REPORT_REDIS)")]
    Queue {
        /// What it said.
        error: QueueError,
        /// Where it was asked.
        redis: String,
    },
}

impl CommandError {
    /// The status that the process ends with: 2 when the command was written wrong, 1 when it could not be done.
    pub const fn status(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::NoId(_) => 2,
            Self::NotDead { .. } | Self::NotThere { .. } | Self::Queue { .. } => 1,
        }
    }
}

/// Does what is asked, and says what to print.
///
/// # Errors
/// What was asked is not there, or Redis cannot be reached.
pub async fn run(args: &QueueArgs) -> Result<String, CommandError> {
    let (redis, _) = Redis::read(&args.redis)?;
    let connection = redis.connection();
    let asked = Asked { connection: &connection, output: args.output };
    let one = args.queue.unwrap_or(QueueName::Reports);
    match &args.action {
        QueueAction::Status => asked.status(args.queue).await,
        QueueAction::Dead { limit } => asked.dead(one, usize::try_from(*limit).unwrap_or(ALL)).await,
        QueueAction::Requeue { id: Some(id), .. } => asked.requeue(one, id).await,
        QueueAction::Requeue { id: None, .. } => asked.requeue_all(one).await,
        QueueAction::Pause => asked.pause(one, true).await,
        QueueAction::Resume => asked.pause(one, false).await,
        QueueAction::Cancel { id } => asked.cancel(one, id).await,
    }
}

struct Asked<'a> {
    connection: &'a Connection,
    output: Output,
}

impl Asked<'_> {
    async fn status(&self, queue: Option<QueueName>) -> Result<String, CommandError> {
        let mut all = Vec::new();
        for name in QueueName::ALL.into_iter().filter(|name| queue.is_none_or(|asked| asked == *name)) {
            let stats = self.queue(name)?.stats().await.map_err(|error| self.failed(error))?;
            all.push((name.as_str(), stats));
        }
        if self.output == Output::Json {
            let queues: Vec<Value> = all.iter().map(|(name, stats)| status_json(name, stats)).collect();
            return Ok(document(&json!({ "queues": queues })));
        }
        let heads = ["QUEUE", "WAITING", "OLDEST", "PARKED", "DELAYED", "RUNNING", "DEAD", "ACCEPTED", "STATE"];
        let rows: Vec<_> = all.iter().map(|(name, stats)| status_row(name, stats)).collect();
        Ok(table(&heads, &rows))
    }

    async fn dead(&self, name: QueueName, limit: usize) -> Result<String, CommandError> {
        let dead = self.queue(name)?.dead(limit).await.map_err(|error| self.failed(error))?;
        if self.output == Output::Json {
            let dead: Vec<Value> = dead.iter().map(dead_json).collect();
            return Ok(document(&json!({ "queue": name.as_str(), "dead": dead })));
        }
        if dead.is_empty() {
            return Ok(format!("there are no dead letters in the queue {}\n", name.as_str()));
        }
        let rows: Vec<_> = dead.iter().map(dead_row).collect();
        Ok(table(&["ID", "TYPE", "USER", "RUNS", "DIED", "ERROR"], &rows))
    }

    async fn requeue(&self, name: QueueName, id: &str) -> Result<String, CommandError> {
        let id = read_id(id)?;
        if !self.queue(name)?.requeue(&id).await.map_err(|error| self.failed(error))? {
            return Err(CommandError::NotDead { id, queue: name.as_str() });
        }
        Ok(self.said(&format!("requeued {id}"), &json!({ "queue": name.as_str(), "requeued": [id] })))
    }

    async fn requeue_all(&self, name: QueueName) -> Result<String, CommandError> {
        let queue = self.queue(name)?;
        let mut requeued = Vec::new();
        for job in queue.dead(ALL).await.map_err(|error| self.failed(error))? {
            // Somebody else may have been faster.
            if queue.requeue(&job.id).await.map_err(|error| self.failed(error))? {
                requeued.push(job.id);
            }
        }
        let words = match requeued.len() {
            0 => format!("there were no dead letters in the queue {}", name.as_str()),
            1 => "requeued 1 dead letter".to_owned(),
            count => format!("requeued {count} dead letters"),
        };
        Ok(self.said(&words, &json!({ "queue": name.as_str(), "requeued": requeued })))
    }

    async fn pause(&self, name: QueueName, paused: bool) -> Result<String, CommandError> {
        self.queue(name)?.pause(paused).await.map_err(|error| self.failed(error))?;
        let words = if paused { "paused: jobs are accepted and wait" } else { "resumed: jobs are handed out" };
        let words = format!("the queue {} is {words}", name.as_str());
        Ok(self.said(&words, &json!({ "queue": name.as_str(), "paused": paused })))
    }

    async fn cancel(&self, name: QueueName, id: &str) -> Result<String, CommandError> {
        let id = read_id(id)?;
        if !self.queue(name)?.cancel(&id).await.map_err(|error| self.failed(error))? {
            return Err(CommandError::NotThere { id, queue: name.as_str() });
        }
        let words = format!("asked for {id} to be cancelled; if it runs, it stops within seconds");
        Ok(self.said(&words, &json!({ "queue": name.as_str(), "cancelled": id })))
    }

    fn queue(&self, name: QueueName) -> Result<RedisQueue, CommandError> {
        let queue = RedisQueue::connect(self.connection, QueueSettings::new(name.as_str()));
        queue.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: QueueError) -> CommandError {
        CommandError::Queue { error, redis: self.connection.url.clone() }
    }

    fn said(&self, words: &str, value: &Value) -> String {
        if self.output == Output::Json { document(value) } else { format!("{words}\n") }
    }
}

fn read_id(text: &str) -> Result<JobId, CommandError> {
    JobId::parse(text.trim()).ok_or_else(|| CommandError::NoId(text.chars().take(60).collect()))
}

fn document(value: &Value) -> String {
    format!("{value:#}\n")
}

fn status_json(name: &str, stats: &Stats) -> Value {
    let Stats { waiting, parked, delayed, running, dead, dropped, oldest, accepted, paused } = stats;
    json!({
        "queue": name, "waiting": waiting, "oldest_seconds": oldest.as_secs_f64(), "parked": parked, "delayed": delayed,
        "running": running, "dead": dead, "dropped": dropped, "accepted": accepted, "paused": paused,
    })
}

fn status_row(name: &str, stats: &Stats) -> Vec<String> {
    let state = if stats.paused { "paused" } else { "open" };
    let oldest = format!("{:.1}s", stats.oldest.as_secs_f64());
    let figures =
        [stats.parked, stats.delayed, stats.running, stats.dead, stats.accepted].map(|figure| figure.to_string());
    [name.to_owned(), stats.waiting.to_string(), oldest].into_iter().chain(figures).chain([state.to_owned()]).collect()
}

fn dead_json(job: &JobInfo) -> Value {
    json!({
        "id": job.id, "type": job.kind, "user": job.user, "runs": job.attempts, "error": job.error,
        "enqueued_at": time(Some(job.enqueued_at)), "died_at": time(job.finished_at),
        "trace_id": trace_id_in(&job.trace.parent),
    })
}

fn dead_row(job: &JobInfo) -> Vec<String> {
    let user = job.user.clone().unwrap_or_else(|| "-".to_owned());
    let died = time(job.finished_at).unwrap_or_else(|| "-".to_owned());
    let error = job.error.clone().unwrap_or_else(|| "-".to_owned());
    vec![job.id.to_string(), job.kind.clone(), user, job.attempts.to_string(), died, error]
}

/// A time of the queue as people write it, to the second.
fn time(millis: Option<u64>) -> Option<String> {
    let seconds = i64::try_from(millis? / 1000).ok()?;
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}
