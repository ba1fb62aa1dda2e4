//! The steps until there is a machine that can be looked into.

use super::{LxdAction, shape};
use crate::model::environment::{InstanceKind, LxdMachine};
use crate::model::guest::{Guest, Marker};
use crate::model::inventory::{Observed, RootAccess};
use crate::model::lxd::{Foreign, Instance, LxdState, Names, Pool, SNAPSHOT, Subnet};
use crate::model::quantity::Span;
use crate::plan::action::{Action, MachineAction};
use crate::plan::draft::Draft;
use crate::plan::error::PlanError;
use crate::plan::machine::Layer;
use crate::plan::work::unknown;
use crate::plan::{Inputs, bake, commands, packages};
use crate::render::cloud_init::{self, Base, Substrate, UserData};

const DAEMON: &str = "lxd/start";
const POOL: &str = "machine/pool";
const NETWORK: &str = "machine/network";
const PROFILE: &str = "machine/profile";
const IMAGE: &str = "machine/image";
const CREATE: &str = "machine/create";
const ADAPT: &str = "machine/adapt";
const START: &str = "machine/start";
const CLOUD_INIT: &str = "machine/cloud-init";
const READY: &str = "machine/ready";
const TAKE: &str = "machine/snapshot";

/// Changing a record of LXD's, with firewall rules at most.
pub(super) const RECORD: Span = Span::seconds(60);
/// Copying a whole disk.
const COPY: Span = Span::seconds(900);
/// Starting a daemon that may have to put its records into a newer form.
const DAEMON_UP: Span = Span::seconds(120);

/// Adds what must be done until there is a machine that can be looked into.
///
/// Errors: something that must be so is not, or something that matters cannot be told.
pub(in crate::plan) fn up(
    inputs: &Inputs<'_>,
    machine: &LxdMachine,
    state: &LxdState,
    draft: &mut Draft,
) -> Result<Layer, PlanError> {
    if let Some(layer) = ground(inputs, state, draft)? {
        return Ok(layer);
    }
    refuse_foreign(&state.foreign)?;
    let before = draft.ids().len();
    let names = Names::of(inputs.id);
    let up = Up { inputs, machine, state, names };
    let pool = up.add_pool(draft)?;
    let subnet = up.add_network(draft)?;
    up.add_profile(draft, &pool)?;
    if !up.add_instance(draft, &pool)? {
        // Packages of this host come first: then it is looked at again.
        return Ok(Layer::Packages);
    }
    up.add_initialisation(draft, subnet)?;
    match state.instance.present() {
        Some(instance) if draft.ids().len() == before => {
            bake::add(inputs, machine, state, instance, draft)?;
            Ok(Layer::There(Guest::Lxd(up.names.instance)))
        }
        _ => Ok(Layer::Missing),
    }
}

/// The programs, and a daemon that answers.
fn ground(inputs: &Inputs<'_>, state: &LxdState, draft: &mut Draft) -> Result<Option<Layer>, PlanError> {
    // With the state of the packages comes the reason for each: its program is not there.
    if !state.packages.is_empty() {
        packages::install_tools(inputs, &state.packages, "LXD", draft)?;
        return Ok(Some(Layer::Packages));
    }
    let error = |cause: String, advice: String, is_tool| Err(PlanError::Machine { cause, advice, is_tool });
    match (&state.client, &state.server) {
        (Observed::Absent, _) => error(
            "LXD's program `lxc` is not there".to_owned(),
            "install LXD: `apt-get install lxd` on Debian, `snap install lxd` elsewhere".to_owned(),
            true,
        ),
        (Observed::Unknown(reason), _) => Err(unknown("which `lxc` this is".to_owned(), reason)),
        (Observed::Present(_), Observed::Unknown(reason)) if state.is_denied => error(
            format!("this user may not speak to LXD: {reason}"),
            "sudo usermod --append --groups lxd \"$USER\"   # it is as good as root; then sign in again, or: newgrp lxd"
                .to_owned(),
            false,
        ),
        (Observed::Present(_), Observed::Unknown(reason)) => Err(PlanError::Unknown {
            what: "how LXD does".to_owned(),
            reason: reason.clone(),
            advice: "look into `journalctl --unit lxd` or /var/log/lxd/lxd.log, and start it anew".to_owned(),
        }),
        (Observed::Present(_), Observed::Absent) => add_daemon(inputs, state, draft).map(Some),
        (Observed::Present(_), Observed::Present(version)) if !state.lacks.is_empty() => {
            let lacks: Vec<&str> = state.lacks.iter().map(String::as_str).collect();
            error(
                format!("LXD {version} is too old: it lacks {}", lacks.join(", ")),
                "install LXD 5.0 or newer".to_owned(),
                true,
            )
        }
        (Observed::Present(_), Observed::Present(_)) => Ok(None),
    }
}

fn add_daemon(inputs: &Inputs<'_>, state: &LxdState, draft: &mut Draft) -> Result<Layer, PlanError> {
    let host = &inputs.inventory.host;
    let unit = state.units.iter().next().filter(|_| host.systemd).cloned();
    let Some(root) = host.root_access.present().copied() else {
        let start = match &unit {
            Some(unit) => commands::start_unit(RootAccess::Root, unit),
            None => commands::start_lxd(RootAccess::Root),
        };
        return Err(PlanError::Machine {
            cause: "LXD does not run, and root, who can start it, cannot be reached".to_owned(),
            advice: format!("as root, run `{}`", start.pasteable()),
            is_tool: false,
        });
    };
    draft.add(DAEMON, [], "it does not run", DAEMON_UP, LxdAction::StartDaemon { root, unit });
    Ok(Layer::Missing)
}

/// What has a name of ours and is somebody else's is never touched.
pub(super) fn refuse_foreign(foreign: &[Foreign]) -> Result<(), PlanError> {
    let Some(Foreign { kind, name, id }) = foreign.first() else { return Ok(()) };
    let word = kind.word();
    let whose = match id {
        Some(id) => format!("it carries the identity {id}"),
        None => "it carries no identity of ours".to_owned(),
    };
    Err(PlanError::Machine {
        cause: format!("LXD has a {word} {name} that is not this environment's: {whose}"),
        advice: format!("look at the {word} {name} with `lxc`; it is never touched: rename it, or delete it yourself"),
        is_tool: false,
    })
}

struct Up<'a> {
    inputs: &'a Inputs<'a>,
    machine: &'a LxdMachine,
    state: &'a LxdState,
    names: Names,
}

impl Up<'_> {
    /// The pool that the disk is in. It is made only where there is none at all.
    fn add_pool(&self, draft: &mut Draft) -> Result<String, PlanError> {
        let LxdState { pools, default_pool, profile, instance, .. } = self.state;
        // A disk does not move.
        let stays = profile.present().and_then(shape::pool_of).filter(|_| !instance.is_absent());
        if let Some(pool) = stays {
            if let Some(other) = self.machine.pool.as_ref().filter(|other| *other != pool) {
                draft.note(format!("the disk stays in the pool {pool}; `down` and `up` make it anew in {other}"));
            }
            return Ok(pool.clone());
        }
        let chosen = match (&self.machine.pool, default_pool, pools.len()) {
            (Some(wanted), _, _) if !pools.contains_key(wanted) => {
                let names: Vec<&str> = pools.keys().map(String::as_str).collect();
                return Err(self.refuse(
                    format!("LXD has no storage pool {wanted}, which the environment names"),
                    match names.as_slice() {
                        [] => "leave `pool` out, and one is made".to_owned(),
                        names => format!("name one of {}, or leave `pool` out", names.join(", ")),
                    },
                ));
            }
            (Some(wanted), _, _) => wanted.clone(),
            (None, Some(default), _) if pools.contains_key(default) => default.clone(),
            (None, _, 0) => self.names.pool.clone(),
            (None, _, 1) => pools.keys().next().cloned().unwrap_or_default(),
            (None, _, _) => {
                let names: Vec<&str> = pools.keys().map(String::as_str).collect();
                return Err(self.refuse(
                    format!("LXD has several storage pools, and its profile default uses none: {}", names.join(", ")),
                    "say which one in the environment, with `pool`".to_owned(),
                ));
            }
        };
        match pools.get(&chosen) {
            Some(pool) if instance.is_absent() => self.check_room(&chosen, pool)?,
            Some(_) => {}
            None => {
                let action = LxdAction::EnsurePool { name: chosen.clone(), id: self.inputs.id.clone() };
                draft.add(POOL, [], "LXD has no storage pool", RECORD, action);
            }
        }
        Ok(chosen)
    }

    fn check_room(&self, name: &str, pool: &Pool) -> Result<(), PlanError> {
        match pool.free {
            Some(free) if free < Pool::ENOUGH => Err(self.refuse(
                format!("the storage pool {name} has {} MiB free, and a machine needs {}", free.0 >> 20, Pool::ENOUGH),
                format!("look at it with `lxc storage info {name}`, and delete what nobody needs"),
            )),
            _ => Ok(()),
        }
    }

    /// The network, and which addresses it has.
    fn add_network(&self, draft: &mut Draft) -> Result<Subnet, PlanError> {
        let name = &self.names.network;
        let because = match &self.state.network {
            Observed::Present(network) => match network.subnet {
                Some(subnet) => return Ok(subnet),
                None => "it has no addresses any more",
            },
            Observed::Absent => "a network of its own",
            Observed::Unknown(reason) => return Err(unknown(format!("whether LXD's network {name} is there"), reason)),
        };
        let remembered = self.inputs.facts.subnet.filter(|subnet| shape::is_free(*subnet, &self.state.taken));
        let Some(subnet) = remembered.or_else(|| shape::free_subnet(self.inputs.id, &self.state.taken)) else {
            return Err(self.refuse(
                "no range of private addresses is free for the machine's network".to_owned(),
                "look at `ip route` and `lxc network list`, and delete networks that nobody needs".to_owned(),
            ));
        };
        let action = LxdAction::EnsureNetwork { name: name.clone(), id: self.inputs.id.clone(), subnet };
        draft.add(NETWORK, [], because, RECORD, action);
        Ok(subnet)
    }

    fn add_profile(&self, draft: &mut Draft, pool: &str) -> Result<(), PlanError> {
        let name = &self.names.profile;
        let wanted = shape::profile(self.machine, pool, &self.names.network);
        let because = match &self.state.profile {
            Observed::Present(found) if shape::is_same(found, &wanted) => return Ok(()),
            Observed::Present(_) => "its size or its devices are other ones now",
            Observed::Absent => "a profile of its own",
            Observed::Unknown(reason) => return Err(unknown(format!("what LXD's profile {name} says"), reason)),
        };
        let action = LxdAction::EnsureProfile {
            name: name.clone(),
            id: self.inputs.id.clone(),
            config: wanted.config,
            devices: wanted.devices,
        };
        draft.add(PROFILE, [POOL.to_owned(), NETWORK.to_owned()], because, RECORD, action);
        Ok(())
    }

    /// The instance. No when packages must be installed first that its image is made with.
    fn add_instance(&self, draft: &mut Draft, pool: &str) -> Result<bool, PlanError> {
        match &self.state.instance {
            Observed::Present(instance) => {
                self.add_changes(draft, instance)?;
                Ok(true)
            }
            Observed::Absent => self.add_create(draft, pool),
            Observed::Unknown(reason) => Err(unknown("whether the machine is there".to_owned(), reason)),
        }
    }

    fn add_create(&self, draft: &mut Draft, pool: &str) -> Result<bool, PlanError> {
        let Self { inputs, machine, state, names } = self;
        if let (InstanceKind::VirtualMachine, Some(reason)) = (machine.instance, &state.no_machines) {
            return Err(self.refuse(
                format!("LXD cannot run virtual machines here: {reason}"),
                "turn virtualisation on (in the firmware, or as nested virtualisation), or say `instance: container`"
                    .to_owned(),
            ));
        }
        let chosen = bake::choose(inputs, machine, state, &self.user_data(Base::Plain)?)?;
        if let Some(tools) = &chosen.tools {
            packages::install_tools(inputs, tools, "the image", draft)?;
            return Ok(false);
        }
        if let Some(make) = chosen.make {
            let action = LxdAction::Image { step: make.step };
            // It is imported into a pool only when an instance is made from it.
            draft.add(IMAGE, [], make.because, make.timeout, action);
        }
        let data = self.user_data(chosen.base)?;
        let action = LxdAction::Create {
            name: names.instance.clone(),
            id: inputs.id.clone(),
            kind: machine.instance,
            image: chosen.image,
            profile: names.profile.clone(),
            devices: shape::mounts(machine),
            user_data: data.text,
            marker: data.marker,
        };
        let before = [POOL, NETWORK, PROFILE, IMAGE].map(str::to_owned);
        let because = format!("there is none; its disk is in the pool {pool}");
        draft.add(CREATE, before, because, machine.blueprint.timeouts.launch, action);
        Ok(true)
    }

    /// What is different about an instance that is there.
    fn add_changes(&self, draft: &mut Draft, instance: &Instance) -> Result<(), PlanError> {
        let (wanted, profile) = (shape::mounts(self.machine), &self.names.profile);
        if instance.kind != self.machine.instance {
            draft.note(format!("{} stays as it was made: `down` and `up` make it anew", self.names.instance));
        }
        if instance.devices != wanted || instance.profiles != [profile.clone()] {
            let action = LxdAction::Adapt {
                name: self.names.instance.clone(),
                id: self.inputs.id.clone(),
                profile: profile.clone(),
                devices: wanted,
            };
            draft.add(ADAPT, [PROFILE.to_owned()], "its folders or its profile are other ones now", RECORD, action);
        }
        let texts = [Base::Plain, Base::Baked].map(|base| self.user_data(base).map(|data| data.marker.text));
        let [plain, baked] = texts;
        let (plain, baked) = (plain?, baked?);
        if instance.promised.as_ref().is_some_and(|marker| marker.text != plain && marker.text != baked) {
            draft.note(
                "the machine was initialised with another user-data than its file says now: what can be changed in it is \
                 changed; `reportctl down` and `reportctl up` make it anew",
            );
        }
        Ok(())
    }

    /// Until it was initialised, and looks as its blueprint says.
    fn add_initialisation(&self, draft: &mut Draft, subnet: Subnet) -> Result<(), PlanError> {
        let names = &self.names;
        let guest = Guest::Lxd(names.instance.clone());
        let blueprint = &self.machine.blueprint;
        let instance = self.state.instance.present();
        let is_new = instance.is_none();
        let is_up = instance.is_some_and(|instance| instance.is_running && instance.address.is_some());
        if !is_up {
            let because = match instance {
                None => "it was just made",
                Some(instance) if instance.is_running => "it has no address yet",
                Some(_) => "it does not run",
            };
            let action = LxdAction::Start { name: names.instance.clone(), id: self.inputs.id.clone(), subnet };
            draft.add(START, [CREATE, PROFILE, ADAPT].map(str::to_owned), because, blueprint.timeouts.launch, action);
        }
        let is_there = is_up && instance.is_some_and(Instance::is_there);
        if !is_there {
            let because =
                if is_new { "it does what its user-data says" } else { "its user-data was not seen to be applied" };
            let action = MachineAction::AwaitCloudInit { marker: self.marker(draft)? };
            let action = Action::Machine { guest: guest.clone(), action };
            draft.add(CLOUD_INIT, [START.to_owned()], because, blueprint.timeouts.cloud_init, action);
        }
        let is_provisioned =
            instance.is_some_and(|instance| instance.is_provisioned || instance.snapshots.contains(SNAPSHOT));
        let was_ready = is_there && is_provisioned;
        if !blueprint.ready.is_empty() && !was_ready {
            let commands = blueprint.ready.clone();
            let action = Action::Machine { guest, action: MachineAction::AwaitBlueprint { commands } };
            draft.add(READY, [CLOUD_INIT.to_owned()], "its blueprint says so", blueprint.timeouts.ready, action);
        }
        if !is_provisioned {
            let action = LxdAction::Snapshot { name: names.instance.clone(), id: self.inputs.id.clone() };
            let before = [CLOUD_INIT, READY].map(str::to_owned);
            draft.add(TAKE, before, "`reportctl reset` goes back to it", COPY, action);
        }
        Ok(())
    }

    /// What the instance's user-data leaves: as it was said when the instance was made, else as it is to be made.
    fn marker(&self, draft: &Draft) -> Result<Marker, PlanError> {
        if let Some(marker) = self.state.instance.present().and_then(|instance| instance.promised.clone()) {
            return Ok(marker);
        }
        match draft.find(CREATE) {
            Some(Action::Lxd(LxdAction::Create { marker, .. })) => Ok(marker.clone()),
            _ => self.user_data(Base::Plain).map(|data| data.marker),
        }
    }

    fn user_data(&self, base: Base) -> Result<UserData, PlanError> {
        let LxdMachine { blueprint, authorized_keys, .. } = self.machine;
        cloud_init::user_data(self.inputs.env, blueprint, authorized_keys, Substrate::Lxd, base).map_err(|error| {
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
