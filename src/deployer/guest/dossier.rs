//! What a failed run leaves to be looked at of a machine: gathered before anything is cleaned up, secrets masked.

use crate::fs::{self, FsError};
use crate::model::component::ComponentName;
use crate::model::unit;
use crate::provider::cloud_init;
use crate::reach::guest::{Inside, Run};
use std::path::Path;
use std::time::Duration;

/// How long each question may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of each answer.
const LIMIT: usize = 4 << 20;

/// Gathers how cloud-init did, the units' states and the ends of their logs, and which files of ours are there, into a folder.
/// What cannot be told is named in it.
///
/// Errors: the folder cannot be written.
pub async fn gather(inside: &Inside, folder: &Path) -> Result<(), FsError> {
    let put = |name: &str, text: &str| fs::replace(&folder.join(name), inside.masked(text).as_bytes(), 0o600);
    for (name, text) in cloud_init::gather(inside).await {
        put(&format!("machine-{name}"), &text)?;
    }
    put(
        "machine-units.txt",
        &said(inside, ["systemctl", "--no-pager", "--all", "--full", "status", "report-*"]).await,
    )?;
    let files =
        ["find", "/etc/reportctl", "/var/lib/reportctl", "-maxdepth", "3", "-printf", "%M %u %s %TY-%Tm-%Td %TT %p\\n"];
    put("machine-files.txt", &said(inside, files).await)?;
    for name in ComponentName::ALL {
        let unit = format!("--unit={}", unit::name(name));
        let text = said(inside, ["journalctl", "--quiet", "--no-pager", "--lines=500", &unit]).await;
        if !text.is_empty() {
            put(&format!("machine-{name}.log"), &text)?;
        }
    }
    Ok(())
}

/// What a command in the machine says, whatever it ends with; or why it could not be asked.
async fn said<const N: usize>(inside: &Inside, argv: [&str; N]) -> String {
    match inside.run(Run::new(argv).deadline(PATIENCE).limit(LIMIT)).await {
        Ok(output) if output.stdout.is_empty() => output.stderr,
        Ok(output) => output.stdout,
        Err(error) => format!("{error}\n"),
    }
}
