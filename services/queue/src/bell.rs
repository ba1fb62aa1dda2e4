//! How an idle worker waits: it listens, on a connection of its own, to the streams in which something may come. It takes
//! nothing by listening, so a connection that breaks meanwhile costs no job its place.

use super::error::QueueError;
use super::lease::Wait;
use super::link::Link;
use super::redis_queue::RedisQueue;
use redis::Value;
use std::time::{Duration, Instant};

/// The connection that is listened on.
pub struct Bell {
    link: Link,
    longest: Duration,
}

impl Bell {
    /// A bell of `queue`.
    pub fn new(queue: &RedisQueue) -> Self {
        let settings = queue.settings();
        let longest = settings.listen;
        Self { link: Link::new(queue.client(), longest + settings.patience), longest }
    }

    /// Waits until something came or is due, at the longest as long as the settings say. Says whether there is something to
    /// look for.
    ///
    /// Errors: the connection failed.
    pub async fn listen(&self, wait: &Wait) -> Result<bool, QueueError> {
        let left = wait.due.map(|due| due.saturating_duration_since(Instant::now()));
        let time = left.unwrap_or(self.longest).min(self.longest);
        // To Redis, zero is for ever.
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(1).arg("BLOCK").arg(ms).arg("STREAMS");
        for (stream, _) in &wait.streams {
            command.arg(stream);
        }
        for (_, after) in &wait.streams {
            command.arg(after);
        }
        let heard: Value = self.link.once(|mut line| async move { command.query_async(&mut line).await }).await?;
        Ok(heard != Value::Nil || wait.due.is_some_and(|due| due <= Instant::now()))
    }
}
