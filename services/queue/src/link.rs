//! A connection that comes back: connected when it is needed, dropped when it fails, connected anew with back-off.

use super::error::QueueError;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, ScriptInvocation};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

/// How long connecting may take.
pub const CONNECT: Duration = Duration::from_secs(2);

/// The pause after `failures` attempts to connect that failed in a row: 20 ms to 1 s, with jitter of a half, so that not all
/// come back at once.
pub fn back_off(failures: u32) -> Duration {
    let most = Duration::from_millis(20).saturating_mul(1 << failures.min(10)).min(Duration::from_secs(1));
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The connection. It is shared: what several ask at once goes over one line.
pub struct Link {
    client: Client,
    /// How long an answer may take.
    answer: Duration,
    line: Mutex<Line>,
    /// Counts the connections, so that only the one that failed is dropped and never its successor.
    generation: AtomicU64,
}

struct Line {
    open: Option<(u64, MultiplexedConnection)>,
    failures: u32,
    not_before: Instant,
    problem: String,
}

impl Link {
    /// A link whose answers may take as long as `answer` says.
    pub fn new(client: Client, answer: Duration) -> Self {
        let line = Line { open: None, failures: 0, not_before: Instant::now(), problem: String::new() };
        Self { client, answer, line: Mutex::new(line), generation: AtomicU64::new(0) }
    }

    /// Asks once, connecting first where that is needed.
    ///
    /// Errors: [`QueueError::Away`] when there is no connection, at once while a pause between attempts lasts; or when it
    /// broke on the way or the answer took too long: then what was asked may have happened.
    pub async fn once<T, F>(&self, ask: impl FnOnce(MultiplexedConnection) -> F) -> Result<T, QueueError>
    where
        F: Future<Output = redis::RedisResult<T>>,
    {
        let (generation, line) = self.line().await?;
        let answer = match timeout(self.answer, ask(line)).await {
            Ok(answer) => answer.map_err(QueueError::from),
            Err(_) => Err(QueueError::Away(format!("no answer within {:?}", self.answer))),
        };
        if let Err(QueueError::Away(problem)) = &answer {
            let mut line = self.line.lock().await;
            if line.open.as_ref().is_some_and(|(of, _)| *of == generation) {
                line.open = None;
                line.problem.clone_from(problem);
            }
        }
        answer
    }

    /// Runs a script once.
    ///
    /// Errors: as with [`Link::once`].
    pub async fn script<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, QueueError> {
        self.once(|mut line| async move { call.invoke_async(&mut line).await }).await
    }

    /// Asks until there is an answer or `patience` is over. What is asked must be safe to be asked twice.
    ///
    /// Errors: the last one when patience is over; any other than [`QueueError::Away`] at once.
    pub async fn patiently<T, F>(&self, patience: Duration, mut ask: impl FnMut() -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, QueueError>>,
    {
        let end = Instant::now() + patience;
        loop {
            match ask().await {
                Err(QueueError::Away(problem)) => {
                    let again = self.line.lock().await.not_before.max(Instant::now() + Duration::from_millis(10));
                    if again >= end {
                        return Err(QueueError::Away(problem));
                    }
                    sleep_until(again).await;
                }
                other => return other,
            }
        }
    }

    /// The open connection, or a new one. Those who come meanwhile wait for the same attempt.
    async fn line(&self) -> Result<(u64, MultiplexedConnection), QueueError> {
        let mut line = self.line.lock().await;
        if let Some(open) = &line.open {
            return Ok(open.clone());
        }
        if Instant::now() < line.not_before {
            return Err(QueueError::Away(line.problem.clone()));
        }
        // The client's own limit on answers is off (it would end every wait after 500 ms): ours is in `once`.
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
        match timeout(CONNECT, self.client.get_multiplexed_async_connection_with_config(&config)).await {
            Ok(Ok(connection)) => {
                line.failures = 0;
                let generation = self.generation.fetch_add(1, Ordering::Relaxed);
                line.open = Some((generation, connection.clone()));
                Ok((generation, connection))
            }
            failed => {
                let place = self.client.get_connection_info().addr();
                let error = match failed {
                    Ok(Err(error)) => match QueueError::from(error) {
                        QueueError::Away(problem) => QueueError::Away(format!("{place}: {problem}")),
                        other => other,
                    },
                    _ => QueueError::Away(format!("{place}: no connection within {CONNECT:?}")),
                };
                line.problem = match &error {
                    QueueError::Away(problem) => problem.clone(),
                    other => other.to_string(),
                };
                line.failures = line.failures.saturating_add(1);
                line.not_before = Instant::now() + back_off(line.failures);
                Err(error)
            }
        }
    }
}
