//! `down`

use super::args::Running;
use super::failure::CliError;
use super::run::{self, Run};
use super::settings::Settings;
use super::site::{Aim, Look, Site};
use super::{ExitCode, Session};
use crate::ui::{Output, human};
use clap::Args;
use reportctl::fs;
use reportctl::journal::JournalError;
use reportctl::journal::store::Memory;
use reportctl::model::environment::Environment;
use reportctl::model::guest::MadeBy;
use reportctl::model::ids::{EnvId, EnvName};
use reportctl::plan::step::Plan;
use reportctl::project::{Project, ProjectError};

/// Take everything away but installed packages, which are named
#[derive(Debug, Args)]
#[command(
    after_help = "It works after a crash at any point, and with the state lost: then name the identity with --id."
)]
pub struct DownArgs {
    /// Only stop: data, secrets and chosen ports stay
    #[arg(long)]
    keep_data: bool,
    /// Take away what carries this identity, such as local-7f3k9q2m, even if nothing else is known of it
    #[arg(long, value_name = "ID", conflicts_with_all = ["keep_data", "env"], value_parser = |text: &str| EnvId::parse(text))]
    id: Option<EnvId>,
    #[command(flatten)]
    pub shared: Running,
}

/// Takes away: plan, ask, perform, look whether anything is left.
///
/// Errors: a step failed, something is left, or the folder is somebody else's.
pub fn run(DownArgs { keep_data, id, shared: _ }: DownArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let name = match &id {
        Some(id) => EnvName::parse(id.name()).map_err(|error| CliError::Bug(error.to_string()))?,
        None => settings.env.clone(),
    };
    let (env, unknown) = environment(session, &name)?;
    let mut site = Site::of(session, env)?;
    let lock = if settings.dry_run { None } else { Some(site.lock("down")?) };
    // Damage to a journal is no reason to leave anything behind.
    let memory = match site.recall() {
        Ok(memory) => memory,
        // Nor are journals that only another release can read.
        Err(CliError::Journal(JournalError::Schema { .. })) => Memory::default(),
        Err(_) if id.is_some() => Memory::default(),
        Err(error) => return Err(error),
    };
    let aim = Aim::Down { keep_data };
    let runtime = super::runtime()?;
    runtime.block_on(settle_machine(&mut site, &memory, id.as_ref(), unknown.is_some()))?;
    let code = runtime.block_on(async {
        let look = site.look(&memory.facts, id.as_ref()).await?;
        let plan = site.plan(aim, &memory.facts, &look)?;
        if let (Some(unknown), true, None) = (unknown, plan.is_empty(), &id) {
            return Err(unknown.into());
        }
        if settings.dry_run {
            run::dry_run(session, &plan);
            return Ok(ExitCode::Ok);
        }
        down(session, &settings, &site, &memory, (look, plan), aim).await
    });
    match lock {
        // Also where it was never there: then the lock is all that there is, and it is ours.
        Some(lock) if fs::observe_meta(&site.paths.root).is_absent() => {
            let tidied = tidy(session, lock);
            code.and_then(|code| tidied.map(|()| code))
        }
        _ => code,
    }
}

/// The environment; where its file is gone or wrong, all components in its name, since taking away goes by what is
/// seen and not by what was meant.
fn environment(session: &Session, name: &EnvName) -> Result<(Environment, Option<ProjectError>), CliError> {
    match session.project.load(name.as_str()) {
        Ok(env) => Ok((env, None)),
        Err(error @ (ProjectError::NotFound { .. } | ProjectError::Invalid(_))) => {
            let all = Project::embedded().load("local").map_err(|error| CliError::Bug(error.to_string()))?;
            Ok((Environment { name: name.clone(), ..all }, Some(error)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Has the site look where its machine was made, which is not always where its file says: the journals know it, and with
/// neither journals nor a file everything is asked that makes machines.
async fn settle_machine(
    site: &mut Site<'_>,
    memory: &Memory,
    id: Option<&EnvId>,
    is_unknown: bool,
) -> Result<(), CliError> {
    let says = site.env.machine.made_by();
    match memory.facts.made_by {
        Some(was) if was != says => site.stand_in(was),
        None if is_unknown || id.is_some() => {
            for made_by in [MadeBy::Lxd, MadeBy::Multipass] {
                site.stand_in(made_by)?;
                if site.look(&memory.facts, id).await?.inventory.machine.has_traces() {
                    return Ok(());
                }
            }
            site.stand_in(says)
        }
        Some(_) | None => Ok(()),
    }
}

async fn down(
    session: &Session<'_>,
    settings: &Settings,
    site: &Site<'_>,
    memory: &Memory,
    (look, plan): (Look, Plan),
    aim: Aim,
) -> Result<ExitCode, CliError> {
    if plan.is_empty() {
        let err = &session.ui.err;
        session.ui.say(human::plan(&plan, &look.inventory, false, err.paint, err.width()).trim_end());
        return Ok(ExitCode::Ok);
    }
    run::ask(session, settings, &plan, &look.inventory, "down")?;
    let left = plan.left.clone();
    let mut run = Run::begin(session, settings, site, look.id.clone(), aim)?;
    let result = match run.perform(memory, plan).await {
        Ok(()) => still_there(site, &look.id, aim, None).await,
        Err(CliError::Step(failed)) => match run.gather(CliError::Step(failed)).await {
            CliError::Step(failed) => still_there(site, &look.id, aim, Some(failed)).await,
            error => Err(error),
        },
        Err(error) => Err(error),
    };
    run.end(result.as_ref().copied());
    if result.is_ok() && session.output == Output::Human {
        let out = &session.ui.out;
        let what = match aim {
            Aim::Down { keep_data: true } => "is stopped; its data, secrets and ports are kept",
            _ => "is gone",
        };
        out.line(&format!("{} {what}", out.paint.bold(site.env.name.as_str())));
        if !left.is_empty() {
            out.text(&human::left(&left, out.width()));
        }
    }
    result
}

/// Looks again: what there would still be to do is what is left.
async fn still_there(
    site: &Site<'_>,
    id: &EnvId,
    aim: Aim,
    cause: Option<Box<super::failure::StepError>>,
) -> Result<ExitCode, CliError> {
    let memory = site.recall().unwrap_or_default();
    let look = site.look(&memory.facts, Some(id)).await?;
    let plan = site.plan(aim, &memory.facts, &look)?;
    if plan.is_empty() && cause.is_none() {
        return Ok(ExitCode::Ok);
    }
    let what = reportctl::plan::diff::changes(&plan, &look.inventory)
        .into_iter()
        .map(|change| format!("{}: {}", change.subject, change.what.join(", ")))
        .collect();
    Err(CliError::Left { env: site.env.name.clone(), what, cause })
}

/// Removes the lock and the folders that hold nothing any more.
fn tidy(session: &Session, lock: fs::Lock) -> Result<(), CliError> {
    lock.remove()?;
    let state = super::settings::state_folder(session.context)?;
    for folder in [state.join("envs"), state.join("locks"), state] {
        fs::remove_dir_if_empty(&folder)?;
    }
    Ok(())
}
