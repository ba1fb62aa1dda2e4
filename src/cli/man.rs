//! `man`

use super::args::Noise;
use super::failure::CliError;
use super::{Cli, ExitCode, Session};
use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use reportctl::fs;
use std::path::PathBuf;

/// Print a manual page, or write all of them
#[derive(Debug, Args)]
#[command(after_help = "To read one:  reportctl man up | man -l -")]
pub struct ManArgs {
    /// The verb; without it, the page of reportctl itself
    verb: Vec<String>,
    /// Write the pages of all verbs into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "verb", value_hint = clap::ValueHint::DirPath)]
    output_dir: Option<PathBuf>,
    #[command(flatten)]
    pub shared: Noise,
}

/// Prints or writes the pages.
///
/// Errors: there is no such verb; the folder cannot be written.
pub fn run(ManArgs { verb, output_dir, shared: _ }: ManArgs, session: &Session) -> Result<ExitCode, CliError> {
    let mut root = Cli::command();
    root.build();
    let Some(folder) = output_dir else {
        let page = verb.iter().try_fold(&root, |at, name| {
            at.find_subcommand(name).ok_or_else(|| CliError::UnknownVerb { name: verb.join(" ") })
        })?;
        session.ui.out.text(&render(page)?);
        return Ok(ExitCode::Ok);
    };
    let folder = session.context.cwd.join(folder);
    if fs::observe_meta(&folder).present().is_none() {
        fs::ensure_dir(&folder, 0o755)?;
    }
    let mut pages = vec![&root];
    while let Some(page) = pages.pop() {
        let path = folder.join(format!("{}.1", name(page)));
        fs::write(&path, render(page)?.as_bytes(), 0o644)?;
        session.ui.out.line(&path.display().to_string());
        pages.extend(page.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help"));
    }
    Ok(ExitCode::Ok)
}

fn name(page: &Command) -> String {
    page.get_display_name().unwrap_or_else(|| page.get_name()).to_owned()
}

fn render(page: &Command) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let failed = |error: std::io::Error| CliError::Bug(error.to_string());
    Man::new(page.clone().version(env!("CARGO_PKG_VERSION"))).title(name(page)).render(&mut bytes).map_err(failed)?;
    let mut codes = Roff::default();
    codes.control("SH", ["EXIT STATUS"]);
    for code in ExitCode::ALL {
        codes.control("TP", []);
        codes.text([bold(format!("{} {}", code.number(), code.name()))]);
        codes.text([roman(code.meaning())]);
    }
    codes.to_writer(&mut bytes).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| CliError::Bug(error.to_string()))
}
