//! LXD on this host: what is there for an environment, and each thing that is done to it.

use super::{Failure, FailureKind, Notes};
use crate::context::Context;
use crate::model::environment::Environment;
use crate::model::facts::Facts;
use crate::model::ids::{EnvId, RunId};
use crate::model::inventory::Observed;
use crate::model::lxd::LxdState;
use crate::model::paths::Paths;
use crate::plan::lxd::LxdAction;
use std::time::Duration;

/// What is seen of LXD for one environment. Cannot fail: what could not be asked is unknown.
pub async fn observe(context: &Context, env: &Environment, facts: &Facts, id: &EnvId) -> LxdState {
    let _ = (context, env, facts, id);
    LxdState::unseen(Observed::Absent, Observed::Absent, "nobody asked")
}

/// LXD on this host, as the place where one environment has its machine.
pub struct Lxd {
    /// The world outside.
    pub context: Context,
    /// The environment's records.
    pub paths: Paths,
    /// Its identity, which everything that is touched must carry.
    pub id: EnvId,
    /// The run that acts.
    pub run: RunId,
}

impl Lxd {
    /// Does it. Safe twice.
    pub async fn perform(&self, action: &LxdAction, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        let _ = (timeout, notes);
        Err(Failure::new(FailureKind::Failed, format!("nobody does {action:?}")))
    }
}
