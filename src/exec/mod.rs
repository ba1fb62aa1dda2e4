//! The only place where a process starts.
//!
//! A command is a list of arguments, never a shell string. It runs with a fixed locale, in a process group of its own,
//! with standard input closed unless it is fed, and with a deadline after which the whole group is ended. An error
//! holds the whole command line, the status and the end of what the command said, with secrets masked.
#![allow(clippy::disallowed_methods, reason = "this is the one place that starts processes")]

mod child;
mod find;
mod groups;
mod piped;
mod process;
mod run;

pub use child::{Child, Detached, Launch};
pub use find::{find, search_path};
pub use groups::kill_all;
pub use piped::Piped;
pub use process::{Identity, Reading, Watch, identity, signal_group};
pub use run::{run, run_interactive, start, start_bytes};

use crate::context::Context;
use crate::model::argv;
use crate::model::secret::Secrets;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The longest that a command may take unless it says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);
/// The most bytes of standard output that are kept unless the command says otherwise.
const LIMIT: usize = 16 << 20;
/// The most bytes of standard error that are kept: its end.
const STDERR_LIMIT: usize = 64 << 10;
/// The most lines of a command's words in an error.
const TAIL_LINES: usize = 20;

/// Whether a command changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads: a dry run runs it as well.
    Reads,
    /// It changes something: a dry run shows it.
    Changes,
}

/// A command that is to be run.
#[derive(Debug, Clone)]
pub struct Command {
    argv: Vec<String>,
    effect: Effect,
    env: BTreeMap<String, String>,
    cwd: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    deadline: Duration,
    limit: usize,
    accept: Vec<i32>,
    mask: Secrets,
}

impl Command {
    /// A command that only reads.
    pub fn reads<T: Into<String>>(context: &Context, argv: impl IntoIterator<Item = T>) -> Self {
        Self::new(context, Effect::Reads, argv)
    }

    /// A command that changes something.
    pub fn changes<T: Into<String>>(context: &Context, argv: impl IntoIterator<Item = T>) -> Self {
        Self::new(context, Effect::Changes, argv)
    }

    fn new<T: Into<String>>(context: &Context, effect: Effect, argv: impl IntoIterator<Item = T>) -> Self {
        let speaks = |name: &str| name.starts_with("LC_") || name == "LANGUAGE" || name == "LANG";
        let mut env: BTreeMap<String, String> =
            context.vars.iter().filter(|(name, _)| !speaks(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
        env.insert("LC_ALL".to_owned(), "C.UTF-8".to_owned());
        env.insert("LANG".to_owned(), "C.UTF-8".to_owned());
        env.insert("PATH".to_owned(), search_path(context.var("PATH")));
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            effect,
            env,
            cwd: None,
            stdin: None,
            deadline: DEADLINE,
            limit: LIMIT,
            accept: vec![0],
            mask: Secrets::default(),
        }
    }

    /// Adds variables.
    #[must_use]
    pub fn env<N: Into<String>, V: Into<String>>(mut self, vars: impl IntoIterator<Item = (N, V)>) -> Self {
        self.env.extend(vars.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Leaves out the variables whose names `unwanted` knows.
    #[must_use]
    pub fn without(mut self, unwanted: impl Fn(&str) -> bool) -> Self {
        self.env.retain(|name, _| !unwanted(name));
        self
    }

    /// Sets the folder that it runs in.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// Feeds it this.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Sets the longest that it may take.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the most bytes of standard output; more is an error.
    #[must_use]
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Sets the exit codes that are answers and not errors. Without this, only 0 is.
    #[must_use]
    pub fn accept(mut self, codes: &[i32]) -> Self {
        self.accept = codes.to_vec();
        self
    }

    /// Takes every exit code for an answer. That a signal ends it is still an error.
    #[must_use]
    pub fn accept_any(mut self) -> Self {
        self.accept = (0..=255).collect();
        self
    }

    /// Masks these secrets in all that is told of the command.
    #[must_use]
    pub fn mask(mut self, secrets: &Secrets) -> Self {
        self.mask = secrets.clone();
        self
    }

    /// Whether it changes anything.
    pub const fn effect(&self) -> Effect {
        self.effect
    }
}

/// The command line as it can be pasted into a shell, secrets masked.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mask.mask(&argv::join(&self.argv)))
    }
}

/// What a command that ended as it should has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code.
    pub code: i32,
    /// Its standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// The end of its standard error, at most 64 KiB, secrets masked.
    pub stderr: String,
}

/// As [`Output`], of a command whose standard output is not text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// The end of its standard error, at most 64 KiB, secrets masked.
    pub stderr: String,
}

impl From<Bytes> for Output {
    fn from(Bytes { code, stdout, stderr }: Bytes) -> Self {
        Self { code, stdout: String::from_utf8_lossy(&stdout).into_owned(), stderr }
    }
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// There is no such program.
    #[error("`{program}` is not installed: it is in none of {searched}")]
    NotFound {
        /// Its name.
        program: String,
        /// The folders that were searched.
        searched: String,
    },
    /// The program is there and cannot be started.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It ended in another way than it should.
    #[error("`{command}` {status}{}", said(.tail))]
    Exit {
        /// The command line.
        command: String,
        /// The exit code, unless a signal ended it.
        code: Option<i32>,
        /// How it ended, in words.
        status: String,
        /// The end of what it said.
        tail: String,
    },
    /// It took too long and was ended.
    #[error("`{command}` did not end within {after:?}{}{}", if *.survives { "; it could not be ended and still runs" } else { " and was ended" }, said(.tail))]
    Deadline {
        /// The command line.
        command: String,
        /// The longest that it may take.
        after: Duration,
        /// Whether it could not be ended: it belongs to another user.
        survives: bool,
        /// The end of what it said.
        tail: String,
    },
    /// We were told to end, and ended it.
    #[error("`{command}` was ended because reportctl was")]
    Interrupted {
        /// The command line.
        command: String,
    },
    /// It wrote more than anybody expected.
    #[error("`{command}` wrote more than {limit} bytes")]
    TooMuch {
        /// The command line.
        command: String,
        /// The most bytes.
        limit: usize,
    },
    /// Something between it and us broke.
    #[error("cannot follow `{command}`: {source}")]
    Lost {
        /// The command line.
        command: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl ExecError {
    /// Whether the program is not installed.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// The end of what the command said, if it said anything.
    pub fn tail(&self) -> &str {
        match self {
            Self::Exit { tail, .. } | Self::Deadline { tail, .. } => tail,
            _ => "",
        }
    }
}

fn said(tail: &str) -> String {
    if tail.is_empty() { String::new() } else { format!(":\n{tail}") }
}

/// The last lines of what a command said, at most 20.
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
