//! Packages of the distribution.

use super::Native;
use crate::model::inventory::RootAccess;
use crate::provider::host::apt::{self, AptError, Wanted};
use crate::provider::{Failure, FailureKind, Notes};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is kept of a step's time for undoing what an install needs undone.
const RESERVE: Duration = Duration::from_secs(15);

/// Installs packages without their services being started. Goes on to its end even when nobody waits any more: apt that
/// is cut off leaves the system half-configured.
pub async fn install(native: &Native, wanted: Wanted, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
    let words: Vec<&str> = wanted.packages.iter().map(String::as_str).collect();
    notes.say(format!("apt-get installs {}", words.join(", ")));
    let (context, system) = (native.context.clone(), native.system.clone());
    let packages = wanted.packages.clone();
    let deadline = timeout.saturating_sub(RESERVE).max(timeout / 2);
    let done = tokio::task::spawn_blocking(move || apt::install(&context, &system, &wanted, deadline));
    judge(done.await, &packages)
}

/// Undoes what an interrupted install may have left.
pub async fn settle(
    native: &Native,
    root: RootAccess,
    remove_policy: bool,
    disable: &BTreeSet<String>,
) -> Result<(), Failure> {
    let (context, system, disable) = (native.context.clone(), native.system.clone(), disable.clone());
    let done = tokio::task::spawn_blocking(move || apt::settle(&context, &system, root, remove_policy, &disable));
    judge(done.await, &BTreeSet::new())
}

fn judge(
    done: Result<Result<(), AptError>, tokio::task::JoinError>,
    packages: &BTreeSet<String>,
) -> Result<(), Failure> {
    let error = match done {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(error) => return Err(Failure::new(FailureKind::Failed, error.to_string())),
    };
    let kind = match &error {
        AptError::Password | AptError::Policy { .. } => FailureKind::Precondition,
        AptError::Exec(error) if error.is_not_found() => FailureKind::ForeignTool,
        AptError::Exec(crate::exec::ExecError::Deadline { .. }) => FailureKind::Timeout,
        AptError::Exec(_) | AptError::NotInstalled(_) => FailureKind::Failed,
    };
    let failure = Failure::new(kind, error.to_string());
    Err(match error.advice(packages) {
        Some(advice) => failure.advice(advice),
        None => failure,
    })
}
