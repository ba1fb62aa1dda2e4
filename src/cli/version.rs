//! `version`

use super::args::Shown;
use super::{ExitCode, Session};
use crate::ui::{Output, json};
use clap::Args;

/// Print the version
#[derive(Debug, Args)]
pub struct VersionArgs {
    #[command(flatten)]
    pub shared: Shown,
}

/// Prints the version.
pub fn run(VersionArgs { shared: _ }: VersionArgs, session: &Session) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    session.ui.out.line(&match session.output {
        Output::Human => format!("reportctl {version}"),
        Output::Json => json::document(&serde_json::json!({ "schema": 1, "name": "reportctl", "version": version })),
    });
    ExitCode::Ok
}
