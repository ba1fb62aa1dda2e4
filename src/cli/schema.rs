//! `schema`

use super::args::Noise;
use super::failure::CliError;
use super::{ExitCode, Session};
use clap::{Args, ValueEnum};
use reportctl::fs;
use reportctl::model::json_schema;
use std::path::PathBuf;

/// Print the JSON Schema of environments' or blueprints' files, for editors
#[derive(Debug, Args)]
#[command(after_help = "\
In an editor with the YAML language server, this first line of a file gives completion and red underlines:
# yaml-language-server: $schema=environment.schema.json")]
pub struct SchemaArgs {
    /// What the files are
    #[arg(value_enum, default_value = "environment")]
    of: Of,
    /// Write the schema into this folder
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    output_dir: Option<PathBuf>,
    #[command(flatten)]
    pub shared: Noise,
}

/// What files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// Those in environments/
    Environment,
    /// Those in blueprints/
    Blueprint,
}

/// Prints or writes the schema.
///
/// Errors: the folder cannot be written.
pub fn run(SchemaArgs { of, output_dir, shared: _ }: SchemaArgs, session: &Session) -> Result<ExitCode, CliError> {
    let (name, text) = match of {
        Of::Environment => (json_schema::FILE_NAME, json_schema::environment_text()),
        Of::Blueprint => (json_schema::BLUEPRINT_FILE_NAME, json_schema::blueprint_text()),
    };
    match output_dir {
        None => session.ui.out.text(&text),
        Some(folder) => {
            let folder = session.context.cwd.join(folder);
            if fs::observe_meta(&folder).present().is_none() {
                fs::ensure_dir(&folder, 0o755)?;
            }
            let path = folder.join(name);
            fs::write(&path, text.as_bytes(), 0o644)?;
            session.ui.out.line(&path.display().to_string());
        }
    }
    Ok(ExitCode::Ok)
}
