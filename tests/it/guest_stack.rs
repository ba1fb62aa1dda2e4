//! Components in a real machine: a container of LXD that was initialised with the stack's own user-data.

use crate::cloud_init_support::{in_machine, stack_blueprint};
use crate::command::Done;
use crate::lxd_support::{Lxd, image, lxc};
use crate::place::Place;
use ComponentName::{Prometheus, Redis, RedisExporter, Runner};
use reportctl::deployer::guest::Guests;
use reportctl::deployer::native::Native;
use reportctl::model::component::ComponentName;
use reportctl::model::environment::{Environment, Fsync, Machine, MultipassMachine, Options, PortPolicy};
use reportctl::model::facts::Facts;
use reportctl::model::guest::{Guest, On, label};
use reportctl::model::inventory::{Inventory, MachineState, Observed, ServiceState, ServiceStatus};
use reportctl::model::multipass::{Instance, MultipassState, Status};
use reportctl::model::paths::Paths;
use reportctl::model::quantity::Version;
use reportctl::model::unit;
use reportctl::observe::{guest, observe};
use reportctl::plan::action::{Action, MachineAction, StackAction};
use reportctl::plan::error::PlanError;
use reportctl::plan::step::{Plan, Step};
use reportctl::plan::{Inputs, planner};
use reportctl::provider::{Failure, FailureKind, Notes, World as _};
use reportctl::render::cloud_init::{Base, Substrate, user_data};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// An environment, and its machine.
struct Site {
    // Its container is deleted with this.
    _lxd: Lxd,
    place: Place,
    env: Environment,
    system: Paths,
    guest: Guest,
    guests: Guests,
    native: Native,
    facts: Facts,
}

impl Site {
    /// Launches a machine and waits until it is initialised.
    fn launch(mut lxd: Lxd, components: &[ComponentName]) -> Self {
        let mut env = in_machine("local");
        env.stack.components.retain(|name, _| components.contains(name));
        let data = user_data(&env, &stack_blueprint(), &[], Substrate::Lxd, Base::Plain).unwrap();
        let id = lxd.new_id();
        let name = format!("report-{id}");
        lxc(&["init", "--quiet", &image(), &name, "--config", &format!("user.{}={id}", label::ID)]).ok();
        for key in ["cloud-init.user-data", "user.user-data"] {
            lxc(&["config", "set", &name, key, &data.text]).ok();
        }
        lxc(&["start", &name]).ok();
        let begun = Instant::now();
        let wait = ["exec", name.as_str(), "-n", "-T", "--", "timeout", "100", "cloud-init", "status", "--wait"];
        while lxc(&wait).code.is_none_or(|code| code > 2) {
            assert!(begun.elapsed() < 5 * MINUTE, "cloud-init does not come to an end");
        }
        let place = Place::new();
        // Only the planner sees this: what follows in the machine is the same, whatever the machine runs on.
        env.machine = Machine::Multipass(Box::new(MultipassMachine {
            ports: PortPolicy::Free,
            authorized_keys: Vec::new(),
            blueprint: stack_blueprint(),
        }));
        let guests = Guests::new(&place.context, &place.paths, &place.id).unwrap();
        let native = Native::new(&place.context, &place.paths, &place.id, [].into()).unwrap();
        let (system, facts) = (Paths::system(), Facts::default());
        Self { _lxd: lxd, place, env, system, guest: Guest::Lxd(name), guests, native, facts }
    }

    /// Runs a command in the machine.
    fn run(&self, argv: &[&str]) -> Done {
        lxc(&[&["exec", self.guest.name(), "-n", "-T", "--"], argv].concat())
    }

    /// What is seen of the host and the machine.
    fn look(&self) -> Inventory {
        let Place { context, paths, id, .. } = &self.place;
        let host = in_machine("local");
        let here = Environment { machine: Machine::Host { ports: PortPolicy::Free, memory: None }, ..host };
        let asker = guest::Asker { context, env: &self.env, paths, id, cache: Some(&paths.cache()) };
        let (host, seen) = self.place.block(async {
            (observe(context, &here, paths, &self.facts, id, None).await, asker.observe(&self.guest).await)
        });
        let version = || Observed::Present(Version::parse("1.16").unwrap());
        let instance = Instance {
            name: self.guest.name().to_owned(),
            status: Status::Running,
            is_running: true,
            snapshots: 0,
            address: Some([127, 0, 0, 1].into()),
            marker: Observed::Present(String::new()),
        };
        let unseen = MultipassState::unseen(version(), version(), "nobody looked");
        let machine = MultipassState { instance: Observed::Present(instance), ..unseen };
        Inventory {
            programs: seen.programs,
            packages: seen.packages,
            files: seen.files,
            agent: seen.agent,
            prepared: seen.prepared,
            way: seen.way,
            orphans: Vec::new(),
            machine: MachineState::Multipass(Box::new(machine)),
            ..host
        }
    }

    fn plan(&self) -> Result<Plan, PlanError> {
        let (inventory, Place { paths, id, .. }) = (self.look(), &self.place);
        let Self { env, system: place, facts, .. } = self;
        planner::up(&Inputs { env, paths, place, facts, inventory: &inventory, id })
    }

    /// Performs all that there is to do; returns which steps that were.
    fn up(&mut self) -> Vec<String> {
        let plan = self.plan().unwrap();
        for step in &plan.steps {
            self.facts.absorb(&step.action.facts());
            self.perform(step).unwrap_or_else(|failure| panic!("{}: {failure:?}", step.id));
            if let Action::Stack { action: StackAction::AwaitReady { component, .. }, .. } = &step.action {
                self.facts.unready.remove(component);
            }
        }
        plan.steps.iter().map(|step| step.id.as_str().to_owned()).collect()
    }

    fn perform(&self, step: &Step) -> Result<(), Failure> {
        let (timeout, notes) = (step.timeout.duration(), Notes::new(|note| eprintln!("  {note}")));
        self.place.block(async {
            match &step.action {
                Action::Stack { on: On::Guest(_), action } => {
                    self.guests.perform_stack(&self.guest, action, timeout, &notes).await
                }
                Action::Machine { action, .. } => {
                    self.guests.perform_machine(&self.guest, action, timeout, &notes).await
                }
                _ => self.native.perform(step, &notes).await,
            }
        })
    }

    fn stack(&self, action: &StackAction) -> Result<(), Failure> {
        self.place.block(self.guests.perform_stack(&self.guest, action, MINUTE, &Notes::silent()))
    }

    fn machine(&self, action: &MachineAction) -> Result<(), Failure> {
        self.place.block(self.guests.perform_machine(&self.guest, action, 5 * MINUTE, &Notes::silent()))
    }

    fn service(&self, component: ComponentName) -> ServiceState {
        self.look().agent.present().unwrap().services[&component].clone()
    }

    fn pid(&self, component: ComponentName) -> u32 {
        match self.service(component).status {
            ServiceStatus::Running { pid } => pid,
            other => panic!("{component} does not run: {other:?}"),
        }
    }

    /// The action of the step of that id, in a plan for an empty machine.
    fn actions(plan: &Plan, id: &str) -> StackAction {
        let step = plan.steps.iter().find(|step| step.id.as_str() == id).unwrap();
        match &step.action {
            Action::Stack { action, .. } => action.clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn lxd_real_components_run_in_a_machine_and_only_what_must_is_done_again() {
    let Some(lxd) = Lxd::take() else { return };
    let mut site = Site::launch(lxd, &[Redis, RedisExporter, Prometheus]);
    let first = site.plan().unwrap();
    let done = site.up();
    for step in ["machine/way", "redis/configure", "redis/start", "redis-exporter/ready", "prometheus/ready"] {
        assert!(done.iter().any(|id| id == step), "{step} is not in {done:?}");
    }
    assert_eq!(site.up(), [""; 0], "all is as it should be");
    a_changed_option_concerns_one_component(&mut site);
    a_start_is_safe_twice(&site, &first);
    a_process_that_is_killed_comes_back(&mut site);
    a_wrong_configuration_fails_fast_and_is_mended(&mut site, &first);
    what_is_not_ours_is_left_alone(&mut site);
    nothing_is_readable_for_others(&site);
    packages_come_without_their_services(&site);
    a_static_program_comes_as_it_is(&site);
    what_is_stopped_stays_so(&site);
}

fn a_changed_option_concerns_one_component(site: &mut Site) {
    let (exporter, redis) = (site.pid(RedisExporter), site.pid(Redis));
    site.env.stack.components.get_mut(&Redis).unwrap().options = Options::Redis { fsync: Fsync::Always };
    let done = site.up();
    assert!(done.iter().all(|id| id.starts_with("redis/")), "{done:?}");
    assert_ne!(site.pid(Redis), redis);
    assert_eq!(site.pid(RedisExporter), exporter);
    assert_eq!(site.up(), [""; 0]);
}

fn a_start_is_safe_twice(site: &Site, first: &Plan) {
    let before = site.pid(Prometheus);
    site.stack(&Site::actions(first, "prometheus/start")).unwrap();
    assert_eq!(site.pid(Prometheus), before);
}

fn a_process_that_is_killed_comes_back(site: &mut Site) {
    let before = site.pid(Redis);
    site.run(&["kill", "-9", &before.to_string()]).ok();
    let begun = Instant::now();
    while !matches!(site.service(Redis).status, ServiceStatus::Running { pid } if pid != before) {
        assert!(begun.elapsed() < MINUTE, "{:?}", site.service(Redis));
    }
    assert!(site.service(Redis).restarts > 0);
    assert_eq!(site.up(), [""; 0]);
}

fn a_wrong_configuration_fails_fast_and_is_mended(site: &mut Site, first: &Plan) {
    let StackAction::WriteFiles { component, folders, mut files } = Site::actions(first, "redis/configure") else {
        panic!("it writes files")
    };
    let conf = files.iter_mut().find(|file| file.path.ends_with("redis.conf")).unwrap();
    conf.text.push_str("no-such-directive @{secret:redis-admin}\n");
    site.stack(&StackAction::WriteFiles { component, folders, files }).unwrap();
    site.run(&["systemctl", "restart", "report-redis"]).ok();
    let begun = Instant::now();
    let failure = site.stack(&Site::actions(first, "redis/ready")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Failed, "{failure:?}");
    assert!(begun.elapsed() < MINUTE / 2, "it took {:?}", begun.elapsed());
    let said = failure.observed.as_deref().unwrap();
    assert!(said.contains("no-such-directive"), "{said}");
    let secret = std::fs::read_to_string(site.place.paths.root.join("secrets/redis-admin")).unwrap();
    assert!(!format!("{failure:?}").contains(secret.trim()), "{failure:?}");
    let done = site.up();
    assert!(done.contains(&"redis/configure".to_owned()), "{done:?}");
    assert_eq!(site.up(), [""; 0]);
}

fn what_is_not_ours_is_left_alone(site: &mut Site) {
    let file = unit::variables(RedisExporter).display().to_string();
    let ours = site.run(&["cat", &file]).ok();
    let other = format!("s/{}/local-somebody/", site.place.id);
    site.run(&["sed", "-i", &other, &file]).ok();
    site.run(&["systemctl", "restart", "report-redis-exporter"]).ok();
    let refused = site.plan().unwrap_err().to_string();
    assert!(refused.contains("local-somebody"), "{refused}");
    let stop = StackAction::StopService { paths: site.place.paths.clone(), component: RedisExporter };
    let failure = site.stack(&stop).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Precondition, "{failure:?}");
    assert_eq!(site.run(&["systemctl", "is-active", "report-redis-exporter"]).ok().trim(), "active");
    site.run(&["sed", "-i", &format!("s/local-somebody/{}/", site.place.id), &file]).ok();
    assert_eq!(site.run(&["cat", &file]).ok(), ours);
    site.run(&["systemctl", "restart", "report-redis-exporter"]).ok();
    assert_eq!(site.up(), [""; 0]);
}

fn nothing_is_readable_for_others(site: &Site) {
    let open = site.run(&["find", "/etc/reportctl", "-mindepth", "1", "-perm", "/077"]).ok();
    assert_eq!(open, "");
    let other = ["setpriv", "--reuid=report-prometheus", "--regid=report-prometheus", "--clear-groups"];
    let peek = site.run(&[&other[..], &["ls", "/etc/reportctl/redis"]].concat());
    assert_ne!(peek.code, Some(0), "{}", peek.shown());
}

fn packages_come_without_their_services(site: &Site) {
    let install = MachineAction::InstallPackages { packages: BTreeSet::from(["prometheus-alertmanager".to_owned()]) };
    let policy = site.run(&["cat", "/usr/sbin/policy-rc.d"]).ok();
    for _ in 0..2 {
        site.machine(&install).unwrap();
        assert_ne!(site.run(&["systemctl", "is-active", "prometheus-alertmanager"]).out.trim(), "active");
        assert_eq!(site.run(&["cat", "/usr/sbin/policy-rc.d"]).ok(), policy, "it was there before");
    }
    let lacking = MachineAction::InstallPackages { packages: BTreeSet::from(["no-such-package".to_owned()]) };
    let failure = site.machine(&lacking).unwrap_err();
    assert!(failure.cause.contains("no-such-package"), "{failure:?}");
}

fn a_static_program_comes_as_it_is(site: &Site) {
    let folder = tempfile::tempdir().unwrap();
    let compile = |linking: &str| {
        let (source, program) = (folder.path().join("main.rs"), folder.path().join("report-runner"));
        std::fs::write(&source, "fn main() { println!(\"report-runner 9.9.9\"); }").unwrap();
        let mut rustc = std::process::Command::new("rustc");
        rustc.args(["-C", linking, "-o"]).arg(&program).arg(&source);
        assert!(rustc.status().unwrap().success());
        program
    };
    let put = |from: PathBuf| MachineAction::PutProgram {
        component: Runner,
        from,
        to: unit::program("report-runner"),
        build: "a build".to_owned(),
    };
    let refused = site.machine(&put(compile("target-feature=-crt-static"))).unwrap_err();
    assert!(refused.cause.contains("is not static"), "{refused:?}");
    let program = compile("target-feature=+crt-static");
    for _ in 0..2 {
        site.machine(&put(program.clone())).unwrap();
    }
    let mut env = in_machine("local");
    env.stack.components.retain(|name, _| *name == Runner);
    let Place { context, paths, id, .. } = &site.place;
    let asker = guest::Asker { context, env: &env, paths, id, cache: None };
    let seen = site.place.block(asker.observe(&site.guest));
    let found = seen.programs[&Runner].present().unwrap();
    assert_eq!((found.version.to_string().as_str(), found.build.as_deref()), ("9.9.9", Some("a build")));
}

fn what_is_stopped_stays_so(site: &Site) {
    let stop = StackAction::StopService { paths: site.place.paths.clone(), component: Redis };
    let remove = StackAction::RemovePaths { paths: vec![site.system.config(Redis), site.system.data(Redis)] };
    for _ in 0..2 {
        site.stack(&stop).unwrap();
        site.stack(&remove).unwrap();
        for (question, answer) in [("is-active", "inactive"), ("is-enabled", "disabled")] {
            assert_eq!(site.run(&["systemctl", question, "report-redis"]).out.trim(), answer);
        }
    }
    let seen = site.look();
    assert!(!seen.agent.present().unwrap().services.contains_key(&Redis));
    assert!(!seen.files.keys().any(|path| path.starts_with(site.system.config(Redis))), "{:?}", seen.files);
    for others in ["/etc/passwd", "/etc/reportctl", "/etc/reportctl/../passwd"] {
        let failure = site.stack(&StackAction::RemovePaths { paths: vec![others.into()] }).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Precondition, "{others}");
    }
    assert_eq!(site.run(&["test", "-e", "/etc/passwd"]).code, Some(0));
}
