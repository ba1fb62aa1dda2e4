//! Performs each action that is done in a machine.
//!
//! Guarantees: each is safe twice. The machine was found by its identity before anything is done in it, and a unit whose
//! process carries another identity is left alone.

pub mod dossier;
mod files;
pub mod hand;
mod machine;
mod ready;
mod services;
pub mod units;
pub mod way;

use crate::context::Context;
use crate::model::guest::Guest;
use crate::model::ids::EnvId;
use crate::model::paths::Paths;
use crate::model::secret::Secrets;
use crate::plan::action::{MachineAction, StackAction};
use crate::provider::host::{claim, secrets};
use crate::provider::{Failure, FailureKind, Notes, cloud_init};
use crate::reach::Direct;
use crate::reach::guest::Inside;
use std::time::Duration;
use way::Way;

/// The machines of one environment, as places where its components are.
pub struct Guests {
    context: Context,
    paths: Paths,
    id: EnvId,
    direct: Direct,
    way: Way,
}

/// One machine, and the secrets that are put into it and kept out of all that is told.
struct Place<'a> {
    guests: &'a Guests,
    inside: Inside,
    secrets: Secrets,
    notes: &'a Notes,
    timeout: Duration,
}

impl Guests {
    /// For the environment of that identity with these records on this host.
    ///
    /// Errors: the host has no means to ask components anything.
    pub fn new(context: &Context, paths: &Paths, id: &EnvId) -> Result<Self, Failure> {
        let direct = Direct::new().map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
        Ok(Self { context: context.clone(), paths: paths.clone(), id: id.clone(), direct, way: Way::default() })
    }

    /// Does something in a machine.
    ///
    /// Errors: what failed, with all that a person needs to go on.
    pub async fn perform_machine(
        &self,
        guest: &Guest,
        action: &MachineAction,
        timeout: Duration,
        notes: &Notes,
    ) -> Result<(), Failure> {
        let place = self.place(guest, timeout, notes)?;
        match action {
            MachineAction::AwaitCloudInit { marker } => cloud_init::wait(&place.inside, marker, timeout, notes).await,
            MachineAction::AwaitBlueprint { commands } => machine::await_blueprint(&place, commands).await,
            MachineAction::OpenWay { paths } => way::open(&place, paths).await,
            MachineAction::InstallPackages { packages } => machine::install(&place, packages).await,
            MachineAction::PutProgram { component, from, to, build } => {
                machine::put_program(&place, &machine::Put { component: *component, from, to, build }).await
            }
        }
    }

    /// Does something to a component in a machine.
    ///
    /// Errors: what failed, with all that a person needs to go on.
    pub async fn perform_stack(
        &self,
        guest: &Guest,
        action: &StackAction,
        timeout: Duration,
        notes: &Notes,
    ) -> Result<(), Failure> {
        let place = self.place(guest, timeout, notes)?;
        match action {
            StackAction::WriteFiles { component: _, folders, files } => files::write(&place, folders, files).await,
            StackAction::Prepare { component, commands, env, proof } => {
                services::prepare(&place, &services::Once { component: *component, commands, env, proof }).await
            }
            StackAction::StartService { paths: _, spec } => services::start(&place, spec).await,
            StackAction::AwaitReady { component, paths: _, probes } => ready::wait(&place, *component, probes).await,
            StackAction::StopService { paths: _, component } => services::stop(&place, *component).await,
            StackAction::RemovePaths { paths } => files::remove(&place, paths).await,
        }
    }

    fn place<'a>(&'a self, guest: &Guest, timeout: Duration, notes: &'a Notes) -> Result<Place<'a>, Failure> {
        claim::check(&self.paths, &self.id)?;
        let secrets = secrets::load(&self.paths)?;
        let inside = Inside::new(&self.context, guest).mask(&secrets);
        Ok(Place { guests: self, inside, secrets, notes, timeout })
    }
}

impl Place<'_> {
    /// What is left of the step's time for the deed itself.
    fn patience(&self) -> Duration {
        self.timeout.saturating_sub(Duration::from_secs(20)).max(self.timeout / 2)
    }
}
