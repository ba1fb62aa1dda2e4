//! One long-running process, as data.

use super::component::ComponentName;
use super::digest;
use super::quantity::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How to start and stop one component's process. It holds no secret: secrets are in files that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// Whose process it is.
    pub component: ComponentName,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its environment beside the agent's few inherited variables and the marker.
    pub env: BTreeMap<String, String>,
    /// The folder that it starts in.
    pub cwd: PathBuf,
    /// The log that its output goes to.
    pub log: PathBuf,
    /// The services that must be stopped after it, so that the agent alone can stop all in the right order.
    pub needs: Vec<ComponentName>,
    /// The time between the request to end (SIGTERM) and the kill of its process group.
    pub stop_timeout: Span,
    /// The digest of each file that it reads, so that a change of configuration is a change of the service.
    pub files: BTreeMap<PathBuf, String>,
}

impl ServiceSpec {
    /// The digest that tells whether a running service is the wanted one.
    pub fn digest(&self) -> String {
        digest::of(self)
    }
}
