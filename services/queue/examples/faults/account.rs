//! Who keeps the books: which jobs were accepted, which ended and how often.

use super::jobs::{ENDS, settings};
use report_queue::{JobId, Queue, QueueError, QueueSettings, RedisQueue, State};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// The books.
#[derive(Default)]
pub struct Account {
    accepted: Mutex<Vec<JobId>>,
    again: AtomicUsize,
}

/// What they say in the end.
pub struct Verdict {
    /// Accepted jobs that are not there or that no end followed.
    pub lost: usize,
    /// Jobs that more than one end followed.
    pub twice: usize,
    /// Jobs in the queue beyond those that were accepted.
    pub extra: i64,
    /// Jobs that are there and not done.
    pub not_done: usize,
    /// Runs of all jobs together.
    pub runs: u64,
    /// Calls that put a job in and failed.
    pub again: usize,
}

impl Verdict {
    /// Whether all is as it should be.
    pub fn good(&self) -> bool {
        self.lost == 0 && self.twice == 0 && self.extra == 0 && self.not_done == 0
    }
}

impl Account {
    /// A job was accepted.
    pub fn accepted(&self, id: JobId) {
        self.accepted.lock().unwrap().push(id);
    }

    /// A call failed and is made again.
    pub fn again(&self) {
        self.again.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until all jobs were accepted and nothing waits, runs or is delayed.
    pub async fn count(self: Arc<Self>, queue: RedisQueue, jobs: usize) {
        loop {
            sleep(Duration::from_millis(500)).await;
            if self.accepted.lock().unwrap().len() < jobs {
                continue;
            }
            let Ok(stats) = queue.stats().await else { continue };
            if stats.waiting + stats.parked + stats.delayed + stats.running == 0 {
                return;
            }
        }
    }

    /// Compares what was accepted with what the server holds.
    pub async fn settle(&self, queue: &RedisQueue, jobs: usize) -> Result<Verdict, QueueError> {
        let accepted = self.accepted.lock().unwrap().clone();
        let ends = ends(queue).await?;
        let (mut lost, mut not_done, mut runs) = (jobs - accepted.len(), 0, 0);
        for id in &accepted {
            let job = queue.job(id).await?;
            if job.is_none() || !ends.contains_key(id.as_str()) {
                lost += 1;
            }
            if let Some(job) = job {
                runs += u64::from(job.attempts);
                not_done += usize::from(job.state != State::Done);
            }
        }
        let distinct: HashSet<&JobId> = accepted.iter().collect();
        let extra = queue.stats().await?.accepted as i64 - distinct.len() as i64;
        let twice = ends.values().filter(|count| **count > 1).count();
        Ok(Verdict { lost, twice, extra, not_done, runs, again: self.again.load(Ordering::Relaxed) })
    }
}

/// How many ends followed from each job. Nobody takes them out of their queue, so all are there.
async fn ends(queue: &RedisQueue) -> Result<HashMap<String, usize>, QueueError> {
    let mut line = queue.connection().client()?.get_multiplexed_async_connection().await?;
    let ends = RedisQueue::connect(queue.connection(), QueueSettings { name: ENDS.to_owned(), ..settings() })?;
    let stream = format!("report:q:{ENDS}:normal");
    let mut counts = HashMap::new();
    let mut after = "-".to_owned();
    loop {
        let page: redis::streams::StreamRangeReply =
            redis::cmd("XRANGE").arg(&stream).arg(&after).arg("+").arg("COUNT").arg(500).query_async(&mut line).await?;
        let Some(last) = page.ids.last() else { return Ok(counts) };
        after = format!("({}", last.id);
        for entry in &page.ids {
            let id = entry.get::<String>("job").and_then(|id| JobId::parse(&id));
            let Some(id) = id else { continue };
            let Some(job) = ends.job(&id).await? else { continue };
            *counts.entry(String::from_utf8_lossy(&job.payload).into_owned()).or_insert(0) += 1;
        }
    }
}
