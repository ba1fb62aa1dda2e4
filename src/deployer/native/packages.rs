//! Packages of the distribution.

use super::Native;
use crate::exec::ExecError;
use crate::provider::host::apt::{self, AptError, Install, Settle};
use crate::provider::{Failure, FailureKind, Notes};
use std::collections::BTreeSet;

/// Installs packages without their services being started. Goes on to its end even when nobody waits any more: apt that
/// is cut off leaves the system half-configured.
pub async fn install(native: &Native, wanted: Install, notes: &Notes) -> Result<(), Failure> {
    let words: Vec<&str> = wanted.packages.iter().map(String::as_str).collect();
    notes.say(format!("apt-get installs {}", words.join(", ")));
    let (context, system) = (native.context.clone(), native.system.clone());
    let packages = wanted.packages.clone();
    let done = tokio::task::spawn_blocking(move || apt::install(&context, &system, &wanted)).await;
    judge(done, &packages)
}

/// Undoes what an interrupted install may have left.
pub async fn settle(native: &Native, rest: Settle) -> Result<(), Failure> {
    let (context, system) = (native.context.clone(), native.system.clone());
    let done = tokio::task::spawn_blocking(move || apt::settle(&context, &system, &rest)).await;
    judge(done, &BTreeSet::new())
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
        AptError::Password | AptError::Policy(_) => FailureKind::Precondition,
        AptError::Exec(ExecError::NotFound { .. }) => FailureKind::ForeignTool,
        AptError::Exec(ExecError::Deadline { .. }) => FailureKind::Timeout,
        AptError::Exec(_) | AptError::NotInstalled(_) => FailureKind::Failed,
    };
    let failure = Failure::new(kind, error.to_string());
    Err(match error.advice(packages) {
        Some(advice) => failure.advice(advice),
        None => failure,
    })
}
