//! The process groups that run now, so that they can be ended when we are.

use super::process::signal_group;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What is known of a running group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// It was ended by us, though not for its deadline.
    Ended,
}

static GROUPS: Mutex<BTreeMap<u32, State>> = Mutex::new(BTreeMap::new());

fn groups() -> std::sync::MutexGuard<'static, BTreeMap<u32, State>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running group's entry. It must be dropped before the group's leader is reaped: until then its number cannot be
/// anybody else's.
#[derive(Debug)]
pub struct Ticket(u32);

impl Ticket {
    pub fn new(leader: u32) -> Self {
        groups().insert(leader, State::Running);
        Self(leader)
    }

    /// Whether [`kill_all`] ended it.
    pub fn was_ended(&self) -> bool {
        groups().get(&self.0) == Some(&State::Ended)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        groups().remove(&self.0);
    }
}

/// Kills every group that a [`run`](super::run()) waits for now. What the agent runs is not among them.
pub fn kill_all() {
    kill(|_| true);
}

/// Kills one of them, if it still runs.
pub fn kill_one(leader: u32) {
    kill(|group| group == leader);
}

fn kill(which: impl Fn(u32) -> bool) {
    for (leader, state) in groups().iter_mut().filter(|(leader, _)| which(**leader)) {
        *state = State::Ended;
        // One that has just ended by itself is as good as killed.
        let _ = signal_group(*leader, Signal::KILL);
    }
}
