//! What was seen of this host's Multipass for one environment.

use super::inventory::Observed;
use super::quantity::Version;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What was seen of this host's Multipass for one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultipassState {
    /// The program `multipass`.
    pub client: Observed<Version>,
    /// The daemon. Unknown when it does not answer, with the reason.
    pub server: Observed<Version>,
    /// The environment's instance.
    pub instance: Observed<Instance>,
}

/// An instance that has the environment's identity in its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub is_running: bool,
    /// Its address, once it has one.
    pub address: Option<IpAddr>,
    /// Whether its user-data was applied: what its marker holds.
    pub marker: Observed<String>,
}

impl Instance {
    /// Whether it runs and was initialised.
    pub const fn is_there(&self) -> bool {
        self.is_running && self.marker.present().is_some()
    }
}

impl MultipassState {
    /// Whether anything is there that carries the environment's identity.
    pub const fn has_traces(&self) -> bool {
        self.instance.present().is_some()
    }
}
