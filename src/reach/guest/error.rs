//! Why a machine gives no answer.

use crate::exec::ExecError;
use crate::model::guest::Guest;
use std::path::PathBuf;
use std::time::Duration;

/// Why a machine gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// There is no such machine, or one that is deleted and could be recovered.
    #[error("{0} is not there")]
    NotThere(Guest),
    /// It is there and does not run. Nothing was run in it.
    #[error("{0} does not run")]
    NotRunning(Guest),
    /// It runs and lets nobody in: it is still starting, or just ending. Nothing was run in it.
    #[error("{guest} lets nobody in: {reason}")]
    NotReady {
        /// The machine.
        guest: Guest,
        /// What was said last.
        reason: String,
    },
    /// What makes the machine does not answer, or not us. Nothing was run in the machine.
    #[error("nobody leads into {guest}: {reason}")]
    Unreachable {
        /// The machine.
        guest: Guest,
        /// What was said last.
        reason: String,
    },
    /// The way in broke off, so that nobody can say what became of the command: it may run on, until its deadline.
    #[error("the way into {guest} was lost while `{command}` ran there: {reason}")]
    Lost {
        /// The machine.
        guest: Guest,
        /// The command line.
        command: String,
        /// What was said last.
        reason: String,
    },
    /// The command ended with an exit code that is an error.
    #[error("`{command}` in {guest} ended with exit code {code}{}", said(.tail))]
    Exit {
        /// The machine.
        guest: Guest,
        /// The command line.
        command: String,
        /// The exit code.
        code: i32,
        /// The end of what it said.
        tail: String,
    },
    /// It took too long, and the machine ended it.
    #[error("`{command}` in {guest} did not end within {} and was ended{}", humantime::format_duration(*.after), said(.tail))]
    Deadline {
        /// The machine.
        guest: Guest,
        /// The command line.
        command: String,
        /// The longest that it may take.
        after: Duration,
        /// The end of what it said.
        tail: String,
    },
    /// A file cannot be brought there, or cannot be read from there.
    #[error("{path} in {guest}: {reason}", path = .path.display())]
    File {
        /// The machine.
        guest: Guest,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The program that leads into the machine could not be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

fn said(tail: &str) -> String {
    if tail.is_empty() { String::new() } else { format!(":\n{tail}") }
}

impl GuestError {
    /// Whether it can be over in a moment, as while a machine starts anew: to ask again makes sense.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::NotRunning(_) | Self::NotReady { .. } | Self::Unreachable { .. } | Self::Lost { .. })
    }
}
