//! What can go wrong with a queue.

/// Why a queue did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The server was not reached, or did not answer in time. What was asked may have happened or not; asking again
    /// with the same idempotency key is safe.
    #[error("redis cannot be reached: {0}")]
    Away(String),
    /// The server refused.
    #[error("redis refused: {0}")]
    Refused(String),
    /// The address is not one of Redis.
    #[error("the address of redis is not understood: {0}")]
    Address(String),
    /// The settings contradict each other.
    #[error("{0}")]
    Settings(String),
    /// What was to be put in is larger than the queue takes.
    #[error("{what} has {size} bytes; at most {most} are taken")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// What is taken.
        most: usize,
    },
    /// What the server keeps is not what this version writes.
    #[error("{key} is not as it should be: {problem}")]
    Damaged {
        /// Where it stands.
        key: String,
        /// What is wrong.
        problem: String,
    },
}

impl From<redis::RedisError> for QueueError {
    fn from(error: redis::RedisError) -> Self {
        use redis::{ErrorKind, ServerErrorKind};
        match error.kind() {
            ErrorKind::Io
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading | ServerErrorKind::TryAgain | ServerErrorKind::MasterDown,
            ) => Self::Away(error.to_string()),
            _ if error.is_unrecoverable_error() => Self::Away(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}
