//! What is seen in a machine.

use crate::context::Context;
use crate::model::component::ComponentName;
use crate::model::environment::Environment;
use crate::model::guest::Guest;
use crate::model::inventory::{AgentState, FileState, Observed, Package, Program};
use crate::model::paths::Paths;
use crate::reach::guest::Inside;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is seen in a machine of one environment.
pub struct Seen {
    /// The program of each component of the stack.
    pub programs: BTreeMap<ComponentName, Observed<Program>>,
    /// The state of every package of the stack.
    pub packages: BTreeMap<String, Package>,
    /// As in the inventory.
    pub files: BTreeMap<PathBuf, Observed<FileState>>,
    /// systemd, in the place of an agent: the units of ours.
    pub agent: Observed<AgentState>,
    /// As in the inventory.
    pub prepared: BTreeMap<PathBuf, Observed<()>>,
}

/// Looks into a machine. `paths` are the environment's records on this host, where its secrets are.
pub async fn observe(context: &Context, env: &Environment, paths: &Paths, guest: &Guest) -> Seen {
    let _ = (Inside::new(context, guest), env, paths);
    Seen {
        programs: BTreeMap::new(),
        packages: BTreeMap::new(),
        files: BTreeMap::new(),
        agent: Observed::Unknown("nobody looked".to_owned()),
        prepared: BTreeMap::new(),
    }
}
