//! Programs that run once, to their end.

use super::Native;
use crate::exec::{self, Command};
use crate::fs;
use crate::model::component::ComponentName;
use crate::provider::host::agent::{COMPONENT_MARKER, MARKER};
use crate::provider::host::{claim, secrets};
use crate::provider::{Failure, FailureKind, Notes};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is run once.
pub struct Once<'a> {
    /// For whom.
    pub component: ComponentName,
    /// The programs and their arguments.
    pub commands: &'a [Vec<String>],
    /// Their environment beside the few inherited variables.
    pub env: &'a BTreeMap<String, String>,
    /// Written when all of them have succeeded.
    pub proof: &'a Path,
    /// How long all of them may take.
    pub timeout: Duration,
}

/// Runs the programs unless the proof is there.
pub async fn perform(native: &Native, once: &Once<'_>, notes: &Notes) -> Result<(), Failure> {
    claim::check(&native.paths, &native.id)?;
    if fs::observe_meta(once.proof).present().is_some() {
        return Ok(());
    }
    let secrets = secrets::load(&native.paths)?;
    let begun = Instant::now();
    let marker = [(MARKER, native.id.as_str()), (COMPONENT_MARKER, once.component.as_str())];
    for argv in once.commands {
        let rest = once.timeout.saturating_sub(begun.elapsed());
        let command = Command::changes(&native.context, argv.iter().cloned())
            .env(once.env.clone())
            .env(marker)
            .cwd("/")
            .deadline(rest.saturating_sub(Duration::from_secs(3)).max(rest / 2))
            .mask(&secrets);
        notes.say(command.to_string());
        exec::start(command).await.map_err(|error| match &error {
            exec::ExecError::NotFound { .. } => Failure::new(FailureKind::ForeignTool, error.to_string()),
            exec::ExecError::Deadline { .. } => Failure::new(FailureKind::Timeout, error.to_string()),
            _ => Failure::new(FailureKind::Failed, error.to_string()),
        })?;
    }
    if let Some(folder) = once.proof.parent() {
        fs::ensure_dir(folder, 0o700)?;
    }
    Ok(fs::write(once.proof, format!("{}\n", native.context.timestamp()).as_bytes(), 0o600)?)
}
