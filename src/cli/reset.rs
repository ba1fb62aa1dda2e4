//! `reset`

use super::args::Running;
use super::failure::CliError;
use super::run::dry_run;
use super::site::{Aim, Site, is_not_drawn};
use super::up::bring_up;
use super::{ExitCode, Session};
use clap::Args;

/// Put the machine back to what it was before the stack came into it, and bring the stack up anew
#[derive(Debug, Args)]
#[command(after_help = "\
All data in the machine is lost; secrets, ports and the identity stay. It takes a fraction of what `down` and `up` take.
Where it was cut off, `reset` or `up` ends it.")]
pub struct ResetArgs {
    /// Do not check the stack afterwards
    #[arg(long)]
    no_smoke: bool,
    /// Make no image of the machine for the next one (LXD)
    #[arg(long)]
    no_bake: bool,
    #[command(flatten)]
    pub shared: Running,
}

/// Puts back: plan, ask, perform, check, say where everything is.
///
/// Errors: the environment has no machine of its own, that has no snapshot, or what `up` may end with.
pub fn run(ResetArgs { no_smoke, no_bake, shared: _ }: ResetArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let mut site = Site::open(session, &settings.env)?;
    if no_bake {
        site.do_not_bake()?;
    }
    let lock = if settings.dry_run { None } else { Some(site.lock("reset")?) };
    let memory = site.recall()?;
    memory.sound()?;
    let code = super::runtime()?.block_on(async {
        let look = site.look(&memory.facts, None).await?;
        if is_not_drawn(&look.id) {
            return Err(CliError::NotUp { env: site.env.name.clone() });
        }
        let plan = site.plan(Aim::Reset, &memory.facts, &look)?;
        if settings.dry_run {
            dry_run(session, &plan);
            return Ok(ExitCode::Ok);
        }
        session.ui.say("all data in the machine will be lost; secrets, ports and the identity stay");
        bring_up(session, &settings, &site, &memory, (look, plan), (Aim::Reset, no_smoke)).await
    });
    drop(lock);
    code
}
