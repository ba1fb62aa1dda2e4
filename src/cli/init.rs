//! `init NAME --from ENV`

use super::args::{InProject, env_name};
use super::failure::CliError;
use super::{ExitCode, Session};
use crate::ui::{Output, json};
use clap::Args;
use reportctl::model::ids::EnvName;
use reportctl::project::init::{Begun, New};
use serde_json::json;
use std::path::PathBuf;

/// Write the files of a new environment, or of the embedded ones, to edit them
#[derive(Debug, Args)]
#[command(after_help = "\
reportctl init                      writes out the embedded environments, blueprints and templates, and the schemas
                                    for editors
reportctl init plant --from local   writes environments/plant.yaml as a copy of local, and what it is made of")]
pub struct InitArgs {
    /// The new environment; without it, the embedded files are written out
    #[arg(value_parser = env_name)]
    name: Option<EnvName>,
    /// The environment that it begins as a copy of
    #[arg(long, value_name = "ENV", value_parser = env_name, default_value = "local", requires = "name")]
    from: EnvName,
    /// Replace the file of the new environment where there is one
    #[arg(long, requires = "name")]
    force: bool,
    #[command(flatten)]
    pub shared: InProject,
}

/// Writes the files.
///
/// Errors: there is a file already, what is copied is not there or not valid, or a file cannot be written.
pub fn run(InitArgs { name, from, force, shared: _ }: InitArgs, session: &Session) -> Result<ExitCode, CliError> {
    let new = New { name: name.as_ref(), from: &from, replace: force };
    let Begun { written, replaced, kept } = session.project.init(&new)?;
    let ui = &session.ui;
    match session.output {
        Output::Human => {
            let tell = |word: &str, files: &[PathBuf]| {
                files.iter().for_each(|file| ui.out.line(&format!("{word:<9} {}", file.display())));
            };
            tell("written", &written);
            tell("replaced", &replaced);
            tell("kept", &kept);
            let on = name.map(|name| format!(" -e {name}")).unwrap_or_default();
            ui.say(&format!("edit them, then: reportctl validate{on} && reportctl plan{on}"));
        }
        Output::Json => {
            let document = json!({ "schema": 1, "written": written, "replaced": replaced, "kept": kept });
            ui.out.line(&json::document(&document));
        }
    }
    Ok(ExitCode::Ok)
}
