//! Idle workers, and jobs that only wait.

use super::figures::{info, peak_memory, percentile, processor};
use super::load::put;
use super::work::{Work, job};
use report_queue::{Queue, QueueError, RedisQueue, Workers};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// From the call to the start, one job at a time.
pub async fn latency(queue: &RedisQueue, jobs: usize, pause: Duration, full: bool) -> Result<Value, QueueError> {
    let (begun, mut beginnings) = mpsc::unbounded_channel();
    let work = Arc::new(Work { full, begun: Some(begun), ..Work::default() });
    let workers = Workers::start(queue, work, 10, Arc::new(()))?;
    // The first ones load scripts and open connections.
    let warm = 50;
    let mut times = Vec::with_capacity(jobs);
    for number in 0..jobs + warm {
        tokio::time::sleep(pause).await;
        let asked = Instant::now();
        queue.enqueue(job(number, full)).await?;
        if let Some(began) = beginnings.recv().await
            && number >= warm
        {
            times.push(began.saturating_duration_since(asked));
        }
    }
    workers.drain(Duration::from_secs(5)).await;
    times.sort_unstable();
    Ok(json!({"mode": "latency", "jobs": jobs, "full": full, "p50_ms": percentile(&times, 50.0),
        "p90_ms": percentile(&times, 90.0), "p99_ms": percentile(&times, 99.0), "max_ms": percentile(&times, 100.0)}))
}

/// Counts the commands of idle workers. Nobody else may use the server meanwhile.
pub async fn idle(queue: &RedisQueue, time: Duration) -> Result<Value, QueueError> {
    let mut server = queue.connection().client()?.get_connection()?;
    let workers = Workers::start(queue, Arc::new(Work::default()), 10, Arc::new(()))?;
    // Until all connections are there.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = info(&mut server, "total_commands_processed");
    tokio::time::sleep(time).await;
    // One of them is this question.
    let commands = info(&mut server, "total_commands_processed") - before - 1.0;
    workers.drain(Duration::from_secs(5)).await;
    Ok(json!({"mode": "idle", "seconds": time.as_secs(), "commands_per_second": commands / time.as_secs_f64()}))
}

/// Many jobs that wait, all at once.
pub async fn sleepers(queue: &RedisQueue, jobs: usize, sleep: Duration, full: bool) -> Result<Value, QueueError> {
    put(queue, jobs, 64, full).await?;
    let (begun, mut beginnings) = mpsc::unbounded_channel();
    let work = Arc::new(Work { sleep, full, begun: Some(begun), ..Work::default() });
    let start = Instant::now();
    let before = processor();
    let workers = Workers::start(queue, work.clone(), jobs, Arc::new(()))?;
    let mut last = start;
    for _ in 0..jobs {
        last = beginnings.recv().await.unwrap_or(last);
    }
    let most = workers.running();
    work.done(jobs).await;
    while workers.running() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let wall = start.elapsed();
    let line = json!({"mode": "sleepers", "jobs": jobs, "sleep_s": sleep.as_secs(),
        "all_started_s": last.duration_since(start).as_secs_f64(), "wall_s": wall.as_secs_f64(), "most_at_once": most,
        "peak_mib": peak_memory(), "processor_s": processor() - before});
    workers.drain(Duration::from_secs(5)).await;
    Ok(line)
}
