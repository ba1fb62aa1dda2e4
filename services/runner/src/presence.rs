//! Tells the others in Redis that this runner is there, and which sources it offers.

use redis::Script;
use redis::aio::MultiplexedConnection;
use report_model::source::{SOURCES_KEPT_SECONDS, SOURCES_KEY, SourceInfo};
use report_queue::{Connection, QueueError};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Where runners say that they are there: their names by the server's time.
pub const RUNNERS_KEY: &str = "report:runners";

/// How often a runner says so. One that was silent three times is not counted.
const EVERY: Duration = Duration::from_secs(10);

/// How long one telling may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says that a runner is there, forgets those who were silent, and says how many there are.
static PRESENT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = tonumber(redis.call('TIME')[1])
         redis.call('ZADD', KEYS[1], now, ARGV[1])
         redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 30)
         redis.call('EXPIRE', KEYS[1], 60)
         redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
         return redis.call('ZCARD', KEYS[1])",
    )
});

/// What this runner tells.
pub struct Presence {
    client: redis::Client,
    name: String,
    sources: watch::Receiver<Vec<SourceInfo>>,
    runners: AtomicU32,
}

impl Presence {
    /// A runner of this name, a new one for each process, which offers these sources. Nothing is told yet.
    ///
    /// # Errors
    /// The address of Redis makes no sense.
    pub fn new(
        connection: &Connection,
        name: String,
        sources: watch::Receiver<Vec<SourceInfo>>,
    ) -> Result<Self, QueueError> {
        Ok(Self { client: connection.client()?, name, sources, runners: AtomicU32::new(1) })
    }

    /// How many runners there were at the last telling, this one included.
    pub fn runners(&self) -> u32 {
        self.runners.load(Ordering::Relaxed).max(1)
    }

    /// Tells for ever, again and again. While Redis is away the last count stays.
    pub async fn run(&self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut line = None;
        loop {
            tick.tick().await;
            let told = timeout(PATIENCE, self.tell(&mut line)).await;
            if !matches!(told, Ok(Ok(()))) {
                tracing::debug!(?told, "redis was not told that this runner is there");
                line = None;
            }
        }
    }

    /// Says that this runner is not there any more, so that the others take its part at once.
    pub async fn leave(&self) {
        let leaving = async {
            let mut line = self.client.get_multiplexed_async_connection().await?;
            redis::cmd("ZREM").arg(RUNNERS_KEY).arg(&self.name).query_async::<()>(&mut line).await
        };
        // If it fails, the others notice within 30 s.
        let _ = timeout(PATIENCE, leaving).await;
    }

    async fn tell(&self, line: &mut Option<MultiplexedConnection>) -> redis::RedisResult<()> {
        let line = match line {
            Some(line) => line,
            None => line.insert(self.client.get_multiplexed_async_connection().await?),
        };
        // A list of names and labels is always JSON.
        let sources = serde_json::to_string(&*self.sources.borrow()).unwrap_or_else(|_| "[]".to_owned());
        let mut call = PRESENT.key(RUNNERS_KEY);
        call.key(SOURCES_KEY).arg(&self.name).arg(sources).arg(SOURCES_KEPT_SECONDS);
        let runners = call.invoke_async(line).await?;
        self.runners.store(runners, Ordering::Relaxed);
        Ok(())
    }
}
