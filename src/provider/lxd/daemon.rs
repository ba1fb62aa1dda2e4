//! The daemon, started where none runs.

use super::answer::Server;
use super::lxc::Sort;
use super::{Lxd, failure};
use crate::exec::{self, Command};
use crate::model::inventory::RootAccess;
use crate::plan::commands;
use crate::provider::host::apt;
use crate::provider::{Failure, FailureKind, Notes};
use crate::reach::wait::{self, Pace, Verdict};
use std::time::Duration;

/// How long the command itself may take: what it starts goes on by itself.
const COMMAND: Duration = Duration::from_secs(60);

impl Lxd {
    /// Starts the daemon and waits until it answers. One that runs is left as it is.
    pub(super) async fn start_daemon(
        &self,
        root: RootAccess,
        unit: Option<&str>,
        timeout: Duration,
        notes: &Notes,
    ) -> Result<(), Failure> {
        if self.lxc().get::<Server>("/1.0").await.is_ok() {
            return Ok(());
        }
        let command = match unit {
            Some(unit) => commands::start_unit(root, unit),
            None => commands::start_lxd(root),
        };
        notes.say(format!("`{}`", command.pasteable()));
        let context = self.context.clone();
        let unlocked = tokio::task::spawn_blocking(move || apt::unlock(&context, root)).await;
        match unlocked {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return Err(Failure::new(FailureKind::Precondition, error.to_string())
                    .advice(format!("type it yourself, and the same command again: {}", command.pasteable())));
            }
            Err(error) => return Err(Failure::new(FailureKind::Failed, error.to_string())),
        }
        let run = Command::changes(&self.context, command.argv.iter().cloned()).deadline(COMMAND.min(timeout));
        exec::start(run)
            .await
            .map_err(|error| Failure::new(FailureKind::Failed, error.to_string()).advice(log_advice(unit)))?;
        self.await_daemon(unit, timeout, notes).await
    }

    async fn await_daemon(&self, unit: Option<&str>, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        let lxc = self.lxc();
        let pace = Pace { slow: Duration::from_secs(1), ..Pace::remote(timeout, timeout) };
        let look = || async {
            match lxc.get::<Server>("/1.0").await {
                Ok(server) => Ok(Some(server.auth)),
                Err(error) if error.sort() == Sort::Denied => Ok(None),
                Err(error) => Err(failure("LXD does not answer yet", &error).cause),
            }
        };
        let judge = |auth: &Option<String>| match auth.as_deref() {
            Some("trusted") => Verdict::Good,
            Some(other) => Verdict::Broken(format!("it says that this user is {other}")),
            // It answers, and not to us: the next look at the world says what to do about it.
            None => Verdict::Good,
        };
        let pace = Pace { in_a_row: 1, ..pace };
        match wait::until("LXD's daemon", &pace, look, judge, |why| notes.say(why)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::new(FailureKind::Timeout, error.to_string()).advice(log_advice(unit))),
        }
    }
}

fn log_advice(unit: Option<&str>) -> String {
    match unit {
        Some(unit) => format!("journalctl --unit {unit} --unit lxd --since -10min"),
        None => format!("tail {}", commands::LXD_LOG),
    }
}
