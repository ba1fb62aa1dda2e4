//! What shall run here, rendered: the one answer that planning, `status`, `smoke` and `open` share.

use super::availability::{Availability, availability};
use super::error::PlanError;
use super::programs::Put;
use super::{Inputs, ports};
use crate::model::component::{ComponentName, PortKey};
use crate::render::native::{self, Active, Native, View};
use std::collections::BTreeMap;

/// What shall run here.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// What rendering depends on.
    pub view: View<'a>,
    /// What each component that runs needs.
    pub natives: BTreeMap<ComponentName, Native>,
    /// The number of each of their ports.
    pub ports: BTreeMap<PortKey, u16>,
    /// The components whose program is built first, and why.
    pub build: BTreeMap<ComponentName, String>,
    /// The components whose program is put into the machine, and how.
    pub put: BTreeMap<ComponentName, Put>,
    /// The components that do not run, and why.
    pub skipped: BTreeMap<ComponentName, String>,
}

/// What is known of what shall run here.
#[derive(Debug, Clone)]
pub enum Outlook<'a> {
    /// Packages must be installed first: their versions decide what configuration is understood.
    Install(Availability),
    /// All of it.
    Run(Box<Wanted<'a>>),
}

/// Works out what shall run here.
///
/// Errors: a component that is required cannot be had, a port cannot be chosen, or something cannot be rendered.
pub fn outlook<'a>(inputs: &Inputs<'a>) -> Result<Outlook<'a>, PlanError> {
    let Inputs { env, paths: _, place, facts, inventory, id } = *inputs;
    let available = availability(inputs)?;
    if !available.install.is_empty() {
        return Ok(Outlook::Install(available));
    }
    let names = available.there.keys().copied().collect();
    let ports = ports::choose(env, facts, inventory, id, &names)?;
    let active = available
        .there
        .into_iter()
        .filter_map(|(name, program)| {
            let own = ports.iter().filter(|(key, _)| key.component == name);
            let ports = own.map(|(key, number)| (key.port.clone(), *number)).collect();
            Some((name, Active { component: env.stack.components.get(&name)?, program, ports }))
        })
        .collect();
    let view = View { env, paths: place, id, uid: inventory.host.uid, active };
    let natives = view
        .active
        .keys()
        .map(|name| match native::native(&view, *name) {
            Ok(native) => Ok((*name, native)),
            Err(source) => Err(PlanError::Render { component: *name, source }),
        })
        .collect::<Result<_, _>>()?;
    Ok(Outlook::Run(Box::new(Wanted {
        view,
        natives,
        ports,
        build: available.build,
        put: available.put,
        skipped: available.skipped,
    })))
}
