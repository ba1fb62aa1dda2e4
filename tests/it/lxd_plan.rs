//! What is planned for which LXD, and what is refused. LXD is a value here: each action is applied to what was seen of it.

use crate::cloud_init_support::{blueprint, in_machine};
use crate::fake_world::{Host, Stage};
use reportctl::model::blueprint::Mount;
use reportctl::model::environment::{Environment, InstanceKind, LxdMachine, Machine};
use reportctl::model::facts::Facts;
use reportctl::model::guest::Marker;
use reportctl::model::ids::EnvId;
use reportctl::model::inventory::{Inventory, MachineState, Observed, Package, RootAccess};
use reportctl::model::lxd::{
    Foreign, Image, Instance, Kind, Leftover, LxdState, Names, Network, Pool, Profile, SNAPSHOT, Subnet,
};
use reportctl::model::paths::Paths;
use reportctl::model::quantity::{Size, Version};
use reportctl::plan::action::{Action, EnvAction, HostAction, LxdAction, MachineAction};
use reportctl::plan::error::PlanError;
use reportctl::plan::step::Plan;
use reportctl::plan::{Inputs, planner, teardown};
use std::collections::{BTreeMap, BTreeSet};

const ID: &str = "lxd-7f3k9q2m";
const ALIAS: &str = "bookworm-cloud";
const TINY: &str =
    "#cloud-config\nwrite_files:\n  - path: \"{{ marker.path }}\"\n    content: \"{{ marker.digest }}\"\n";

/// The steps of a first `up`, from the network on.
const FIRST: [&str; 7] = [
    "machine/network",
    "machine/profile",
    "machine/create",
    "machine/start",
    "machine/cloud-init",
    "machine/snapshot",
    "env/replan",
];

/// An environment in LXD, and what is seen of the world.
#[derive(Clone)]
struct Case {
    env: Environment,
    paths: Paths,
    facts: Facts,
    inventory: Inventory,
    state: LxdState,
    id: EnvId,
}

impl Case {
    /// An LXD with one pool and one image, where nothing was done yet.
    fn new() -> Self {
        let mut env = in_machine("lxd");
        // What runs in the machine is planned as on this host.
        env.stack.components.clear();
        let facts = Facts::default();
        let stage = Stage::new(env.clone(), Host::debian());
        let inventory = stage.observe(&facts);
        let id = EnvId::parse(ID).unwrap();
        let mut case = Self { env, paths: stage.paths.clone(), facts, inventory, state: fresh(), id };
        case.machine().blueprint = blueprint("tiny", TINY, &[]);
        case.machine().blueprint.image.lxd = ALIAS.to_owned();
        case.machine().bake = false;
        case
    }

    /// One whose machine is there.
    fn after_up() -> Self {
        let mut case = Self::new();
        case.converge();
        case
    }

    fn machine(&mut self) -> &mut LxdMachine {
        let Machine::Lxd(machine) = &mut self.env.machine else { panic!("it is in LXD") };
        machine
    }

    fn plan(&self, with: impl FnOnce(&Inputs<'_>) -> Result<Plan, PlanError>) -> Result<Plan, PlanError> {
        let machine = MachineState::Lxd(Box::new(self.state.clone()));
        let inventory = Inventory { machine, ..self.inventory.clone() };
        let place = Paths::system();
        let Self { env, paths, facts, id, .. } = self;
        with(&Inputs { env, paths, place: &place, facts, inventory: &inventory, id })
    }

    fn up(&self) -> Result<Plan, PlanError> {
        self.plan(planner::up)
    }

    fn down(&self, keep_data: bool) -> Result<Plan, PlanError> {
        self.plan(|inputs| teardown::down(inputs, keep_data))
    }

    /// The steps of `up`, but for the one that makes the environment's folder.
    fn ids(&self) -> Vec<String> {
        named(&self.up().unwrap())
    }

    fn error(&self) -> PlanError {
        self.up().unwrap_err()
    }

    /// Does the first steps of a plan, in its order.
    fn perform(&mut self, plan: &Plan, count: usize) {
        for step in plan.steps.iter().take(count) {
            self.facts.absorb(&step.action.facts());
            self.apply(&step.action);
        }
    }

    fn converge(&mut self) {
        for _ in 0..4 {
            let plan = self.up().unwrap();
            if named(&plan).iter().all(|id| !id.starts_with("machine/") && !id.starts_with("lxd/")) {
                return;
            }
            self.perform(&plan, usize::MAX);
        }
        panic!("there is always something left to do: {:?}", self.ids());
    }

    fn apply(&mut self, action: &Action) {
        let state = &mut self.state;
        match action {
            Action::Lxd(action) => apply(state, action),
            Action::Machine { action: MachineAction::AwaitCloudInit { marker }, .. } => {
                let instance = instance(state);
                assert!(instance.is_running && instance.address.is_some(), "it is waited for what runs");
                assert_eq!(instance.promised.as_ref(), Some(marker));
                instance.marker = Observed::Present(marker.text.clone());
            }
            Action::Machine { action: MachineAction::AwaitBlueprint { .. }, .. } => assert!(instance(state).is_there()),
            Action::Machine { action: MachineAction::OpenWay { .. }, .. } => {
                self.inventory.way = Observed::Present(());
            }
            Action::Env(EnvAction::Claim { id, .. }) => self.inventory.identity = Observed::Present(id.clone()),
            Action::Env(_) | Action::Stack { .. } => {}
            other => panic!("nobody does {other:?} here"),
        }
    }
}

fn named(plan: &Plan) -> Vec<String> {
    let all = plan.steps.iter().map(|step| step.id.as_str().to_owned());
    all.filter(|id| id != "env/claim").collect()
}

fn action<'a>(plan: &'a Plan, id: &str) -> &'a Action {
    &plan.steps.iter().find(|step| step.id.as_str() == id).unwrap_or_else(|| panic!("{id} in {:?}", named(plan))).action
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn fresh() -> LxdState {
    let seen = || Observed::Present(version("5.0.2"));
    let image = Image {
        fingerprint: "a".repeat(64),
        aliases: BTreeSet::from([ALIAS.to_owned()]),
        properties: BTreeMap::new(),
        size: Size(100 << 20),
        uploaded: String::new(),
        kind: InstanceKind::Container,
    };
    LxdState {
        pools: BTreeMap::from([("default".to_owned(), pool(100))]),
        default_pool: Some("default".to_owned()),
        network: Observed::Absent,
        profile: Observed::Absent,
        instance: Observed::Absent,
        images: vec![image],
        taken: ["10.77.0.0/24", "192.0.2.0/24", "0.0.0.0/0"].iter().map(|text| Subnet::parse(text).unwrap()).collect(),
        ..LxdState::unseen(seen(), seen(), "nobody asked")
    }
}

fn pool(gib: u64) -> Pool {
    Pool { driver: "dir".to_owned(), free: Some(Size(gib << 30)), is_ours: false }
}

fn instance(state: &mut LxdState) -> &mut Instance {
    let Observed::Present(instance) = &mut state.instance else { panic!("there is none") };
    instance
}

/// What LXD does, and what it would refuse.
fn apply(state: &mut LxdState, action: &LxdAction) {
    match action {
        LxdAction::StartDaemon { .. } => *state = fresh(),
        LxdAction::EnsurePool { name, .. } => {
            state.pools.insert(name.clone(), Pool { is_ours: true, ..pool(100) });
        }
        LxdAction::EnsureNetwork { subnet, .. } => {
            state.network = Observed::Present(Network { subnet: Some(*subnet) });
            state.taken.insert(*subnet);
        }
        LxdAction::EnsureProfile { config, devices, .. } => {
            assert!(state.network.present().is_some(), "it names the network");
            assert!(state.pools.contains_key(&devices["root"]["pool"]), "it names the pool");
            let mut config = config.clone();
            config.insert("user.reportctl.id".to_owned(), ID.to_owned());
            state.profile = Observed::Present(Profile { config, devices: devices.clone() });
        }
        LxdAction::Create { name, kind, profile, devices, marker, .. } => {
            assert!(state.profile.present().is_some() && state.instance.is_absent());
            state.instance = Observed::Present(Instance {
                name: name.clone(),
                is_running: false,
                address: None,
                marker: Observed::Unknown("it does not run".to_owned()),
                kind: *kind,
                promised: Some(marker.clone()),
                profiles: vec![profile.clone()],
                devices: devices.clone(),
                snapshots: BTreeSet::new(),
                is_provisioned: false,
                image: None,
            });
        }
        LxdAction::Adapt { profile, devices, .. } => {
            let instance = instance(state);
            (instance.profiles, instance.devices) = (vec![profile.clone()], devices.clone());
        }
        LxdAction::Start { .. } => {
            let instance = instance(state);
            instance.is_running = true;
            instance.address = "10.99.0.5".parse().ok();
            instance.marker = Observed::Absent;
        }
        LxdAction::Snapshot { .. } => {
            let instance = instance(state);
            assert!(instance.is_there(), "what is not initialised is no snapshot to go back to");
            instance.snapshots.insert(SNAPSHOT.to_owned());
            instance.is_provisioned = true;
        }
        LxdAction::Stop { .. } | LxdAction::Restore { .. } => {
            let instance = instance(state);
            (instance.is_running, instance.address) = (false, None);
        }
        LxdAction::Delete { name, .. } => {
            state.leftovers.retain(|leftover| leftover.kind != Kind::Instance || leftover.name != *name);
            if *name == Names::of(&EnvId::parse(ID).unwrap()).instance {
                (state.instance, state.busy) = (Observed::Absent, None);
            }
        }
        LxdAction::DeleteProfile { .. } => {
            assert!(state.instance.is_absent() && state.leftovers.is_empty(), "it is in use");
            state.profile = Observed::Absent;
        }
        LxdAction::DeleteNetwork { .. } => {
            assert!(state.profile.is_absent(), "it is in use");
            state.network = Observed::Absent;
        }
        LxdAction::DeletePool { name, .. } => {
            assert!(state.profile.is_absent() && state.pools.remove(name).is_some_and(|pool| pool.is_ours));
        }
        LxdAction::Image { .. } => panic!("{action:?}"),
    }
}

#[test]
fn a_first_up_makes_a_network_a_profile_and_the_instance() {
    let case = Case::new();
    let plan = case.up().unwrap();
    assert_eq!(named(&plan), FIRST);
    assert_eq!(plan.replan_layer(), Some("machine"));
    let Action::Lxd(LxdAction::EnsureProfile { config, devices, .. }) = action(&plan, "machine/profile") else {
        panic!()
    };
    assert_eq!((config["limits.cpu"].as_str(), config["limits.memory"].as_str()), ("2", "4GiB"));
    assert_eq!((devices["root"]["pool"].as_str(), devices["root"]["size"].as_str()), ("default", "10GiB"));
    assert_eq!(devices["eth0"]["network"], "rc7f3k9q2m");
    let Action::Lxd(LxdAction::Create { name, user_data, marker, .. }) = action(&plan, "machine/create") else {
        panic!()
    };
    assert_eq!(name, "report-lxd-7f3k9q2m");
    assert!(user_data.starts_with("#cloud-config\n") && user_data.contains(&marker.text));
    assert_eq!(plan, case.up().unwrap(), "the same world gives the same plan");
    for step in &plan.steps {
        assert!(!step.action.lines().is_empty(), "{}", step.id);
    }
    // A plan is written to a file and read back.
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

#[test]
fn what_was_cut_off_after_any_step_is_gone_on_with_or_taken_away() {
    let plan = Case::new().up().unwrap();
    for count in 0..=plan.steps.len() {
        let mut up = Case::new();
        up.perform(&plan, count);
        let mut down = up.clone();
        up.converge();
        assert!(up.state.instance.present().unwrap().is_there());
        let begun = down.facts.subnet;
        assert!(begun.is_none() || up.facts.subnet == begun, "the addresses are remembered");
        let plan = down.down(false).unwrap();
        down.perform(&plan, usize::MAX);
        assert!(!down.state.has_traces(), "after {count} steps: {:?}", down.state);
    }
}

#[test]
fn a_way_back_that_was_cut_off_is_gone_on_with() {
    let steps = Case::after_up().down(false).unwrap().steps.len();
    for count in 0..=steps {
        let mut case = Case::after_up();
        let plan = case.down(false).unwrap();
        case.perform(&plan, count);
        let rest = case.down(false).unwrap();
        case.perform(&rest, usize::MAX);
        assert!(!case.state.has_traces(), "after {count} steps");
    }
}

#[test]
fn without_its_journals_everything_is_found_by_its_labels() {
    let mut case = Case::after_up();
    case.facts = Facts::default();
    case.state.leftovers.push(Leftover { kind: Kind::Instance, name: "report-lxd-7f3k9q2m-bake".to_owned() });
    let plan = case.down(false).unwrap();
    let deletes: Vec<String> = named(&plan).into_iter().filter(|id| id.starts_with("machine/")).collect();
    let copy = "machine/delete/x-report-lxd-7f3k9q2m-bake";
    assert_eq!(deletes, ["machine/delete", copy, "machine/delete-profile", "machine/delete-network"]);
    case.perform(&plan, usize::MAX);
    assert!(!case.state.has_traces());
}

#[test]
fn down_waits_for_what_lxd_is_still_making() {
    let mut case = Case::new();
    case.state.busy = Some("Creating instance".to_owned());
    assert_eq!(named(&case.down(false).unwrap())[0], "machine/delete");
}

#[test]
fn keeping_the_data_only_stops_the_machine() {
    let mut case = Case::after_up();
    let plan = case.down(true).unwrap();
    assert_eq!(named(&plan), ["machine/stop"]);
    case.perform(&plan, usize::MAX);
    assert!(case.down(true).unwrap().is_empty());
    assert_eq!(case.ids(), ["machine/start", "machine/cloud-init", "env/replan"]);
}

#[test]
fn a_machine_that_is_there_is_left_alone() {
    let case = Case::after_up();
    assert!(case.ids().iter().all(|id| !id.starts_with("machine/create") && !id.starts_with("machine/start")));
    assert_eq!(case.up().unwrap().replan_layer(), None);
}

#[test]
fn a_pool_is_made_only_where_there_is_none() {
    let mut case = Case::new();
    (case.state.pools, case.state.default_pool) = (BTreeMap::new(), None);
    let plan = case.up().unwrap();
    assert_eq!(named(&plan)[0], "machine/pool");
    let Action::Lxd(LxdAction::EnsurePool { name, .. }) = action(&plan, "machine/pool") else { panic!() };
    assert_eq!(name, "report-lxd-7f3k9q2m");
    case.converge();
    let plan = case.down(false).unwrap();
    assert!(named(&plan).contains(&"machine/delete-pool".to_owned()));
    case.perform(&plan, usize::MAX);
    assert!(case.state.pools.is_empty());
}

#[test]
fn the_pool_is_the_named_one_else_that_of_the_default_profile_else_the_only_one() {
    let pool_of = |case: &Case| {
        let plan = case.up().unwrap();
        let Action::Lxd(LxdAction::EnsureProfile { devices, .. }) = action(&plan, "machine/profile") else { panic!() };
        devices["root"]["pool"].clone()
    };
    let mut case = Case::new();
    case.state.pools.insert("fast".to_owned(), pool(50));
    assert_eq!(pool_of(&case), "default");
    case.machine().pool = Some("fast".to_owned());
    assert_eq!(pool_of(&case), "fast");
    case.machine().pool = Some("gone".to_owned());
    assert!(case.error().advice().is_some_and(|text| text.contains("default, fast")), "{:?}", case.error());
    (case.machine().pool, case.state.default_pool) = (None, None);
    assert!(case.error().to_string().contains("several storage pools"));
    case.state.pools.remove("default");
    assert_eq!(pool_of(&case), "fast");
}

#[test]
fn a_pool_without_room_is_refused_before_anything_is_made() {
    let mut case = Case::new();
    case.state.pools.insert("default".to_owned(), pool(1));
    let error = case.error();
    assert!(error.to_string().contains("has 1024 MiB free"), "{error}");
    assert!(error.advice().is_some_and(|text| text.contains("lxc storage info default")));
    // One that is there already is not turned away.
    let mut case = Case::after_up();
    case.state.pools.insert("default".to_owned(), pool(1));
    assert!(case.up().is_ok());
}

#[test]
fn addresses_are_those_that_nobody_uses_and_stay_as_they_were_remembered() {
    let subnet = |case: &Case| {
        let plan = case.up().unwrap();
        let Action::Lxd(LxdAction::EnsureNetwork { subnet, .. }) = action(&plan, "machine/network") else { panic!() };
        *subnet
    };
    let mut case = Case::new();
    let first = subnet(&case);
    case.state.taken.insert(first);
    let second = subnet(&case);
    assert!(!first.meets(second));
    case.facts.subnet = Subnet::parse("10.150.1.0/24").ok();
    assert_eq!(Some(subnet(&case)), case.facts.subnet);
    // Somebody else has taken what was remembered, before it was made.
    case.state.taken.insert(Subnet::parse("10.150.0.0/16").unwrap());
    assert_eq!(subnet(&case), second);
    // A VPN that has all of 10.0.0.0/8.
    case.state.taken.insert(Subnet::parse("10.0.0.0/8").unwrap());
    assert!(subnet(&case).to_string().starts_with("172."));
    for all in ["172.16.0.0/12", "192.168.0.0/16"] {
        case.state.taken.insert(Subnet::parse(all).unwrap());
    }
    assert!(case.error().to_string().contains("no range of private addresses is free"));
    let mut other = Case::new();
    other.id = EnvId::parse("lxd-22222222").unwrap();
    assert!(!subnet(&other).meets(first), "environments side by side");
}

#[test]
fn another_size_is_changed_where_it_is_and_another_user_data_is_told() {
    let mut case = Case::after_up();
    case.machine().blueprint.memory = Size(8 << 30);
    assert_eq!(case.ids(), ["machine/profile", "env/replan"]);
    case.converge();
    case.machine().blueprint.mounts = vec![Mount { source: "/srv".into(), target: "/mnt/srv".into(), writable: true }];
    assert_eq!(case.ids(), ["machine/adapt", "env/replan"]);
    case.converge();
    assert!(case.up().unwrap().left.is_empty());
    case.machine().blueprint.cloud_init.text.push_str("packages: [tree]\n");
    let plan = case.up().unwrap();
    assert!(named(&plan).iter().all(|id| !id.starts_with("machine/create")));
    assert!(plan.left.iter().any(|left| left.contains("another user-data")), "{:?}", plan.left);
    case.machine().pool = Some("other".to_owned());
    assert!(case.up().unwrap().left.iter().any(|left| left.contains("stays in the pool default")));
}

#[test]
fn an_instance_whose_initialisation_was_not_seen_is_waited_for_and_not_made_again() {
    let mut case = Case::after_up();
    instance(&mut case.state).marker = Observed::Absent;
    assert_eq!(case.ids(), ["machine/cloud-init", "env/replan"]);
    let promised = case.state.instance.present().unwrap().promised.clone().unwrap();
    // What it was made with counts, and not what would be rendered now.
    case.machine().blueprint.cloud_init.text.push_str("packages: [tree]\n");
    let plan = case.up().unwrap();
    let Action::Machine { action: MachineAction::AwaitCloudInit { marker }, .. } = action(&plan, "machine/cloud-init")
    else {
        panic!()
    };
    assert_eq!(*marker, promised);
    assert_ne!(marker.text, String::new());
    instance(&mut case.state).marker = Observed::Unknown("it lets nobody in".to_owned());
    assert_eq!(case.ids(), ["machine/cloud-init", "env/replan"]);
    instance(&mut case.state).address = None;
    assert_eq!(case.ids(), ["machine/start", "machine/cloud-init", "env/replan"]);
}

#[test]
fn the_snapshot_is_taken_once_and_never_of_what_holds_secrets() {
    let mut case = Case::after_up();
    instance(&mut case.state).snapshots.clear();
    assert!(!case.ids().contains(&"machine/snapshot".to_owned()), "it was taken, and somebody has deleted it");
    instance(&mut case.state).is_provisioned = false;
    assert_eq!(case.ids(), ["machine/snapshot", "env/replan"]);
    // Going back to it takes away what was said after it was taken.
    instance(&mut case.state).snapshots.insert(SNAPSHOT.to_owned());
    assert!(!case.ids().contains(&"machine/snapshot".to_owned()));
}

#[test]
fn the_blueprints_commands_come_before_the_snapshot() {
    let mut case = Case::new();
    case.machine().blueprint.ready = vec![vec!["true".to_owned()]];
    let ids = case.ids();
    assert_eq!(ids[4..], ["machine/cloud-init", "machine/ready", "machine/snapshot", "env/replan"]);
    case.converge();
    assert!(!case.ids().contains(&"machine/ready".to_owned()));
}

#[test]
fn a_virtual_machine_is_refused_where_there_can_be_none() {
    let mut case = Case::new();
    case.machine().instance = InstanceKind::VirtualMachine;
    case.state.images[0].kind = InstanceKind::VirtualMachine;
    assert_eq!(case.ids(), FIRST);
    case.state.no_machines = Some("this host has no /dev/kvm".to_owned());
    let error = case.error();
    assert!(error.to_string().contains("no /dev/kvm"), "{error}");
    assert!(error.advice().is_some_and(|text| text.contains("instance: container")));
}

#[test]
fn what_has_our_name_and_is_not_ours_stops_both_verbs() {
    for (kind, word) in [(Kind::Instance, "instance"), (Kind::Profile, "profile"), (Kind::Network, "network")] {
        let mut case = Case::new();
        let id = (kind == Kind::Profile).then(|| "lxd-00000000".to_owned());
        case.state.foreign = vec![Foreign { kind, name: "report-lxd-7f3k9q2m".to_owned(), id }];
        for error in [case.error(), case.down(false).unwrap_err(), case.down(true).unwrap_err()] {
            assert!(matches!(error, PlanError::Machine { is_tool: false, .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("LXD has a {word} report-lxd-7f3k9q2m")), "{error}");
        }
    }
}

#[test]
fn an_lxd_that_does_not_run_is_started_and_stays() {
    let mut case = Case::new();
    let client = Observed::Present(version("5.0.2"));
    case.state = LxdState::unseen(client, Observed::Absent, "LXD does not run");
    let plan = case.up().unwrap();
    assert_eq!(named(&plan), ["lxd/start", "env/replan"]);
    let Action::Lxd(LxdAction::StartDaemon { unit, .. }) = action(&plan, "lxd/start") else { panic!() };
    assert_eq!(*unit, None, "there is no systemd here");
    assert!(action(&plan, "lxd/start").lines()[0].contains("start-stop-daemon"));
    case.inventory.host.systemd = true;
    case.state.units = BTreeSet::from(["lxd.socket".to_owned()]);
    let plan = case.up().unwrap();
    let Action::Lxd(LxdAction::StartDaemon { unit, .. }) = action(&plan, "lxd/start") else { panic!() };
    assert_eq!(unit.as_deref(), Some("lxd.socket"));
    case.converge();
    let left = case.down(false).unwrap().left;
    assert!(left.iter().any(|left| left.contains("systemctl stop lxd.socket lxd.service")), "{left:?}");
    case.inventory.host.root_access = Observed::Absent;
    case.state.server = Observed::Absent;
    assert!(case.error().advice().is_some_and(|text| text.contains("as root")));
}

#[test]
fn what_lxd_needs_is_installed_first() {
    let mut case = Case::new();
    let package = |installed| Package { installed, candidate: Observed::Present(version("5.0.2")) };
    case.state = LxdState::unseen(Observed::Absent, Observed::Absent, "LXD is not installed");
    case.state.packages = BTreeMap::from([
        ("iptables".to_owned(), package(Observed::Absent)),
        ("lxd".to_owned(), package(Observed::Absent)),
    ]);
    let plan = case.up().unwrap();
    assert_eq!(named(&plan), ["packages/install", "env/replan"]);
    assert_eq!(plan.replan_layer(), Some("packages"));
    let Action::Host(HostAction::InstallPackages { packages, new_units, .. }) = action(&plan, "packages/install")
    else {
        panic!()
    };
    assert_eq!(packages.iter().collect::<Vec<_>>(), ["iptables", "lxd"]);
    assert!(new_units.contains("lxd.socket"), "it ends disabled");
    case.inventory.host.root_access = Observed::Absent;
    assert!(case.error().advice().is_some_and(|text| text.contains("apt-get install")));
    case.inventory.host.root_access = Observed::Present(RootAccess::Root);
    case.state.packages.insert("lxd".to_owned(), package(Observed::Present(version("5.0.2"))));
    assert!(matches!(case.error(), PlanError::Machine { is_tool: true, .. }), "it is not installed over and over");
    case.inventory.host.apt = Observed::Absent;
    assert!(case.error().to_string().contains("has no apt"));
}

#[test]
fn what_cannot_be_told_is_an_error_and_never_taken_for_absent() {
    let unknown = || "it did not say".to_owned();
    type Change = fn(&mut LxdState, String);
    let change: [(&str, Change); 4] = [
        ("server", |state, why| state.server = Observed::Unknown(why)),
        ("instance", |state, why| state.instance = Observed::Unknown(why)),
        ("profile", |state, why| state.profile = Observed::Unknown(why)),
        ("network", |state, why| state.network = Observed::Unknown(why)),
    ];
    for (name, change) in change {
        let mut case = Case::new();
        change(&mut case.state, unknown());
        let error = case.error();
        assert!(matches!(error, PlanError::Unknown { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains("it did not say"), "{name}: {error}");
    }
    let mut case = Case::new();
    (case.state.server, case.state.is_denied) = (Observed::Unknown("permission denied".to_owned()), true);
    assert!(case.error().advice().is_some_and(|text| text.contains("--groups lxd")));
    case.state = fresh();
    case.state.lacks.insert("cloud_init".to_owned());
    assert!(matches!(case.error(), PlanError::Machine { is_tool: true, .. }));
}

#[test]
fn what_changes_by_itself_does_not_make_a_plan_stale() {
    let case = Case::after_up();
    let before = case.up().unwrap().inputs;
    let mut later = case.clone();
    later.state.pools.insert("default".to_owned(), pool(99));
    instance(&mut later.state).address = "10.99.0.9".parse().ok();
    assert_eq!(later.up().unwrap().inputs, before);
    instance(&mut later.state).is_running = false;
    assert_ne!(later.up().unwrap().inputs, before);
}

#[test]
fn the_marker_of_the_plan_is_that_of_the_instance_that_it_makes() {
    let plan = Case::new().up().unwrap();
    let Action::Lxd(LxdAction::Create { marker: made, .. }) = action(&plan, "machine/create") else { panic!() };
    let Action::Machine { action: MachineAction::AwaitCloudInit { marker }, .. } = action(&plan, "machine/cloud-init")
    else {
        panic!()
    };
    assert_eq!(marker, made);
    assert_ne!(*marker, Marker { path: "/".into(), text: String::new() });
}
