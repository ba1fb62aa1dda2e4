//! Hands each action to whoever performs it.

use super::guest::Guests;
use super::native::Native;
use crate::model::guest::On;
use crate::plan::action::Action;
use crate::plan::step::Step;
use crate::provider::lxd::Lxd;
use crate::provider::multipass::Multipass;
use crate::provider::{Failure, Notes, World};

/// This host, what it makes machines with, and those machines.
pub struct Everywhere {
    /// This host.
    pub native: Native,
    /// The machines.
    pub guests: Guests,
    /// LXD.
    pub lxd: Lxd,
    /// Multipass.
    pub multipass: Multipass,
}

impl World for Everywhere {
    async fn perform(&self, step: &Step, notes: &Notes) -> Result<(), Failure> {
        let timeout = step.timeout.duration();
        match &step.action {
            Action::Env(_) | Action::Host(_) | Action::Stack { on: On::Host, .. } => {
                self.native.perform(step, notes).await
            }
            Action::Stack { on: On::Guest(guest), action } => {
                self.guests.perform_stack(guest, action, timeout, notes).await
            }
            Action::Machine { guest, action } => self.guests.perform_machine(guest, action, timeout, notes).await,
            Action::Lxd(action) => self.lxd.perform(action, timeout, notes).await,
            Action::Multipass(action) => self.multipass.perform(action, timeout, notes).await,
        }
    }
}
