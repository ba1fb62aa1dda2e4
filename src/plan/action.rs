//! Everything that can be done to the world: a closed enum of data, nested by owner.
//!
//! A new action does not compile until it is performed (`engine`, `deployer`), displayed ([`Action::lines`]), given its
//! teardown twin ([`Action::teardown`]) and has said what it must remember ([`Action::facts`], [`Action::settles`]).

pub use super::lxd::LxdAction;
pub use super::multipass::MultipassAction;
use crate::model::component::{ComponentName, PortKey};
use crate::model::facts::Facts;
pub use crate::model::file::{Folder, RenderedFile};
use crate::model::guest::{Guest, MadeBy, Marker, On};
use crate::model::ids::{EnvId, SecretName};
use crate::model::inventory::{Orphan, RootAccess};
use crate::model::paths::Paths;
use crate::model::probe::Probe;
use crate::model::secret::SecretSource;
use crate::model::service::ServiceSpec;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// One thing that can be done to the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "owner", content = "do", rename_all = "kebab-case")]
pub enum Action {
    /// To the environment's own records.
    Env(EnvAction),
    /// To this host.
    Host(HostAction),
    /// To the components, wherever they are.
    Stack {
        /// Where they are.
        on: On,
        /// What is done.
        action: StackAction,
    },
    /// To a machine, from within it, whatever it runs on.
    Machine {
        /// Which one.
        guest: Guest,
        /// What is done.
        action: MachineAction,
    },
    /// To LXD on this host.
    Lxd(LxdAction),
    /// To Multipass on this host.
    Multipass(MultipassAction),
}

/// Things done to the environment's own records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EnvAction {
    /// Makes the environment's folder, and writes the identity into it.
    Claim {
        /// Where.
        paths: Paths,
        /// The identity.
        id: EnvId,
        /// What its machine is made by.
        made_by: MadeBy,
    },
    /// Ends this plan: what follows depends on what the steps before it made, so it is observed and planned again.
    Replan {
        /// What was made, in a word: `packages`.
        layer: String,
    },
    /// Removes the environment's folder, journals last. Nothing is left of the environment.
    Forget {
        /// Where.
        paths: Paths,
        /// The identity that must stand in the folder.
        id: EnvId,
    },
}

/// Things done to this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HostAction {
    /// Installs packages of the distribution without letting their services start.
    InstallPackages {
        /// The packages.
        packages: BTreeSet<String>,
        /// How root is reached.
        root: RootAccess,
        /// Whether the list of packages is fetched first: where apt knows nothing of one of them.
        refresh: bool,
        /// Whether systemd is PID 1, so that units can also be stopped.
        systemd: bool,
        /// Whether a `policy-rc.d` that denies starts must be put in place for the time of the install: not where
        /// one stands already.
        place_policy: bool,
        /// Units that are not there yet and must end disabled.
        new_units: BTreeSet<String>,
    },
    /// Undoes what an interrupted install may have left: our `policy-rc.d`, and units that it brought enabled. What is
    /// already undone is left as it is.
    SettlePackages {
        /// How root is reached.
        root: RootAccess,
        /// Whether systemd is PID 1, so that units can also be stopped.
        systemd: bool,
        /// Whether our `policy-rc.d` stands.
        remove_policy: bool,
        /// Units to disable and stop.
        disable_units: BTreeSet<String>,
    },
    /// Builds services from a checkout of our source, into its own folder for what is built.
    BuildServices {
        /// The checkout.
        checkout: PathBuf,
        /// Where Cargo puts what it builds.
        target: PathBuf,
        /// Cargo.
        cargo: PathBuf,
        /// The services.
        components: BTreeSet<ComponentName>,
        /// How they are linked.
        #[serde(default)]
        form: Form,
        /// The digest of their source, which is remembered beside each program that was built of it.
        sources: String,
        /// Where what Cargo said is kept when it fails.
        log: PathBuf,
    },
    /// Remembers the chosen ports. The journal entry is the act.
    ReservePorts {
        /// The ports.
        ports: BTreeMap<PortKey, u16>,
    },
    /// Stores secrets that are not stored yet, each in a file of mode 0600.
    StoreSecrets {
        /// Where.
        paths: Paths,
        /// Where each comes from.
        secrets: BTreeMap<SecretName, SecretSource>,
    },
    /// Ends marked processes that no agent looks after, in this order.
    StopOrphans {
        /// The identity that their marker must carry.
        id: EnvId,
        /// The processes.
        processes: Vec<Orphan>,
    },
    /// Starts the agent.
    StartAgent {
        /// Where.
        paths: Paths,
        /// The marker that it and its children carry.
        id: EnvId,
    },
    /// Has the agent stop everything, in reverse order, and end.
    StopAgent {
        /// Where.
        paths: Paths,
        /// The marker that it carries.
        id: EnvId,
    },
}

/// How a program is linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// With the libraries of this host: it runs here.
    #[default]
    Dynamic,
    /// With all that it needs: it also runs in machines with other libraries.
    Static,
}

/// Things done to the components, on this host or in a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StackAction {
    /// Makes folders and writes files, secrets filled in.
    WriteFiles {
        /// Whose files they are.
        component: ComponentName,
        /// Folders, made before the files.
        folders: Vec<Folder>,
        /// The files.
        files: Vec<RenderedFile>,
    },
    /// Runs a program once, to its end: a database's first set-up, a migration.
    Prepare {
        /// For whom.
        component: ComponentName,
        /// The programs and their arguments, one after the other.
        commands: Vec<Vec<String>>,
        /// Their environment beside the few inherited variables.
        env: BTreeMap<String, String>,
        /// Written when all of them succeeded; while it is there nothing needs to run.
        proof: PathBuf,
    },
    /// Has the agent run this service, and no other of that component. One that runs just so is left alone; one that
    /// waits to be started again is started at once.
    StartService {
        /// Where the agent is.
        paths: Paths,
        /// The service.
        spec: ServiceSpec,
    },
    /// Waits until a component answers.
    AwaitReady {
        /// Which one.
        component: ComponentName,
        /// Where the agent is, which knows when the process has ended.
        paths: Paths,
        /// All of them must hold.
        probes: Vec<Probe>,
    },
    /// Has the agent stop a component and forget it.
    StopService {
        /// Where the agent is.
        paths: Paths,
        /// Which one.
        component: ComponentName,
    },
    /// Removes folders and files of the environment.
    RemovePaths {
        /// Whole paths, each inside the environment's own folders.
        paths: Vec<PathBuf>,
    },
}

/// Things done to a machine, from within it, whatever it runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MachineAction {
    /// Waits until cloud-init has finished, and judges what it did.
    AwaitCloudInit {
        /// The file that the user-data leaves when all of it was done, and what it holds.
        marker: Marker,
    },
    /// Runs the blueprint's own commands until each succeeds.
    AwaitBlueprint {
        /// The commands.
        commands: Vec<Vec<String>>,
    },
    /// Makes the way in: lets this environment's key open tunnels, and remembers the machine's own key.
    OpenWay {
        /// Where the key is kept on this host.
        paths: Paths,
    },
    /// Installs packages of the distribution without letting their services start.
    InstallPackages {
        /// The packages.
        packages: BTreeSet<String>,
    },
    /// Brings a program of ours into the machine.
    PutProgram {
        /// Whose program it is.
        component: ComponentName,
        /// The program on this host.
        from: PathBuf,
        /// Where it goes.
        to: PathBuf,
        /// What distinguishes it from others, which is kept beside it in the machine.
        build: String,
    },
}

/// How what an action makes is taken away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teardown {
    /// An action of this kind does it.
    By(&'static str),
    /// The action makes nothing that outlives it, or is a teardown itself.
    Nothing,
    /// It stays, and `down` names it.
    Left(&'static str),
}

impl Action {
    /// How what this action makes is taken away again.
    pub const fn teardown(&self) -> Teardown {
        match self {
            Self::Env(action) => match action {
                EnvAction::Claim { .. } => Teardown::By("forget"),
                EnvAction::Replan { .. } | EnvAction::Forget { .. } => Teardown::Nothing,
            },
            Self::Host(action) => match action {
                HostAction::InstallPackages { .. } => Teardown::Left("packages"),
                HostAction::BuildServices { .. } => Teardown::Left("programs"),
                HostAction::ReservePorts { .. } | HostAction::StoreSecrets { .. } => Teardown::By("forget"),
                HostAction::StartAgent { .. } => Teardown::By("stop-agent"),
                HostAction::SettlePackages { .. } | HostAction::StopOrphans { .. } | HostAction::StopAgent { .. } => {
                    Teardown::Nothing
                }
            },
            Self::Stack { on: _, action } => match action {
                StackAction::WriteFiles { .. } | StackAction::Prepare { .. } => Teardown::By("remove-paths"),
                StackAction::StartService { .. } => Teardown::By("stop-service"),
                StackAction::AwaitReady { .. } | StackAction::StopService { .. } | StackAction::RemovePaths { .. } => {
                    Teardown::Nothing
                }
            },
            // What is in a machine goes with it.
            Self::Machine { guest: _, action } => match action {
                MachineAction::AwaitCloudInit { .. } | MachineAction::AwaitBlueprint { .. } => Teardown::Nothing,
                MachineAction::OpenWay { .. } => Teardown::By("forget"),
                MachineAction::InstallPackages { .. } | MachineAction::PutProgram { .. } => Teardown::By("delete"),
            },
            Self::Lxd(action) => action.teardown(),
            Self::Multipass(action) => action.teardown(),
        }
    }

    /// What the journal must remember before the action is begun.
    pub fn facts(&self) -> Facts {
        match self {
            Self::Env(EnvAction::Claim { id, made_by, .. }) => {
                Facts { id: Some(id.clone()), made_by: Some(*made_by), ..Facts::default() }
            }
            Self::Host(HostAction::InstallPackages { packages, place_policy, new_units, .. }) => Facts {
                packages: packages.clone(),
                policy_placed: *place_policy,
                new_units: new_units.clone(),
                ..Facts::default()
            },
            Self::Host(HostAction::ReservePorts { ports }) => Facts { ports: ports.clone(), ..Facts::default() },
            Self::Stack { on: _, action: StackAction::StartService { spec, .. } } => {
                Facts { unready: BTreeSet::from([spec.component]), ..Facts::default() }
            }
            Self::Lxd(LxdAction::Restore { .. }) | Self::Multipass(MultipassAction::Restore { .. }) => {
                Facts { resetting: true, ..Facts::default() }
            }
            Self::Lxd(action) => action.facts(),
            Self::Multipass(action) => action.facts(),
            Self::Env(EnvAction::Replan { .. } | EnvAction::Forget { .. })
            | Self::Host(
                HostAction::SettlePackages { .. }
                | HostAction::BuildServices { .. }
                | HostAction::StoreSecrets { .. }
                | HostAction::StopOrphans { .. }
                | HostAction::StartAgent { .. }
                | HostAction::StopAgent { .. },
            )
            | Self::Stack {
                on: _,
                action:
                    StackAction::WriteFiles { .. }
                    | StackAction::Prepare { .. }
                    | StackAction::AwaitReady { .. }
                    | StackAction::StopService { .. }
                    | StackAction::RemovePaths { .. },
            }
            | Self::Machine {
                guest: _,
                action:
                    MachineAction::AwaitCloudInit { .. }
                    | MachineAction::AwaitBlueprint { .. }
                    | MachineAction::OpenWay { .. }
                    | MachineAction::InstallPackages { .. }
                    | MachineAction::PutProgram { .. },
            } => Facts::default(),
        }
    }

    /// What need not be remembered any longer once the action has succeeded.
    pub fn settles(&self) -> Facts {
        match self {
            Self::Host(HostAction::InstallPackages { new_units, .. }) => {
                Facts { policy_placed: true, new_units: new_units.clone(), ..Facts::default() }
            }
            Self::Host(HostAction::SettlePackages { disable_units, .. }) => {
                Facts { policy_placed: true, new_units: disable_units.clone(), ..Facts::default() }
            }
            Self::Stack {
                on: _,
                action: StackAction::AwaitReady { component, .. } | StackAction::StopService { component, .. },
            } => Facts { unready: BTreeSet::from([*component]), ..Facts::default() },
            Self::Lxd(LxdAction::Restore { .. }) | Self::Multipass(MultipassAction::Restore { .. }) => {
                Facts { resetting: true, ..Facts::default() }
            }
            Self::Lxd(_) | Self::Multipass(_) => Facts::default(),
            Self::Env(EnvAction::Claim { .. } | EnvAction::Replan { .. } | EnvAction::Forget { .. })
            | Self::Host(
                HostAction::ReservePorts { .. }
                | HostAction::BuildServices { .. }
                | HostAction::StoreSecrets { .. }
                | HostAction::StopOrphans { .. }
                | HostAction::StartAgent { .. }
                | HostAction::StopAgent { .. },
            )
            | Self::Stack {
                on: _,
                action:
                    StackAction::WriteFiles { .. }
                    | StackAction::Prepare { .. }
                    | StackAction::StartService { .. }
                    | StackAction::RemovePaths { .. },
            }
            | Self::Machine {
                guest: _,
                action:
                    MachineAction::AwaitCloudInit { .. }
                    | MachineAction::AwaitBlueprint { .. }
                    | MachineAction::OpenWay { .. }
                    | MachineAction::InstallPackages { .. }
                    | MachineAction::PutProgram { .. },
            } => Facts::default(),
        }
    }
}

impl From<EnvAction> for Action {
    fn from(action: EnvAction) -> Self {
        Self::Env(action)
    }
}

impl From<HostAction> for Action {
    fn from(action: HostAction) -> Self {
        Self::Host(action)
    }
}

/// On this host.
impl From<StackAction> for Action {
    fn from(action: StackAction) -> Self {
        Self::Stack { on: On::Host, action }
    }
}

impl From<LxdAction> for Action {
    fn from(action: LxdAction) -> Self {
        Self::Lxd(action)
    }
}

impl From<MultipassAction> for Action {
    fn from(action: MultipassAction) -> Self {
        Self::Multipass(action)
    }
}
