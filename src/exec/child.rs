//! Processes that outlive the call that starts them: the agent's services, and the agent.

use super::ExecError;
use super::process::{self, Identity, Watch, child_has_ended, ended_how, signal_group};
use crate::fs;
use crate::model::argv;
use crate::model::inventory::Observed;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// The time between two looks at a child where the kernel cannot tell us by itself (before Linux 5.3).
const LOOK: Duration = Duration::from_millis(50);
/// Far longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

/// How a lasting process is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, as a whole path, and its arguments.
    pub argv: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// The folder that it starts in.
    pub cwd: PathBuf,
}

impl Launch {
    fn command(&self) -> Result<Command, ExecError> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(ExecError::NotFound { program: String::new(), searched: "no folder".to_owned() });
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(&self.env).current_dir(&self.cwd).stdin(Stdio::null());
        Ok(command)
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> ExecError {
        let command = argv::join(&self.argv);
        move |source| ExecError::Start { command, source }
    }

    /// Starts a process that lives on when we end, if it begins a session of its own. Its standard error is appended to `log`. What it writes to
    /// standard output reaches us, until it closes that.
    ///
    /// Errors: it does not start, or `log` cannot be opened.
    pub fn detached(&self, log: &std::path::Path) -> Result<Detached, ExecError> {
        let failed = || self.failed();
        let errors = fs::append_handle(log).map_err(io::Error::other).map_err(failed())?;
        let (reader, writer) = io::pipe().map_err(failed())?;
        let mut command = self.command()?;
        command.stdout(OwnedFd::from(writer)).stderr(errors);
        tracing::debug!(command = %argv::join(&self.argv), "start");
        let child = command.spawn().map_err(failed())?;
        Ok(Detached { child, reader })
    }

    /// Starts a child that we look after. Its standard output and error come through one pipe, so that their order
    /// is kept.
    ///
    /// Errors: it does not start. Must be called within the runtime.
    pub fn child(&self) -> Result<(Child, Receiver), ExecError> {
        let failed = || self.failed();
        let (reader, writer) = io::pipe().map_err(failed())?;
        let mut command = self.command()?;
        command.stdout(writer.try_clone().map_err(failed())?).stderr(writer).process_group(0);
        let receiver = Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(failed())?;
        let child = command.spawn().map_err(failed())?;
        let pid = child.id();
        // We have not reaped it, so its number is its own.
        let started = match process::identity(pid) {
            Observed::Present(reading) => reading.identity.started,
            Observed::Absent | Observed::Unknown(_) => 0,
        };
        Ok((Child { child, identity: Identity { pid, started }, watch: Watch::of_pid(pid).ok().flatten() }, receiver))
    }
}

/// A process that lives on when we end.
#[derive(Debug)]
pub struct Detached {
    child: std::process::Child,
    reader: io::PipeReader,
}

impl Detached {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has closed its standard output, and returns what it wrote, at most 64 KiB. Blocks.
    ///
    /// Errors: the pipe broke.
    pub fn said(&mut self) -> io::Result<String> {
        let mut text = String::new();
        io::Read::by_ref(&mut self.reader).take(64 << 10).read_to_string(&mut text)?;
        Ok(text)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(ended_how)
    }
}

/// A child that we look after. It leads a process group of its own.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    identity: Identity,
    watch: Option<Watch>,
}

impl Child {
    /// Who it is.
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// Waits until it has ended, kills what it left of its group, reaps it, and says how it ended, in words. Can be
    /// dropped and called again.
    pub async fn ended(&mut self) -> String {
        match &self.watch {
            Some(watch) if watch.ended(FOREVER).await.unwrap_or(false) => {}
            _ => {
                while !child_has_ended(self.identity.pid).unwrap_or(true) {
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
        // Not reaped yet: the group's number is still its own.
        let _ = signal_group(self.identity.pid, Signal::KILL);
        match self.child.wait() {
            Ok(status) => ended_how(status),
            Err(error) => format!("ended in a way that nobody knows: {error}"),
        }
    }

    /// Sends a signal to its group. Must not be called after [`ended`](Self::ended) has returned.
    pub fn signal(&self, signal: Signal) {
        // It may have ended by itself meanwhile, which is as good.
        let _ = signal_group(self.identity.pid, signal);
    }

    /// Asks it alone to end. Its own children hear of it from it.
    pub fn ask_to_end(&self) {
        self.signal_one(Signal::TERM);
    }

    fn signal_one(&self, signal: Signal) {
        match &self.watch {
            Some(watch) => drop(watch.signal(signal)),
            None => self.signal(signal),
        }
    }
}
