//! `up`

use super::args::Running;
use super::failure::CliError;
use super::run::{self, Run};
use super::settings::Settings;
use super::site::{Aim, Look, Site, is_not_drawn};
use super::{ExitCode, Session, smoke, user};
use crate::ui::style::Paint;
use crate::ui::{Output, evidence, human};
use clap::Args;
use reportctl::event::EventKind;
use reportctl::fs;
use reportctl::journal::store::Memory;
use reportctl::model::component::ComponentName;
use reportctl::model::facts::Facts;
use reportctl::plan::saved;
use reportctl::plan::step::Plan;
use reportctl::plan::wanted::{Outlook, outlook};
use reportctl::render::native::Native;
use reportctl::smoke::Selection;
use reportctl::smoke::evidence::{Evidence, Outcome};
use std::path::{Path, PathBuf};

/// Bring the stack up, or up to date, and check it
#[derive(Debug, Args)]
#[command(after_help = "\
A run that was cut off is gone on with by typing the same command again.
What is missing is installed with apt, after asking; root is needed for that only.")]
pub struct UpArgs {
    /// A plan that `plan --out FILE` wrote; it is performed only if it is still what would be done now
    #[arg(value_name = "PLANFILE", value_hint = clap::ValueHint::FilePath)]
    plan: Option<PathBuf>,
    /// Do not check the stack afterwards
    #[arg(long)]
    no_smoke: bool,
    /// Make no image of the machine for the next one, and start from none (LXD)
    #[arg(long, conflicts_with = "plan")]
    no_bake: bool,
    #[command(flatten)]
    pub shared: Running,
}

/// Brings up: plan, ask, perform, check, say where everything is.
///
/// Errors: many; each says what to type next.
pub fn run(UpArgs { plan, no_smoke, no_bake, shared: _ }: UpArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let saved = plan.map(|file| read(session, &file)).transpose()?;
    let name = match &saved {
        Some((_, plan)) if settings.env_flag.is_none() => plan.env.clone(),
        _ => settings.env.clone(),
    };
    let mut site = Site::open(session, &name)?;
    if no_bake {
        site.do_not_bake()?;
    }
    let lock = if settings.dry_run { None } else { Some(site.lock("up")?) };
    let memory = site.recall()?;
    memory.sound()?;
    let code = super::runtime()?.block_on(async {
        let (look, plan) = plan_up(&site, &memory, saved.as_ref()).await?;
        if settings.dry_run {
            run::dry_run(session, &plan);
            return Ok(ExitCode::Ok);
        }
        bring_up(session, &settings, &site, &memory, (look, plan), (Aim::Up, no_smoke)).await
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

/// Performs the plan of `up`, or of what comes to the same in the end, checks the stack, and says where everything is.
///
/// Errors: as [`run`].
pub async fn bring_up(
    session: &Session<'_>,
    settings: &Settings,
    site: &Site<'_>,
    memory: &Memory,
    (look, plan): (Look, Plan),
    (aim, no_smoke): (Aim, bool),
) -> Result<ExitCode, CliError> {
    let is_unfinished = memory.last.as_ref().is_some_and(|last| last.is_unfinished());
    if plan.is_empty() {
        session.ui.say(&human::plan_line(&plan, &look.inventory, session.ui.err.paint));
    } else {
        run::ask(session, settings, &plan, &look.inventory, if aim == Aim::Reset { "reset" } else { "up" })?;
    }
    let mut run = Run::begin(session, settings, site, look.id.clone(), aim)?;
    let result = perform(&mut run, memory, (!plan.is_empty() || is_unfinished).then_some(plan), no_smoke).await;
    let result = match result {
        Ok(done) => Ok(done),
        Err(error) => Err(run.gather(error).await),
    };
    run.end(result.as_ref().map(|_| ExitCode::Ok));
    let done = result?;
    if session.output == Output::Human {
        show(session, site, &done);
        show_way_in(session, site).await;
    }
    Ok(ExitCode::Ok)
}

/// What a successful run came to.
struct Done {
    components: Vec<Reach>,
    evidence: Option<Evidence>,
}

/// A component and where it is.
struct Reach {
    component: ComponentName,
    address: String,
    page: Option<String>,
}

/// Performs the plan, if there is one, and checks the stack.
async fn perform(run: &mut Run<'_, '_>, memory: &Memory, plan: Option<Plan>, no_smoke: bool) -> Result<Done, CliError> {
    if let Some(plan) = plan {
        run.perform(memory, plan).await?;
    }
    let site = run.site;
    // What was made is remembered by now: the identity, and the ports.
    let facts = site.recall()?.facts;
    let look = site.look(&facts, Some(&run.id)).await?;
    let components = reaches(site, &facts, &look)?;
    let evidence = if no_smoke {
        None
    } else {
        let mut interrupt = run.listener.interrupt.clone();
        let (selection, options) = (Selection::default(), run.smoke_options());
        let checks = smoke::check(site, &facts, &look, &selection, &options, &run.teller);
        let evidence = tokio::select! {
            evidence = checks => evidence?,
            () = interrupt.once() => return Err(run.ended_early()),
        };
        Some(evidence)
    };
    for Reach { component, address, page } in &components {
        let (component, address, page) = (component.to_string(), address.clone(), page.clone());
        run.teller.tell(EventKind::Reachable { component, address, page });
    }
    match evidence {
        Some(evidence) if !evidence.is_green() => Err(smoke_failed(run, evidence)),
        evidence => Ok(Done { components, evidence }),
    }
}

fn reaches(site: &Site<'_>, facts: &Facts, look: &Look) -> Result<Vec<Reach>, CliError> {
    let wanted = match outlook(&site.inputs(facts, look)) {
        Ok(Outlook::Run(wanted)) => wanted,
        Ok(Outlook::Install(_)) => return Ok(Vec::new()),
        Err(error) => return Err(CliError::Plan { env: site.env.name.clone(), error }),
    };
    let reach =
        |(component, native): (ComponentName, Native)| Reach { component, address: native.address, page: native.page };
    Ok(wanted.natives.into_iter().map(reach).collect())
}

/// The evidence is shown at once; the error says which checks it is about.
fn smoke_failed(run: &Run<'_, '_>, evidence: Evidence) -> CliError {
    let failed = evidence.checks.iter().filter(|check| check.outcome == Outcome::Failed);
    let failed = failed.map(|check| check.name.clone()).collect();
    CliError::SmokeFailed { env: run.site.env.name.clone(), failed, evidence: Box::new(evidence), dossier: None }
}

fn show(session: &Session, site: &Site, done: &Done) {
    let out = &session.ui.out;
    let Done { components, evidence } = done;
    if let Some(evidence) = evidence {
        out.text(&(evidence::table(evidence, out.paint, out.width()) + "\n"));
    }
    let name = &site.env.name;
    let rows = components.iter().map(|Reach { component, address, page }| {
        (component.to_string(), page.clone().unwrap_or_else(|| address.clone()))
    });
    out.line(&format!("{} is up", out.paint.bold(name.as_str())));
    out.text(&human::section("", rows.collect(), Paint::cyan, out.paint, out.width()));
    session.ui.say(&format!(
        "\nhow it does:  reportctl status -e {name}\na way in:     reportctl open -e {name} COMPONENT\nall gone:     \
         reportctl down -e {name}"
    ));
}

/// The address that lets whoever brought it up in at the page of reports. It goes to this person alone: no event, no
/// journal and no JSON has it. That there is none takes nothing from what was done.
async fn show_way_in(session: &Session<'_>, site: &Site<'_>) {
    if site.env.machine.blueprint().is_some() {
        let name = &site.env.name;
        session.ui.say(&format!(
            "reports:      reportctl open requestor -e {name}   # and: reportctl user link NAME -e {name}"
        ));
        return;
    }
    let made = async {
        let facts = site.recall()?.facts;
        let look = site.look(&facts, None).await?;
        user::first(site, &facts, &look).await
    };
    match made.await {
        Ok(Some((name, link))) => {
            session.ui.out.line(&format!("\nreports, for {name}, once: {}", session.ui.out.paint.cyan(&link.url)));
        }
        Ok(None) => {}
        Err(error) => session.ui.warn(&format!("nobody is let in yet: {error}")),
    }
}
