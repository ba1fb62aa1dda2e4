//! A command whose streams are in our hands while it runs, and that never outlives us.

use super::groups::{self, Ticket};
use super::process::ended_how;
use super::{Command, ExecError, find};
use std::process::Stdio;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

/// A running command with pipes. It is killed, with its group, when this is dropped. When we are killed ourselves its pipes are
/// closed, so that a command which lives by them ends as well.
#[derive(Debug)]
pub struct Piped {
    ticket: Option<Ticket>,
    child: Child,
    /// What it reads.
    pub input: ChildStdin,
    /// What it writes.
    pub output: ChildStdout,
    /// What it complains of.
    pub errors: ChildStderr,
}

impl Command {
    /// Starts it with pipes. What was set as its input, limit and deadline counts for nothing. Must be called within the runtime.
    ///
    /// Errors: it is not there, or does not start.
    pub fn piped(&self) -> Result<Piped, ExecError> {
        let (program, arguments) = self.resolve()?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env_clear().envs(&self.env).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = &self.cwd {
            command.current_dir(folder);
        }
        tracing::debug!(command = %self, "start");
        let failed = |source| ExecError::Start { command: self.to_string(), source };
        let mut child = command.spawn().map_err(failed)?;
        let ticket = child.id().map(Ticket::new);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(failed(std::io::Error::other("it has no pipes")));
        };
        Ok(Piped { ticket, child, input, output, errors })
    }

    /// The whole path of the program, and its arguments.
    pub(super) fn resolve(&self) -> Result<(std::path::PathBuf, &[String]), ExecError> {
        let Some((name, arguments)) = self.argv.split_first() else {
            return Err(ExecError::NotFound { program: String::new(), searched: "no folder".to_owned() });
        };
        let path = self.env.get("PATH").cloned().unwrap_or_else(|| find::search_path(None));
        let cwd = self.cwd.clone().unwrap_or_else(|| "/".into());
        let program = which::which_in(name, Some(&path), cwd)
            .map_err(|_| ExecError::NotFound { program: name.clone(), searched: path.replace(':', ", ") })?;
        Ok((program, arguments))
    }
}

impl Piped {
    /// Waits until it has ended, and says how, in words.
    pub async fn ended(&mut self) -> String {
        // Its number may be somebody else's as soon as it is reaped.
        self.ticket = None;
        match self.child.wait().await {
            Ok(status) => ended_how(status),
            Err(error) => format!("ended in a way that nobody knows: {error}"),
        }
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        if let (Some(_), Some(pid)) = (&self.ticket, self.child.id()) {
            groups::kill_one(pid);
        }
    }
}
