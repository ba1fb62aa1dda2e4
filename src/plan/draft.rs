//! A plan that is being made: steps that name what they come after, in any order.

use super::action::Action;
use super::error::PlanError;
use super::step::Step;
use crate::model::ids::StepId;
use crate::model::quantity::Span;
use std::collections::{BTreeMap, BTreeSet};

/// The step before all others.
pub(super) const CLAIM: &str = "env/claim";

/// A plan that is being made.
#[derive(Debug, Default)]
pub(super) struct Draft {
    steps: Vec<DraftStep>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct DraftStep {
    id: String,
    after: Vec<String>,
    because: String,
    timeout: Span,
    action: Action,
}

impl Draft {
    /// Adds a step. What it comes after need not be in the plan: what is not does not count.
    pub fn add(
        &mut self,
        id: impl Into<String>,
        after: impl IntoIterator<Item = String>,
        because: impl Into<String>,
        timeout: Span,
        action: impl Into<Action>,
    ) {
        self.steps.push(DraftStep {
            id: id.into(),
            after: after.into_iter().collect(),
            because: because.into(),
            timeout,
            action: action.into(),
        });
    }

    /// Says something that the plan leaves as it is, in words.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// What was said so, once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// What the step of that id does.
    pub fn find(&self, id: &str) -> Option<&Action> {
        self.steps.iter().find(|step| step.id == id).map(|step| &step.action)
    }

    /// The ids up to now.
    pub fn ids(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.id.clone()).collect()
    }

    /// The steps, each after all that it comes after, and otherwise in the order in which they were added.
    ///
    /// Errors: some wait for each other, or an id is malformed.
    pub fn finish(self) -> Result<Vec<Step>, PlanError> {
        let present: BTreeSet<String> = self.steps.iter().map(|step| step.id.clone()).collect();
        let mut left: BTreeMap<usize, Step> = BTreeMap::new();
        for (place, draft) in self.steps.into_iter().enumerate() {
            let mut after: BTreeSet<String> = draft.after.into_iter().filter(|id| present.contains(id)).collect();
            if after.is_empty() && draft.id != CLAIM && present.contains(CLAIM) {
                after.insert(CLAIM.to_owned());
            }
            let after = after.iter().map(|id| StepId::parse(id)).collect::<Result<_, _>>()?;
            let DraftStep { id, because, timeout, action, .. } = draft;
            left.insert(place, Step { id: StepId::parse(&id)?, after, because, timeout, action });
        }
        let mut ordered: Vec<Step> = Vec::with_capacity(left.len());
        let mut done: BTreeSet<StepId> = BTreeSet::new();
        while !left.is_empty() {
            let next = left.iter().find(|(_, step)| step.after.is_subset(&done)).map(|(place, _)| *place);
            let Some(step) = next.and_then(|place| left.remove(&place)) else {
                let ids: Vec<&str> = left.values().map(|step| step.id.as_str()).collect();
                return Err(PlanError::Circle(ids.join(", ")));
            };
            done.insert(step.id.clone());
            ordered.push(step);
        }
        reduce(&mut ordered);
        Ok(ordered)
    }
}

/// Leaves out what a step comes after anyhow, because another one that it comes after does.
fn reduce(ordered: &mut [Step]) {
    let mut before: BTreeMap<StepId, BTreeSet<StepId>> = BTreeMap::new();
    for step in ordered {
        let implied: BTreeSet<StepId> = step.after.iter().filter_map(|id| before.get(id)).flatten().cloned().collect();
        before.insert(step.id.clone(), step.after.union(&implied).cloned().collect());
        step.after.retain(|id| !implied.contains(id));
    }
}
