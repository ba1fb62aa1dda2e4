//! What a failed run leaves to be looked at: gathered before anything is cleaned up, secrets masked.

use crate::context::Context;
use crate::fs::{self, FsError};
use crate::model::component::ComponentName;
use crate::model::ids::{EnvId, RunId};
use crate::model::paths::Paths;
use crate::provider::host::agent::{self, Client};
use crate::provider::host::processes::Snapshot;
use crate::provider::host::secrets;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// How many lines of each log are gathered.
const LINES: usize = 500;
/// The most bytes of any other file that are gathered.
const BYTES: u64 = 4 << 20;

/// Why there is no dossier.
#[derive(Debug, thiserror::Error)]
#[error("the dossier cannot be gathered: {0}")]
pub struct DossierError(#[from] FsError);

/// Gathers how the services do, the ends of all logs and the journal of the run into a folder, and returns it. What
/// cannot be read is named in it.
///
/// Errors: the folder cannot be written.
pub async fn gather(context: &Context, paths: &Paths, id: &EnvId, run: &RunId) -> Result<PathBuf, DossierError> {
    let folder = paths.dossiers().join(run.as_str());
    fs::ensure_dir(&folder, 0o700)?;
    // Without the values nothing could be masked, so what might hold one is then left out.
    let secrets = secrets::load(paths);
    let put = |name: &str, text: &str| fs::replace(&folder.join(name), text.as_bytes(), 0o600);
    put("status.txt", &status(context, paths, id).await)?;
    match &secrets {
        Ok(secrets) => {
            for name in ComponentName::ALL {
                if let Some(text) = log(paths, name) {
                    put(&format!("{name}.log"), &secrets.mask(&text))?;
                }
            }
            for (name, path) in [("agent.log", paths.logs().join("agent.log")), ("run.journal", paths.journal(run))] {
                if let Some(text) = end_of(&path) {
                    put(name, &secrets.mask(&text))?;
                }
            }
        }
        Err(error) => {
            put("logs-left-out.txt", &format!("no log is copied, since secrets could not be masked: {error}\n"))?
        }
    }
    Ok(folder)
}

async fn status(context: &Context, paths: &Paths, id: &EnvId) -> String {
    let mut text = format!("{id} at {}\n\n", context.timestamp());
    let _ = writeln!(text, "agent: {:#?}\n", Client::new(paths).observe(id).await);
    let _ = writeln!(text, "processes that carry the marker:");
    match Snapshot::take() {
        Ok(snapshot) => {
            for marked in snapshot.marked().iter().filter(|marked| marked.id == *id) {
                let what = marked.component.map_or("agent", ComponentName::as_str);
                let _ = writeln!(text, "  {} {what}", marked.reading.identity.pid);
            }
        }
        Err(error) => drop(writeln!(text, "  {error}")),
    }
    text
}

fn log(paths: &Paths, name: ComponentName) -> Option<String> {
    match agent::tail(name, &paths.log(name), LINES) {
        Ok(lines) if lines.is_empty() => None,
        Ok(lines) => Some(lines.iter().map(|line| format!("{} {}\n", line.at, line.text)).collect()),
        Err(error) => Some(format!("{error}\n")),
    }
}

fn end_of(path: &Path) -> Option<String> {
    let len = fs::observe_meta(path).present()?.len;
    match fs::read_from(path, len.saturating_sub(BYTES), BYTES) {
        Ok((bytes, _)) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Some(format!("{error}\n")),
    }
}
