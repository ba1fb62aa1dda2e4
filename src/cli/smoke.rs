//! `smoke`

use super::args::Watched;
use super::failure::CliError;
use super::interrupt::Listener;
use super::site::{Aim, Look, Site, is_not_drawn};
use super::{ExitCode, Session};
use crate::ui::progress::{Events, View};
use crate::ui::table::Table;
use crate::ui::{Output, evidence, json};
use clap::Args;
use reportctl::event::{EventKind, Teller};
use reportctl::fs;
use reportctl::model::facts::Facts;
use reportctl::provider::host::secrets;
use reportctl::smoke::evidence::{CheckResult, Evidence, Outcome};
use reportctl::smoke::{self, Manner, Options, Selection, Target};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Check that the stack really works, and leave evidence
#[derive(Debug, Args)]
#[command(after_help = "\
reportctl smoke redis 'prometheus/*'                  checks of one component, and by pattern
reportctl smoke --html report.html --junit report.xml proof for people and for CI")]
pub struct SmokeArgs {
    /// Components (redis), checks (redis/answers) or patterns ('*/answers'); without them, every check
    #[arg(value_name = "CHECK")]
    checks: Vec<String>,
    /// Also run checks that restart a component
    #[arg(long)]
    disruptive: bool,
    /// Show the checks and run none
    #[arg(long)]
    list: bool,
    /// Write the evidence into this file as JUnit XML
    #[arg(long, value_name = "FILE", conflicts_with = "list", value_hint = clap::ValueHint::FilePath)]
    junit: Option<PathBuf>,
    /// Write the evidence into this file as one HTML page
    #[arg(long, value_name = "FILE", conflicts_with = "list", value_hint = clap::ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Most checks at a time, 1 to 64 [default: 8; REPORTCTL_PARALLEL]
    #[arg(long, value_name = "N", value_parser = super::args::parallel)]
    parallel: Option<usize>,
    #[command(flatten)]
    pub shared: Watched,
}

/// Checks.
///
/// Errors: no check is selected, one fails, or the environment is not up.
pub fn run(args: SmokeArgs, session: &Session) -> Result<ExitCode, CliError> {
    let SmokeArgs { checks, disruptive, list, junit, html, parallel, shared: _ } = args;
    let settings = session.settings()?;
    let selection = Selection::parse(&checks).map_err(CliError::UnknownCheck)?;
    if list {
        show_list(session, &selection);
        return Ok(ExitCode::Ok);
    }
    let site = Site::open(session, &settings.env)?;
    let memory = site.recall()?;
    let parallel = NonZeroUsize::new(parallel.unwrap_or(settings.parallel)).unwrap_or(NonZeroUsize::MIN);
    let options = Options { disruptive, parallel, ..Options::default() };
    let evidence = super::runtime()?.block_on(async {
        let look = site.look(&memory.facts, None).await?;
        let view = View::start(&session.ui, settings.progress, session.output, Events::OnlyShown);
        let context = site.context.clone();
        let teller = Teller::new(site.env.name.clone(), move || context.timestamp(), view.listener());
        let mut listener = Listener::start(settings.timeout, view.speaker())?;
        let evidence = tokio::select! {
            evidence = check(&site, &memory.facts, &look, &selection, &options, &teller) => evidence,
            () = listener.interrupt.once() => Err(listener.error(&site.env.name, "smoke", None)),
        };
        view.finish();
        evidence
    })?;
    for (file, text) in [(junit, evidence::junit as fn(&Evidence) -> _), (html, evidence::html)] {
        if let Some(file) = file {
            let text = text(&evidence).map_err(|error| CliError::Bug(error.to_string()))?;
            fs::write(&session.context.cwd.join(file), text.as_bytes(), 0o644)?;
        }
    }
    let out = &session.ui.out;
    match session.output {
        Output::Human => out.text(&evidence::table(&evidence, out.paint, out.width())),
        Output::Json => out.line(&evidence::json(&evidence)),
    }
    Ok(if evidence.is_green() { ExitCode::Ok } else { ExitCode::SmokeFailed })
}

/// Runs the selected checks on what shall run there.
///
/// Errors: the environment is not up, or no check is selected. A check that fails is in the evidence.
pub async fn check(
    site: &Site<'_>,
    facts: &Facts,
    look: &Look,
    selection: &Selection,
    options: &Options,
    teller: &Teller,
) -> Result<Evidence, CliError> {
    let name = || site.env.name.clone();
    if is_not_drawn(&look.id) {
        return Err(CliError::NotUp { env: name() });
    }
    let plan = site.plan(Aim::Up, facts, look)?;
    let secrets =
        secrets::load(&site.paths).map_err(|error| CliError::Secrets { env: name(), error: error.to_string() })?;
    let target =
        Target::of(site.env.clone(), site.paths.clone(), site.place().clone(), &plan, &look.inventory, secrets)
            .map_err(|error| CliError::Target { env: name(), error })?;
    teller.tell(EventKind::ChecksStarted);
    let tell = |result: &CheckResult| teller.tell(finished(result));
    let evidence = smoke::run(site.context, target, selection, options, tell).await;
    evidence.map_err(|error| CliError::Smoke { env: name(), error })
}

fn finished(result: &CheckResult) -> EventKind {
    EventKind::CheckFinished {
        check: result.name.clone(),
        outcome: match result.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
        }
        .to_owned(),
        detail: result.detail.clone(),
        millis: result.millis,
    }
}

fn show_list(session: &Session, selection: &Selection) {
    let wanted: Vec<_> = smoke::all().iter().filter(|check| selection.wants(check.name, check.component)).collect();
    let out = &session.ui.out;
    match session.output {
        Output::Human => {
            let mut table = Table::new(&["CHECK", "MANNER", "WHAT IT PROVES"]);
            for check in wanted {
                table.row(vec![check.name.into(), manner(check.manner).into(), check.title.into()]);
            }
            out.text(&table.render(out.paint));
        }
        Output::Json => {
            let checks: Vec<_> = wanted
                .iter()
                .map(|check| {
                    let manner = manner(check.manner);
                    serde_json::json!({ "name": check.name, "component": check.component, "manner": manner, "title": check.title })
                })
                .collect();
            out.line(&json::document(&serde_json::json!({ "schema": 1, "checks": checks })));
        }
    }
}

const fn manner(manner: Manner) -> &'static str {
    match manner {
        Manner::Quiet => "quiet",
        Manner::Disruptive => "disruptive",
    }
}
