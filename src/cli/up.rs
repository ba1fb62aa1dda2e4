//! `up`

use super::args::Running;
use super::failure::CliError;
use super::run::{self, Run};
use super::settings::Settings;
use super::site::{Aim, Look, Site, is_not_drawn};
use super::{ExitCode, Session};
use clap::Args;
use reportctl::fs;
use reportctl::journal::store::Memory;
use reportctl::plan::saved;
use reportctl::plan::step::Plan;
use std::path::{Path, PathBuf};

/// Bring the stack up, or up to date
#[derive(Debug, Args)]
#[command(after_help = "\
A run that was cut off is gone on with by typing the same command again.
What is missing is installed with apt, after asking; root is needed for that only.")]
pub struct UpArgs {
    /// A plan that `plan --out FILE` wrote; it is performed only if it is still what would be done now
    #[arg(value_name = "PLANFILE", value_hint = clap::ValueHint::FilePath)]
    plan: Option<PathBuf>,
    #[command(flatten)]
    pub shared: Running,
}

/// Brings up: plan, ask, perform, check, say where everything is.
///
/// Errors: many; each says what to type next.
pub fn run(UpArgs { plan, shared: _ }: UpArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let saved = plan.map(|file| read(session, &file)).transpose()?;
    let name = match &saved {
        Some((_, plan)) if settings.env_flag.is_none() => plan.env.clone(),
        _ => settings.env.clone(),
    };
    let site = Site::open(session, &name)?;
    let lock = if settings.dry_run { None } else { Some(site.lock("up")?) };
    let memory = site.recall()?;
    memory.sound()?;
    let code = super::runtime()?.block_on(async {
        let (look, plan) = plan_up(&site, &memory, saved.as_ref()).await?;
        if settings.dry_run {
            run::dry_run(session, &plan);
            return Ok(ExitCode::Ok);
        }
        up(session, &settings, &site, &memory, (look, plan)).await
    });
    drop(lock);
    code
}

fn read(session: &Session, file: &Path) -> Result<(PathBuf, Plan), CliError> {
    let text = fs::read(&session.context.cwd.join(file))?;
    match saved::from_json(&text) {
        Ok(plan) => Ok((file.to_owned(), plan)),
        Err(error) => Err(CliError::Saved { file: file.to_owned(), error }),
    }
}

/// What would be done now, which must be what a saved plan says; with an identity that is drawn where there is none.
async fn plan_up(site: &Site<'_>, memory: &Memory, saved: Option<&(PathBuf, Plan)>) -> Result<(Look, Plan), CliError> {
    let look = site.look(&memory.facts, None).await?;
    let plan = site.plan(Aim::Up, &memory.facts, &look)?;
    if let Some((file, saved)) = saved {
        saved::check(saved, &plan).map_err(|error| CliError::Saved { file: file.clone(), error })?;
    }
    if !is_not_drawn(&look.id) {
        return Ok((look, plan));
    }
    let look = site.look(&memory.facts, Some(&site.draw()?)).await?;
    let plan = site.plan(Aim::Up, &memory.facts, &look)?;
    Ok((look, plan))
}

async fn up(
    session: &Session<'_>,
    settings: &Settings,
    site: &Site<'_>,
    memory: &Memory,
    (look, plan): (Look, Plan),
) -> Result<ExitCode, CliError> {
    let is_unfinished = memory.last.as_ref().is_some_and(|last| last.is_unfinished());
    if plan.is_empty() {
        session.ui.say(&format!("{}: nothing to do, it is as it should be", site.env.name));
    } else {
        run::ask(session, settings, &plan, &look.inventory, "up")?;
    }
    let mut run = Run::begin(session, settings, site, look.id.clone(), Aim::Up)?;
    let result = async {
        if !plan.is_empty() || is_unfinished {
            run.perform(memory, plan).await?;
        }
        Ok(ExitCode::Ok)
    }
    .await;
    let result = match result {
        Ok(code) => Ok(code),
        Err(error) => Err(run.gather(error).await),
    };
    run.end(&result);
    result
}
