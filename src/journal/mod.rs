//! The durable record of a run: the truth.
//!
//! One file a run. The first line is a [`Header`](entry::Header); each line after it is a
//! [`Commit`](entry::Commit): the entries that became durable together. A line is the CRC-32 of its text in
//! hexadecimal, a space, and the text in JSON.
//!
//! Guarantees: when [`Log::commit`](log::Log::commit) has returned, what it was given is on the disk. A run that was
//! cut off anywhere leaves a file whose lines are whole, but for a last one, which is dropped: nothing was done on the
//! strength of it. Anything else that is wrong with a file is damage, and is reported with its line.

pub mod entry;
#[cfg(debug_assertions)]
mod kill;
pub mod log;
mod read;
pub mod status;
pub mod store;

use crate::fs::FsError;
use std::path::PathBuf;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A file is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file was written by a release that writes another form.
    #[error("the journal {} has form {found}, and this release reads form {}", path.display(), entry::Header::SCHEMA)]
    Schema {
        /// The file.
        path: PathBuf,
        /// The form that it says it has.
        found: u64,
    },
    /// An entry does not follow from those before it: a mistake in this program.
    #[error("an entry does not follow from those before it: {0}")]
    Order(String),
    /// An earlier write failed, so nothing may follow it.
    #[error("an earlier entry could not be written to the journal {}", .0.display())]
    Poisoned(PathBuf),
}

/// Where a file is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal {} is damaged in line {line}: {what}", path.display())]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The line; the first is 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}
