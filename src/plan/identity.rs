//! Whose the environment's folder is.

use super::Inputs;
use super::error::PlanError;
use crate::model::argv;
use crate::model::facts::Facts;
use crate::model::ids::EnvId;
use crate::model::inventory::{Inventory, Observed};
use crate::model::paths::Paths;

/// The environment's identity, when there is one: what stands in its folder, else what the journals remember. Only when
/// there is none a new one may be drawn.
///
/// Errors: the folder is not this environment's, or nobody can say whose it is.
pub fn known(paths: &Paths, facts: &Facts, inventory: &Inventory) -> Result<Option<EnvId>, PlanError> {
    match (&inventory.identity, &facts.id) {
        (Observed::Present(stands), Some(remembered)) if stands != remembered => {
            Err(foreign(paths, format!("it carries {stands}, and its journals are of {remembered}"), Some(remembered)))
        }
        (Observed::Present(stands), _) => Ok(Some(stands.clone())),
        (Observed::Absent, remembered) => Ok(remembered.clone()),
        (Observed::Unknown(reason), remembered) => Err(foreign(paths, reason.clone(), remembered.as_ref())),
    }
}

/// Whether the folder carries the identity already.
///
/// Errors: it is not this environment's, or nobody can say whose it is.
pub(super) fn is_claimed(inputs: &Inputs<'_>) -> Result<bool, PlanError> {
    if let Observed::Present(stands) = &inputs.inventory.identity
        && stands.name() != inputs.env.name.as_str()
    {
        let reason = format!("it carries {stands}, which belongs to another environment");
        return Err(foreign(inputs.paths, reason, inputs.facts.id.as_ref()));
    }
    match known(inputs.paths, inputs.facts, inputs.inventory)? {
        Some(id) if id != *inputs.id => {
            let reason = format!("it is of {id}, and this is about {}", inputs.id);
            Err(foreign(inputs.paths, reason, None))
        }
        _ => Ok(inputs.inventory.identity.present().is_some()),
    }
}

fn foreign(paths: &Paths, reason: String, remembered: Option<&EnvId>) -> PlanError {
    let root = argv::quote(&paths.root.display().to_string()).into_owned();
    let advice = match remembered {
        Some(id) => {
            let identity = paths.identity().display().to_string();
            format!(
                "look into it; if its content is this environment's, run `echo {id} > {}`; if it is not, move the folder \
                 away with `mv {root} {root}.other`",
                argv::quote(&identity)
            )
        }
        None => format!("look into it; if nobody needs it, move it away with `mv {root} {root}.other`"),
    };
    PlanError::Foreign { root: paths.root.clone(), reason, advice }
}
