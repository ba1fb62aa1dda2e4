//! Multipass on this host: what is there for an environment, and each thing that is done to it.
//!
//! Multipass's exit codes say little, and less of what is there afterwards: a launch that failed may have made a machine,
//! one that succeeded may have made one in which nothing worked. So after each call the machine itself is looked at.

mod call;
mod failure;
mod host;
mod launch;
mod lifecycle;
mod words;

use super::{Failure, FailureKind, Notes};
use crate::context::Context;
use crate::exec;
use crate::model::environment::Environment;
use crate::model::facts::Facts;
use crate::model::guest::{Guest, MARKER, MadeBy};
use crate::model::ids::{EnvId, RunId};
use crate::model::inventory::Observed;
use crate::model::multipass::{Instance, MultipassState, Status, instance_name};
use crate::model::paths::Paths;
use crate::model::quantity::Version;
use crate::plan::multipass::MultipassAction;
use crate::reach::guest::{Inside, Run};
use call::{ASK, Silence};
use std::time::Duration;

/// The drivers that take no snapshots.
const WITHOUT_SNAPSHOTS: [&str; 2] = ["lxd", "libvirt"];

/// What is seen of Multipass for one environment. Cannot fail: what could not be asked is unknown.
pub async fn observe(context: &Context, env: &Environment, facts: &Facts, id: &EnvId) -> MultipassState {
    let nobody = "Multipass is not there";
    if exec::find(context, "multipass").is_none() {
        return MultipassState::unseen(Observed::Absent, Observed::Absent, nobody);
    }
    let (client, daemon) = match call::call(context, &["multipass", "version", "--format", "json"], None, ASK).await {
        Ok(said) if said.code == 0 => words::versions(&said.stdout),
        Ok(said) => (Observed::Unknown(said.words()), None),
        Err(error) => (Observed::Unknown(error.to_string()), None),
    };
    let name = instance_name(id);
    // It also says why a daemon does not answer, which its version does not tell.
    let info = call::info(context, &name).await;
    let server = server(daemon, &info);
    let mut state = MultipassState::unseen(client, server, nobody);
    match info {
        Ok(Observed::Present(info)) => {
            state.snapshots = has_snapshots(context).await;
            state.instance = Observed::Present(instance(context, name, info).await);
        }
        Ok(Observed::Absent) => {
            state.snapshots = has_snapshots(context).await;
            state.instance = Observed::Absent;
            // Nothing can have been begun before the environment was claimed.
            state.is_being_made = facts.made_by == Some(MadeBy::Multipass) && call::is_being_made(context, &name).await;
            if let Some(blueprint) = env.machine.blueprint() {
                (state.lacks, state.remarks) = host::look(context, blueprint);
            }
        }
        Ok(Observed::Unknown(reason)) => state.instance = Observed::Unknown(reason),
        Err(silence) => {
            state.refusal = silence.refusal;
            state.instance = Observed::Unknown(silence.reason);
        }
    }
    state
}

/// Whether the daemon answers.
fn server(version: Option<Version>, info: &Result<Observed<words::Info>, Silence>) -> Observed<Version> {
    match (version, info) {
        (_, Err(Silence { reason, refusal: Some(_) })) => Observed::Unknown(reason.clone()),
        (Some(version), _) => Observed::Present(version),
        (None, Err(Silence { reason, .. })) => Observed::Unknown(reason.clone()),
        (None, Ok(_)) => Observed::Unknown("`multipass version` does not name multipassd".to_owned()),
    }
}

async fn has_snapshots(context: &Context) -> bool {
    let said = call::call(context, &["multipass", "get", "local.driver"], None, ASK).await;
    said.is_ok_and(|said| said.code == 0 && !WITHOUT_SNAPSHOTS.contains(&said.stdout.trim()))
}

async fn instance(context: &Context, name: String, info: words::Info) -> Instance {
    let is_running = info.status == Status::Running;
    let marker =
        if is_running { marker(context, &name).await } else { Observed::Unknown(format!("{name} is {}", info.status)) };
    Instance { name, is_running, address: info.address, marker, snapshots: info.snapshots, status: info.status }
}

/// What the user-data has left in a machine that runs.
async fn marker(context: &Context, name: &str) -> Observed<String> {
    let inside = Inside::new(context, &Guest::Multipass(name.to_owned()));
    let output = inside.run(Run::new(["cat", MARKER]).deadline(ASK)).await;
    match output {
        Ok(output) if output.code == 0 => Observed::Present(output.stdout.trim().to_owned()),
        Ok(output) if output.stderr.contains("No such file") => Observed::Absent,
        Ok(output) => Observed::Unknown(output.stderr.trim().to_owned()),
        Err(error) => Observed::Unknown(error.to_string()),
    }
}

/// Multipass on this host, as the place where one environment has its machine.
pub struct Multipass {
    /// The world outside.
    pub context: Context,
    /// The environment's records.
    pub paths: Paths,
    /// Its identity, which everything that is touched must carry.
    pub id: EnvId,
    /// The run that acts.
    pub run: RunId,
}

impl Multipass {
    /// Does it. Safe twice: what is already so is left as it is.
    pub async fn perform(&self, action: &MultipassAction, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        let (name, id) = action.instance();
        if *id != self.id || *name != instance_name(&self.id) {
            let cause = format!("{name} does not carry the identity {} in its name, and is not touched", self.id);
            return Err(Failure::new(FailureKind::Precondition, cause));
        }
        let work = lifecycle::Work::new(&self.context, name, timeout, notes);
        match action {
            MultipassAction::Launch { shape, user_data, .. } => launch::perform(&work, shape, user_data).await,
            MultipassAction::Recover { .. } => work.recover().await,
            MultipassAction::Start { .. } | MultipassAction::Revive { .. } => work.settle().await,
            MultipassAction::Snapshot { .. } => work.snapshot().await,
            MultipassAction::Restore { .. } => work.restore().await,
            MultipassAction::Stop { .. } => work.stop().await,
            MultipassAction::Delete { .. } => work.delete().await,
        }
    }
}
