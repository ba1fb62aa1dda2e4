//! Waits until a component in a machine answers: its unit runs, and its probes hold through a tunnel.

use super::{Place, services, units};
use crate::deployer::ready::{self, Seen, judge};
use crate::model::component::ComponentName;
use crate::model::inventory::ServiceStatus;
use crate::model::probe::Probe;
use crate::provider::Failure;
use crate::reach;
use crate::reach::guest::Run;
use crate::reach::wait::{Pace, WaitError, until};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use units::Said;

/// How long nothing may change.
const STALL: Duration = Duration::from_secs(120);

/// Waits until all probes hold and the unit runs. Safe twice.
pub async fn wait(place: &Place<'_>, component: ComponentName, probes: &[Probe]) -> Result<(), Failure> {
    let cap = place.timeout.saturating_sub(Duration::from_millis(500)).max(place.timeout / 2);
    let pace = Pace {
        quick: Duration::from_millis(100),
        slow: Duration::from_secs(1),
        look: Duration::from_secs(20),
        ..Pace::local(STALL.min(cap), cap)
    };
    let what = format!("{component} is not ready in {}", place.inside.guest());
    let look = || look(place, component, probes);
    match until(&what, &pace, look, judge, |note| place.notes.say(note)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(place, component, &error).await),
    }
}

async fn look(place: &Place<'_>, component: ComponentName, probes: &[Probe]) -> Result<Seen, String> {
    let (said, missing) = tokio::join!(units::look(&place.inside, component), missing(place, probes));
    let unit = match said.map_err(|error| error.to_string())? {
        Said::There(unit) => unit,
        Said::Absent(_) => return Err("the machine has no systemd".to_owned()),
        Said::Unknown(reason) => return Err(reason),
    };
    let service = match unit.service(component, &place.guests.id) {
        Ok(service) => service,
        Err(foreign) => return Ok(Seen { service: None, is_over: true, missing: Some(foreign.to_string()) }),
    };
    let missing = match &service {
        None => Some("it was never started in this machine, or was stopped".to_owned()),
        Some(service) if matches!(service.status, ServiceStatus::Running { .. }) => missing,
        Some(_) => None,
    };
    Ok(Seen { service, is_over: unit.has_failed(), missing })
}

/// What is missing of what the probes ask for.
async fn missing(place: &Place<'_>, probes: &[Probe]) -> Option<String> {
    let ports: BTreeSet<u16> = probes.iter().filter_map(port_from_here).collect();
    let local = match place.guests.way.through(place, &ports).await {
        Ok(local) => local,
        Err(failure) => return Some(failure.cause),
    };
    for probe in probes {
        let held = match probe {
            Probe::Postgres { port, program } => postgres(place, *port, program).await,
            Probe::Http { .. } | Probe::Redis { .. } => {
                let probe = from_here(probe, &local);
                reach::holds(&place.guests.direct, &place.guests.context, &place.secrets, &probe).await
            }
        };
        if let Err(reason) = held {
            return Some(reason);
        }
    }
    None
}

/// The port that is asked from this host. PostgreSQL is asked by its own program, which is in the machine.
const fn port_from_here(probe: &Probe) -> Option<u16> {
    match probe {
        Probe::Http { port, .. } | Probe::Redis { port, .. } => Some(*port),
        Probe::Postgres { .. } => None,
    }
}

/// The same question, put to the port of this host that leads there.
fn from_here(probe: &Probe, local: &BTreeMap<u16, u16>) -> Probe {
    let mut here = probe.clone();
    match &mut here {
        Probe::Http { port, .. } | Probe::Redis { port, .. } | Probe::Postgres { port, .. } => {
            *port = local.get(port).copied().unwrap_or(*port);
        }
    }
    here
}

async fn postgres(place: &Place<'_>, port: u16, program: &str) -> Result<(), String> {
    let port = format!("--port={port}");
    let argv = [program, "--quiet", "--host=127.0.0.1", &port, "--timeout=3"];
    let run = Run { deadline: Duration::from_secs(10), ..Run::new(argv) };
    match place.inside.run(run).await.map_err(|error| error.to_string())?.code {
        0 => Ok(()),
        // pg_isready(1)
        1 => Err("postgresql is starting and takes no login yet".to_owned()),
        _ => Err("postgresql does not answer in the machine".to_owned()),
    }
}

async fn explain(place: &Place<'_>, component: ComponentName, error: &WaitError) -> Failure {
    let kind = ready::kind(error);
    let failure = Failure::new(kind, error.to_string()).advice(format!("reportctl logs {component}"));
    services::with_log(place, component, failure).await
}
