//! What can be wrong with a source.

use thiserror::Error;

/// Why a source could not be read. What is shown is for the person who asked for the report: it names the source, the line
/// and the column, and no path, address or login. [`SourceError::detail`] is for the log.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SourceError {
    /// None has this name. Retrying does not help.
    #[error("There is no source named {name}.")]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// It cannot be read now: it may be later.
    #[error("The source {name} cannot be read now: {problem}.")]
    Away {
        /// Its name.
        name: String,
        /// Why.
        problem: String,
        /// More, for the log.
        detail: String,
    },
    /// What is in it, or how it is set up, must be changed first: retrying does not help.
    #[error("The source {name} cannot be used: {problem}.")]
    Unusable {
        /// Its name.
        name: String,
        /// Why.
        problem: String,
        /// More, for the log.
        detail: String,
    },
    /// Nobody wants it any more.
    #[error("The report was cancelled.")]
    Cancelled,
}

impl SourceError {
    /// One of a source whose name [`SourceError::of`] puts in.
    pub(super) fn away(problem: impl Into<String>, detail: impl ToString) -> Self {
        Self::Away { name: String::new(), problem: problem.into(), detail: detail.to_string() }
    }

    /// One of a source whose name [`SourceError::of`] puts in.
    pub(super) fn unusable(problem: impl Into<String>, detail: impl ToString) -> Self {
        Self::Unusable { name: String::new(), problem: problem.into(), detail: detail.to_string() }
    }

    /// The same, of the source of this name.
    pub(super) fn of(self, source: &str) -> Self {
        let name = source.to_owned();
        match self {
            Self::Away { problem, detail, .. } => Self::Away { name, problem, detail },
            Self::Unusable { problem, detail, .. } => Self::Unusable { name, problem, detail },
            other @ (Self::Unknown { .. } | Self::Cancelled) => other,
        }
    }

    /// Whether the same may go right a moment later.
    pub const fn retry_helps(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// What more is known, for the log of whoever runs the runner: paths and the words of the system or of the database.
    /// No password.
    pub fn detail(&self) -> &str {
        match self {
            Self::Away { detail, .. } | Self::Unusable { detail, .. } => detail,
            Self::Unknown { .. } | Self::Cancelled => "",
        }
    }
}

/// A setting that does not name a source.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SettingError {
    /// It has another form.
    #[error(
        "`{setting}` names no source: write NAME=csv:/path/of/file.csv or NAME=postgres:/path/of/file-with-url#table"
    )]
    Form {
        /// What was written.
        setting: String,
    },
    /// The name has other characters.
    #[error("`{name}` is no name of a source: use up to 64 of a-z, 0-9, - and _")]
    Name {
        /// What was written.
        name: String,
    },
    /// The name is there already.
    #[error("two sources are named {name}: give one another name")]
    Twice {
        /// The name.
        name: String,
    },
}
