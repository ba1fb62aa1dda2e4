//! Performs each action that is done in a machine.
//!
//! Guarantees: each is safe twice. The machine was found by its identity before anything is done in it.

use crate::context::Context;
use crate::model::guest::Guest;
use crate::model::paths::Paths;
use crate::plan::action::{MachineAction, StackAction};
use crate::provider::{Failure, FailureKind, Notes, cloud_init};
use crate::reach::guest::Inside;
use std::time::Duration;

/// The machines of one environment, as places where its components are.
pub struct Guests {
    context: Context,
    paths: Paths,
}

impl Guests {
    /// For the environment with these records on this host.
    pub fn new(context: &Context, paths: &Paths) -> Self {
        Self { context: context.clone(), paths: paths.clone() }
    }

    /// Does something in a machine.
    pub async fn perform_machine(
        &self,
        guest: &Guest,
        action: &MachineAction,
        timeout: Duration,
        notes: &Notes,
    ) -> Result<(), Failure> {
        let inside = Inside::new(&self.context, guest);
        match action {
            MachineAction::AwaitCloudInit { marker } => cloud_init::wait(&inside, marker, timeout, notes).await,
            MachineAction::AwaitBlueprint { .. }
            | MachineAction::OpenWay { .. }
            | MachineAction::InstallPackages { .. }
            | MachineAction::PutProgram { .. } => {
                Err(Failure::new(FailureKind::Failed, format!("nobody does {action:?}")))
            }
        }
    }

    /// Does something to a component in a machine.
    pub async fn perform_stack(
        &self,
        guest: &Guest,
        action: &StackAction,
        timeout: Duration,
        notes: &Notes,
    ) -> Result<(), Failure> {
        let _ = (guest, timeout, notes, &self.paths);
        Err(Failure::new(FailureKind::Failed, format!("nobody does {action:?}")))
    }
}
