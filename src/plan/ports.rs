//! Which number each port gets.

use super::error::PlanError;
use crate::model::component::{ComponentName, PortKey};
use crate::model::environment::{Environment, PortPolicy};
use crate::model::facts::Facts;
use crate::model::ids::EnvId;
use crate::model::inventory::{Inventory, PortUse};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// How many numbers beside the wanted one are tried.
const OTHERS: u8 = 7;
/// Where those are: above what people choose by hand, and below 32768, where Linux begins to give numbers to whoever
/// connects somewhere (ip(7), `ip_local_port_range`).
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// The numbers that a port may get, best first: the wanted one, then some that follow from the identity, so that two
/// environments seldom try the same, and one tries the same each time.
///
/// A port that is seldom open looks free while another environment counts on it. Its customary number, which every
/// environment wants that was not told otherwise, is therefore no candidate.
pub fn candidates(id: &EnvId, key: &PortKey, wanted: u16) -> Vec<u16> {
    let is_shared = key.is_seldom_open() && key.customary() == Some(wanted);
    let mut numbers = if is_shared { Vec::new() } else { vec![wanted] };
    // A few more tries than numbers: two of them may be the same.
    for round in 0..OTHERS * 4 {
        let digest = Sha256::digest(format!("{id} {key} {wanted} {round}").as_bytes());
        let number = RANGE.start + u16::from_be_bytes([digest[0], digest[1]]) % (RANGE.end - RANGE.start);
        if numbers.len() <= usize::from(OTHERS) && !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

/// Every number whose use must be observed before a plan can be made.
pub fn to_observe(env: &Environment, facts: &Facts, id: &EnvId) -> BTreeSet<u16> {
    let policy = policy(env);
    env.stack
        .ports()
        .flat_map(|(key, wanted)| match policy {
            PortPolicy::Exact => vec![wanted],
            PortPolicy::Free => candidates(id, &key, wanted),
        })
        .chain(facts.ports.values().copied())
        .collect()
}

/// What happens when a wanted port is taken.
const fn policy(env: &Environment) -> PortPolicy {
    env.machine.ports()
}

/// A number for each port of the components that run: the remembered one as long as it is among the candidates, else
/// the first candidate that is free. What another port of the environment holds or wants is not free.
///
/// Errors: there is none.
pub(super) fn choose(
    env: &Environment,
    facts: &Facts,
    inventory: &Inventory,
    id: &EnvId,
    active: &BTreeSet<ComponentName>,
) -> Result<BTreeMap<PortKey, u16>, PlanError> {
    let wanted: BTreeMap<PortKey, u16> = env.stack.ports().filter(|(key, _)| active.contains(&key.component)).collect();
    match policy(env) {
        PortPolicy::Exact => exact(inventory, wanted),
        PortPolicy::Free => Choice { facts, inventory, id, wanted: &wanted, chosen: BTreeMap::new() }.make(),
    }
}

fn exact(inventory: &Inventory, wanted: BTreeMap<PortKey, u16>) -> Result<BTreeMap<PortKey, u16>, PlanError> {
    for (key, number) in &wanted {
        match inventory.ports.get(number) {
            Some(PortUse::Free | PortUse::Ours) => {}
            Some(PortUse::Taken) => return Err(PlanError::PortTaken { key: key.clone(), number: *number }),
            None => return Err(PlanError::NoPort { key: key.clone(), tried: vec![*number] }),
        }
    }
    Ok(wanted)
}

struct Choice<'a> {
    facts: &'a Facts,
    inventory: &'a Inventory,
    id: &'a EnvId,
    wanted: &'a BTreeMap<PortKey, u16>,
    chosen: BTreeMap<PortKey, u16>,
}

impl Choice<'_> {
    /// First whoever can keep or have what is its own, then the others.
    fn make(mut self) -> Result<BTreeMap<PortKey, u16>, PlanError> {
        for (key, wanted) in self.wanted {
            let candidates = candidates(self.id, key, *wanted);
            let remembered = self.facts.ports.get(key).filter(|number| candidates.contains(number));
            let own = candidates.contains(wanted).then_some(wanted);
            let own = remembered.into_iter().chain(own).copied().find(|number| self.may_have(key, *number));
            if let Some(number) = own {
                self.chosen.insert(key.clone(), number);
            }
        }
        for (key, wanted) in self.wanted {
            if self.chosen.contains_key(key) {
                continue;
            }
            let tried = candidates(self.id, key, *wanted);
            let is_wanted_elsewhere =
                |number: &u16| self.wanted.iter().any(|(other, wanted)| other != key && wanted == number);
            let number =
                tried.iter().copied().find(|number| self.may_have(key, *number) && !is_wanted_elsewhere(number));
            match number {
                Some(number) => self.chosen.insert(key.clone(), number),
                None => return Err(PlanError::NoPort { key: key.clone(), tried }),
            };
        }
        Ok(self.chosen)
    }

    fn may_have(&self, key: &PortKey, number: u16) -> bool {
        let is_given = self.chosen.values().any(|chosen| *chosen == number);
        let is_of_another = || self.facts.ports.iter().any(|(other, held)| other != key && *held == number);
        !is_given
            && match self.inventory.ports.get(&number) {
                Some(PortUse::Free) => true,
                Some(PortUse::Ours) => self.facts.ports.get(key) == Some(&number) || !is_of_another(),
                Some(PortUse::Taken) | None => false,
            }
    }
}
