//! The way to Redis for everything but the queue: one connection that many share, and a bound for each answer.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue, ScriptInvocation};
use std::time::Duration;

/// An answer that has not come by then does not come.
const ANSWER: Duration = Duration::from_secs(3);

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How often a question that may be asked twice is asked when the connection broke.
const ATTEMPTS: u32 = 3;

/// Why Redis did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It was not reached, or did not answer in time. What was asked may have happened or not.
    #[error("redis cannot be reached: {0}")]
    Away(String),
    /// It refused.
    #[error("redis refused: {0}")]
    Refused(String),
}

impl From<redis::RedisError> for StoreError {
    fn from(error: redis::RedisError) -> Self {
        let away = error.is_io_error()
            || error.is_connection_dropped()
            || error.is_timeout()
            || matches!(error.code(), Some("LOADING" | "MASTERDOWN" | "TRYAGAIN" | "READONLY"));
        if away { Self::Away(error.to_string()) } else { Self::Refused(error.to_string()) }
    }
}

/// The way to Redis. Clones share one connection, which comes back by itself.
#[derive(Clone)]
pub struct Store {
    client: redis::Client,
    connection: ConnectionManager,
}

impl Store {
    /// A way to the server of `client`; it connects when it is first asked.
    pub fn new(client: redis::Client) -> Result<Self, StoreError> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER))
            .set_connection_timeout(Some(CONNECT))
            .set_number_of_retries(3)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(500));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        Ok(Self { client, connection })
    }

    /// Asks something that may be asked twice without harm: again when the connection broke, at most three times.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut attempt = 1;
        loop {
            match command.query_async(&mut self.connection.clone()).await {
                Err(error) if attempt < ATTEMPTS && broken(&error) => {
                    tokio::time::sleep(Duration::from_millis(50 * u64::from(attempt))).await;
                    attempt += 1;
                }
                answer => return Ok(answer?),
            }
        }
    }

    /// Runs a script, once: what became of it is unknown when the connection breaks.
    pub async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        Ok(script.invoke_async(&mut self.connection.clone()).await?)
    }

    /// Whether it answers now.
    pub async fn answers(&self) -> bool {
        let ping = redis::cmd("PING");
        let mut connection = self.connection.clone();
        let asked = ping.query_async::<String>(&mut connection);
        matches!(tokio::time::timeout(Duration::from_secs(1), asked).await, Ok(Ok(_)))
    }

    /// A connection of its own that listens to channels.
    pub async fn listener(&self) -> Result<redis::aio::PubSub, StoreError> {
        let connecting = self.client.get_async_pubsub();
        let late = |_| StoreError::Away(format!("no connection within {} s", CONNECT.as_secs()));
        Ok(tokio::time::timeout(CONNECT, connecting).await.map_err(late)??)
    }
}

/// Whether the connection broke, so that the answer is lost but the server is probably there.
fn broken(error: &redis::RedisError) -> bool {
    (error.is_connection_dropped() || error.is_io_error()) && !error.is_timeout()
}
