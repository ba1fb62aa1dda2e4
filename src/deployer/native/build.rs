//! Services that are built from a checkout of their source.

use super::Native;
use crate::exec::{self, Command, ExecError};
use crate::fs;
use crate::model::component::{ComponentName, Source};
use crate::plan::commands;
use crate::provider::host::{claim, services};
use crate::provider::{Failure, FailureKind, Notes};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// What is built.
pub struct Build<'a> {
    /// The checkout.
    pub checkout: &'a Path,
    /// Where Cargo puts what it builds.
    pub target: &'a Path,
    /// Cargo.
    pub cargo: &'a Path,
    /// The services.
    pub components: &'a BTreeSet<ComponentName>,
    /// The digest of their source.
    pub sources: &'a str,
    /// Where what Cargo said is kept when it fails.
    pub log: &'a Path,
    /// How long it may take.
    pub timeout: Duration,
}

/// Builds, and remembers beside each program what it was built of. Cargo waits by itself for another Cargo that builds in
/// the same folder, and does nothing where all is built already.
pub async fn perform(native: &Native, build: &Build<'_>, notes: &Notes) -> Result<(), Failure> {
    claim::check(&native.paths, &native.id)?;
    let programs = build.target.join("release");
    let records = build.components.iter().filter_map(|name| match name.source() {
        Source::Ours { program } => Some(services::record(&programs, program)),
        Source::Package { .. } | Source::Program { .. } => None,
    });
    let records: Vec<_> = records.collect();
    // A build that is cut off may leave a program that is of no source that we know.
    for record in &records {
        fs::remove_file(record)?;
    }
    let argv = commands::build(build.cargo, build.target, build.components);
    let command = Command::changes(&native.context, argv)
        .cwd(build.checkout)
        .deadline(build.timeout.saturating_sub(Duration::from_secs(3)).max(build.timeout / 2));
    notes.say(format!("cargo builds in {}; the first time that takes minutes", build.checkout.display()));
    exec::start(command).await.map_err(|error| failed(build, &error))?;
    for record in &records {
        fs::write(record, format!("{}\n", build.sources).as_bytes(), 0o644)?;
    }
    Ok(())
}

/// What Cargo said is kept as a whole, since the end of it may not tell the cause.
fn failed(build: &Build<'_>, error: &ExecError) -> Failure {
    let kind = match error {
        ExecError::NotFound { .. } => FailureKind::ForeignTool,
        ExecError::Deadline { .. } => FailureKind::Timeout,
        _ => FailureKind::Failed,
    };
    let failure = Failure::new(kind, error.to_string()).advice(
        "mend that and type the same command again; `requestor: {enabled: false}` and `runner: {enabled: false}` in the \
         environment's file leave the services out",
    );
    let kept = build.log.parent().is_some_and(|folder| fs::ensure_dir(folder, 0o700).is_ok())
        && fs::replace(build.log, error.tail().as_bytes(), 0o600).is_ok();
    if kept { failure.evidence(build.log) } else { failure }
}
