//! What the journals remember because the world cannot tell it.

use super::component::PortKey;
use super::ids::EnvId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the journals of one environment remember.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The identity, from the first entry on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EnvId>,
    /// The ports that were chosen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<PortKey, u16>,
    /// The packages that we asked apt to install, which `down` names and leaves.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub packages: BTreeSet<String>,
    /// The system units that were not there before our install, and which must end disabled.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub new_units: BTreeSet<String>,
    /// Whether a `policy-rc.d` of ours may stand on the host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub policy_placed: bool,
}

impl Facts {
    /// Adds what a later entry remembers. Later ports replace earlier ones; sets grow.
    pub fn absorb(&mut self, later: &Self) {
        if later.id.is_some() {
            self.id.clone_from(&later.id);
        }
        self.ports.extend(later.ports.iter().map(|(key, port)| (key.clone(), *port)));
        self.packages.extend(later.packages.iter().cloned());
        self.new_units.extend(later.new_units.iter().cloned());
        self.policy_placed |= later.policy_placed;
    }
}
