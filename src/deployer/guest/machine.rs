//! What is done to a machine as such: it is waited for, and packages and programs come into it.

use super::{Place, hand};
use crate::fs;
use crate::model::argv;
use crate::model::component::ComponentName;
use crate::model::digest;
use crate::model::inventory::RootAccess;
use crate::model::unit;
use crate::plan::commands::{self, POLICY_PATH, POLICY_TEXT};
use crate::provider::host::services;
use crate::provider::{Failure, FailureKind};
use crate::reach::guest;
use crate::reach::guest::Run;
use crate::reach::wait::{Pace, Verdict, WaitError, until};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program that is brought into a machine.
pub struct Put<'a> {
    /// Whose program it is.
    pub component: ComponentName,
    /// The program on this host.
    pub from: &'a Path,
    /// Where it goes.
    pub to: &'a Path,
    /// What distinguishes it from others.
    pub build: &'a str,
}

#[derive(Serialize)]
struct Install<'a> {
    deed: &'static str,
    packages: &'a BTreeSet<String>,
    policy_path: &'static str,
    policy_text: &'static str,
    refresh: Vec<String>,
    install: Vec<String>,
    patience: f64,
}

#[derive(Serialize)]
struct ForgetProgram {
    deed: &'static str,
    record: PathBuf,
}

#[derive(Serialize)]
struct NoteProgram<'a> {
    deed: &'static str,
    path: &'a Path,
    record: PathBuf,
    sha256: String,
    build: &'a str,
}

/// Runs the blueprint's own commands until each succeeds.
pub async fn await_blueprint(place: &Place<'_>, commands: &[Vec<String>]) -> Result<(), Failure> {
    let cap = place.patience();
    let until_done = std::time::Instant::now() + cap;
    for command in commands {
        let shown = argv::join(command);
        let rest = until_done.saturating_duration_since(std::time::Instant::now()).max(Duration::from_secs(1));
        let pace = Pace { in_a_row: 1, look: rest.min(Duration::from_secs(600)), ..Pace::remote(rest, rest) };
        let look = || async {
            let run = Run { deadline: pace.look, ..Run::new(command.iter().cloned()) };
            let output = place.inside.run(run).await.map_err(|error| error.to_string())?;
            let said = if output.stderr.trim().is_empty() { output.stdout } else { output.stderr };
            Ok((output.code, place.secrets.mask(last_line(&said))))
        };
        let judge = |(code, said): &(i32, String)| match code {
            0 => Verdict::Good,
            code if said.is_empty() => Verdict::NotYet(format!("`{shown}` ends with {code}")),
            code => Verdict::NotYet(format!("`{shown}` ends with {code}: {said}")),
        };
        let what = format!("{} is not ready", place.inside.guest());
        let waited = until(&what, &pace, look, judge, |note| place.notes.say(note)).await;
        waited.map_err(|error| {
            let kind = match &error {
                WaitError::Stalled { .. } => FailureKind::Stall,
                WaitError::Late { .. } => FailureKind::Timeout,
                WaitError::Broken { .. } => FailureKind::Failed,
            };
            Failure::new(kind, error.to_string()).advice(format!("reportctl exec -- {shown}"))
        })?;
    }
    Ok(())
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().next_back().unwrap_or_default()
}

/// Installs packages without their services being started. Safe twice.
pub async fn install(place: &Place<'_>, packages: &BTreeSet<String>) -> Result<(), Failure> {
    let words: Vec<&str> = packages.iter().map(String::as_str).collect();
    place.notes.say(format!("in {}: apt-get installs {}", place.inside.guest(), words.join(", ")));
    let root = RootAccess::Root;
    let request = Install {
        deed: "install",
        packages,
        policy_path: POLICY_PATH,
        policy_text: POLICY_TEXT,
        refresh: commands::refresh(root).argv,
        install: commands::install(root, words.iter().copied()).argv,
        patience: place.patience().as_secs_f64(),
    };
    hand::ask(&place.inside, &request, place.patience()).await.map_err(|error| {
        let line = argv::join(["reportctl", "exec", "--", "apt-get", "install", "--yes"].iter().chain(&words));
        let failure = Failure::from(error);
        if failure.advice.is_none() { failure.advice(line) } else { failure }
    })
}

/// Brings a program of ours into the machine: as a whole, checked there, and remembered last. Safe twice.
pub async fn put_program(place: &Place<'_>, put: &Put<'_>) -> Result<(), Failure> {
    let name = put.to.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if put.to != unit::program(name) {
        let cause = format!("{} is no place for a program of ours", put.to.display());
        return Err(Failure::new(FailureKind::Precondition, cause));
    }
    let bytes = fs::read_bytes(put.from)?;
    if !services::is_static(&bytes) {
        let cause = format!("{} is not static, so it may not run in {}", put.from.display(), place.inside.guest());
        return Err(Failure::new(FailureKind::Precondition, cause).advice("services/build-static"));
    }
    let (sha256, megabytes) = (digest::sha256_hex(&bytes), bytes.len() >> 20);
    place.notes.say(format!("{} comes into {}: {megabytes} MiB", put.component, place.inside.guest()));
    let forget = ForgetProgram { deed: "forget_program", record: unit::record(name) };
    hand::ask::<()>(&place.inside, &forget, Duration::from_secs(30)).await?;
    let file = guest::Put { path: put.to.to_owned(), bytes, mode: 0o755, owner: "root".to_owned() };
    place.inside.put(vec![file]).await.map_err(hand::no_answer)?;
    let (path, record) = (put.to, unit::record(name));
    let note = NoteProgram { deed: "note_program", path, record, sha256, build: put.build };
    Ok(hand::ask(&place.inside, &note, Duration::from_secs(60)).await?)
}
