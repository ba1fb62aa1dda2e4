//! The steps until there is a machine that can be looked into.

use super::{MultipassAction, Shape};
use crate::model::environment::MultipassMachine;
use crate::model::guest::Guest;
use crate::model::inventory::Observed;
use crate::model::multipass::{Instance, MultipassState, Refusal, Status, instance_name};
use crate::model::quantity::Span;
use crate::plan::Inputs;
use crate::plan::action::{Action, MachineAction};
use crate::plan::draft::Draft;
use crate::plan::error::PlanError;
use crate::plan::machine::Layer;
use crate::plan::work::unknown;
use crate::render::cloud_init::{self, Base, Substrate, UserData};

const CREATE: &str = "machine/create";
const RECOVER: &str = "machine/recover";
const START: &str = "machine/start";
const CLOUD_INIT: &str = "machine/cloud-init";
const READY: &str = "machine/ready";
const TAKE: &str = "machine/snapshot";

/// Bringing back a disk that is still there.
const RECORD: Span = Span::seconds(60);
/// Stopping a machine, taking a snapshot, and starting it.
const COPY: Span = Span::seconds(900);
/// What Multipass itself does beside waiting for the machine.
const BESIDE: Span = Span::seconds(60);

/// Adds what must be done until there is a machine that can be looked into.
///
/// Errors: something that must be so is not, or something that matters cannot be told.
pub(in crate::plan) fn up(
    inputs: &Inputs<'_>,
    machine: &MultipassMachine,
    state: &MultipassState,
    draft: &mut Draft,
) -> Result<Layer, PlanError> {
    ground(state)?;
    let before = draft.ids().len();
    let up = Up { inputs, machine, state, name: instance_name(inputs.id) };
    match &state.instance {
        Observed::Unknown(reason) => return Err(unknown("whether the machine is there".to_owned(), reason)),
        Observed::Absent => up.add_launch(draft)?,
        Observed::Present(instance) => up.add_changes(draft, instance)?,
    }
    up.add_initialisation(draft)?;
    Ok(if draft.ids().len() == before { Layer::There(Guest::Multipass(up.name)) } else { Layer::Missing })
}

/// The program, and a daemon that answers.
pub(super) fn ground(state: &MultipassState) -> Result<(), PlanError> {
    let error =
        |cause: String, advice: &str, is_tool| Err(PlanError::Machine { cause, advice: advice.to_owned(), is_tool });
    match (&state.client, &state.server, state.refusal) {
        (Observed::Absent, _, _) => {
            error("Multipass's program `multipass` is not there".to_owned(), "sudo snap install multipass", true)
        }
        (Observed::Unknown(reason), _, _) => Err(unknown("which `multipass` this is".to_owned(), reason)),
        (Observed::Present(_), Observed::Present(_), _) => Ok(()),
        (_, Observed::Unknown(reason), Some(Refusal::Denied)) => error(
            format!("this user may not speak to Multipass: {reason}"),
            "see which group may with `ls -l /var/snap/multipass/common/multipass_socket`, and join it: `sudo usermod \
             --append --groups GROUP \"$USER\"`; then sign in again",
            false,
        ),
        (_, Observed::Unknown(reason), Some(Refusal::Unauthenticated)) => error(
            format!("Multipass does not know this user: {reason}"),
            "multipass authenticate   # with the passphrase that a user whom it knows has set with `multipass set \
             local.passphrase`",
            false,
        ),
        (_, Observed::Unknown(reason), Some(Refusal::Down)) => error(
            format!("Multipass's daemon does not answer: {reason}"),
            "start it with `sudo snap start multipass`, and look into `journalctl --unit 'snap.multipass*'`",
            false,
        ),
        (_, Observed::Unknown(reason), None) => Err(PlanError::Unknown {
            what: "how Multipass does".to_owned(),
            reason: reason.clone(),
            advice: "see to it that `multipass version` names multipassd, and try again".to_owned(),
        }),
        (_, Observed::Absent, _) => error(
            "Multipass's daemon is not there".to_owned(),
            "start it with `sudo snap start multipass`, and look into `journalctl --unit 'snap.multipass*'`",
            false,
        ),
    }
}

struct Up<'a> {
    inputs: &'a Inputs<'a>,
    machine: &'a MultipassMachine,
    state: &'a MultipassState,
    name: String,
}

impl Up<'_> {
    fn add_launch(&self, draft: &mut Draft) -> Result<(), PlanError> {
        let blueprint = &self.machine.blueprint;
        if let Some(lack) = self.state.lacks.first() {
            return Err(self.refuse(lack.cause.clone(), lack.advice.clone()));
        }
        self.state.remarks.iter().for_each(|remark| draft.note(remark));
        if let Some(mount) = blueprint.mounts.iter().find(|mount| !mount.writable) {
            return Err(self.refuse(
                format!("Multipass cannot keep a machine from changing what is in {}", mount.source.display()),
                "say `writable: true` for this folder, or use LXD".to_owned(),
            ));
        }
        let action = MultipassAction::Launch {
            name: self.name.clone(),
            id: self.inputs.id.clone(),
            shape: Shape {
                image: blueprint.image.multipass.clone(),
                cpus: blueprint.cpus,
                memory: blueprint.memory,
                disk: blueprint.disk,
                mounts: blueprint.mounts.iter().map(|mount| (mount.target.clone(), mount.source.clone())).collect(),
            },
            user_data: self.user_data()?.text,
        };
        // Multipass waits for cloud-init as well before it says that an instance was launched.
        let timeout = Span(blueprint.timeouts.launch.0 + blueprint.timeouts.cloud_init.0 + BESIDE.0);
        let because = if self.state.is_being_made { "an earlier run began to make it" } else { "there is none" };
        draft.add(CREATE, [], because, timeout, action);
        Ok(())
    }

    /// What is different about an instance that is there.
    fn add_changes(&self, draft: &mut Draft, instance: &Instance) -> Result<(), PlanError> {
        let (name, id) = (self.name.clone(), self.inputs.id.clone());
        let launch = self.machine.blueprint.timeouts.launch;
        let start = MultipassAction::Start { name: name.clone(), id: id.clone() };
        match &instance.status {
            Status::Running if instance.address.is_none() => {
                draft.add(START, [], "it has no address yet", launch, start);
            }
            Status::Running => {}
            Status::Deleted => {
                let because = "it was deleted with `multipass delete`, and its disk is still there";
                draft.add(RECOVER, [], because, RECORD, MultipassAction::Recover { name, id });
                draft.add(START, [RECOVER.to_owned()], "it does not run", launch, start);
            }
            Status::Unknown => {
                let because = "Multipass says that it runs, and cannot get into it";
                draft.add(START, [], because, launch, MultipassAction::Revive { name, id });
            }
            Status::Stopped | Status::Suspended | Status::Starting | Status::Stopping => {
                draft.add(START, [], format!("it is {}", instance.status), launch, start);
            }
            Status::Other(word) => {
                return Err(self.refuse(
                    format!("Multipass says that {name} is {word}, which says nothing to this release"),
                    format!("look at `multipass info {name}`, and see to it that it runs or is stopped"),
                ));
            }
        }
        if let Observed::Present(marker) = &instance.marker
            && *marker != self.user_data()?.marker.text
        {
            draft.note(
                "the machine was initialised with another user-data than its file says now: what can be changed in it is \
                 changed; `reportctl down` and `reportctl up` make it anew",
            );
        }
        Ok(())
    }

    /// Until it was initialised, and looks as its blueprint says.
    fn add_initialisation(&self, draft: &mut Draft) -> Result<(), PlanError> {
        let blueprint = &self.machine.blueprint;
        let guest = || Guest::Multipass(self.name.clone());
        let instance = self.state.instance.present();
        let is_there = instance.is_some_and(Instance::is_there);
        if !is_there {
            let because = if instance.is_none() {
                "it does what its user-data says"
            } else {
                "its user-data was not seen to be applied"
            };
            let action = MachineAction::AwaitCloudInit { marker: self.user_data()?.marker };
            let action = Action::Machine { guest: guest(), action };
            let before = [CREATE, START].map(str::to_owned);
            draft.add(CLOUD_INIT, before, because, blueprint.timeouts.cloud_init, action);
        }
        // Nothing else is brought into it before its snapshot is there.
        let is_provisioned = !self.state.snapshots || instance.is_some_and(|instance| instance.snapshots > 0);
        let was_ready = is_there && is_provisioned;
        if !blueprint.ready.is_empty() && !was_ready {
            let commands = blueprint.ready.clone();
            let action = Action::Machine { guest: guest(), action: MachineAction::AwaitBlueprint { commands } };
            let before = [START, CLOUD_INIT].map(str::to_owned);
            draft.add(READY, before, "its blueprint says so", blueprint.timeouts.ready, action);
        }
        if !is_provisioned {
            let action = MultipassAction::Snapshot { name: self.name.clone(), id: self.inputs.id.clone() };
            let before = [CREATE, START, CLOUD_INIT, READY].map(str::to_owned);
            draft.add(TAKE, before, "`reportctl reset` goes back to it", COPY, action);
        }
        Ok(())
    }

    fn user_data(&self) -> Result<UserData, PlanError> {
        let MultipassMachine { blueprint, authorized_keys, .. } = self.machine;
        let data =
            cloud_init::user_data(self.inputs.env, blueprint, authorized_keys, Substrate::Multipass, Base::Plain);
        data.map_err(|error| {
            self.refuse(
                format!("the user-data of the blueprint {} cannot be rendered: {error}", blueprint.name),
                format!("reportctl validate   # and look at cloud-init/{}.tera", blueprint.cloud_init.template),
            )
        })
    }

    fn refuse(&self, cause: String, advice: String) -> PlanError {
        PlanError::Machine { cause, advice, is_tool: false }
    }
}
