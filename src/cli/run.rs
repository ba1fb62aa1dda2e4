//! What `up` and `down` have in common: to ask, to perform a plan and show it, and to say how it ended.

use super::Session;
use super::failure::CliError;
use super::interrupt::Listener;
use super::settings::Settings;
use super::site::{Aim, Site};
use crate::ui::human;
use crate::ui::progress::{Events, View};
use reportctl::deployer::everywhere::Everywhere;
use reportctl::deployer::guest::{Guests, dossier};
use reportctl::deployer::native::{Native, gather_dossier};
use reportctl::engine::converge::{ConvergeError, Planner};
use reportctl::engine::{Engine, RunResult};
use reportctl::event::{EventKind, Teller};
use reportctl::fs::FsError;
use reportctl::journal::entry::{Outcome, Verb};
use reportctl::journal::log::{Log, Opening};
use reportctl::journal::store::Memory;
use reportctl::model::component::PortKey;
use reportctl::model::facts::Facts;
use reportctl::model::ids::{EnvId, RunId};
use reportctl::model::inventory::{Inventory, Observed};
use reportctl::plan::step::Plan;
use reportctl::provider::Failure;
use reportctl::provider::host::secrets;
use reportctl::provider::lxd::Lxd;
use reportctl::provider::multipass::Multipass;
use reportctl::reach::guest::Inside;
use reportctl::smoke::Options;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A run that is shown, from its first event to its last.
pub struct Run<'s, 'a> {
    session: &'s Session<'a>,
    settings: &'s Settings,
    pub site: &'s Site<'a>,
    pub id: EnvId,
    aim: Aim,
    view: Option<View>,
    pub teller: Teller,
    pub listener: Listener,
    begun: Instant,
    pub run: Option<RunId>,
}

/// Observes and plans for the engine.
struct Again<'s, 'a> {
    site: &'s Site<'a>,
    id: &'s EnvId,
    aim: Aim,
}

impl Planner for Again<'_, '_> {
    type Error = CliError;

    async fn plan(&mut self, facts: &Facts) -> Result<Plan, CliError> {
        let look = self.site.look(facts, Some(self.id)).await?;
        self.site.plan(self.aim, facts, &look)
    }
}

/// Shows what would be done and asks whether it shall be.
///
/// Errors: there is nobody to ask, or the answer is no.
pub fn ask(
    session: &Session,
    settings: &Settings,
    plan: &Plan,
    inventory: &Inventory,
    verb: &str,
) -> Result<(), CliError> {
    let err = &session.ui.err;
    if settings.yes {
        session.ui.say(&human::plan_line(plan, inventory, err.paint));
        return Ok(());
    }
    if !session.ui.can_ask() {
        return Err(CliError::NobodyToAsk { verb: verb.to_owned(), env: plan.env.clone() });
    }
    err.text(&human::plan(plan, inventory, settings.speech.verbose > 0, err.paint, err.width()));
    let question = format!("\n{verb} {}?", plan.env);
    match session.ui.ask(&question) {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::Declined { verb: verb.to_owned() }),
        Err(error) => Err(CliError::Host(format!("cannot read the answer: {error}"))),
    }
}

/// Prints the exact commands of a plan as a script that can be read, and pasted.
pub fn dry_run(session: &Session, plan: &Plan) {
    let out = &session.ui.out;
    match session.output {
        crate::ui::Output::Human => {
            for step in &plan.steps {
                out.line(&out.paint.dim(&format!("# {}: {}", step.id, step.because)));
                step.action.lines().iter().for_each(|line| out.line(line));
            }
            if plan.is_empty() {
                out.line("# nothing to do");
            }
        }
        crate::ui::Output::Json => {
            let steps: Vec<_> = plan
                .steps
                .iter()
                .map(|step| serde_json::json!({ "step": step.id, "because": step.because, "lines": step.action.lines() }))
                .collect();
            let document = serde_json::json!({ "schema": 1, "env": plan.env, "id": plan.id, "steps": steps });
            out.line(&crate::ui::json::document(&document));
        }
    }
}

impl<'s, 'a> Run<'s, 'a> {
    /// Begins to show and to listen. Within a runtime.
    ///
    /// Errors: the host refuses to hand over signals.
    pub fn begin(
        session: &'s Session<'a>,
        settings: &'s Settings,
        site: &'s Site<'a>,
        id: EnvId,
        aim: Aim,
    ) -> Result<Self, CliError> {
        let view = View::start(&session.ui, settings.progress, session.output, Events::OfTheResult);
        let context = site.context.clone();
        let teller = Teller::new(site.env.name.clone(), move || context.timestamp(), view.listener());
        let say = view.speaker();
        let listener = Listener::start(settings.timeout, say)?;
        session.lines.set(session.output == crate::ui::Output::Json);
        Ok(Self {
            session,
            settings,
            site,
            id,
            aim,
            view: Some(view),
            teller,
            listener,
            begun: Instant::now(),
            run: None,
        })
    }

    /// Performs the plan, and plans again where that is needed.
    ///
    /// Errors: a step failed, the run was interrupted, or it could not be performed at all.
    pub async fn perform(&mut self, memory: &Memory, plan: Plan) -> Result<(), CliError> {
        let verb = match self.aim {
            Aim::Up => Verb::Up,
            Aim::Reset => Verb::Reset,
            Aim::Down { .. } => Verb::Down,
        };
        let opening = Opening {
            env: self.site.env.name.clone(),
            id: self.id.clone(),
            verb,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let mut log = Log::open(self.site.context, &self.site.paths, memory, opening)?;
        self.run = Some(log.run_id().clone());
        self.teller = self.teller.of_run(log.run_id());
        let ports = plan.ports.iter().chain(&log.facts().ports).map(|(key, port)| (key.clone(), *port)).collect();
        let world = self
            .world(log.run_id().clone(), ports)
            .map_err(|failure| self.error(None, failure, Vec::new(), Vec::new()))?;
        let engine = Engine {
            world: Arc::new(world),
            teller: self.teller.clone(),
            parallel: NonZeroUsize::new(self.settings.parallel).unwrap_or(NonZeroUsize::MIN),
            interrupt: self.listener.interrupt.clone(),
        };
        // The machine is put back once. From then on it is brought up.
        let aim = if self.aim == Aim::Reset { Aim::Up } else { self.aim };
        let mut planner = Again { site: self.site, id: &self.id, aim };
        let reclaim = self.site.reclaim(&self.id);
        let result = engine.converge(plan, &mut planner, &mut log, &reclaim).await;
        self.judge(result)
    }

    /// All that a plan may act on.
    fn world(&self, run: RunId, ports: BTreeMap<PortKey, u16>) -> Result<Everywhere, Failure> {
        let (context, paths, id) = (self.site.context, &self.site.paths, &self.id);
        Ok(Everywhere {
            native: Native::new(context, paths, id, ports)?,
            guests: Guests::new(context, paths, id)?,
            lxd: Lxd { context: context.clone(), paths: paths.clone(), id: id.clone(), run: run.clone() },
            multipass: Multipass { context: context.clone(), paths: paths.clone(), id: id.clone(), run },
        })
    }

    fn judge(&self, result: Result<RunResult, ConvergeError<CliError>>) -> Result<(), CliError> {
        let result = match result {
            Ok(result) => result,
            Err(ConvergeError::Plan(error)) => return Err(error),
            Err(ConvergeError::Engine(error)) => return Err(CliError::Engine(error)),
            Err(ConvergeError::Endless(layer)) => {
                return Err(CliError::Bug(format!("planning again because of `{layer}` does not come to an end")));
            }
        };
        let RunResult { outcome, mut failures, abandoned: _, not_begun } = result;
        match outcome {
            Outcome::Succeeded => Ok(()),
            Outcome::Interrupted => Err(self.ended_early()),
            Outcome::Failed if failures.is_empty() => {
                Err(CliError::Bug("a run failed without a failed step".to_owned()))
            }
            Outcome::Failed => {
                let first = failures.remove(0);
                let others = failures.into_iter().map(|failed| (failed.step, failed.failure.cause)).collect();
                Err(self.error(Some(first.step), first.failure, others, not_begun))
            }
        }
    }

    fn error(
        &self,
        step: Option<reportctl::model::ids::StepId>,
        failure: reportctl::provider::Failure,
        others: Vec<(reportctl::model::ids::StepId, String)>,
        not_begun: Vec<reportctl::model::ids::StepId>,
    ) -> CliError {
        CliError::Step(Box::new(super::failure::StepError {
            env: self.site.env.name.clone(),
            verb: self.verb(),
            step,
            failure,
            others,
            not_begun: not_begun.len(),
            dossier: None,
        }))
    }

    /// Why the run ended before its end.
    pub fn ended_early(&self) -> CliError {
        self.listener.error(&self.site.env.name, self.verb(), Some(self.site.reclaim(&self.id)))
    }

    /// How the stack is checked at the end of a run.
    pub fn smoke_options(&self) -> Options {
        let parallel = NonZeroUsize::new(self.settings.parallel).unwrap_or(NonZeroUsize::MIN);
        Options { parallel, ..Options::default() }
    }

    const fn verb(&self) -> &'static str {
        match self.aim {
            Aim::Up => "up",
            Aim::Reset => "reset",
            Aim::Down { .. } => "down",
        }
    }

    /// Gathers the evidence of a failure, while it is still there. An interrupted run has none to gather.
    pub async fn gather(&self, error: CliError) -> CliError {
        let (Some(run), CliError::Step(_) | CliError::SmokeFailed { .. }) = (&self.run, &error) else { return error };
        let folder = match gather_dossier(self.site.context, &self.site.paths, &self.id, run).await {
            Ok(folder) => folder,
            Err(trouble) => {
                self.session.ui.warn(&trouble.to_string());
                return error;
            }
        };
        if let Err(trouble) = self.gather_machine(&folder).await {
            self.session.ui.warn(&trouble.to_string());
        }
        self.teller.tell(EventKind::Dossier { path: folder.display().to_string() });
        error.with_dossier(folder)
    }

    /// Adds what there is to be known of the machine, as far as it can be looked into.
    async fn gather_machine(&self, folder: &Path) -> Result<(), FsError> {
        // Without the values nothing could be masked.
        let Ok(secrets) = secrets::load(&self.site.paths) else { return Ok(()) };
        let facts = self.site.recall().map(|memory| memory.facts).unwrap_or_default();
        let Ok(look) = self.site.look(&facts, Some(&self.id)).await else { return Ok(()) };
        match look.inventory.machine.told() {
            Observed::Present(told) if told.is_running => {
                let inside = Inside::new(self.site.context, &told.guest).mask(&secrets);
                dossier::gather(&inside, folder).await
            }
            _ => Ok(()),
        }
    }

    /// Tells the end, and shows what is still to be shown.
    pub fn end(&mut self, result: Result<super::ExitCode, &CliError>) {
        let code = match result {
            Ok(code) => code.number(),
            Err(error) => super::failure::report(error).exit_code,
        };
        let outcome = match result {
            Ok(super::ExitCode::Ok) => Outcome::Succeeded,
            Err(CliError::Interrupted { .. } | CliError::OutOfTime { .. }) => Outcome::Interrupted,
            _ => Outcome::Failed,
        };
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.teller.tell(EventKind::RunFinished { outcome: outcome.as_str().to_owned(), exit_code: code, millis });
        if let Some(view) = self.view.take() {
            view.finish();
        }
    }
}
