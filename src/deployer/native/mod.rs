//! Performs each action on this host.
//!
//! Guarantees: each action is safe twice, and nothing is touched that does not carry the environment's identity.

mod build;
mod dossier;
mod files;
mod packages;
mod prepare;
mod processes;
mod ready;

pub use dossier::{DossierError, gather as gather_dossier};

use crate::context::Context;
use crate::fs::FsError;
use crate::model::argv;
use crate::model::component::PortKey;
use crate::model::guest::On;
use crate::model::ids::EnvId;
use crate::model::paths::Paths;
use crate::plan::action::{Action, EnvAction, HostAction, StackAction};
use crate::plan::step::Step;
use crate::provider::host::apt::{Install, Settle, System};
use crate::provider::host::claim::{self, ClaimError};
use crate::provider::host::secrets::{self, SecretError};
use crate::provider::{Failure, FailureKind, Notes, World};
use crate::reach::Direct;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What is kept of an install's time for undoing what it leaves.
const RESERVE: Duration = Duration::from_secs(30);

/// This host, as the place where one environment is deployed.
pub struct Native {
    context: Context,
    paths: Paths,
    id: EnvId,
    system: System,
    direct: Direct,
    /// The chosen ports, by which a conflict is named.
    ports: Mutex<BTreeMap<PortKey, u16>>,
}

impl Native {
    /// This host, for the environment with these folders and that identity. `ports` are those that were chosen earlier.
    ///
    /// Errors: the host has no means to ask components anything.
    pub fn new(context: &Context, paths: &Paths, id: &EnvId, ports: BTreeMap<PortKey, u16>) -> Result<Self, Failure> {
        let direct = Direct::new().map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
        Ok(Self {
            context: context.clone(),
            paths: paths.clone(),
            id: id.clone(),
            system: System::default(),
            direct,
            ports: Mutex::new(ports),
        })
    }

    /// With another system's folders in place of this host's, for tests.
    #[must_use]
    pub fn with_system(mut self, system: System) -> Self {
        self.system = system;
        self
    }

    fn ports(&self) -> std::sync::MutexGuard<'_, BTreeMap<PortKey, u16>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn perform_env(&self, action: &EnvAction) -> Result<(), Failure> {
        match action {
            EnvAction::Claim { paths, id, made_by: _ } => Ok(claim::ensure(paths, id)?),
            // What follows is planned by whoever reads the plan; there is nothing to do to the world.
            EnvAction::Replan { layer: _ } => Ok(()),
            EnvAction::Forget { paths, id } => Ok(claim::remove(paths, id)?),
        }
    }

    async fn perform_host(&self, action: &HostAction, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        match action {
            HostAction::InstallPackages { packages, root, refresh, systemd, place_policy, new_units } => {
                let settle =
                    Settle { root: *root, systemd: *systemd, remove_policy: *place_policy, disable: new_units.clone() };
                let wanted = Install {
                    packages: packages.clone(),
                    refresh: *refresh,
                    place_policy: *place_policy,
                    deadline: timeout.saturating_sub(RESERVE).max(timeout / 2),
                    settle,
                };
                packages::install(self, wanted, notes).await
            }
            HostAction::SettlePackages { root, systemd, remove_policy, disable_units } => {
                let rest = Settle {
                    root: *root,
                    systemd: *systemd,
                    remove_policy: *remove_policy,
                    disable: disable_units.clone(),
                };
                packages::settle(self, rest).await
            }
            HostAction::BuildServices { checkout, target, cargo, components, form, sources, log } => {
                build::perform(
                    self,
                    &build::Build { checkout, target, cargo, components, form: *form, sources, log, timeout },
                    notes,
                )
                .await
            }
            HostAction::ReservePorts { ports } => {
                // The journal entry of this step is the reservation; what is kept here only names a conflict.
                self.ports().extend(ports.iter().map(|(key, number)| (key.clone(), *number)));
                Ok(())
            }
            HostAction::StoreSecrets { paths, secrets } => {
                claim::check(paths, &self.id)?;
                Ok(secrets::ensure(&self.context, paths, secrets)?)
            }
            HostAction::StopOrphans { id, processes } => processes::stop_orphans(self, id, processes, notes).await,
            HostAction::StartAgent { paths, id } => processes::start_agent(self, paths, id).await,
            HostAction::StopAgent { paths, id } => processes::stop_agent(self, paths, id, timeout, notes).await,
        }
    }

    async fn perform_stack(&self, action: &StackAction, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        match action {
            StackAction::WriteFiles { component: _, folders, files } => files::write(self, folders, files),
            StackAction::Prepare { component, commands, env, proof } => {
                let once = prepare::Once { component: *component, commands, env, proof, timeout };
                prepare::perform(self, &once, notes).await
            }
            StackAction::StartService { paths, spec } => processes::start_service(self, paths, spec, timeout).await,
            StackAction::AwaitReady { component, paths, probes } => {
                ready::wait(self, &ready::Awaited { component: *component, paths, probes, timeout }, notes).await
            }
            StackAction::StopService { paths, component } => {
                processes::stop_service(self, paths, *component, timeout).await
            }
            StackAction::RemovePaths { paths } => files::remove(self, paths),
        }
    }
}

impl World for Native {
    async fn perform(&self, step: &Step, notes: &Notes) -> Result<(), Failure> {
        match &step.action {
            Action::Env(action) => self.perform_env(action).await,
            Action::Host(action) => self.perform_host(action, step.timeout.duration(), notes).await,
            Action::Stack { on: On::Host, action } => self.perform_stack(action, step.timeout.duration(), notes).await,
            Action::Stack { on: On::Guest(_), .. } | Action::Machine { .. } | Action::Lxd(_) | Action::Multipass(_) => {
                let cause = format!("{} is not done on this host: this is a mistake of reportctl", step.id);
                Err(Failure::new(FailureKind::Failed, cause))
            }
        }
    }
}

impl From<ClaimError> for Failure {
    fn from(error: ClaimError) -> Self {
        match &error {
            ClaimError::Foreign { folder, .. } => {
                let folder = argv::quote(&folder.display().to_string()).into_owned();
                Self::new(FailureKind::Precondition, error.to_string())
                    .advice(format!("look into it; if nobody needs it, type: mv {folder} {folder}.other"))
            }
            ClaimError::Fs(_) => Self::new(FailureKind::Failed, error.to_string()),
        }
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let failure = Self::new(FailureKind::Precondition, error.to_string());
        match &error {
            SecretError::NoVariable { variable, .. } => failure.advice(format!("export {variable}=…")),
            SecretError::Unreadable { .. } | SecretError::Unfit { .. } => failure,
            SecretError::Fs(_) => Self { kind: FailureKind::Failed, ..failure },
        }
    }
}

impl From<FsError> for Failure {
    fn from(error: FsError) -> Self {
        let failure = Self::new(FailureKind::Failed, error.to_string());
        match error.source.kind() {
            std::io::ErrorKind::StorageFull => failure.advice("make room on the disk, and type the same command again"),
            std::io::ErrorKind::PermissionDenied => Self { kind: FailureKind::Precondition, ..failure },
            _ => failure,
        }
    }
}
