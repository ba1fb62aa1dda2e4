//! The plan that brings an environment up.

use super::action::{Action, EnvAction, Form, HostAction, MachineAction, StackAction};
use super::draft::{CLAIM, Draft};
use super::error::PlanError;
use super::identity::is_claimed;
use super::machine::{self, Layer};
use super::programs::{self, BUILD, Put};
use super::step::{Goal, Plan};
use super::wanted::{Outlook, Wanted, outlook};
use super::work::{Work, files_of, unknown};
use super::{Inputs, order, packages, ports, timeouts};
use crate::model::component::{ComponentName, PortKey};
use crate::model::environment::Component;
use crate::model::guest::On;
use crate::model::ids::SecretName;
use crate::model::inventory::{AgentState, Observed};
use crate::model::secret::SecretSource;
use crate::render::native::Native;
use std::collections::{BTreeMap, BTreeSet};

const RESERVE: &str = "ports/reserve";
const SECRETS: &str = "secrets/store";
const STOP_AGENT: &str = "agent/stop";
const START_AGENT: &str = "agent/start";
const ORPHANS: &str = "orphans/stop";
const WAY: &str = "machine/way";

/// Plans what brings the environment up: empty when all is as it should be.
///
/// Where packages are missing the plan ends in `env/replan`: what follows depends on their versions.
///
/// Errors: something that must be so is not, or something that matters cannot be told. Nothing was done.
pub fn up(inputs: &Inputs<'_>) -> Result<Plan, PlanError> {
    if machine::is_resetting(inputs) {
        return reset(inputs);
    }
    let mut draft = Draft::default();
    if !is_claimed(inputs)? {
        let (paths, id, made_by) = (inputs.paths.clone(), inputs.id.clone(), inputs.env.machine.made_by());
        let action = EnvAction::Claim { paths, id, made_by };
        draft.add(CLAIM, [], "the environment has no folder yet", timeouts::SHORT, action);
    }
    let mut left = None;
    let on = match machine::up(inputs, &mut draft)? {
        None => Some(On::Host),
        Some(Layer::There(guest)) => Some(On::Guest(guest)),
        Some(layer @ (Layer::Packages | Layer::Missing)) => {
            left = packages::settle(inputs, &mut draft);
            programs::build_ahead(inputs, &mut draft)?;
            machine::replan(layer, &mut draft);
            None
        }
    };
    let (mut ports, mut skipped) = (BTreeMap::new(), BTreeMap::new());
    if let Some(on) = on {
        match (outlook(inputs)?, &on) {
            (Outlook::Install(available), On::Host) => {
                packages::install(inputs, &available, &mut draft)?;
                skipped = available.skipped;
            }
            (Outlook::Install(available), On::Guest(guest)) => {
                packages::install_within(guest, &available, &mut draft);
                skipped = available.skipped;
            }
            (Outlook::Run(wanted), _) => {
                left = packages::settle(inputs, &mut draft);
                Up::new(inputs, &wanted, on)?.add_to(&mut draft);
                (ports, skipped) = (wanted.ports, wanted.skipped);
            }
        }
    }
    let left = left.into_iter().chain(draft.take_notes()).collect();
    Ok(Plan {
        schema: Plan::SCHEMA,
        env: inputs.env.name.clone(),
        id: inputs.id.clone(),
        goal: Goal::Up,
        inputs: inputs.digest(Goal::Up),
        steps: draft.finish()?,
        skipped,
        ports,
        left,
    })
}

/// Plans what puts the machine back to what it was when it was initialised. What is in it is lost; ports and secrets stay,
/// since they are kept on this host. Then it is looked again, and brought up.
///
/// Errors: there is no machine, or it has no snapshot.
pub fn reset(inputs: &Inputs<'_>) -> Result<Plan, PlanError> {
    is_claimed(inputs)?;
    let mut draft = Draft::default();
    let layer = machine::reset(inputs, &mut draft)?;
    machine::replan(layer, &mut draft);
    Ok(Plan {
        schema: Plan::SCHEMA,
        env: inputs.env.name.clone(),
        id: inputs.id.clone(),
        goal: Goal::Up,
        inputs: inputs.digest(Goal::Up),
        steps: draft.finish()?,
        skipped: BTreeMap::new(),
        ports: BTreeMap::new(),
        left: Vec::new(),
    })
}

/// All that must be done where the programs are there.
struct Up<'a> {
    inputs: &'a Inputs<'a>,
    wanted: &'a Wanted<'a>,
    /// Where the components are.
    on: On,
    /// The agent that stays.
    agent: Option<&'a AgentState>,
    /// The agent that is to be replaced.
    old_agent: Option<&'a AgentState>,
    /// The secrets that are not stored yet.
    missing: BTreeMap<SecretName, SecretSource>,
    /// What must be done for each component that runs.
    work: BTreeMap<ComponentName, Work>,
    /// What the agent runs and should not.
    unwanted: BTreeSet<ComponentName>,
}

impl<'a> Up<'a> {
    fn new(inputs: &'a Inputs<'a>, wanted: &'a Wanted<'a>, on: On) -> Result<Self, PlanError> {
        let agent = match &inputs.inventory.agent {
            Observed::Present(agent) => Some(agent),
            Observed::Absent => None,
            Observed::Unknown(reason) => {
                return Err(PlanError::Unknown {
                    what: "how the agent does".to_owned(),
                    reason: reason.clone(),
                    advice: "try again; if it stays so, run `reportctl down --keep-data` and then `reportctl up`"
                        .to_owned(),
                });
            }
        };
        let (agent, old_agent) = match agent {
            Some(agent) if agent.protocol == AgentState::PROTOCOL => (Some(agent), None),
            other => (None, other),
        };
        let missing = missing_secrets(inputs, wanted)?;
        let missing_names: BTreeSet<SecretName> = missing.keys().cloned().collect();
        let mut work = BTreeMap::new();
        for (name, native) in &wanted.natives {
            work.insert(*name, Work::find(inputs, *name, native, agent, &missing_names)?);
        }
        let runs = agent.map(|agent| agent.services.keys().copied().collect::<BTreeSet<_>>()).unwrap_or_default();
        let unwanted = runs.into_iter().filter(|name| !wanted.natives.contains_key(name)).collect();
        let mut up = Self { inputs, wanted, on, agent, old_agent, missing, work, unwanted };
        up.make_way_for_ports();
        Ok(up)
    }

    /// Who holds a port that another component gets must have left it by then.
    fn make_way_for_ports(&mut self) {
        let moves = |(key, number): (&PortKey, &u16)| {
            let holders = self.inputs.facts.ports.iter().filter(move |(other, held)| *held == number && *other != key);
            holders.map(|(holder, _)| holder.component).collect::<Vec<_>>()
        };
        let holders: BTreeSet<ComponentName> = self.wanted.ports.iter().flat_map(moves).collect();
        for (name, work) in &mut self.work {
            let runs = self.agent.is_some_and(|agent| agent.services.contains_key(name));
            if holders.contains(name) && runs && work.start.is_some() && work.stop.is_none() {
                work.stop = Some("another component gets its port".to_owned());
            }
        }
    }

    fn add_to(&self, draft: &mut Draft) {
        self.add_build(draft);
        self.add_stops(draft);
        self.add_ports_and_secrets(draft);
        self.add_agent(draft);
        self.add_way(draft);
        for (name, native) in &self.wanted.natives {
            if let Some(work) = self.work.get(name) {
                self.add_component(draft, *name, native, work);
            }
        }
        self.add_tidying(draft);
    }

    /// The programs of ours that are not there, in one go. What does not need them starts meanwhile.
    fn add_build(&self, draft: &mut Draft) {
        let form = match self.on {
            On::Host => Form::Dynamic,
            On::Guest(_) => Form::Static,
        };
        programs::add_build(self.inputs, &self.wanted.build, form, draft);
    }

    /// The way into a machine: through it the components are asked whether they are ready.
    fn add_way(&self, draft: &mut Draft) {
        let On::Guest(guest) = &self.on else { return };
        let because = match &self.inputs.inventory.way {
            Observed::Present(()) => return,
            Observed::Absent => "the machine does not know this environment's key, or this host the machine's",
            Observed::Unknown(reason) => reason,
        };
        let action = MachineAction::OpenWay { paths: self.inputs.paths.clone() };
        draft.add(WAY, [], because, timeouts::SHORT, Action::Machine { guest: guest.clone(), action });
    }

    /// What must not run, or not while it is changed.
    fn add_stops(&self, draft: &mut Draft) {
        let stop = |component| self.stack(StackAction::StopService { paths: self.inputs.paths.clone(), component });
        for name in &self.unwanted {
            let dependents = order::dependents(self.inputs.env, *name, &self.unwanted);
            let because = match self.wanted.skipped.get(name) {
                Some(reason) => format!("it is skipped: {reason}"),
                None => "it is not part of the environment any more".to_owned(),
            };
            draft.add(id(*name, "stop"), dependents.map(|name| id(name, "stop")), because, timeouts::STOP, stop(*name));
        }
        for (name, work) in &self.work {
            if let (Some(because), Some(native)) = (&work.stop, self.wanted.natives.get(name)) {
                draft.add(id(*name, "stop"), [], because, timeouts::stop(&native.service), stop(*name));
            }
        }
    }

    fn add_ports_and_secrets(&self, draft: &mut Draft) {
        let Inputs { facts, paths, .. } = self.inputs;
        let changes: BTreeMap<PortKey, u16> = self
            .wanted
            .ports
            .iter()
            .filter(|(key, number)| facts.ports.get(key) != Some(number))
            .map(|(key, number)| (key.clone(), *number))
            .collect();
        if !changes.is_empty() {
            let because = self.why_ports(&changes);
            draft.add(RESERVE, [], because, timeouts::SHORT, HostAction::ReservePorts { ports: changes });
        }
        if !self.missing.is_empty() {
            let names: Vec<&str> = self.missing.keys().map(SecretName::as_str).collect();
            let because = format!("not stored yet: {}", names.join(", "));
            let action = HostAction::StoreSecrets { paths: (*paths).clone(), secrets: self.missing.clone() };
            draft.add(SECRETS, self.all("stop"), because, timeouts::SHORT, action);
        }
    }

    /// Which number each port gets, and why it is not the wanted one.
    fn why_ports(&self, changes: &BTreeMap<PortKey, u16>) -> String {
        let wanted: BTreeMap<PortKey, u16> = self.inputs.env.stack.ports().collect();
        let each = changes.iter().map(|(key, number)| match wanted.get(key) {
            // Then it is not the environment's to have: see `ports::candidates`.
            Some(wanted) if !ports::candidates(self.inputs.id, key, *wanted).contains(wanted) => {
                format!("{key} gets {number}, which is this environment's own")
            }
            Some(wanted) if wanted != number => format!("{key} gets {number}, since {wanted} is in use"),
            _ => format!("{key} gets {number}"),
        });
        each.collect::<Vec<_>>().join("; ")
    }

    /// The agent, and before it whoever runs without one.
    fn add_agent(&self, draft: &mut Draft) {
        let Inputs { paths, id, inventory, .. } = self.inputs;
        if let Some(old) = self.old_agent {
            let (theirs, ours) = (old.protocol, AgentState::PROTOCOL);
            let because = format!("it speaks protocol {theirs}, and this release {ours}");
            let action = HostAction::StopAgent { paths: (*paths).clone(), id: (*id).clone() };
            draft.add(STOP_AGENT, [], because, timeouts::STOP_ALL, action);
        }
        if !inventory.orphans.is_empty() {
            let processes = order::orphans(self.inputs.env, &inventory.orphans);
            let because = format!("{} of this environment run without an agent", processes_in_words(processes.len()));
            let action = HostAction::StopOrphans { id: (*id).clone(), processes };
            draft.add(ORPHANS, [STOP_AGENT.to_owned()], because, timeouts::STOP_ALL, action);
        }
        if self.agent.is_none() && self.work.values().any(|work| work.start.is_some()) {
            let because = match (self.old_agent, inventory.rebooted) {
                (Some(_), _) => "the one that ran is of another release",
                (None, true) => "the host was restarted",
                (None, false) => "no agent runs",
            };
            let action = HostAction::StartAgent { paths: (*paths).clone(), id: (*id).clone() };
            draft.add(START_AGENT, both(STOP_AGENT, ORPHANS), because, timeouts::SHORT, action);
        }
    }

    fn add_component(&self, draft: &mut Draft, name: ComponentName, native: &Native, work: &Work) {
        let paths = self.inputs.paths;
        let needs_ready = || native.service.needs.iter().map(|need| id(*need, "ready"));
        if work.configures() {
            let before = both(RESERVE, SECRETS).into_iter().chain([id(name, "stop")]);
            let (folders, files) = (native.folders.clone(), native.files.clone());
            let action = StackAction::WriteFiles { component: name, folders, files };
            draft.add(id(name, "configure"), before, why_configure(work), timeouts::SHORT, self.stack(action));
        }
        if !work.stale.is_empty() {
            let because = format!("not part of its configuration any more: {}", file_names(&work.stale));
            let before = [id(name, "configure"), id(name, "stop")];
            draft.add(
                id(name, "tidy"),
                before,
                because,
                timeouts::SHORT,
                self.stack(StackAction::RemovePaths { paths: work.stale.clone() }),
            );
        }
        if let Some(prepare) = native.prepare.as_ref().filter(|_| work.prepare) {
            let before = needs_ready().chain([id(name, "configure"), id(name, "stop"), ORPHANS.to_owned()]);
            let action = StackAction::Prepare {
                component: name,
                commands: prepare.commands.clone(),
                env: prepare.env.clone(),
                proof: prepare.proof.clone(),
            };
            draft.add(id(name, "prepare"), before, "it was not set up yet", timeouts::PREPARE, self.stack(action));
        }
        if let (Some(Put { from, to, build, because }), On::Guest(guest)) = (self.wanted.put.get(&name), &self.on) {
            let (from, to, build) = (from.clone(), to.clone(), build.clone());
            let action = MachineAction::PutProgram { component: name, from, to, build };
            let action = Action::Machine { guest: guest.clone(), action };
            draft.add(id(name, "program"), [BUILD.to_owned()], because, timeouts::PROGRAM, action);
        }
        if let Some(because) = &work.start {
            let own = ["configure", "tidy", "prepare", "program"].map(|verb| id(name, verb));
            let before =
                needs_ready().chain(own).chain(self.all("stop")).chain([START_AGENT.to_owned(), ORPHANS.to_owned()]);
            let before = before.chain(self.wanted.build.contains_key(&name).then(|| BUILD.to_owned()));
            let action = StackAction::StartService { paths: paths.clone(), spec: native.service.clone() };
            draft.add(id(name, "start"), before, because, timeouts::start(&native.service), self.stack(action));
        }
        if work.start.is_some() || work.unready {
            let because = match work.start {
                Some(_) => "it is up when it answers",
                None => "it was started, and has not been seen to be ready since",
            };
            let action =
                StackAction::AwaitReady { component: name, paths: paths.clone(), probes: native.ready.clone() };
            draft.add(
                id(name, "ready"),
                both(&id(name, "start"), WAY),
                because,
                timeouts::ready(name),
                self.stack(action),
            );
        }
    }

    /// The configuration of components that do not run. Their data stays.
    fn add_tidying(&self, draft: &mut Draft) {
        let idle = ComponentName::ALL.into_iter().filter(|name| !self.wanted.natives.contains_key(name));
        for name in idle.filter(|name| files_of(self.inputs, *name).next().is_some()) {
            let action = self.stack(StackAction::RemovePaths { paths: vec![self.inputs.place.config(name)] });
            draft.add(id(name, "tidy"), [id(name, "stop")], "it does not run here any more", timeouts::SHORT, action);
        }
    }

    /// Done where the components are.
    fn stack(&self, action: StackAction) -> Action {
        Action::Stack { on: self.on.clone(), action }
    }

    /// The ids of that verb of every component that something is done for.
    fn all(&self, verb: &'static str) -> impl Iterator<Item = String> + '_ {
        self.unwanted.iter().chain(self.work.keys()).map(move |name| id(*name, verb))
    }
}

/// The secrets of the components that run and that are not stored yet.
///
/// Errors: nobody can say whether one is stored.
fn missing_secrets(inputs: &Inputs<'_>, wanted: &Wanted<'_>) -> Result<BTreeMap<SecretName, SecretSource>, PlanError> {
    let mut missing = BTreeMap::new();
    let components = wanted.view.active.values().map(|active| active.component);
    for (component, own, source) in components.flat_map(secrets_of) {
        let name = component.secret_name(own)?;
        match inputs.inventory.secrets.get(&name) {
            Some(Observed::Present(())) => {}
            Some(Observed::Unknown(reason)) => {
                return Err(unknown(format!("whether the secret {name} is stored"), reason));
            }
            Some(Observed::Absent) | None => drop(missing.insert(name, source.clone())),
        }
    }
    Ok(missing)
}

fn secrets_of(component: &Component) -> impl Iterator<Item = (&Component, &str, &SecretSource)> {
    component.secrets.iter().map(move |(own, source)| (component, own.as_str(), source))
}

fn why_configure(work: &Work) -> String {
    let mut parts = Vec::new();
    if !work.new.is_empty() {
        parts.push(format!("new: {}", file_names(&work.new)));
    }
    if !work.changed.is_empty() {
        parts.push(format!("changed: {}", file_names(&work.changed)));
    }
    if parts.is_empty() { "its folders must be there when it starts".to_owned() } else { parts.join("; ") }
}

fn file_names(paths: &[std::path::PathBuf]) -> String {
    let names: Vec<String> =
        paths.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    names.join(", ")
}

fn processes_in_words(count: usize) -> String {
    if count == 1 { "one process".to_owned() } else { format!("{count} processes") }
}

fn id(component: ComponentName, verb: &str) -> String {
    format!("{component}/{verb}")
}

fn both(one: &str, other: &str) -> Vec<String> {
    vec![one.to_owned(), other.to_owned()]
}
