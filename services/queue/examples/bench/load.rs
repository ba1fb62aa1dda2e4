//! Many jobs: putting them in, taking them all.

use super::figures::{info, peak_memory, processor, server_processor};
use super::work::{Work, job};
use report_queue::{Queue, QueueError, RedisQueue, Workers};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Puts jobs in.
pub async fn enqueue(queue: &RedisQueue, jobs: usize, at_once: usize, full: bool) -> Result<Value, QueueError> {
    let begun = Instant::now();
    put(queue, jobs, at_once, full).await?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({"mode": "enqueue", "jobs": jobs, "at_once": at_once, "full": full, "seconds": seconds,
        "per_second": jobs as f64 / seconds}))
}

/// Puts jobs in and takes them.
pub async fn drain(queue: &RedisQueue, jobs: usize, concurrency: usize, full: bool) -> Result<Value, QueueError> {
    let mut server = queue_connection(queue)?;
    let before = info(&mut server, "used_memory");
    let work = Arc::new(Work { full, ..Work::default() });
    // It says what holds for all who put jobs in, and takes nothing yet.
    let workers = Workers::start(queue, work.clone(), 0, Arc::new(()))?;
    put(queue, jobs, 64, full).await?;
    let loaded = info(&mut server, "used_memory");
    let (ours, theirs) = (processor(), server_processor(&mut server));
    let commands = info(&mut server, "total_commands_processed");
    let begun = Instant::now();
    workers.set_concurrency(concurrency);
    work.done(jobs).await;
    while workers.running() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let each = 1e6 / jobs as f64;
    let line = json!({"mode": "drain", "jobs": jobs, "concurrency": concurrency, "full": full, "seconds": seconds,
        "per_second": jobs as f64 / seconds, "worker_us_per_job": (processor() - ours) * each,
        "redis_us_per_job": (server_processor(&mut server) - theirs) * each,
        "redis_commands_per_job": (info(&mut server, "total_commands_processed") - commands) / jobs as f64,
        "waiting_bytes_per_job": (loaded - before) / jobs as f64, "peak_mib": peak_memory()});
    workers.drain(Duration::from_secs(5)).await;
    Ok(line)
}

/// A connection for figures.
fn queue_connection(queue: &RedisQueue) -> Result<redis::Connection, QueueError> {
    Ok(queue.connection().client()?.get_connection()?)
}

/// Puts jobs in, so many calls at once.
pub async fn put(queue: &RedisQueue, jobs: usize, at_once: usize, full: bool) -> Result<(), QueueError> {
    let mut callers = JoinSet::new();
    for first in 0..at_once {
        let queue = queue.clone();
        callers.spawn(async move {
            for number in (first..jobs).step_by(at_once) {
                queue.enqueue(job(number, full)).await?;
            }
            Ok::<(), QueueError>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.map_err(|e| QueueError::Settings(e.to_string()))??;
    }
    Ok(())
}
