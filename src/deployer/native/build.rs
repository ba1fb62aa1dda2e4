//! Services that are built from a checkout of their source.

use super::Native;
use crate::exec::{self, Command, ExecError};
use crate::fs;
use crate::model::component::{ComponentName, Source};
use crate::model::inventory::Checkout;
use crate::plan::action::Form;
use crate::plan::commands;
use crate::provider::host::{claim, services};
use crate::provider::{Failure, FailureKind, Notes};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// What Cargo ends with when it cannot build.
const CARGO_FAILED: i32 = 101;

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
    /// How they are linked.
    pub form: Form,
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
    let programs = match build.form {
        Form::Dynamic => build.target.join("release"),
        Form::Static => build.target.join(Checkout::static_target()).join("release"),
    };
    let names = build.components.iter().filter_map(|name| match name.source() {
        Source::Ours { program } => Some(program),
        Source::Package { .. } | Source::Program { .. } => None,
    });
    let names: Vec<&str> = names.collect();
    let records: Vec<_> = names.iter().map(|program| services::record(&programs, program)).collect();
    // A build that is cut off may leave a program that is of no source that we know.
    for record in &records {
        fs::remove_file(record)?;
    }
    let argv = commands::build(build.cargo, build.target, build.components, build.form);
    let command = Command::changes(&native.context, argv)
        .env(commands::build_variables(build.form, native.context.var("RUSTFLAGS")))
        .without(is_of_another_cargo)
        .cwd(build.checkout)
        .deadline(build.timeout.saturating_sub(Duration::from_secs(3)).max(build.timeout / 2));
    notes.say(format!("cargo builds in {}; the first time that takes minutes", build.checkout.display()));
    let output = exec::start(command.accept(&[0, CARGO_FAILED])).await.map_err(|error| failed(build, &error))?;
    if output.code == CARGO_FAILED {
        return Err(not_built(build, &output.stderr));
    }
    let is_as_asked = |name: &&str| build.form == Form::Dynamic || services::is_static_file(&programs.join(name));
    if let Some(name) = names.iter().find(|name| !is_as_asked(name)) {
        let cause = format!("cargo built {}, and not as a static program", programs.join(name).display());
        return Err(Failure::new(FailureKind::Failed, cause).advice(
            "look for what else sets flags of the compiler: `CARGO_ENCODED_RUSTFLAGS`, or Cargo's configuration",
        ));
    }
    for record in &records {
        fs::write(record, format!("{}\n", build.sources).as_bytes(), 0o644)?;
    }
    Ok(())
}

/// What Cargo tells a program that it runs about its package (`cargo run`). A Cargo within would take what was built under
/// other ones for out of date, and the next one without would build it all again.
fn is_of_another_cargo(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|own| name.starts_with(own)) || name == "CARGO_PRIMARY_PACKAGE"
}

fn failed(build: &Build<'_>, error: &ExecError) -> Failure {
    let kind = match error {
        ExecError::NotFound { .. } => FailureKind::ForeignTool,
        ExecError::Deadline { .. } => FailureKind::Timeout,
        _ => FailureKind::Failed,
    };
    keep(build, error.tail(), Failure::new(kind, error.to_string()))
}

/// Cargo's own words: the first error, which is mostly the cause of the others.
fn not_built(build: &Build<'_>, said: &str) -> Failure {
    let first = said.lines().skip_while(|line| !line.starts_with("error"));
    let first: Vec<&str> = first.take_while(|line| !line.is_empty()).take(20).collect();
    let cause = if first.is_empty() { "it does not say why".to_owned() } else { first.join("\n") };
    keep(build, said, Failure::new(FailureKind::Failed, format!("cargo cannot build the services: {cause}")))
}

/// Keeps what Cargo said, as far as it was kept at all: its last 64 KiB.
fn keep(build: &Build<'_>, said: &str, failure: Failure) -> Failure {
    let failure = failure.advice(
        "mend that and type the same command again; `requestor: {enabled: false}` and `runner: {enabled: false}` in the \
         environment's file leave the services out",
    );
    let kept = build.log.parent().is_some_and(|folder| fs::ensure_dir(folder, 0o700).is_ok())
        && fs::replace(build.log, said.as_bytes(), 0o600).is_ok();
    if kept { failure.evidence(build.log) } else { failure }
}
