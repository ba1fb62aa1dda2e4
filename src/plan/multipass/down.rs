//! What takes away an environment's instance.

use super::MultipassAction;
use super::up::ground;
use crate::model::inventory::Observed;
use crate::model::multipass::{MultipassState, Status, instance_name};
use crate::model::quantity::Span;
use crate::plan::Inputs;
use crate::plan::draft::Draft;
use crate::plan::error::PlanError;

/// Stopping a machine that stops its own services first.
const STOP: Span = Span::seconds(180);
/// Deleting what may hang: it is stopped by force first.
const DELETE: Span = Span::seconds(300);

/// Fetching its image, until it is there and can be deleted.
const MADE: Span = Span::seconds(1800);

/// Adds what takes away the instance, or what only stops it.
///
/// Errors: nobody can say whether it is there.
pub(in crate::plan) fn down(
    inputs: &Inputs<'_>,
    state: &MultipassState,
    draft: &mut Draft,
    keep_data: bool,
) -> Result<(), PlanError> {
    // Where the program is gone, its instances went with it.
    if state.client.is_absent() {
        draft.note("`multipass` is not there any more, so that its instances are not either");
        return Ok(());
    }
    ground(state)?;
    let instance = match &state.instance {
        Observed::Present(instance) => instance,
        Observed::Absent if state.is_being_made => {
            // The daemon completes what was begun, also where nobody waits for it any more.
            let action = MultipassAction::Delete { name: instance_name(inputs.id), id: inputs.id.clone() };
            draft.add("machine/delete", [], "it is being made at this moment", MADE, action);
            return Ok(());
        }
        Observed::Absent => return Ok(()),
        Observed::Unknown(reason) => {
            return Err(PlanError::Unknown {
                what: "whether the machine is there".to_owned(),
                reason: reason.clone(),
                advice: "see to it that `multipass info` answers, and then `reportctl down`".to_owned(),
            });
        }
    };
    let (name, id) = (instance.name.clone(), inputs.id.clone());
    if !keep_data {
        let because = match instance.status {
            Status::Deleted => "it was deleted, and is still kept",
            _ => "it is the environment's",
        };
        draft.add("machine/delete", [], because, DELETE, MultipassAction::Delete { name, id });
    } else if !matches!(instance.status, Status::Stopped | Status::Suspended | Status::Deleted) {
        draft.add("machine/stop", [], "it runs", STOP, MultipassAction::Stop { name, id });
    }
    Ok(())
}
