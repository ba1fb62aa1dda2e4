//! The agent, its services, and what is left of them.

use super::Native;
use crate::exec::Watch;
use crate::fs;
use crate::model::component::ComponentName;
use crate::model::ids::EnvId;
use crate::model::inventory::{AgentState, Observed, Orphan};
use crate::model::paths::Paths;
use crate::model::service::ServiceSpec;
use crate::provider::host::agent::{self, AgentError, Client, ClientError, PROTOCOL};
use crate::provider::host::claim;
use crate::provider::host::processes::{self, Marked, Snapshot};
use crate::provider::{Failure, FailureKind, Notes};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an agent that has stopped everything may take to be gone.
const LAST_STEPS: Duration = Duration::from_secs(10);
/// How long an agent that does not answer may take to stop everything once it is told to by a signal.
const BY_SIGNAL: Duration = Duration::from_secs(30);

/// Starts the agent unless it runs. Safe twice.
pub async fn start_agent(native: &Native, paths: &Paths, id: &EnvId) -> Result<(), Failure> {
    claim::check(paths, id)?;
    if is_there(paths, id).await? {
        return Ok(());
    }
    let (context, paths_there, id_there) = (native.context.clone(), paths.clone(), id.clone());
    let launched = tokio::task::spawn_blocking(move || agent::launch(&context, &paths_there, &id_there)).await;
    let error = match launched {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error,
        Err(error) => return Err(Failure::new(FailureKind::Failed, error.to_string())),
    };
    // Somebody else may have been quicker.
    if is_there(paths, id).await.unwrap_or(false) {
        return Ok(());
    }
    let kind = match error {
        AgentError::Foreign { .. } => FailureKind::Precondition,
        _ => FailureKind::Failed,
    };
    Err(Failure::new(kind, error.to_string()).evidence(paths.logs().join("agent.log")))
}

async fn is_there(paths: &Paths, id: &EnvId) -> Result<bool, Failure> {
    match Client::new(paths).observe(id).await {
        Observed::Present(AgentState { protocol: PROTOCOL, .. }) => Ok(true),
        Observed::Present(AgentState { protocol, pid, .. }) => {
            let cause = format!("the agent, process {pid}, speaks protocol {protocol} and not {PROTOCOL}");
            Err(Failure::new(FailureKind::Precondition, cause).advice("reportctl up"))
        }
        Observed::Absent => Ok(false),
        Observed::Unknown(reason) => Err(Failure::new(FailureKind::Failed, reason)),
    }
}

/// Stops what carries the environment's marker and no agent looks after. Safe twice.
pub async fn stop_orphans(native: &Native, id: &EnvId, orphans: &[Orphan], notes: &Notes) -> Result<(), Failure> {
    let agent = Client::new(&native.paths).observe(id).await.present().map(|agent| agent.pid);
    let say = |note: String| notes.say(note);
    processes::stop_orphans(&native.paths, id, orphans, agent, &say)
        .await
        .map_err(|error| Failure::new(FailureKind::Failed, error.to_string()).advice(format!("kill -9 {}", error.pid)))
}

/// Has the agent run a service. Safe twice.
pub async fn start_service(
    native: &Native,
    paths: &Paths,
    spec: &ServiceSpec,
    timeout: Duration,
) -> Result<(), Failure> {
    claim::check(paths, &native.id)?;
    let done = Client::new(paths).apply(vec![spec.clone()], false, timeout).await;
    done.map_err(|error| asked(paths, &error).evidence(spec.log.clone()))
}

/// Has the agent stop a service. Safe twice; without an agent nothing runs.
pub async fn stop_service(
    native: &Native,
    paths: &Paths,
    component: ComponentName,
    timeout: Duration,
) -> Result<(), Failure> {
    claim::check(paths, &native.id)?;
    match Client::new(paths).stop(Some(component), timeout).await {
        Ok(()) | Err(ClientError::NoAgent { .. }) => Ok(()),
        Err(error) => Err(asked(paths, &error)),
    }
}

fn asked(paths: &Paths, error: &ClientError) -> Failure {
    let kind = match error {
        ClientError::Silent { .. } => FailureKind::Timeout,
        _ => FailureKind::Failed,
    };
    Failure::new(kind, error.to_string()).evidence(paths.logs().join("agent.log"))
}

/// Stops the agent and everything that it looks after, in reverse order, whether it answers or not. Safe twice.
pub async fn stop_agent(
    native: &Native,
    paths: &Paths,
    id: &EnvId,
    timeout: Duration,
    notes: &Notes,
) -> Result<(), Failure> {
    claim::check(paths, id)?;
    let hold = hold_on_agent(paths, id)?;
    let client = Client::new(paths);
    // One that does not even say who it is will not stop anything either.
    let stopped = match client.version().await {
        Ok(_) => client.stop(None, timeout.saturating_sub(BY_SIGNAL).max(timeout / 2)).await,
        Err(error) => Err(error),
    };
    match (stopped, &hold) {
        (Ok(()) | Err(ClientError::NoAgent { .. }), None) => {}
        (Ok(()), Some(hold)) => await_end(hold, LAST_STEPS, notes).await?,
        // It lives, and does not listen or does not answer.
        (Err(error), Some(hold)) => {
            notes.say(format!("{error}; it is told to end by a signal"));
            // One that was halted hears of it only when it goes on.
            for signal in [Signal::TERM, Signal::CONT] {
                hold.signal(signal).map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
            }
            await_end(hold, BY_SIGNAL, notes).await?;
        }
        (Err(error), None) => return Err(asked(paths, &error)),
    }
    // An agent that was killed has left its services, and its files.
    let left = left_behind(paths, id)?;
    let say = |note: String| notes.say(note);
    processes::stop_orphans(&native.paths, id, &left, None, &say)
        .await
        .map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
    Ok(fs::remove_tree(&paths.agent())?)
}

/// The agent's process, if it lives: by what it wrote down, or by its marker.
fn hold_on_agent(paths: &Paths, id: &EnvId) -> Result<Option<Watch>, Failure> {
    let failed = |error: std::io::Error| Failure::new(FailureKind::Failed, error.to_string());
    let recorded = match agent::observe_agent_record(paths) {
        Observed::Present(record) if record.id == *id => Some(record.process),
        _ => None,
    };
    let snapshot = Snapshot::take()?;
    let marked = snapshot.marked().iter().find(|marked| marked.is_agent && marked.id == *id);
    let process = recorded.filter(|process| snapshot.has(*process)).or(marked.map(|marked| marked.reading.identity));
    match process {
        Some(process) => Watch::open(process).map_err(failed),
        None => Ok(None),
    }
}

async fn await_end(hold: &Watch, longest: Duration, notes: &Notes) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(FailureKind::Failed, error.to_string());
    if hold.ended(longest).await.map_err(failed)? {
        return Ok(());
    }
    notes.say(format!("killing the agent, process {}, which did not end", hold.pid()));
    hold.signal(Signal::KILL).map_err(failed)?;
    if hold.ended(LAST_STEPS).await.map_err(failed)? {
        return Ok(());
    }
    let cause = format!("the agent, process {}, was killed and is still there", hold.pid());
    Err(Failure::new(FailureKind::Failed, cause))
}

/// What is left of the services, those first that others do not need, as far as the agent wrote down who needs whom.
fn left_behind(paths: &Paths, id: &EnvId) -> Result<Vec<Orphan>, Failure> {
    let snapshot = Snapshot::take()?;
    let mut left = processes::orphans(&snapshot, paths, id, None);
    let records = agent::observe_service_records(paths).present().cloned().unwrap_or_default();
    let needs: BTreeMap<ComponentName, Vec<ComponentName>> =
        records.into_iter().map(|(name, record)| (name, record.needs)).collect();
    left.reverse();
    left.sort_by_key(|marked: &Marked| {
        marked.component.map_or(0, |name| depth(name, &needs, ComponentName::ALL.len()))
    });
    Ok(left.iter().map(Marked::orphan).collect())
}

/// How many others need a component, one through another: the longest such chain, which `bound` cuts.
fn depth(name: ComponentName, needs: &BTreeMap<ComponentName, Vec<ComponentName>>, bound: usize) -> usize {
    if bound == 0 {
        return 0;
    }
    let users = needs.iter().filter(|(user, needed)| **user != name && needed.contains(&name));
    users.map(|(user, _)| 1 + depth(*user, needs, bound - 1)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ComponentName::{Prometheus, Redis, RedisExporter};

    #[test]
    fn what_others_need_is_stopped_later() {
        let needs = BTreeMap::from([(RedisExporter, vec![Redis]), (Prometheus, vec![RedisExporter]), (Redis, vec![])]);
        let depth_of = |name| depth(name, &needs, 11);
        assert_eq!((depth_of(Prometheus), depth_of(RedisExporter), depth_of(Redis)), (0, 1, 2));
        let circle = BTreeMap::from([(Redis, vec![Prometheus]), (Prometheus, vec![Redis])]);
        assert!(depth(Redis, &circle, 11) <= 11);
    }
}
