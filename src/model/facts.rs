//! What the journals remember because the world cannot tell it.

use super::component::{ComponentName, PortKey};
use super::guest::MadeBy;
use super::ids::EnvId;
use super::lxd::Subnet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the journals of one environment remember.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The identity, from the first entry on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EnvId>,
    /// What the machine is made by, from the first entry on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<MadeBy>,
    /// The ports that were chosen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<PortKey, u16>,
    /// The packages that we asked apt to install, which `down` names and leaves.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub packages: BTreeSet<String>,
    /// The system units that an install of ours has brought or will bring, and which must end disabled. Empty once
    /// the install was seen to end.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub new_units: BTreeSet<String>,
    /// Whether a `policy-rc.d` of ours may stand on the host, because an install was not seen to end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub policy_placed: bool,
    /// The components that were started and have not been seen to be ready since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unready: BTreeSet<ComponentName>,
    /// Whether the machine is being put back to its snapshot: what is in it may be half of each.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resetting: bool,
    /// The addresses of the network that was made for the machine in LXD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Subnet>,
    /// The storage pool that was made for it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The command that ends LXD's daemon, where we have started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<String>,
}

impl Facts {
    /// Adds what a later entry remembers. Later ports replace earlier ones; sets grow.
    pub fn absorb(&mut self, later: &Self) {
        if later.id.is_some() {
            self.id.clone_from(&later.id);
        }
        self.made_by = later.made_by.or(self.made_by);
        self.ports.extend(later.ports.iter().map(|(key, port)| (key.clone(), *port)));
        self.packages.extend(later.packages.iter().cloned());
        self.new_units.extend(later.new_units.iter().cloned());
        self.policy_placed |= later.policy_placed;
        self.unready.extend(&later.unready);
        self.resetting |= later.resetting;
        self.subnet = later.subnet.or(self.subnet);
        for (known, later) in [(&mut self.pool, &later.pool), (&mut self.daemon, &later.daemon)] {
            if later.is_some() {
                known.clone_from(later);
            }
        }
    }

    /// Takes away what a later entry has settled: units, the `policy-rc.d`, components that are ready. An identity,
    /// ports and packages are never settled.
    pub fn settle(&mut self, settled: &Self) {
        self.new_units.retain(|unit| !settled.new_units.contains(unit));
        self.policy_placed &= !settled.policy_placed;
        self.resetting &= !settled.resetting;
        self.unready.retain(|component| !settled.unready.contains(component));
    }

    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
