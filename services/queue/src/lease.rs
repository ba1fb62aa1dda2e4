//! What a worker says to the server: give me jobs; these runs have ended.

use super::error::QueueError;
use super::id::JobId;
use super::job::{Claimed, NewJob, TraceContext};
use super::redis_queue::RedisQueue;
use super::script;
use super::wire::{self, LANES, bytes, list, number, text};
use redis::Value;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// One handing out of a job: an entry of a stream. Whoever holds its entry holds the lease; another handing out of the
/// same job is another entry, so nobody can end or renew what is no longer theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which of [`LANES`].
    pub lane: usize,
    /// The entry's id.
    pub entry: String,
}

/// A job that was handed out.
pub struct Handed {
    /// The lease.
    pub delivery: Delivery,
    /// The job.
    pub claimed: Claimed,
    /// How it ends without being run, where that is known already.
    pub verdict: Option<Verdict>,
}

/// An end that was decided before the run.
pub enum Verdict {
    /// It was cancelled while it waited.
    Cancelled,
    /// It is given up, for this reason.
    Dead(String),
}

/// What a claim brought.
pub struct Batch {
    /// The jobs.
    pub handed: Vec<Handed>,
    /// What to listen to for more; none when there may be more at once.
    pub wait: Option<Wait>,
}

/// What an idle worker listens to.
pub struct Wait {
    /// Streams, and the entry of each after which everything is news.
    pub streams: Vec<(String, String)>,
    /// When the next delayed job is due; none when nothing is delayed.
    pub due: Option<Instant>,
}

/// How a delivery ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The job is done.
    Done,
    /// It is dead.
    Dead,
    /// It was cancelled.
    Cancelled,
    /// It is tried again.
    Retry,
    /// It is tried again, and this was no attempt.
    Postpone,
    /// It is given back, to be run before everything else; this was no attempt.
    Release,
}

impl How {
    const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Retry => "retry",
            Self::Postpone => "postpone",
            Self::Release => "release",
        }
    }
}

/// The end of a delivery, as the server is told.
pub struct End {
    /// The lease.
    pub delivery: Delivery,
    /// The job.
    pub id: JobId,
    /// Whose job it is, for ends for good.
    pub user: Option<String>,
    /// How it ends.
    pub how: How,
    /// The result, or what went wrong.
    pub text: Vec<u8>,
    /// How long to wait before it is tried again.
    pub delay: Duration,
    /// The jobs that follow, with the prefixes of their queues.
    pub follow: Vec<(String, JobId, NewJob)>,
}

impl End {
    /// About how many bytes it has on the way.
    pub fn size(&self) -> usize {
        let follow = self.follow.iter().map(|(_, _, job)| job.payload.len() + 512);
        self.text.len() + 128 + follow.sum::<usize>()
    }
}

impl RedisQueue {
    /// Takes up to `wanted` jobs under the worker's name `consumer`.
    pub(crate) async fn claim(&self, consumer: &str, wanted: usize) -> Result<Batch, QueueError> {
        let mut call = self.call(&script::CLAIM);
        call.arg(consumer).arg(wanted);
        let answer: Value = self.link().script(&call).await?;
        self.read_batch(answer, Instant::now())
    }

    /// Ends deliveries. Says for each whether it counted; those that did not were somebody else's by then.
    pub(crate) async fn finish(&self, ends: &[&End]) -> Result<Vec<bool>, QueueError> {
        let mut call = self.call(&script::FINISH);
        call.arg(ends.len());
        for end in ends {
            call.arg(LANES[end.delivery.lane]).arg(&end.delivery.entry).arg(end.id.as_str());
            call.arg(end.user.as_deref().unwrap_or_default()).arg(end.how.word());
            call.arg(&end.text).arg(wire::ms(end.delay)).arg(end.follow.len());
            for (prefix, id, job) in &end.follow {
                call.arg(prefix);
                wire::write_job(&mut call, id, job);
            }
        }
        self.link().script(&call).await
    }

    /// Says what holds for all who put jobs in.
    pub(crate) async fn write_limit(&self) -> Result<(), QueueError> {
        let limit = self.settings().per_user.unwrap_or(0);
        let key = format!("{}per_user", self.prefix());
        let mut command = redis::cmd("SET");
        command.arg(key).arg(limit);
        self.link().once(|mut line| async move { command.query_async(&mut line).await }).await
    }

    /// Takes the worker's name out of the group, unless it still holds something.
    pub(crate) async fn leave(&self, consumer: &str) -> Result<(), QueueError> {
        let mut call = self.call(&script::LEAVE);
        call.arg(consumer);
        self.link().script(&call).await
    }

    fn read_batch(&self, answer: Value, answered: Instant) -> Result<Batch, QueueError> {
        let mut answer = list(answer)?.into_iter();
        let mut next = || answer.next().unwrap_or(Value::Nil);
        let now = number(next())?;
        let paused = number(next())? != 0;
        let handed = list(next())?.into_iter().map(|job| read_handed(job, now)).collect::<Result<_, _>>()?;
        let heads = next();
        if matches!(heads, Value::Nil) {
            return Ok(Batch { handed, wait: None });
        }
        let heads = list(heads)?.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let mut streams = vec![(format!("{}bell", self.prefix()), text(next())?)];
        if !paused {
            streams.extend(LANES.iter().map(|lane| format!("{}{lane}", self.prefix())).zip(heads));
        }
        let due = text(next())?.parse::<f64>().ok();
        // By our clock, from the moment when the server told us its own; a ms later, or it would be looked for in vain.
        let due = due.map(|due| answered + Duration::from_millis((due as u64 + 1).saturating_sub(now)));
        Ok(Batch { handed, wait: Some(Wait { streams, due }) })
    }
}

fn read_handed(job: Value, now: u64) -> Result<Handed, QueueError> {
    let mut parts = list(job)?.into_iter();
    let mut part = || parts.next().unwrap_or(Value::Nil);
    let lane = text(part())?;
    let damaged = |problem: String| QueueError::Damaged { key: "a claim".to_owned(), problem };
    let lane = LANES.iter().position(|known| *known == lane).ok_or_else(|| damaged(format!("lane `{lane}`")))?;
    let entry = text(part())?;
    let id = text(part())?;
    let id = JobId::parse(&id).ok_or_else(|| damaged(format!("`{id}` is no name of a job")))?;
    let mut fields = list(part())?.into_iter();
    let mut field = || fields.next().unwrap_or(Value::Nil);
    let (kind, payload, user) = (text(field())?, bytes(field())?, text(field())?);
    let trace = TraceContext { parent: text(field())?, state: text(field())? };
    let attempt = u32::try_from(number(field())?).unwrap_or(u32::MAX);
    let enqueued_at = number(field())?;
    let verdict = match text(field())?.as_str() {
        "cancelled" => Some(Verdict::Cancelled),
        "dead" => Some(Verdict::Dead(text(field())?)),
        _ => None,
    };
    let ready_at = entry.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(now);
    let user = (!user.is_empty()).then_some(user);
    let cancelled = CancellationToken::new();
    let claimed =
        Claimed { id, kind, payload, user, trace, attempt, enqueued_at, ready_at, claimed_at: now, cancelled };
    Ok(Handed { delivery: Delivery { lane, entry }, claimed, verdict })
}
