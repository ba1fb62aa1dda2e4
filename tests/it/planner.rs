//! What is planned for which world, and what is refused.

use crate::fake_world::{Host, ID, Stage, Stopped, checkout, generate};
use crate::render_support::{LOCAL, environment};
use ComponentName::{
    Alertmanager, Grafana, NodeExporter, Postgresql, Prometheus, Redis, RedisExporter, Requestor, Runner,
};
use reportctl::model::component::{ComponentName, PortKey};
use reportctl::model::environment::{Environment, Machine, PortPolicy};
use reportctl::model::facts::Facts;
use reportctl::model::ids::{EnvId, StepId};
use reportctl::model::inventory::{Checkout, Inventory, Observed, Orphan, Policy, PortUse, RootAccess};
use reportctl::model::paths::Paths;
use reportctl::model::quantity::{Size, Version};
use reportctl::plan::action::{Action, HostAction};
use reportctl::plan::error::PlanError;
use reportctl::plan::saved::{self, SavedError};
use reportctl::plan::step::{Plan, Step};
use reportctl::plan::{Inputs, diff, identity, planner, ports, teardown};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The five components of a Debian machine, all required.
fn local() -> Environment {
    let mut env = environment();
    env.stack.components.retain(|name, _| LOCAL.contains(name));
    env.stack.components.values_mut().for_each(|component| component.required = true);
    env
}

/// A plan, and what it was made from.
struct Case {
    env: Environment,
    paths: Paths,
    facts: Facts,
    inventory: Inventory,
    id: EnvId,
}

impl Case {
    /// What is seen on that host, where nothing was done yet.
    fn on(env: Environment, host: Host) -> Self {
        let stage = Stage::new(env, host);
        let facts = Facts::default();
        let inventory = stage.observe(&facts);
        Self { env: stage.env, paths: stage.paths, facts, inventory, id: EnvId::parse(ID).unwrap() }
    }

    /// What is seen after `up`, and after something has happened.
    async fn after_up(env: Environment, happen: impl FnOnce(&mut Stage)) -> Self {
        let mut stage = Stage::new(env, Host::with_packages());
        stage.up_well().await;
        happen(&mut stage);
        let facts = stage.memory().facts;
        let inventory = stage.observe(&facts);
        Self { env: stage.env, paths: stage.paths, facts, inventory, id: EnvId::parse(ID).unwrap() }
    }

    fn inputs(&self) -> Inputs<'_> {
        let Self { env, paths, facts, inventory, id } = self;
        Inputs { env, paths, place: paths, facts, inventory, id }
    }

    fn up(&self) -> Result<Plan, PlanError> {
        planner::up(&self.inputs())
    }

    fn down(&self, keep_data: bool) -> Result<Plan, PlanError> {
        teardown::down(&self.inputs(), keep_data)
    }
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

fn because<'a>(plan: &'a Plan, id: &str) -> &'a str {
    &plan.steps.iter().find(|step| step.id.as_str() == id).unwrap().because
}

/// A plan as a table: what, after what, why.
fn table(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let after: Vec<&str> = step.after.iter().map(StepId::as_str).collect();
        writeln!(text, "{}  <- {}\n    {} (at most {})", step.id, after.join(" "), step.because, step.timeout).unwrap();
    }
    for (name, reason) in &plan.skipped {
        writeln!(text, "skipped {name}: {reason}").unwrap();
    }
    for (key, number) in &plan.ports {
        writeln!(text, "port {key} {number}").unwrap();
    }
    plan.left.iter().for_each(|left| writeln!(text, "left: {left}").unwrap());
    text
}

#[test]
fn a_first_up_with_all_packages() {
    let mut host = Host::with_packages();
    host.foreign_ports.insert(6379);
    let mut env = environment();
    env.stack.components.remove(&Postgresql);
    env.stack.components.retain(|_, component| !component.needs.contains(&Postgresql));
    insta::assert_snapshot!(table(&Case::on(env, host).up().unwrap()));
}

#[test]
fn a_first_up_without_packages() {
    let mut host = Host::debian();
    host.packages.insert("prometheus".to_owned(), "2.42.0".to_owned());
    insta::assert_snapshot!(table(&Case::on(local(), host).up().unwrap()));
}

#[tokio::test]
async fn a_down() {
    let mut case = Case::after_up(local(), |_| ()).await;
    case.facts.packages = BTreeSet::from(["redis-server".to_owned(), "prometheus".to_owned()]);
    insta::assert_snapshot!(table(&case.down(false).unwrap()));
}

#[test]
fn each_action_is_shown_as_what_would_be_typed() {
    let mut host = Host::debian();
    host.lists_fetched = false;
    let install = Case::on(local(), host).up().unwrap();
    let rest = Case::on(local(), Host::with_packages()).up().unwrap();
    let mut text = String::new();
    for step in install.steps.iter().chain(&rest.steps) {
        writeln!(text, "# {}", step.id).unwrap();
        step.action.lines().iter().for_each(|line| writeln!(text, "{}", without_size(line)).unwrap());
    }
    insta::assert_snapshot!(text);
}

/// How many bytes a file has is the business of whoever renders it.
fn without_size(line: &str) -> String {
    match line.strip_prefix("# write the ").and_then(|rest| rest.split_once(" bytes")) {
        Some((_, rest)) => format!("# write the N bytes{rest}"),
        None => line.to_owned(),
    }
}

#[tokio::test]
async fn teardown_actions_are_shown_as_what_would_be_typed() {
    let case = Case::after_up(local(), |stage| stage.world.host().kill_agent()).await;
    let mut text = String::new();
    for step in &case.down(false).unwrap().steps {
        writeln!(text, "# {}", step.id).unwrap();
        step.action.lines().iter().for_each(|line| writeln!(text, "{line}").unwrap());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn equal_inputs_give_equal_bytes_and_the_order_of_the_steps_is_one_in_which_they_can_be_performed() {
    for seed in 0..40 {
        let (env, host) = generate(seed);
        let case = Case::on(env.clone(), host.clone());
        let plan = case.up().unwrap();
        let again = Case::on(env, host).up().unwrap();
        assert_eq!(saved::to_json(&plan).unwrap(), saved::to_json(&again).unwrap(), "seed {seed}");
        assert_eq!(saved::from_json(&saved::to_json(&plan).unwrap()).unwrap(), plan, "seed {seed}");
        let mut seen = BTreeSet::new();
        for step in &plan.steps {
            assert!(step.after.is_subset(&seen), "seed {seed}, {}", step.id);
            assert!(seen.insert(step.id.clone()), "seed {seed}, {}", step.id);
            assert!(!step.because.is_empty() && step.timeout.0 > 0 && !step.action.lines().is_empty());
        }
    }
}

#[tokio::test]
async fn a_change_of_one_component_restarts_that_one_and_not_those_that_need_it() {
    let case = Case::after_up(local(), |stage| {
        let redis = stage.env.stack.components.get_mut(&Redis).unwrap();
        redis.memory = Size(redis.memory.0 * 2);
    })
    .await;
    let plan = case.up().unwrap();
    assert_eq!(ids(&plan), ["redis/configure", "redis/start", "redis/ready"]);
    assert_eq!(because(&plan, "redis/configure"), "changed: redis.conf");
    let changes = diff::changes(&plan, &case.inventory);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].what, ["configuration changes (1 file)", "restart"]);
    assert_eq!(diff::summary(&plan, &case.inventory), "3 steps: 1 component restarted");
}

#[tokio::test]
async fn what_may_run_with_another_file_than_stands_there_is_stopped_before_the_file_is_written() {
    let case = Case::after_up(local(), |stage| {
        let path = stage.paths.config(Redis).join("users.acl");
        stage.world.host().files.get_mut(&path).unwrap().0.push_str("user guest on nopass +@all\n");
    })
    .await;
    let plan = case.up().unwrap();
    assert_eq!(ids(&plan), ["redis/stop", "redis/configure", "redis/start", "redis/ready"]);
    assert!(plan.steps[1].after.contains(&plan.steps[0].id));
}

#[tokio::test]
async fn a_secret_that_was_lost_stops_all_that_use_it_before_it_is_made_anew() {
    let case = Case::after_up(local(), |stage| {
        let secret = stage.paths.secrets().join("redis-metrics");
        stage.world.host().files.remove(&secret).unwrap();
    })
    .await;
    let plan = case.up().unwrap();
    let store = plan.steps.iter().find(|step| step.id.as_str() == "secrets/store").unwrap();
    let after: Vec<&str> = store.after.iter().map(StepId::as_str).collect();
    assert_eq!(after, ["redis-exporter/stop", "redis/stop"]);
    assert!(!ids(&plan).iter().any(|id| id.starts_with("prometheus") || id.starts_with("node-exporter")));
}

#[tokio::test]
async fn after_a_restart_of_the_host_everything_starts_on_the_same_ports() {
    let mut before = None;
    let case = Case::after_up(local(), |stage| {
        before = Some(stage.memory().facts.ports);
        stage.world.host().reboot();
    })
    .await;
    let plan = case.up().unwrap();
    assert_eq!(Some(&plan.ports), before.as_ref());
    assert!(!ids(&plan).contains(&"ports/reserve"));
    assert_eq!(because(&plan, "agent/start"), "the host was restarted");
    assert_eq!(because(&plan, "redis/start"), "the host was restarted");
}

#[tokio::test]
async fn processes_without_an_agent_are_ended_in_order_before_the_agent_starts() {
    let mut case = Case::after_up(local(), |stage| stage.world.host().kill_agent()).await;
    case.inventory.orphans.push(Orphan { pid: 7, started: 7, component: None });
    let plan = case.up().unwrap();
    let stop = &plan.steps.iter().find(|step| step.id.as_str() == "orphans/stop").unwrap().action;
    let Action::Host(HostAction::StopOrphans { processes, .. }) = stop else { panic!("{stop:?}") };
    let order: Vec<Option<ComponentName>> = processes.iter().map(|process| process.component).collect();
    let place = |component| order.iter().position(|found| *found == component).unwrap();
    assert_eq!(place(None), 0, "an agent would start again what is ended");
    assert!(place(Some(RedisExporter)) < place(Some(Redis)));
    let start = plan.steps.iter().find(|step| step.id.as_str() == "agent/start").unwrap();
    assert!(start.after.iter().any(|id| id.as_str() == "orphans/stop"));
}

#[tokio::test]
async fn an_agent_of_another_release_is_replaced() {
    let case = Case::after_up(local(), |stage| {
        stage.world.host().agent.as_mut().unwrap().protocol = 99;
    })
    .await;
    let plan = case.up().unwrap();
    assert_eq!(ids(&plan)[..2], ["agent/stop", "agent/start"]);
    assert_eq!(because(&plan, "agent/stop"), "it speaks protocol 99, and this release 1");
    assert!(ids(&plan).contains(&"redis/start"));
}

#[tokio::test]
async fn a_component_that_is_no_longer_wanted_is_stopped_and_its_configuration_removed_but_not_its_data() {
    let case = Case::after_up(local(), |stage| {
        stage.env.stack.components.remove(&Redis);
        stage.env.stack.components.remove(&RedisExporter);
    })
    .await;
    let plan = case.up().unwrap();
    let removed: Vec<_> = plan.steps.iter().filter(|step| step.id.as_str().ends_with("/tidy")).collect();
    assert!(removed.iter().all(|step| step.action.lines()[0].contains("/config/")), "{removed:?}");
    assert!(ids(&plan).contains(&"redis/stop") && ids(&plan).contains(&"redis-exporter/stop"));
    let stop = plan.steps.iter().find(|step| step.id.as_str() == "redis/stop").unwrap();
    assert_eq!(stop.because, "it is not part of the environment any more");
    assert!(ids(&plan).contains(&"prometheus/configure"), "it scraped it");
}

#[tokio::test]
async fn what_was_started_and_not_seen_to_be_ready_is_waited_for() {
    let mut case = Case::after_up(local(), |_| ()).await;
    assert!(case.up().unwrap().is_empty());
    case.facts.unready.insert(Prometheus);
    assert_eq!(ids(&case.up().unwrap()), ["prometheus/ready"]);
}

#[test]
fn what_is_required_and_cannot_be_had_is_an_error_that_says_how_to_mend_it() {
    let mut host = Host::debian();
    host.root_access = None;
    host.packages.insert("prometheus".to_owned(), "2.42.0".to_owned());
    let error = Case::on(local(), host).up().unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{}", error.advice().unwrap()));
    let mut env = local();
    env.stack.components.get_mut(&Redis).unwrap().version = Version::parse("8.0").unwrap();
    let error = Case::on(env, Host::debian()).up().unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{}", error.advice().unwrap()));
}

#[test]
fn what_is_optional_and_cannot_be_had_is_skipped_and_so_is_what_hangs_on_it() {
    let mut host = Host::with_packages();
    host.packages.remove("redis-server");
    host.root_access = None;
    let mut env = environment();
    env.stack.components.get_mut(&Prometheus).unwrap().required = true;
    let plan = Case::on(env, host).up().unwrap();
    let skipped: Vec<String> = plan.skipped.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    insta::assert_snapshot!(skipped.join("\n"));
    assert_eq!(plan.ports.len(), 4, "the node exporter, Prometheus and two of Alertmanager: {:?}", plan.ports);
}

#[test]
fn what_a_required_component_needs_is_required_too() {
    let mut env = environment();
    env.stack.components.get_mut(&RedisExporter).unwrap().required = true;
    let mut host = Host::debian();
    host.lists_fetched = false;
    let plan = Case::on(env, host).up().unwrap();
    let Action::Host(HostAction::InstallPackages { packages, refresh, .. }) = &plan.steps[1].action else {
        panic!("{plan:?}")
    };
    assert!(*refresh && packages.contains("redis-server") && packages.len() == 2, "{packages:?}");
}

#[test]
fn an_older_program_that_stands_before_the_package_is_not_installed_over_and_over() {
    let mut host = Host::with_packages();
    host.programs.insert(Redis, "6.0.16".to_owned());
    let error = Case::on(local(), host).up().unwrap_err();
    assert!(error.to_string().contains("found before the package's own"), "{error}");
}

#[test]
fn without_a_checkout_a_service_that_is_not_installed_is_skipped_and_required_it_is_an_error() {
    let mut env = environment();
    let plan = Case::on(env.clone(), Host::with_packages()).up().unwrap();
    assert!(plan.skipped[&Requestor].contains("no checkout to build it from"));
    env.stack.components.get_mut(&Requestor).unwrap().required = true;
    let error = Case::on(env.clone(), Host::with_packages()).up().unwrap_err();
    assert!(error.advice().unwrap().contains("run reportctl in a checkout"), "{error}");
    let mut host = Host::with_packages();
    host.checkout = Some(Checkout { cargo: Observed::Absent, ..checkout(&[]) });
    let error = Case::on(env, host).up().unwrap_err();
    assert!(error.to_string().contains("no cargo to build it with from /src/report"), "{error}");
}

/// The step that builds, and the steps that wait for it.
fn build(plan: &Plan) -> Option<(&Step, Vec<&str>)> {
    let build = plan.steps.iter().find(|step| step.id.as_str() == "services/build")?;
    let waiting = plan.steps.iter().filter(|step| step.after.contains(&build.id)).map(|step| step.id.as_str());
    Some((build, waiting.collect()))
}

#[test]
fn services_are_built_where_they_are_not_and_only_what_needs_them_waits() {
    let host = |built: &[(ComponentName, &str)]| {
        let mut host = Host::with_packages();
        host.checkout = Some(checkout(built));
        host
    };
    let plan = Case::on(environment(), host(&[])).up().unwrap();
    let (step, waiting) = build(&plan).unwrap();
    assert_eq!(waiting, ["requestor/start"], "the runner waits for the requestor");
    let line = "(cd /src/report && /usr/bin/cargo build --release --locked --target-dir /src/report/target \
                --package report-requestor --package report-runner)";
    assert_eq!(step.action.lines(), [line]);
    assert!(step.because.contains("report-runner is not installed and not built yet"), "{}", step.because);
    let plan = Case::on(environment(), host(&[(Requestor, "as it is now"), (Runner, "another")])).up().unwrap();
    let (step, waiting) = build(&plan).unwrap();
    assert_eq!(
        (waiting, step.because.as_str()),
        (vec!["runner/start"], "the source of report-runner has changed since it was built")
    );
    assert!(step.action.lines()[0].ends_with("target --package report-runner)"), "{step:?}");
    let plan = Case::on(environment(), host(&[(Requestor, "as it is now"), (Runner, "as it is now")])).up().unwrap();
    assert!(build(&plan).is_none());
}

#[test]
fn an_installed_service_counts_before_a_checkout() {
    let mut host = Host::with_packages();
    host.checkout = Some(checkout(&[]));
    host.programs.extend([(Requestor, "0.1.0".to_owned()), (Runner, "0.1.0".to_owned())]);
    let plan = Case::on(environment(), host).up().unwrap();
    assert!(build(&plan).is_none() && !plan.skipped.contains_key(&Runner), "{plan:?}");
}

#[test]
fn a_package_of_a_unit_that_was_there_before_is_left_enabled() {
    let mut host = Host::debian();
    host.units.insert("redis-server.service".to_owned(), true);
    let plan = Case::on(local(), host).up().unwrap();
    let Action::Host(HostAction::InstallPackages { new_units, place_policy, .. }) = &plan.steps[1].action else {
        panic!("{plan:?}")
    };
    assert!(*place_policy && !new_units.contains("redis-server.service") && new_units.len() == 4, "{new_units:?}");
}

#[test]
fn a_policy_of_somebody_else_is_neither_replaced_nor_removed() {
    let mut host = Host::debian();
    host.policy = Some(Policy::Foreign);
    let plan = Case::on(local(), host).up().unwrap();
    let lines = plan.steps[1].action.lines().join("\n");
    assert!(!lines.contains("policy-rc.d"), "{lines}");
}

#[test]
fn what_an_install_that_was_cut_off_has_left_is_undone_or_named() {
    let cut_off = |root_access| {
        let mut host = Host::with_packages();
        host.policy = Some(Policy::Ours);
        host.units.insert("redis-server.service".to_owned(), true);
        host.root_access = root_access;
        let mut case = Case::on(local(), host);
        case.facts.policy_placed = true;
        case.facts.new_units = BTreeSet::from(["redis-server.service".to_owned(), "gone.service".to_owned()]);
        case
    };
    let case = cut_off(Some(RootAccess::Sudo));
    for plan in [case.up().unwrap(), case.down(false).unwrap()] {
        let settle = plan.steps.iter().find(|step| step.id.as_str() == "packages/settle").unwrap();
        let lines = settle.action.lines();
        assert_eq!(
            lines,
            ["sudo -n systemctl disable redis-server.service", "sudo -n rm -f /usr/sbin/policy-rc.d"],
            "what is not there is not disabled"
        );
    }
    let plan = cut_off(None).down(false).unwrap();
    assert_eq!(
        plan.left,
        [
            "an install was cut off; as root, run `rm -f /usr/sbin/policy-rc.d` and `systemctl disable redis-server.service`"
        ]
    );
}

#[test]
fn ports_are_tried_in_an_order_that_depends_on_the_environment_alone() {
    let (id, other) = (EnvId::parse(ID).unwrap(), EnvId::parse("local-aaaaaaaa").unwrap());
    let key = PortKey::new(Redis, "redis");
    let numbers = ports::candidates(&id, &key, 6379);
    assert_eq!(numbers.len(), 8);
    assert_eq!(numbers[0], 6379);
    assert!(numbers[1..].iter().all(|number| (20_000..32_000).contains(number)), "{numbers:?}");
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 8);
    assert_eq!(numbers, ports::candidates(&id, &key, 6379));
    assert_ne!(numbers[1..], ports::candidates(&other, &key, 6379)[1..]);
    assert_ne!(numbers[1..], ports::candidates(&id, &PortKey::new(Redis, "other"), 6379)[1..]);
}

#[test]
fn a_port_that_is_seldom_open_is_not_shared_by_environments_that_were_not_told_otherwise() {
    let id = |text: &str| EnvId::parse(text).unwrap();
    let key = PortKey::new(Alertmanager, "smoke");
    let one = ports::candidates(&id("local-22222222"), &key, 9099);
    let other = ports::candidates(&id("plant-33333333"), &key, 9099);
    assert!(!one.contains(&9099) && one[0] != other[0], "{one:?} {other:?}");
    assert_eq!(ports::candidates(&id("local-22222222"), &key, 12345)[0], 12345);
}

#[test]
fn a_port_that_is_taken_gives_way_to_the_next_candidate_and_to_nothing_that_another_wants() {
    let key = PortKey::new(Redis, "redis");
    let mut case = Case::on(local(), Host::with_packages());
    let candidates = ports::candidates(&case.id, &key, 6379);
    case.inventory.ports.insert(6379, PortUse::Taken);
    assert_eq!(case.up().unwrap().ports[&key], candidates[1]);
    case.env.stack.components.get_mut(&Prometheus).unwrap().ports.insert("http".to_owned(), candidates[1]);
    case.inventory.ports.insert(candidates[1], PortUse::Free);
    let plan = case.up().unwrap();
    assert_eq!((plan.ports[&key], plan.ports[&PortKey::new(Prometheus, "http")]), (candidates[2], candidates[1]));
    case.inventory.ports.extend(candidates.iter().map(|number| (*number, PortUse::Taken)));
    case.env.stack.components.remove(&Prometheus);
    let error = case.up().unwrap_err();
    assert_eq!(error, PlanError::NoPort { key, tried: candidates });
}

#[test]
fn a_remembered_port_is_kept_until_another_number_is_wanted() {
    let key = PortKey::new(Redis, "redis");
    let mut case = Case::on(local(), Host::with_packages());
    let candidates = ports::candidates(&case.id, &key, 6379);
    case.facts.ports.insert(key.clone(), candidates[3]);
    assert_eq!(case.up().unwrap().ports[&key], candidates[3], "though the wanted one is free now");
    case.env.stack.components.get_mut(&Redis).unwrap().ports.insert("redis".to_owned(), 7000);
    case.inventory.ports.insert(7000, PortUse::Free);
    assert_eq!(case.up().unwrap().ports[&key], 7000);
}

#[tokio::test]
async fn exact_ports_are_an_error_when_taken_and_change_hands_in_order() {
    let exact = |env: &mut Environment| env.machine = Machine::Host { ports: PortPolicy::Exact, memory: None };
    let mut env = local();
    exact(&mut env);
    let mut host = Host::with_packages();
    host.foreign_ports.insert(9090);
    let error = Case::on(env.clone(), host).up().unwrap_err();
    assert!(matches!(&error, PlanError::PortTaken { number: 9090, .. }), "{error}");
    assert!(error.advice().unwrap().contains("ss -ltnp"));
    let mut stage = Stage::new(env, Host::with_packages());
    stage.up_well().await;
    let set = |stage: &mut Stage, name, port: &str, number| {
        stage.env.stack.components.get_mut(&name).unwrap().ports.insert(port.to_owned(), number);
    };
    set(&mut stage, Prometheus, "http", 9093);
    set(&mut stage, Alertmanager, "http", 9090);
    stage.up_well().await;
    stage.assert_is_up();
}

#[tokio::test]
async fn what_cannot_be_told_and_matters_is_an_error_and_never_taken_for_absent() {
    type Blur = fn(&mut Case);
    let blurs: [(&str, Blur); 8] = [
        ("how the agent does", |case| case.inventory.agent = Observed::Unknown("no answer".to_owned())),
        ("whether redis can be had", |case| {
            case.inventory.programs.insert(Redis, Observed::Unknown("it says nothing".to_owned()));
        }),
        ("whether redis can be had", |case| drop(case.inventory.programs.remove(&Redis))),
        ("what /state/envs/local/config/redis/redis.conf holds", |case| {
            let path = case.paths.config(Redis).join("redis.conf");
            case.inventory.files.insert(path, Observed::Unknown("permission denied".to_owned()));
        }),
        ("whether the secret redis-admin is stored", |case| {
            let name = case.inventory.secrets.keys().find(|name| name.as_str() == "redis-admin").unwrap().clone();
            case.inventory.secrets.insert(name, Observed::Unknown("permission denied".to_owned()));
        }),
        ("whether redis can be had", |case| {
            case.inventory.programs.insert(Redis, Observed::Absent);
            case.inventory.packages.get_mut("redis-server").unwrap().installed =
                Observed::Unknown("dpkg is locked".to_owned());
        }),
        ("whether redis can be had", |case| {
            case.inventory.programs.insert(Redis, Observed::Absent);
            let package = case.inventory.packages.get_mut("redis-server").unwrap();
            package.installed = Observed::Absent;
            package.candidate = Observed::Unknown("apt is locked".to_owned());
        }),
        ("whether /usr/sbin/policy-rc.d is there", |case| {
            case.inventory.programs.insert(Redis, Observed::Absent);
            case.inventory.packages.get_mut("redis-server").unwrap().installed = Observed::Absent;
            case.inventory.host.policy = Observed::Unknown("permission denied".to_owned());
        }),
    ];
    for (expected, blur) in blurs {
        let mut case = Case::after_up(local(), |_| ()).await;
        blur(&mut case);
        match case.up() {
            Err(PlanError::Unknown { what, .. }) => assert_eq!(what, expected),
            other => panic!("{expected}: {other:?}"),
        }
        assert!(case.down(false).is_ok(), "{expected}: down works in spite of it");
    }
}

#[tokio::test]
async fn an_optional_component_that_runs_is_not_stopped_because_its_program_cannot_be_looked_at() {
    let mut env = local();
    env.stack.components.get_mut(&NodeExporter).unwrap().required = false;
    let mut case = Case::after_up(env.clone(), |_| ()).await;
    case.inventory.programs.insert(NodeExporter, Observed::Unknown("it says nothing".to_owned()));
    assert!(matches!(case.up(), Err(PlanError::Unknown { .. })));
    let mut case = Case::on(env, Host::with_packages());
    case.inventory.programs.insert(NodeExporter, Observed::Unknown("it says nothing".to_owned()));
    assert!(case.up().unwrap().skipped[&NodeExporter].contains("cannot be told"));
}

#[test]
fn a_folder_that_is_not_ours_is_never_touched() {
    let other = EnvId::parse("local-aaaaaaaa").unwrap();
    let mut case = Case::on(local(), Host::with_packages());
    case.inventory.root = Observed::Present(());
    for seen in [Observed::Present(other.clone()), Observed::Unknown("it holds a thesis".to_owned())] {
        case.inventory.identity = seen;
        for refused in [case.up(), case.down(false), case.down(true)] {
            assert!(matches!(refused, Err(PlanError::Foreign { .. })), "{refused:?}");
        }
    }
    case.inventory.identity = Observed::Present(other.clone());
    case.facts.id = Some(case.id.clone());
    let error = identity::known(&case.paths, &case.facts, &case.inventory).unwrap_err();
    assert!(error.advice().unwrap().contains("echo local-7f3k9q2m > /state/envs/local/identity"), "{error}");
    case.facts.id = None;
    assert_eq!(identity::known(&case.paths, &case.facts, &case.inventory).unwrap(), Some(other));
}

#[tokio::test]
async fn a_foreign_folder_stops_both_verbs_before_anything_is_written() {
    let mut host = Host::with_packages();
    host.folders.insert("/state/envs/local".into());
    host.files.insert("/state/envs/local/thesis.txt".into(), ("mine".to_owned(), 0o600));
    let stage = Stage::new(local(), host.clone());
    for refused in [stage.up().await, stage.down(false).await] {
        assert!(matches!(refused, Err(Stopped::Plan(PlanError::Foreign { .. }))), "{refused:?}");
    }
    assert!(*stage.world.host() == host && !stage.disk.root.exists());
}

#[test]
fn down_has_nothing_to_do_where_nothing_is() {
    let case = Case::on(local(), Host::with_packages());
    assert!(case.down(false).unwrap().is_empty() && case.down(true).unwrap().is_empty());
}

#[test]
fn down_removes_a_folder_that_was_never_claimed_and_processes_whose_folder_is_lost() {
    let mut case = Case::on(local(), Host::with_packages());
    case.inventory.root = Observed::Present(());
    assert_eq!(ids(&case.down(false).unwrap()), ["data/remove", "env/forget"]);
    case.inventory.root = Observed::Absent;
    case.inventory.orphans.push(Orphan { pid: 7, started: 7, component: Some(Redis) });
    assert_eq!(ids(&case.down(false).unwrap()), ["orphans/stop", "data/remove", "env/forget"]);
    case.inventory.agent = Observed::Unknown("no answer".to_owned());
    assert_eq!(ids(&case.down(true).unwrap()), ["agent/stop", "orphans/stop"]);
}

#[tokio::test]
async fn a_saved_plan_is_performed_only_while_it_is_what_would_be_planned() {
    let mut case = Case::after_up(local(), |stage| stage.world.host().kill_agent()).await;
    let plan = case.up().unwrap();
    saved::check(&plan, &case.up().unwrap()).unwrap();
    let mut altered = plan.clone();
    altered.steps.pop();
    assert_eq!(saved::check(&altered, &plan), Err(SavedError::Altered));
    case.inventory.orphans.clear();
    let error = saved::check(&plan, &case.up().unwrap()).unwrap_err();
    assert_eq!(error, SavedError::Stale("orphans/stop would not be done any more".to_owned()));
    let other = Plan { id: EnvId::parse("local-aaaaaaaa").unwrap(), ..plan.clone() };
    assert!(matches!(saved::check(&plan, &other), Err(SavedError::Other { .. })));
}

#[tokio::test]
async fn what_changes_by_itself_does_not_make_a_plan_stale() {
    let mut case = Case::after_up(local(), |stage| {
        stage.env.stack.components.get_mut(&Redis).unwrap().memory = Size(1 << 30);
    })
    .await;
    let plan = case.up().unwrap();
    let Observed::Present(agent) = &mut case.inventory.agent else { panic!("the agent runs") };
    agent.pid += 1;
    agent.services.values_mut().for_each(|service| service.restarts += 1);
    saved::check(&plan, &case.up().unwrap()).unwrap();
}

#[test]
fn a_file_that_is_no_plan_is_refused_with_what_is_wrong() {
    let plan = saved::to_json(&Case::on(local(), Host::with_packages()).up().unwrap()).unwrap();
    assert!(plan.starts_with("{\n  \"schema\": 1,"), "{}", &plan[..40]);
    let later = plan.replacen("\"schema\": 1", "\"schema\": 2", 1);
    assert_eq!(saved::from_json(&later), Err(SavedError::Schema { found: 2 }));
    let misspelt = plan.replacen("\"because\"", "\"becuase\"", 1);
    let Err(SavedError::Malformed(what)) = saved::from_json(&misspelt) else { panic!("it is refused") };
    assert!(what.contains("becuase") && what.contains("line"), "{what}");
    for text in ["", "[]", "{}", "{\"schema\": \"1\"}", &plan[..plan.len() / 2]] {
        assert!(matches!(saved::from_json(text), Err(SavedError::Malformed(_))), "{text}");
    }
    let mut unordered = saved::from_json(&plan).unwrap();
    unordered.steps.reverse();
    assert!(matches!(saved::from_json(&saved::to_json(&unordered).unwrap()), Err(SavedError::Malformed(_))));
}

#[test]
fn what_a_plan_changes_is_said_in_words() {
    let mut env = environment();
    env.stack.components.remove(&Grafana);
    let case = Case::on(env, Host::debian());
    let install = case.up().unwrap();
    let case = Case::on(local(), Host::with_packages());
    let plan = case.up().unwrap();
    let words = |plan: &Plan| {
        let changes = diff::changes(plan, &case.inventory);
        let lines: Vec<String> =
            changes.iter().map(|change| format!("{}: {}", change.subject, change.what.join(", "))).collect();
        format!("{}\n{}", diff::summary(plan, &case.inventory), lines.join("\n"))
    };
    insta::assert_snapshot!(format!("{}\n\n{}", words(&install), words(&plan)));
}
