//! Why a report was not made.

use crate::sources::SourceError;
use thiserror::Error;

/// Why a report was not made. What is shown is for the person who asked for it.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReportError {
    /// Its source could not be read.
    #[error(transparent)]
    Source(SourceError),
    /// Nobody wants it any more.
    #[error("The report was cancelled.")]
    Cancelled,
    /// A mistake in the program.
    #[error("The report broke off because of a mistake in the program. Tell support the trace id.")]
    Broken {
        /// What is known of it, for the log.
        detail: String,
    },
}

impl ReportError {
    /// Whether the same may go right a moment later: a source was away.
    pub const fn retry_helps(&self) -> bool {
        match self {
            Self::Source(error) => error.retry_helps(),
            Self::Cancelled | Self::Broken { .. } => false,
        }
    }

    /// Whether it was stopped, and nothing is wrong.
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// What more is known, for the log of whoever runs the runner. No password.
    pub fn detail(&self) -> &str {
        match self {
            Self::Source(error) => error.detail(),
            Self::Cancelled => "",
            Self::Broken { detail } => detail,
        }
    }
}

impl From<SourceError> for ReportError {
    fn from(error: SourceError) -> Self {
        if error == SourceError::Cancelled { Self::Cancelled } else { Self::Source(error) }
    }
}
