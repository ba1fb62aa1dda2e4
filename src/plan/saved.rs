//! Plans in files: written by `plan --out`, performed by `up FILE` and by nothing else than what would be planned now.

use super::step::Plan;
use crate::model::ids::StepId;
use std::collections::BTreeSet;

/// Why a saved plan is not performed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// The text is no plan.
    #[error("this is no plan: {0}")]
    Malformed(String),
    /// The plan has the form of another release.
    #[error("the plan has form {found}, and this release reads form {}", Plan::SCHEMA)]
    Schema {
        /// The form that it says it has.
        found: u64,
    },
    /// The plan is of another environment, or of another bring-up of it.
    #[error("the plan is of {plan}, and this is {here}")]
    Other {
        /// Whose it is.
        plan: String,
        /// What it was to be performed on.
        here: String,
    },
    /// What the plan was made from has changed.
    #[error("the plan is out of date: {0}")]
    Stale(String),
    /// The file was changed by hand, or made by another release.
    #[error("the plan is not what this release makes of the same inputs: it was made by another one, or changed")]
    Altered,
}

/// The text of a plan's file. Equal plans have equal texts.
///
/// Errors: it has no JSON form.
pub fn to_json(plan: &Plan) -> Result<String, SavedError> {
    serde_json::to_string_pretty(plan).map(|text| text + "\n").map_err(|error| SavedError::Malformed(error.to_string()))
}

/// Reads a plan's file.
///
/// Errors: it is no plan, or one of another form, or its steps are not in an order in which they can be performed.
pub fn from_json(text: &str) -> Result<Plan, SavedError> {
    let malformed = |error: serde_json::Error| SavedError::Malformed(error.to_string());
    let value: serde_json::Value = serde_json::from_str(text).map_err(malformed)?;
    match value["schema"].as_u64() {
        Some(schema) if schema == u64::from(Plan::SCHEMA) => {}
        Some(found) => return Err(SavedError::Schema { found }),
        None => return Err(SavedError::Malformed("it has no `schema`".to_owned())),
    }
    // From the text again: that way a mistake is reported with its line.
    let plan: Plan = serde_json::from_str(text).map_err(malformed)?;
    let mut seen: BTreeSet<&StepId> = BTreeSet::new();
    for step in &plan.steps {
        if let Some(missing) = step.after.iter().find(|before| !seen.contains(before)) {
            let message = format!("`{}` comes after `{missing}`, which does not stand before it", step.id);
            return Err(SavedError::Malformed(message));
        }
        if !seen.insert(&step.id) {
            return Err(SavedError::Malformed(format!("`{}` stands twice", step.id)));
        }
    }
    Ok(plan)
}

/// Whether a saved plan may be performed: only if it is what would be planned now. `fresh` is that, for the same goal
/// and, where the environment has no identity yet, with the identity of the saved plan.
///
/// Errors: it may not, and why.
pub fn check(saved: &Plan, fresh: &Plan) -> Result<(), SavedError> {
    if (&saved.env, &saved.id) != (&fresh.env, &fresh.id) {
        return Err(SavedError::Other { plan: saved.id.to_string(), here: fresh.id.to_string() });
    }
    if saved.inputs != fresh.inputs {
        return Err(SavedError::Stale(difference(saved, fresh)));
    }
    if saved == fresh { Ok(()) } else { Err(SavedError::Altered) }
}

fn difference(saved: &Plan, fresh: &Plan) -> String {
    let ids = |plan: &Plan| plan.steps.iter().map(|step| step.id.clone()).collect::<BTreeSet<_>>();
    let (before, now) = (ids(saved), ids(fresh));
    let words = |ids: Vec<&StepId>| ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    let gone: Vec<&StepId> = before.difference(&now).collect();
    let new: Vec<&StepId> = now.difference(&before).collect();
    match (gone.is_empty(), new.is_empty()) {
        (true, true) => "the files or the world have changed since it was made".to_owned(),
        (false, true) => format!("{} would not be done any more", words(gone)),
        (true, false) => format!("{} would be done as well", words(new)),
        (false, false) => format!("{} would be done, and not {}", words(new), words(gone)),
    }
}
