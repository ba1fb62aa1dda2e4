//! Which steps of a plan can be begun.

use crate::model::ids::StepId;
use crate::plan::step::Step;
use std::collections::{BTreeSet, HashMap};

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Waiting,
    Acting,
    Succeeded,
    Failed,
}

/// The graph of a plan, by the steps' places in it.
#[derive(Debug)]
pub(super) struct Graph {
    stands: Vec<Stand>,
    /// For each step, how many of those before it have not succeeded.
    unmet: Vec<usize>,
    /// For each step, those that come after it.
    dependents: Vec<Vec<usize>>,
    /// What can be begun, in the order of the plan.
    ready: BTreeSet<usize>,
}

impl Graph {
    /// Errors: an id stands twice, or a step comes after one that does not stand before it.
    pub fn of(steps: &[Step]) -> Result<Self, String> {
        let mut places: HashMap<&StepId, usize> = HashMap::with_capacity(steps.len());
        let mut graph = Self {
            stands: vec![Stand::Waiting; steps.len()],
            unmet: steps.iter().map(|step| step.after.len()).collect(),
            dependents: vec![Vec::new(); steps.len()],
            ready: BTreeSet::new(),
        };
        for (place, step) in steps.iter().enumerate() {
            for before in &step.after {
                let at = places
                    .get(before)
                    .ok_or_else(|| format!("`{}` comes after `{before}`, which does not stand before it", step.id))?;
                graph.dependents[*at].push(place);
            }
            if places.insert(&step.id, place).is_some() {
                return Err(format!("`{}` stands twice", step.id));
            }
        }
        graph.ready = (0..steps.len()).filter(|place| graph.unmet[*place] == 0).collect();
        Ok(graph)
    }

    /// Begins at most `count` of the steps that can be begun.
    pub fn begin(&mut self, count: usize) -> Vec<usize> {
        let begun: Vec<usize> = self.ready.iter().copied().take(count).collect();
        for place in &begun {
            self.ready.remove(place);
            self.stands[*place] = Stand::Acting;
        }
        begun
    }

    /// A step has come to its end.
    pub fn end(&mut self, place: usize, succeeded: bool) {
        self.stands[place] = if succeeded { Stand::Succeeded } else { Stand::Failed };
        if succeeded {
            for dependent in &self.dependents[place] {
                self.unmet[*dependent] -= 1;
                if self.unmet[*dependent] == 0 {
                    self.ready.insert(*dependent);
                }
            }
        }
    }

    /// Whether there is something that could be begun.
    pub fn could_go_on(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The steps that act, in the order of the plan.
    pub fn acting(&self) -> impl Iterator<Item = usize> + '_ {
        self.that_stand(Stand::Acting)
    }

    /// The steps that were not begun, in the order of the plan.
    pub fn not_begun(&self) -> impl Iterator<Item = usize> + '_ {
        self.that_stand(Stand::Waiting)
    }

    fn that_stand(&self, stand: Stand) -> impl Iterator<Item = usize> + '_ {
        self.stands.iter().enumerate().filter(move |(_, found)| **found == stand).map(|(place, _)| place)
    }
}
