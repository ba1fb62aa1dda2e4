//! `status`

mod document;
mod shown;

use super::args::InEnv;
use super::failure::CliError;
use super::site::{Aim, Look, Site, is_not_drawn};
use super::{ExitCode, Session};
use crate::ui::{Output, json};
use clap::Args;
use document::{Health, Status};
use reportctl::context::Context;
use reportctl::journal::store::Memory;
use reportctl::model::component::ComponentName;
use reportctl::model::inventory::MachineState;
use reportctl::model::probe::Probe;
use reportctl::model::secret::Secrets;
use reportctl::plan::diff;
use reportctl::plan::wanted::{Outlook, outlook};
use reportctl::provider::host::secrets;
use reportctl::reach::{self, Direct};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;

/// The longest that a component is asked how it does.
const PATIENCE: Duration = Duration::from_secs(3);

/// Show how the components do, where they are, and what `up` would change
#[derive(Debug, Args)]
#[command(after_help = "It ends with 0 when the state could be told, whatever it is; programs read `-o json`.")]
pub struct StatusArgs {
    #[command(flatten)]
    pub shared: InEnv,
}

/// Looks, asks each component, and shows.
///
/// Errors: there is no such environment, or its journals cannot be read.
pub fn run(StatusArgs { shared: _ }: StatusArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let site = Site::open(session, &settings.env)?;
    let memory = site.recall()?;
    let status = super::runtime()?.block_on(look(&site, &memory))?;
    let out = &session.ui.out;
    match session.output {
        Output::Human => out.text(&shown::human(&status, session.context.now(), out.paint, out.width())),
        Output::Json => out.line(&json::document(&status)),
    }
    Ok(ExitCode::Ok)
}

async fn look(site: &Site<'_>, memory: &Memory) -> Result<Status, CliError> {
    let look = site.look(&memory.facts, None).await?;
    let inputs = site.inputs(&memory.facts, &look);
    let mut status = Status::of(site, memory, &look);
    match site.plan(Aim::Up, &memory.facts, &look) {
        Ok(plan) => {
            status.pending = diff::changes(&plan, &look.inventory);
            plan.skipped.iter().for_each(|(component, reason)| status.skip(*component, reason));
        }
        Err(CliError::Plan { error, .. }) => status.trouble = Some(error.to_string()),
        Err(error) => return Err(error),
    }
    if let Ok(Outlook::Run(wanted)) = outlook(&inputs) {
        let probes = wanted.natives.iter().map(|(component, native)| (*component, native.ready.clone())).collect();
        let ports: Vec<u16> = wanted.ports.values().copied().collect();
        let health = health(site, &look, probes, &ports).await;
        for (component, native) in &wanted.natives {
            status.place(*component, native, &wanted.ports, health.get(component));
        }
    }
    Ok(status)
}

/// Asks every component at once.
async fn health(
    site: &Site<'_>,
    look: &Look,
    probes: BTreeMap<ComponentName, Vec<Probe>>,
    ports: &[u16],
) -> BTreeMap<ComponentName, Health> {
    let made_here = matches!(look.inventory.machine, MachineState::Host);
    if is_not_drawn(&look.id) || !(made_here || look.inventory.machine.there().is_some()) {
        return BTreeMap::new();
    }
    let secrets = secrets::load(&site.paths).unwrap_or_default();
    let direct = match site.way(look, &secrets, ports).await {
        Ok(direct) => direct,
        Err(error) => {
            let why = error.to_string();
            return probes.into_keys().map(|component| (component, Health::NotReady(why.clone()))).collect();
        }
    };
    let mut asked = JoinSet::new();
    for (component, probes) in probes {
        let (direct, context, secrets) = (direct.clone(), site.context.clone(), secrets.clone());
        asked.spawn(async move { (component, ask(&direct, &context, &secrets, &probes).await) });
    }
    let mut health = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        if let Ok((component, answer)) = answer {
            health.insert(component, answer);
        }
    }
    health
}

async fn ask(direct: &Direct, context: &Context, secrets: &Secrets, probes: &[Probe]) -> Health {
    for probe in probes {
        match tokio::time::timeout(PATIENCE, reach::holds(direct, context, secrets, probe)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Health::NotReady(secrets.mask(&why)),
            Err(_) => return Health::NotReady(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }
    Health::Ready
}
