//! How long a job of a killed worker takes to run again.

use super::Arguments;
use super::work::{Work, job};
use report_queue::{Queue, QueueError, RedisQueue, Workers};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Kills a worker in the middle of a job and starts another one at once, so often.
pub async fn crash(queue: &RedisQueue, arguments: &Arguments, times: usize) -> Result<Value, QueueError> {
    let failed = |e: std::io::Error| QueueError::Settings(format!("a worker process: {e}"));
    let mut seconds = Vec::new();
    for number in 0..times {
        let (mut first, mut lines) = worker(arguments).map_err(failed)?;
        queue.enqueue(job(number, !arguments.bare)).await?;
        let name = next(&mut lines).map_err(failed)?;
        // In the middle of the job, at another distance to the last heartbeat each time.
        tokio::time::sleep(Duration::from_millis(2000 + 300 * number as u64)).await;
        first.kill().map_err(failed)?;
        let killed = Instant::now();
        first.wait().map_err(failed)?;
        let (mut second, mut lines) = worker(arguments).map_err(failed)?;
        let again = next(&mut lines).map_err(failed)?;
        seconds.push(killed.elapsed().as_secs_f64());
        if again != name {
            return Err(QueueError::Settings(format!("`{again}` ran instead of `{name}`: is the queue used?")));
        }
        // The second one holds the job now; what is left of it is not measured.
        second.kill().and_then(|()| second.wait()).map_err(failed)?;
        let id =
            report_queue::JobId::parse(&name).ok_or_else(|| QueueError::Settings(format!("`{name}` is no job")))?;
        queue.cancel(&id).await?;
    }
    tidy(queue).await?;
    let most = seconds.iter().copied().fold(0.0, f64::max);
    Ok(json!({"mode": "crash", "lease_s": queue.settings().lease.as_secs_f64(), "seconds": seconds, "most_s": most}))
}

/// What was cancelled is still held by the last process that was killed. It is taken back and said farewell to.
async fn tidy(queue: &RedisQueue) -> Result<(), QueueError> {
    let workers = Workers::start(queue, Arc::new(Work::default()), 10, Arc::new(()))?;
    loop {
        let stats = queue.stats().await?;
        if stats.waiting + stats.running == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    workers.drain(Duration::from_secs(5)).await;
    Ok(())
}

fn worker(arguments: &Arguments) -> std::io::Result<(Child, BufReader<ChildStdout>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--redis", &arguments.redis, "--queue", &arguments.queue, "worker", "--sleep", "60000"])
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().ok_or_else(|| std::io::Error::other("no output"))?;
    Ok((child, BufReader::new(out)))
}

fn next(lines: &mut BufReader<ChildStdout>) -> std::io::Result<String> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
