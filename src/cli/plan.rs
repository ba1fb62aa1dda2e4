//! `plan`

use super::args::InEnv;
use super::failure::CliError;
use super::site::{Aim, Site};
use super::{ExitCode, Session};
use crate::ui::{Output, human};
use clap::Args;
use reportctl::fs;
use reportctl::plan::saved;
use std::path::PathBuf;

/// Show what `up` would do, and change nothing
#[derive(Debug, Args)]
#[command(after_help = "Equal inputs give equal bytes. With -v each step is shown, and why it is there.")]
pub struct PlanArgs {
    /// Exit with 5 when there is something to do, and with 0 only when there is nothing
    #[arg(long)]
    detailed_exitcode: bool,
    /// Write the plan into this file, for `up FILE`
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub shared: InEnv,
}

/// Plans.
///
/// Errors: there is no such environment, something must hold before there can be a plan, or the file cannot be written.
pub fn run(args: PlanArgs, session: &Session) -> Result<ExitCode, CliError> {
    let PlanArgs { detailed_exitcode, out, shared: _ } = args;
    let settings = session.settings()?;
    let site = Site::open(session, &settings.env)?;
    let memory = site.recall()?;
    memory.sound()?;
    let look = super::runtime()?.block_on(site.look(&memory.facts, None))?;
    let plan = site.plan(Aim::Up, &memory.facts, &look)?;
    let text = saved::to_json(&plan).map_err(|error| CliError::Bug(error.to_string()))?;
    let ui = &session.ui;
    if let Some(file) = out {
        let file = session.context.cwd.join(file);
        fs::write(&file, text.as_bytes(), 0o600)?;
        let file = reportctl::model::argv::quote(&file.display().to_string()).into_owned();
        ui.say(&format!("the plan is in {file}; to perform it: reportctl up -e {} {file}", plan.env));
    }
    match session.output {
        Output::Human => {
            let steps = settings.speech.verbose > 0;
            ui.out.text(&human::plan(&plan, &look.inventory, steps, ui.out.paint, ui.out.width()));
        }
        Output::Json => ui.out.text(&text),
    }
    Ok(if detailed_exitcode && !plan.is_empty() { ExitCode::ChangesPending } else { ExitCode::Ok })
}
