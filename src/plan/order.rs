//! In which order things stop: who needs another goes before it.

use crate::model::component::ComponentName;
use crate::model::environment::Environment;
use crate::model::inventory::Orphan;
use std::collections::BTreeSet;

/// The components among `others` that need `name`, in one step or several.
pub(super) fn dependents<'a>(
    env: &Environment,
    name: ComponentName,
    others: &'a BTreeSet<ComponentName>,
) -> impl Iterator<Item = ComponentName> + use<'a> {
    let mut found = BTreeSet::new();
    let mut next = vec![name];
    while let Some(need) = next.pop() {
        let users = env.stack.components.values().filter(|component| component.needs.contains(&need));
        next.extend(users.map(|user| user.name).filter(|user| *user != name && found.insert(*user)));
    }
    others.iter().copied().filter(move |other| found.contains(other))
}

/// The processes in the order in which they are ended: agents first, since they would start what is ended again; then
/// who needs another before it.
pub(super) fn orphans(env: &Environment, orphans: &[Orphan]) -> Vec<Orphan> {
    let all: BTreeSet<ComponentName> = orphans.iter().filter_map(|orphan| orphan.component).collect();
    let users = |orphan: &Orphan| orphan.component.map_or(0, |name| 1 + dependents(env, name, &all).count());
    let mut ordered = orphans.to_vec();
    ordered.sort_by_key(|orphan| (users(orphan), orphan.component, orphan.started, orphan.pid));
    ordered
}
