//! A host in memory that plans are performed on: it does what the real one does, refuses what the real one refuses, can
//! be observed, and can be made to fail at any moment. Only the journals are real files.

use crate::render_support;
use reportctl::context::Context;
use reportctl::engine::converge::{ConvergeError, Planner};
use reportctl::engine::interrupt::Interrupt;
use reportctl::engine::{Engine, RunResult};
use reportctl::event::Teller;
use reportctl::journal::JournalError;
use reportctl::journal::entry::{Outcome, Verb};
use reportctl::journal::log::{Log, Opening};
use reportctl::journal::store::{self, Memory};
use reportctl::model::component::{ComponentName, PortKey, Source};
use reportctl::model::digest;
use reportctl::model::environment::Environment;
use reportctl::model::facts::Facts;
use reportctl::model::guest::On;
use reportctl::model::ids::{EnvId, SecretName};
use reportctl::model::inventory::{
    self, AgentState, FileState, Inventory, Observed, Orphan, PortUse, Program, RootAccess,
};
use reportctl::model::inventory::{Checkout, Package, Policy, ServiceState, ServiceStatus};
use reportctl::model::paths::Paths;
use reportctl::model::quantity::Version;
use reportctl::model::secret::{SecretValue, Secrets};
use reportctl::model::service::ServiceSpec;
use reportctl::plan::action::{Action, EnvAction, HostAction, StackAction};
use reportctl::plan::error::PlanError;
use reportctl::plan::step::{Plan, Step};
use reportctl::plan::wanted::{Outlook, outlook};
use reportctl::plan::{Inputs, identity, planner, ports, teardown};
use reportctl::provider::{Failure, FailureKind, Notes, World};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// The identity that the fake draws.
pub const ID: &str = "local-7f3k9q2m";

/// The state of the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    pub files: BTreeMap<PathBuf, (String, u32)>,
    pub folders: BTreeSet<PathBuf>,
    /// What is installed.
    pub packages: BTreeMap<String, String>,
    /// What could be, once apt has fetched its lists.
    pub archive: BTreeMap<String, String>,
    pub lists_fetched: bool,
    /// Programs that no package brought.
    pub programs: BTreeMap<ComponentName, String>,
    /// Units, and whether each is enabled.
    pub units: BTreeMap<String, bool>,
    pub policy: Option<Policy>,
    pub root_access: Option<RootAccess>,
    pub agent: Option<Agent>,
    pub orphans: Vec<(Orphan, BTreeSet<u16>)>,
    /// Ports that other people's programs listen on.
    pub foreign_ports: BTreeSet<u16>,
    /// The checkout of our source that the run is made in.
    pub checkout: Option<Checkout>,
    pub rebooted: bool,
    /// What must never happen, and did.
    pub violations: Vec<String>,
    /// How often each secret was drawn.
    pub draws: BTreeMap<SecretName, u32>,
    /// Somebody takes each port just before this component would listen on it.
    pub steals_ports_of: Option<ComponentName>,
    /// What an install really brings, where that is not what apt said.
    pub installs_instead: BTreeMap<String, String>,
    pub next_pid: u32,
}

/// The agent and its services.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    pub pid: u32,
    pub protocol: u32,
    pub services: BTreeMap<ComponentName, Service>,
}

/// A process under the agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub spec: ServiceSpec,
    pub status: ServiceStatus,
    /// What it has read: its files, secrets filled in.
    pub read: BTreeMap<PathBuf, String>,
    pub ports: BTreeSet<u16>,
    pub ready: bool,
}

impl Host {
    /// A fresh Debian machine, with root.
    pub fn debian() -> Self {
        let archive = ComponentName::ALL
            .into_iter()
            .filter_map(|name| match name.source() {
                Source::Package { package, .. } => Some((package.to_owned(), packaged_version(name).to_owned())),
                _ => None,
            })
            .collect();
        Self {
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            packages: BTreeMap::new(),
            archive,
            lists_fetched: true,
            programs: BTreeMap::new(),
            units: BTreeMap::new(),
            policy: None,
            root_access: Some(RootAccess::Sudo),
            agent: None,
            orphans: Vec::new(),
            foreign_ports: BTreeSet::new(),
            checkout: None,
            rebooted: false,
            violations: Vec::new(),
            draws: BTreeMap::new(),
            steals_ports_of: None,
            installs_instead: BTreeMap::new(),
            next_pid: 100,
        }
    }

    /// The same, with every package installed and its service disabled.
    pub fn with_packages() -> Self {
        let mut host = Self::debian();
        host.packages = host.archive.clone();
        host
    }

    fn pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }

    /// The agent is killed; its children live on.
    pub fn kill_agent(&mut self) {
        let Some(agent) = self.agent.take() else { return };
        for (name, service) in agent.services {
            if let ServiceStatus::Running { pid } = service.status {
                let orphan = Orphan { pid, started: u64::from(pid), component: Some(name) };
                self.orphans.push((orphan, service.ports));
            }
        }
    }

    /// The host is restarted.
    pub fn reboot(&mut self) {
        self.rebooted = self.agent.is_some() || self.rebooted;
        self.agent = None;
        self.orphans.clear();
    }

    fn holds(&self, port: u16) -> bool {
        let services = self.agent.iter().flat_map(|agent| agent.services.values());
        services.filter(|service| service.runs()).any(|service| service.ports.contains(&port))
            || self.orphans.iter().any(|(_, ports)| ports.contains(&port))
    }

    fn processes(&self) -> usize {
        self.orphans.len() + self.agent.as_ref().map_or(0, |agent| 1 + agent.services.len())
    }

    /// Without what differs between two runs that came to the same.
    pub fn essence(&self) -> Self {
        let mut host = Self { next_pid: 0, ..self.clone() };
        if let Some(agent) = &mut host.agent {
            agent.pid = 0;
            for service in agent.services.values_mut() {
                if let ServiceStatus::Running { pid } = &mut service.status {
                    *pid = 0;
                }
            }
        }
        host
    }
}

impl Service {
    pub fn runs(&self) -> bool {
        matches!(self.status, ServiceStatus::Running { .. })
    }
}

/// Shows only where two hosts differ.
pub fn assert_same(found: &Host, wanted: &Host, when: &str) {
    if found == wanted {
        return;
    }
    let (found, wanted) = (format!("{found:#?}"), format!("{wanted:#?}"));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (found, wanted) = (lines(&found), lines(&wanted));
    let only = |these: &[String], those: &[String]| {
        let others: BTreeSet<&String> = those.iter().collect();
        let differing = these.iter().filter(|line| !others.contains(line)).take(12);
        differing.map(|line| line.chars().take(300).collect::<String>()).collect::<Vec<_>>().join("\n")
    };
    panic!("{when}\nonly found:\n{}\nonly wanted:\n{}", only(&found, &wanted), only(&wanted, &found));
}

/// The version of a component's package in Debian 12.
pub fn packaged_version(name: ComponentName) -> &'static str {
    match name {
        ComponentName::Redis => "7.0.15",
        ComponentName::RedisExporter => "1.45.0",
        ComponentName::NodeExporter => "1.5.0",
        ComponentName::Prometheus => "2.42.0",
        ComponentName::Alertmanager => "0.25.0",
        ComponentName::Postgresql => "15.18",
        _ => "99.0",
    }
}

/// A moment at which the process may be killed: the host as it is then, and the journals.
#[derive(Clone)]
pub struct Moment {
    pub host: Host,
    pub journals: BTreeMap<String, Vec<u8>>,
}

/// What goes wrong.
#[derive(Default)]
pub struct Faults {
    /// At that moment, counted from 1, the action fails.
    pub fail_at: Option<usize>,
    /// Each action is performed twice.
    pub twice: bool,
    /// At that moment, counted from 1, something else happens to the host, and the action goes on.
    pub meanwhile: Option<(usize, Meanwhile)>,
}

/// What happens to the host while a run goes on.
pub type Meanwhile = Box<dyn FnOnce(&mut Host) + Send>;

/// The host, and an environment on it.
pub struct FakeWorld {
    host: Mutex<Host>,
    faults: Mutex<Faults>,
    moments: Mutex<usize>,
    record: Option<Mutex<Vec<Moment>>>,
    /// The steps that were performed, and the number of moments before each.
    begun: Mutex<Vec<(String, usize)>>,
    paths: Paths,
    /// Where the journals really are.
    disk: Paths,
    pub id: EnvId,
}

impl FakeWorld {
    pub fn host(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap()
    }

    /// How many moments there were.
    pub fn moments(&self) -> usize {
        *self.moments.lock().unwrap()
    }

    /// The ids of the steps that were performed, in the order in which they began.
    pub fn performed(&self) -> Vec<String> {
        self.begun.lock().unwrap().iter().map(|(step, _)| step.clone()).collect()
    }

    /// The number of moments before the step was performed for the first time.
    pub fn moment_of(&self, step: &str) -> usize {
        self.begun.lock().unwrap().iter().find(|(begun, _)| begun == step).unwrap().1
    }

    /// The moments, if they were recorded.
    pub fn recorded(&self) -> Vec<Moment> {
        self.record.as_ref().map(|record| record.lock().unwrap().clone()).unwrap_or_default()
    }

    /// One more moment has come.
    fn moment(&self, host: &mut Host) -> Result<(), Failure> {
        let mut count = self.moments.lock().unwrap();
        *count += 1;
        if let Some(record) = &self.record {
            record.lock().unwrap().push(Moment { host: host.clone(), journals: journals(&self.disk) });
        }
        let mut faults = self.faults.lock().unwrap();
        if faults.meanwhile.as_ref().is_some_and(|(at, _)| at == &*count) {
            let (_, happen) = faults.meanwhile.take().unwrap();
            happen(host);
        }
        if faults.fail_at == Some(*count) {
            return Err(Failure::new(FailureKind::Failed, "the test wants this to fail"));
        }
        Ok(())
    }

    fn do_env(&self, host: &mut Host, action: &EnvAction) -> Result<(), Failure> {
        match action {
            EnvAction::Claim { paths, id, made_by: _ } => {
                let stands = host.files.get(&paths.identity()).map(|(text, _)| text.trim().to_owned());
                refuse_unless(stands.is_none_or(|stands| stands == id.as_str()), "the folder is another's")?;
                host.folders.insert(paths.root.clone());
                self.moment(host)?;
                host.files.insert(paths.identity(), (format!("{id}\n"), 0o600));
                Ok(())
            }
            EnvAction::Replan { .. } => Ok(()),
            EnvAction::Forget { paths, id } => {
                let stands = host.files.get(&paths.identity()).map(|(text, _)| text.trim().to_owned());
                refuse_unless(stands.is_none_or(|stands| stands == id.as_str()), "the folder is another's")?;
                refuse_unless(host.processes() == 0, "processes still run")?;
                let identity = paths.identity();
                host.files.retain(|path, _| !path.starts_with(&paths.root) || *path == identity);
                host.folders.retain(|path| !path.starts_with(&paths.root) || *path == paths.root);
                self.moment(host)?;
                host.files.remove(&identity);
                self.moment(host)?;
                host.folders.remove(&paths.root);
                if self.disk.root.is_dir() {
                    std::fs::remove_dir_all(&self.disk.root).unwrap();
                }
                Ok(())
            }
        }
    }

    fn do_host(&self, host: &mut Host, action: &HostAction) -> Result<(), Failure> {
        match action {
            HostAction::InstallPackages { packages, refresh, place_policy, new_units, .. } => {
                self.install(host, packages, *refresh, *place_policy, new_units)
            }
            HostAction::SettlePackages { remove_policy, disable_units, .. } => {
                refuse_unless(host.root_access.is_some(), "only root may do that")?;
                self.settle(host, *remove_policy, disable_units)
            }
            // The journal entry is the act.
            HostAction::BuildServices { components, sources, .. } => {
                let checkout = host.checkout.as_mut().unwrap();
                checkout.built.extend(components.iter().map(|name| (*name, sources.clone())));
                Ok(())
            }
            HostAction::ReservePorts { .. } => Ok(()),
            HostAction::StoreSecrets { paths, secrets } => {
                make_folder(host, &paths.secrets())?;
                for name in secrets.keys() {
                    self.moment(host)?;
                    let path = paths.secret(name);
                    if !host.files.contains_key(&path) {
                        let draw = host.draws.entry(name.clone()).or_default();
                        *draw += 1;
                        let value = format!("{name}-draw-{draw}");
                        host.files.insert(path, (value, 0o600));
                    }
                }
                Ok(())
            }
            other => self.do_process(host, other),
        }
    }

    fn do_stack(&self, host: &mut Host, action: &StackAction) -> Result<(), Failure> {
        match action {
            StackAction::WriteFiles { folders, files, .. } => {
                for folder in folders {
                    make_folder(host, &folder.path)?;
                }
                let secrets = secrets_of(host, &self.paths);
                for file in files {
                    self.moment(host)?;
                    let parent = file.path.parent().unwrap();
                    refuse_unless(host.folders.contains(parent), "its folder is not there")?;
                    let text = secrets.fill(&file.text).map_err(|name| failed(format!("no secret {name}")))?;
                    host.files.insert(file.path.clone(), (text, file.mode));
                }
                Ok(())
            }
            StackAction::Prepare { component, proof, commands, .. } => {
                refuse_unless(!commands.is_empty(), "nothing to run")?;
                let runs = host.agent.as_ref().is_some_and(|agent| agent.services.contains_key(component));
                refuse_unless(!runs, "it runs while it is prepared")?;
                refuse_unless(host.folders.contains(&self.paths.config(*component)), "it is not configured")?;
                self.moment(host)?;
                host.files.insert(proof.clone(), (String::new(), 0o600));
                Ok(())
            }
            StackAction::RemovePaths { paths } => {
                for path in paths {
                    let is_ours = path.starts_with(&self.paths.root) || path.starts_with(&self.paths.shared_data);
                    refuse_unless(is_ours && *path != self.paths.root, "it is not ours to remove")?;
                    let is_data = path.starts_with(self.paths.root.join("data"));
                    refuse_unless(!is_data || host.processes() == 0, "data is removed under running processes")?;
                    host.files.retain(|file, _| !file.starts_with(path));
                    host.folders.retain(|folder| !folder.starts_with(path));
                    self.moment(host)?;
                }
                Ok(())
            }
            StackAction::StartService { spec, .. } => self.start(host, spec),
            StackAction::AwaitReady { component, probes, .. } => {
                refuse_unless(!probes.is_empty(), "nothing to ask")?;
                let service = host.agent.as_mut().and_then(|agent| agent.services.get_mut(component));
                match service {
                    Some(service) if service.runs() => {
                        service.ready = true;
                        Ok(())
                    }
                    _ => Err(failed(format!("{component} does not run"))),
                }
            }
            StackAction::StopService { component, .. } => {
                let agent = host.agent.as_mut().ok_or_else(|| failed("no agent"))?;
                agent.services.remove(component);
                Ok(())
            }
        }
    }

    fn do_process(&self, host: &mut Host, action: &HostAction) -> Result<(), Failure> {
        match action {
            HostAction::StopOrphans { id, processes } => {
                refuse_unless(*id == self.id, "another's processes")?;
                for process in processes {
                    self.moment(host)?;
                    host.orphans.retain(|(orphan, _)| orphan != process);
                }
                Ok(())
            }
            HostAction::StartAgent { paths, .. } => {
                refuse_unless(host.orphans.is_empty(), "processes without an agent still run")?;
                refuse_unless(host.files.contains_key(&paths.identity()), "the folder is not claimed")?;
                if host.agent.as_ref().is_some_and(|agent| agent.protocol != AgentState::PROTOCOL) {
                    return Err(failed("another agent runs"));
                }
                make_folder(host, &paths.logs())?;
                make_folder(host, &paths.agent())?;
                if host.agent.is_none() {
                    let pid = host.pid();
                    host.agent = Some(Agent { pid, protocol: AgentState::PROTOCOL, services: BTreeMap::new() });
                }
                host.rebooted = false;
                Ok(())
            }
            HostAction::StopAgent { id, .. } => {
                refuse_unless(*id == self.id, "another's agent")?;
                if let Some(agent) = &mut host.agent {
                    agent.services.clear();
                }
                self.moment(host)?;
                host.agent = None;
                Ok(())
            }
            other => panic!("not done here: {other:?}"),
        }
    }

    fn install(
        &self,
        host: &mut Host,
        packages: &BTreeSet<String>,
        refresh: bool,
        place_policy: bool,
        new_units: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        refuse_unless(host.root_access.is_some(), "only root may install")?;
        host.lists_fetched |= refresh;
        if place_policy {
            refuse_unless(host.policy != Some(Policy::Foreign), "that would overwrite another's policy-rc.d")?;
            host.policy = Some(Policy::Ours);
        }
        for package in packages {
            self.moment(host)?;
            let version = host.archive.get(package).filter(|_| host.lists_fetched).cloned();
            let version = version.ok_or_else(|| failed(format!("E: Unable to locate package {package}")))?;
            let version = host.installs_instead.get(package).cloned().unwrap_or(version);
            host.packages.insert(package.clone(), version);
            let unit = unit_of(package);
            host.units.entry(unit.clone()).or_insert(true);
            if host.policy.is_none() {
                host.violations.push(format!("{unit} was started"));
            }
        }
        self.moment(host)?;
        self.settle(host, place_policy, new_units)
    }

    fn settle(&self, host: &mut Host, remove_policy: bool, units: &BTreeSet<String>) -> Result<(), Failure> {
        for unit in units {
            if let Some(enabled) = host.units.get_mut(unit) {
                *enabled = false;
            }
        }
        self.moment(host)?;
        if remove_policy && host.policy == Some(Policy::Ours) {
            host.policy = None;
        }
        Ok(())
    }

    fn start(&self, host: &mut Host, spec: &ServiceSpec) -> Result<(), Failure> {
        refuse_unless(host.folders.contains(spec.log.parent().unwrap()), "no folder for its log")?;
        refuse_unless(host.folders.contains(&spec.cwd), "the folder that it starts in is not there")?;
        let program = Path::new(&spec.argv[0]);
        if let Some(checkout) = host.checkout.as_ref().filter(|checkout| program.starts_with(&checkout.target)) {
            let is_built = checkout.built.get(&spec.component) == Some(&checkout.sources);
            refuse_unless(is_built, "its program is not built of the source as it is")?;
        }
        for path in spec.files.keys().filter(|path| *path != program) {
            refuse_unless(host.files.contains_key(path), "a file that it reads is not there")?;
        }
        let read = what_it_reads(host, &self.paths, spec);
        // The fake does not read configuration: a component listens where the journal says that it will.
        let wanted: BTreeMap<PortKey, u16> = store::recall(&self.disk)
            .unwrap()
            .facts
            .ports
            .into_iter()
            .filter(|(key, _)| key.component == spec.component && key.port != "smoke")
            .collect();
        let agent = host.agent.as_mut().ok_or_else(|| failed("no agent"))?;
        for need in &spec.needs {
            let is_ready = agent.services.get(need).is_some_and(|service| service.runs() && service.ready);
            refuse_unless(is_ready, "what it needs is not ready")?;
        }
        if agent.services.get(&spec.component).is_some_and(|old| old.runs() && old.spec == *spec) {
            return Ok(());
        }
        agent.services.remove(&spec.component);
        self.moment(host)?;
        if host.steals_ports_of == Some(spec.component) {
            host.foreign_ports.extend(wanted.values());
        }
        let taken = wanted.iter().find(|(_, number)| host.foreign_ports.contains(number) || host.holds(**number));
        let status = match taken {
            Some(_) => ServiceStatus::BackOff { reason: "address already in use".to_owned() },
            None => ServiceStatus::Running { pid: host.pid() },
        };
        let failure = taken.map(|(key, _)| Failure::new(FailureKind::PortTaken(key.clone()), "address already in use"));
        let ports = wanted.into_values().collect();
        let service = Service { spec: spec.clone(), status, read, ports, ready: false };
        host.agent.as_mut().unwrap().services.insert(spec.component, service);
        failure.map_or(Ok(()), Err)
    }
}

impl World for FakeWorld {
    async fn perform(&self, step: &Step, notes: &Notes) -> Result<(), Failure> {
        notes.say("at work");
        tokio::task::yield_now().await;
        let mut host = self.host();
        self.begun.lock().unwrap().push((step.id.to_string(), self.moments()));
        let times = if self.faults.lock().unwrap().twice { 2 } else { 1 };
        for _ in 0..times {
            self.moment(&mut host)?;
            match &step.action {
                Action::Env(action) => self.do_env(&mut host, action)?,
                Action::Host(action) => self.do_host(&mut host, action)?,
                Action::Stack { on: On::Host, action } => self.do_stack(&mut host, action)?,
                other => panic!("not done on this host: {other:?}"),
            }
        }
        self.moment(&mut host)
    }
}

fn failed(cause: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Failed, cause)
}

fn refuse_unless(holds: bool, cause: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(failed(cause)) }
}

/// Folders come with those above them, but for the environment's own, which must have been claimed.
fn make_folder(host: &mut Host, folder: &Path) -> Result<(), Failure> {
    let above: Vec<PathBuf> = folder.ancestors().map(Path::to_owned).collect();
    let is_ours = above.iter().any(|path| host.folders.contains(path) && *path != Path::new("/"));
    refuse_unless(is_ours || folder.starts_with("/var/lib/reportctl"), "the environment's folder is not there")?;
    for path in above {
        if host.folders.contains(&path) {
            break;
        }
        host.folders.insert(path);
    }
    Ok(())
}

fn unit_of(package: &str) -> String {
    let unit = ComponentName::ALL.into_iter().find_map(|name| match name.source() {
        Source::Package { package: of, unit, .. } if of == package => Some(unit),
        _ => None,
    });
    unit.unwrap().to_owned()
}

fn secrets_of(host: &Host, paths: &Paths) -> Secrets {
    let mut secrets = Secrets::default();
    let folder = paths.secrets();
    for (path, (text, _)) in host.files.iter().filter(|(path, _)| path.parent() == Some(&folder)) {
        let name = path.file_name().unwrap().to_str().unwrap();
        secrets.insert(SecretName::parse(name).unwrap(), SecretValue::parse(text).unwrap());
    }
    secrets
}

/// All files of a component's configuration, and the secrets that it is pointed at.
pub fn what_it_reads(host: &Host, paths: &Paths, spec: &ServiceSpec) -> BTreeMap<PathBuf, String> {
    let config = paths.config(spec.component);
    let own: Vec<_> = host.files.iter().filter(|(path, _)| path.starts_with(&config)).collect();
    let all_text: String =
        own.iter().map(|(_, (text, _))| text.as_str()).chain(spec.argv.iter().map(String::as_str)).collect();
    let secrets = host
        .files
        .iter()
        .filter(|(path, _)| path.parent() == Some(&paths.secrets()) && all_text.contains(path.to_str().unwrap()));
    own.into_iter().chain(secrets).map(|(path, (text, _))| (path.clone(), text.clone())).collect()
}

fn journals(paths: &Paths) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(paths.journals()) else { return BTreeMap::new() };
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// A folder where waiting for the disk takes no time, if there is one.
pub fn quick_folder() -> tempfile::TempDir {
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("reportctl-test-");
        builder
    };
    builder().tempdir_in("/dev/shm").unwrap_or_else(|_| builder().tempdir().unwrap())
}

/// An environment on a fake host, and what the command line does with it.
pub struct Stage {
    /// Holds the journals; removed when the test ends.
    pub _folder: tempfile::TempDir,
    pub env: Environment,
    /// Where the environment is on the fake host.
    pub paths: Paths,
    /// Where its journals really are.
    pub disk: Paths,
    pub world: Arc<FakeWorld>,
    pub parallel: usize,
    pub interrupt: Interrupt,
    pub teller: Teller,
    pub context: Context,
}

/// Why a command did not come to a result.
#[derive(Debug)]
pub enum Stopped {
    Journal(JournalError),
    Plan(PlanError),
    Run(ConvergeError<PlanError>),
}

impl Stage {
    pub fn new(env: Environment, host: Host) -> Self {
        Self::with(env, host, Faults::default(), false)
    }

    pub fn with(env: Environment, host: Host, faults: Faults, record: bool) -> Self {
        let folder = quick_folder();
        let disk = Paths::new(folder.path(), &env.name);
        let paths = Paths::new(Path::new("/state"), &env.name);
        let world = FakeWorld {
            host: Mutex::new(host),
            faults: Mutex::new(faults),
            moments: Mutex::new(0),
            record: record.then(Mutex::default),
            begun: Mutex::default(),
            paths: paths.clone(),
            disk: disk.clone(),
            id: EnvId::parse(ID).unwrap(),
        };
        let teller = Teller::silent(env.name.clone());
        let context = Context::fixed(BTreeMap::new(), folder.path().to_owned());
        let (world, interrupt) = (Arc::new(world), Interrupt::never());
        Self { _folder: folder, env, paths, disk, world, parallel: 1, interrupt, teller, context }
    }

    /// The same place, later: what is on the disk and on the host is as it was.
    pub fn later(self, faults: Faults) -> Self {
        let host = self.world.host().clone();
        let fresh = Self::with(self.env.clone(), host, faults, false);
        for (name, bytes) in journals(&self.disk) {
            fresh.put_journal(&name, &bytes);
        }
        Self { parallel: self.parallel, teller: self.teller, ..fresh }
    }

    /// The same place, later, with every moment recorded.
    pub fn recording(self) -> Self {
        let host = self.world.host().clone();
        let fresh = Self::with(self.env.clone(), host, Faults::default(), true);
        self.journals().iter().for_each(|(name, bytes)| fresh.put_journal(name, bytes));
        fresh
    }

    /// A place where the process was killed at that moment.
    pub fn after_kill(&self, moment: &Moment) -> Self {
        let stage = Self::new(self.env.clone(), moment.host.clone());
        for (name, bytes) in &moment.journals {
            stage.put_journal(name, bytes);
        }
        stage
    }

    /// The journals as they are now, by file name.
    pub fn journals(&self) -> BTreeMap<String, Vec<u8>> {
        journals(&self.disk)
    }

    pub fn put_journal(&self, name: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.disk.journals()).unwrap();
        std::fs::write(self.disk.journals().join(name), bytes).unwrap();
    }

    /// What is seen of the host.
    pub fn observe(&self, facts: &Facts) -> Inventory {
        observe(&self.world.host(), &self.env, &self.paths, facts, &self.world.id, self.disk.root.is_dir())
    }

    pub fn memory(&self) -> Memory {
        store::recall(&self.disk).unwrap()
    }

    pub fn plan_up(&self, facts: &Facts) -> Result<Plan, PlanError> {
        let inventory = self.observe(facts);
        let id = identity::known(&self.paths, facts, &inventory)?.unwrap_or_else(|| self.world.id.clone());
        planner::up(&Inputs {
            env: &self.env,
            paths: &self.paths,
            place: &self.paths,
            facts,
            inventory: &inventory,
            id: &id,
        })
    }

    pub fn plan_down(&self, facts: &Facts, keep_data: bool) -> Result<Plan, PlanError> {
        let inventory = self.observe(facts);
        let id = identity::known(&self.paths, facts, &inventory)?.unwrap_or_else(|| self.world.id.clone());
        let inputs =
            Inputs { env: &self.env, paths: &self.paths, place: &self.paths, facts, inventory: &inventory, id: &id };
        teardown::down(&inputs, keep_data)
    }

    pub async fn up(&self) -> Result<Option<RunResult>, Stopped> {
        let memory = store::recall(&self.disk).map_err(Stopped::Journal)?;
        memory.sound().map_err(Stopped::Journal)?;
        let plan = self.plan_up(&memory.facts).map_err(Stopped::Plan)?;
        self.run(Verb::Up, memory, plan).await
    }

    pub async fn down(&self, keep_data: bool) -> Result<Option<RunResult>, Stopped> {
        let memory = store::recall(&self.disk).map_err(Stopped::Journal)?;
        let plan = self.plan_down(&memory.facts, keep_data).map_err(Stopped::Plan)?;
        self.run(Verb::Down, memory, plan).await
    }

    async fn run(&self, verb: Verb, memory: Memory, plan: Plan) -> Result<Option<RunResult>, Stopped> {
        if plan.is_empty() {
            return Ok(None);
        }
        let opening =
            Opening { env: self.env.name.clone(), id: plan.id.clone(), verb, version: "0.0.0-test".to_owned() };
        let mut log = Log::open(&self.context, &self.disk, &memory, opening).map_err(Stopped::Journal)?;
        let engine = Engine {
            world: self.world.clone(),
            teller: self.teller.of_run(log.run_id()),
            parallel: NonZeroUsize::new(self.parallel).unwrap(),
            interrupt: self.interrupt.clone(),
        };
        let mut again = Again { stage: self, verb };
        let result = engine.converge(plan, &mut again, &mut log, "reportctl down").await.map_err(Stopped::Run)?;
        Ok(Some(result))
    }

    /// Brings it up and expects that to succeed.
    pub async fn up_well(&self) {
        let result = self.up().await.unwrap_or_else(|error| panic!("{error:?}"));
        if let Some(result) = result {
            assert_eq!(result.outcome, Outcome::Succeeded, "{result:?}");
        }
    }

    /// Takes it down and expects that to succeed.
    pub async fn down_well(&self) {
        let result = self.down(false).await.unwrap_or_else(|error| panic!("{error:?}"));
        if let Some(result) = result {
            assert_eq!(result.outcome, Outcome::Succeeded, "{result:?}");
        }
    }

    /// All is as the environment says, and another `up` would do nothing.
    pub fn assert_is_up(&self) {
        let memory = self.memory();
        memory.sound().unwrap();
        let plan = self.plan_up(&memory.facts).unwrap();
        let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
        assert!(ids.is_empty(), "still to do: {ids:?}");
        let inventory = self.observe(&memory.facts);
        let (facts, id) = (&memory.facts, &self.world.id);
        let inputs =
            Inputs { env: &self.env, paths: &self.paths, place: &self.paths, facts, inventory: &inventory, id };
        let Outlook::Run(wanted) = outlook(&inputs).unwrap() else { panic!("packages are missing") };
        let host = self.world.host();
        assert_eq!(host.violations, Vec::<String>::new());
        assert!(host.orphans.is_empty() && host.policy != Some(Policy::Ours));
        let running = host.agent.as_ref().map(|agent| agent.services.clone()).unwrap_or_default();
        assert!(running.keys().eq(wanted.natives.keys()), "{:?}", running.keys());
        let secrets = secrets_of(&host, &self.paths);
        let mut config = BTreeMap::new();
        for (name, native) in &wanted.natives {
            let service = &running[name];
            assert!(service.runs() && service.ready, "{name}: {:?}", service.status);
            assert_eq!(service.spec, native.service, "{name}");
            assert_eq!(service.read, what_it_reads(&host, &self.paths, &service.spec), "{name} has read other files");
            let filled = native.files.iter().map(|file| (file.path.clone(), secrets.fill(&file.text).unwrap()));
            config.extend(filled);
        }
        let on_disk: BTreeMap<_, _> = host
            .files
            .iter()
            .filter(|(path, _)| path.starts_with(self.paths.root.join("config")))
            .map(|(path, (text, _))| (path.clone(), text.clone()))
            .collect();
        assert_eq!(on_disk, config);
    }

    /// Nothing of it is left, and what is not ours is as it was in `before`.
    pub fn assert_is_gone(&self, before: &Host) {
        let host = self.world.host();
        assert_eq!(host.processes(), 0);
        assert_eq!(host.files, before.files);
        assert_eq!(host.folders, before.folders);
        assert_eq!(host.foreign_ports, before.foreign_ports);
        assert_eq!(host.policy, before.policy);
        assert_eq!(host.violations, Vec::<String>::new());
        let enabled =
            |host: &Host| host.units.iter().filter(|(_, on)| **on).map(|(u, _)| u.clone()).collect::<Vec<_>>();
        assert_eq!(enabled(&host), enabled(before));
        assert!(!self.disk.root.exists());
    }
}

/// Observes and plans again, as the command line does.
struct Again<'a> {
    stage: &'a Stage,
    verb: Verb,
}

impl Planner for Again<'_> {
    type Error = PlanError;

    async fn plan(&mut self, facts: &Facts) -> Result<Plan, PlanError> {
        match self.verb {
            Verb::Up | Verb::Reset => self.stage.plan_up(facts),
            Verb::Down => self.stage.plan_down(facts, false),
        }
    }
}

/// What is seen of a host.
pub fn observe(
    host: &Host,
    env: &Environment,
    paths: &Paths,
    facts: &Facts,
    id: &EnvId,
    has_journals: bool,
) -> Inventory {
    let seen = |there: bool| if there { Observed::Present(()) } else { Observed::Absent };
    let identity = match host.files.get(&paths.identity()) {
        Some((text, _)) => match EnvId::parse(text.trim()) {
            Ok(id) => Observed::Present(id),
            Err(error) => Observed::Unknown(error.to_string()),
        },
        None if host
            .files
            .keys()
            .chain(&host.folders)
            .any(|path| path.starts_with(&paths.root) && *path != paths.root) =>
        {
            Observed::Unknown("it holds files and no identity".to_owned())
        }
        None => Observed::Absent,
    };
    let version = |text: &str| Version::parse(text).unwrap();
    let program = |name: ComponentName| {
        let found = host.programs.get(&name).cloned().or_else(|| match name.source() {
            Source::Package { package, .. } => host.packages.get(package).cloned(),
            _ => None,
        });
        let build = matches!(name.source(), Source::Ours { .. }).then(|| "as it was installed".to_owned());
        if let (Source::Ours { program }, None, Some(checkout)) = (name.source(), &found, &host.checkout)
            && checkout.built.get(&name) == Some(&checkout.sources)
        {
            let path = checkout.programs().join(program);
            let build = Some(checkout.sources.clone());
            return Observed::Present(Program { path, version: version("0.1.0"), build });
        }
        let present = |text: String| Program {
            path: PathBuf::from(format!("/usr/bin/{name}")),
            version: version(&text),
            build: build.clone(),
        };
        found.map_or(Observed::Absent, |text| Observed::Present(present(text)))
    };
    let secrets = secrets_of(host, paths);
    let packages = host.archive.keys().map(|package| {
        let version = |text: Option<&String>| text.map_or(Observed::Absent, |text| Observed::Present(version(text)));
        let installed = version(host.packages.get(package));
        let candidate = version(host.archive.get(package).filter(|_| host.lists_fetched));
        (package.clone(), Package { installed, candidate })
    });
    let port = |number: u16| match number {
        _ if host.foreign_ports.contains(&number) => PortUse::Taken,
        _ if host.holds(number) => PortUse::Ours,
        _ => PortUse::Free,
    };
    let agent = host.agent.as_ref().map_or(Observed::Absent, |agent| {
        let services = agent.services.iter().map(|(name, service)| {
            (*name, ServiceState { digest: service.spec.digest(), status: service.status.clone(), restarts: 0 })
        });
        Observed::Present(AgentState { pid: agent.pid, protocol: agent.protocol, services: services.collect() })
    });
    let config = paths.root.join("config");
    let files = host.files.iter().filter(|(path, _)| path.starts_with(&config)).map(|(path, (text, mode))| {
        let digest = digest::sha256_hex(secrets.unfill(text).as_bytes());
        (path.clone(), Observed::Present(FileState { digest, mode: *mode }))
    });
    Inventory {
        identity,
        root: seen(has_journals || host.folders.contains(&paths.root)),
        programs: ComponentName::ALL.into_iter().map(|name| (name, program(name))).collect(),
        checkout: host.checkout.clone().map_or(Observed::Absent, Observed::Present),
        packages: packages.collect(),
        ports: ports::to_observe(env, facts, id).into_iter().map(|number| (number, port(number))).collect(),
        secrets: host
            .files
            .keys()
            .filter(|path| path.parent() == Some(&paths.secrets()))
            .map(|path| (SecretName::parse(path.file_name().unwrap().to_str().unwrap()).unwrap(), seen(true)))
            .collect(),
        files: files.collect(),
        agent,
        orphans: host.orphans.iter().map(|(orphan, _)| orphan.clone()).collect(),
        rebooted: host.rebooted,
        prepared: host
            .files
            .keys()
            .filter(|path| path.parent() == Some(&paths.root.join("prepared")))
            .map(|path| (path.clone(), seen(true)))
            .collect(),
        host: inventory::Host {
            uid: 1000,
            apt: Observed::Present(PathBuf::from("/usr/bin/apt-get")),
            root_access: host.root_access.map_or(Observed::Absent, Observed::Present),
            systemd: false,
            policy: host.policy.map_or(Observed::Absent, Observed::Present),
            units: host.units.clone(),
        },
        installed: BTreeMap::new(),
        way: Observed::Absent,
        machine: inventory::MachineState::Host,
    }
}

/// A checkout of our source in which these services were built, each from the source of that digest.
pub fn checkout(built: &[(ComponentName, &str)]) -> Checkout {
    Checkout {
        folder: PathBuf::from("/src/report"),
        target: PathBuf::from("/src/report/target"),
        cargo: Observed::Present(PathBuf::from("/usr/bin/cargo")),
        sources: "as it is now".to_owned(),
        built: built.iter().map(|(name, sources)| (*name, (*sources).to_owned())).collect(),
        built_static: BTreeMap::new(),
    }
}

/// An environment and a host to begin with, made from a number.
pub fn generate(seed: u64) -> (Environment, Host) {
    use ComponentName::{
        Alertmanager, Clickhouse, Grafana, NodeExporter, Prometheus, Redis, RedisExporter, Requestor, Runner, Uptrace,
    };
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut env = render_support::environment();
    for (name, component) in &mut env.stack.components {
        let is_basic = matches!(name, Redis | RedisExporter | NodeExporter | Prometheus | Alertmanager);
        component.required = is_basic && rng.bool();
    }
    let unneeded = [NodeExporter, Grafana, Uptrace, Alertmanager, RedisExporter];
    for name in unneeded {
        if rng.u8(0..4) == 0 {
            env.stack.components.remove(&name);
        }
    }
    let mut host = if rng.bool() { Host::debian() } else { Host::with_packages() };
    if host.packages.is_empty() {
        host.lists_fetched = rng.bool() || env.stack.components.values().all(|component| !component.required);
        for (package, version) in host.archive.clone() {
            if rng.bool() {
                // Somebody's own service: it is enabled and must stay so.
                host.units.insert(unit_of(&package), true);
                host.packages.insert(package, version);
            }
        }
    }
    if rng.u8(0..3) == 0 {
        host.policy = Some(Policy::Foreign);
    }
    for name in [Grafana, Clickhouse, Uptrace] {
        if rng.bool() {
            host.programs.insert(name, "99.0".to_owned());
        }
    }
    match rng.u8(0..4) {
        0 => {}
        1 => host.programs.extend([(Requestor, "0.1.0".to_owned()), (Runner, "0.1.0".to_owned())]),
        _ => {
            let built: &[(ComponentName, &str)] = match rng.u8(0..3) {
                0 => &[],
                1 => &[(Requestor, "another")],
                _ => &[(Requestor, "as it is now"), (Runner, "another")],
            };
            host.checkout = Some(checkout(built));
        }
    }
    for (_, number) in env.stack.ports() {
        if rng.u8(0..4) == 0 {
            host.foreign_ports.insert(number);
        }
    }
    (env, host)
}
