//! Waits until a component answers.

use super::Native;
use crate::deployer::ready::{self, Seen, judge};
use crate::model::component::{ComponentName, PortKey};
use crate::model::inventory::{ServiceState, ServiceStatus};
use crate::model::paths::Paths;
use crate::model::probe::Probe;
use crate::model::secret::Secrets;
use crate::provider::host::agent::{self, Client, ClientError};
use crate::provider::host::{ports, processes::Snapshot, secrets};
use crate::provider::{Failure, FailureKind, Notes};
use crate::reach;
use crate::reach::wait::{Pace, WaitError, until};
use std::collections::BTreeSet;
use std::time::Duration;

/// How much of a log is looked at.
const LINES: usize = 40;
/// How much of it is shown.
const SHOWN: usize = 12;

/// What is waited for.
pub struct Awaited<'a> {
    /// Which component.
    pub component: ComponentName,
    /// Where its agent is.
    pub paths: &'a Paths,
    /// All of them must hold.
    pub probes: &'a [Probe],
    /// How long it may take.
    pub timeout: Duration,
}

/// Waits until all probes hold and the service runs. Safe twice.
pub async fn wait(native: &Native, awaited: &Awaited<'_>, notes: &Notes) -> Result<(), Failure> {
    let secrets = secrets::load(awaited.paths)?;
    let cap = awaited.timeout.saturating_sub(Duration::from_millis(500)).max(awaited.timeout / 2);
    let what = format!("{} is not ready", awaited.component);
    let look = || look(native, awaited, &secrets);
    match until(&what, &Pace::local(cap, cap), look, judge, |note| notes.say(note)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(native, awaited, &secrets, &error)),
    }
}

async fn look(native: &Native, awaited: &Awaited<'_>, secrets: &Secrets) -> Result<Seen, String> {
    let services = match Client::new(awaited.paths).status().await {
        Ok(services) => services,
        // Nobody will start it (again): there is nothing to wait for.
        Err(error @ ClientError::NoAgent { .. }) => {
            return Ok(Seen { service: None, is_over: true, missing: Some(error.to_string()) });
        }
        Err(error) => return Err(error.to_string()),
    };
    let service = services.get(&awaited.component).cloned();
    let mut missing = service.is_none().then(|| "the agent does not look after it any more".to_owned());
    if let Some(ServiceState { status: ServiceStatus::Running { pid }, .. }) = &service {
        for probe in awaited.probes {
            if let Err(reason) = reach::holds(&native.direct, &native.context, secrets, probe).await {
                missing = Some(reason);
                break;
            }
        }
        if missing.is_none() {
            missing = somebody_else_answers(*pid, awaited.probes);
        }
    }
    Ok(Seen { service, is_over: false, missing })
}

/// Another program on our port may answer just as well as ours would, so who answers is looked at too.
fn somebody_else_answers(pid: u32, probes: &[Probe]) -> Option<String> {
    let asked: BTreeSet<u16> = probes.iter().map(port_of).collect();
    let snapshot = Snapshot::take().ok()?;
    let held = ports::held_by(&asked, &snapshot.under(pid));
    let port = asked.difference(&held).next()?;
    Some(format!("another process answers on 127.0.0.1:{port}"))
}

const fn port_of(probe: &Probe) -> u16 {
    match probe {
        Probe::Http { port, .. } | Probe::Redis { port, .. } | Probe::Postgres { port, .. } => *port,
    }
}

fn explain(native: &Native, awaited: &Awaited<'_>, secrets: &Secrets, error: &WaitError) -> Failure {
    let log = awaited.paths.log(awaited.component);
    let lines = agent::tail(awaited.component, &log, LINES).unwrap_or_default();
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    let kind = match (error, taken_port(native, awaited.component, &texts)) {
        (WaitError::Broken { .. }, Some(key)) => FailureKind::PortTaken(key),
        _ => ready::kind(error),
    };
    let last = secrets.mask(&texts[texts.len().saturating_sub(SHOWN)..].join("\n"));
    let failure =
        Failure::new(kind, error.to_string()).advice(format!("reportctl logs {}", awaited.component)).evidence(log);
    if last.is_empty() { failure } else { failure.observed(last) }
}

/// Whether the log says that a port was taken, and which.
fn taken_port(native: &Native, component: ComponentName, texts: &[&str]) -> Option<PortKey> {
    let line = texts.iter().rev().find(|text| text.to_lowercase().contains("address already in use"))?;
    let ports = native.ports();
    let own = || ports.iter().filter(|(key, _)| key.component == component);
    let named = own().find(|(_, number)| {
        let digits = number.to_string();
        line.split(|c: char| !c.is_ascii_digit()).any(|word| word == digits)
    });
    let free_first = || own().find(|(_, number)| !ports::is_free(**number));
    named.or_else(free_first).or_else(|| own().next()).map(|(key, _)| key.clone())
}
