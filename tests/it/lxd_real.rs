//! Machines in this host's real LXD, from nothing to nothing, as the planner has it and the provider does it.

use crate::cloud_init_support::{blueprint, in_machine};
use crate::lxd_support::{Lxd as Held, Thing, all, image, lxc, query};
use reportctl::context::Context;
use reportctl::model::environment::{Environment, InstanceKind, LxdMachine, Machine};
use reportctl::model::facts::Facts;
use reportctl::model::guest::{Guest, Marker};
use reportctl::model::ids::{EnvId, RunId};
use reportctl::model::inventory::{Inventory, MachineState, Observed};
use reportctl::model::lxd::{ImageChoice, LxdState, Names, SNAPSHOT};
use reportctl::model::paths::Paths;
use reportctl::model::quantity::Size;
use reportctl::observe::observe;
use reportctl::plan::action::{Action, LxdAction, MachineAction};
use reportctl::plan::error::PlanError;
use reportctl::plan::step::Plan;
use reportctl::plan::{Inputs, planner, teardown};
use reportctl::provider::lxd::{self, Lxd};
use reportctl::provider::{Failure, FailureKind, Notes};
use reportctl::reach::guest::{Inside, Run};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest that a test waits for what must happen.
const BOUND: Duration = Duration::from_secs(120);

/// User-data that does nothing but to leave its marker. `locale`: cloud-init 22.4 fails where an image has no locales.
const TINY: &str = "#cloud-config\nlocale: false\nwrite_files:\n  - path: \"{{ marker.path }}\"\n    content: \
                    \"{{ marker.digest }}\"\n";

/// One environment in LXD, without the verbs around it.
struct Room {
    context: Context,
    env: Environment,
    paths: Paths,
    id: EnvId,
    facts: Facts,
    lxd: Lxd,
    _folder: tempfile::TempDir,
}

impl Room {
    fn new(held: &mut Held) -> Self {
        let id = held.new_id();
        let mut env = in_machine(id.name());
        // What runs in the machine is for others to test.
        env.stack.components.clear();
        let folder = tempfile::tempdir().unwrap();
        let context = Context::real().unwrap();
        let Machine::Lxd(machine) = &mut env.machine else { panic!("it is in LXD") };
        machine.bake = false;
        machine.blueprint = blueprint("tiny", TINY, &[]);
        machine.blueprint.image.lxd = image();
        machine.blueprint.cpus = 1;
        machine.blueprint.memory = Size(512 << 20);
        let paths = Paths::new(folder.path(), &env.name);
        let lxd = Lxd { context: context.clone(), paths: paths.clone(), id: id.clone(), run: RunId::numbered(1) };
        Self { context, env, paths, id, facts: Facts::default(), lxd, _folder: folder }
    }

    fn names(&self) -> Names {
        Names::of(&self.id)
    }

    fn machine(&mut self) -> &mut LxdMachine {
        let Machine::Lxd(machine) = &mut self.env.machine else { panic!("it is in LXD") };
        machine
    }

    async fn state(&self) -> LxdState {
        lxd::observe(&self.context, &self.env, &self.facts, &self.id).await
    }

    /// What is seen of LXD, and nothing of this host but who runs this.
    async fn inventory(&self) -> Inventory {
        let local = Environment {
            machine: Machine::Host { ports: self.env.machine.ports(), memory: None },
            ..self.env.clone()
        };
        let host = observe(&self.context, &local, &self.paths, &self.facts, &self.id, None).await;
        Inventory { machine: MachineState::Lxd(Box::new(self.state().await)), ..host }
    }

    async fn plan(&self, with: impl FnOnce(&Inputs<'_>) -> Result<Plan, PlanError>) -> Result<Plan, PlanError> {
        let (inventory, place) = (self.inventory().await, Paths::system());
        let Self { env, paths, facts, id, .. } = self;
        with(&Inputs { env, paths, place: &place, facts, inventory: &inventory, id })
    }

    /// The steps for the machine that are still to be done, by their ids.
    async fn missing(&self) -> Vec<String> {
        match self.plan(planner::up).await {
            Ok(plan) => ours(&plan).map(|(id, _)| id).collect(),
            // What is in the machine is not looked at here.
            Err(error) => panic!("{error}"),
        }
    }

    /// Brings the machine up, each step twice.
    async fn up(&mut self) {
        for _ in 0..3 {
            let plan = self.plan(planner::up).await.unwrap();
            let steps: Vec<(String, Action)> = ours(&plan).collect();
            if steps.is_empty() {
                return;
            }
            for (id, action) in &steps {
                self.facts.absorb(&action.facts());
                for _ in 0..2 {
                    self.perform(action).await.unwrap_or_else(|failure| panic!("{id}: {failure:?}"));
                }
            }
        }
        panic!("there is always something left to do");
    }

    async fn down(&mut self) {
        let plan = self.plan(|inputs| teardown::down(inputs, false)).await.unwrap();
        for (id, action) in ours(&plan) {
            for _ in 0..2 {
                self.perform(&action).await.unwrap_or_else(|failure| panic!("{id}: {failure:?}"));
            }
        }
    }

    async fn perform(&self, action: &Action) -> Result<(), Failure> {
        match action {
            Action::Lxd(action) => self.lxd.perform(action, BOUND, &Notes::silent()).await,
            Action::Machine { action: MachineAction::AwaitCloudInit { marker }, .. } => {
                self.await_marker(marker).await;
                Ok(())
            }
            other => panic!("nobody does {other:?} here"),
        }
    }

    /// What another part of the program does, in short.
    async fn await_marker(&self, marker: &Marker) {
        let begun = Instant::now();
        while self.within(&["cat", &marker.path.display().to_string()]).await.as_deref() != Some(marker.text.as_str()) {
            assert!(begun.elapsed() < BOUND, "cloud-init never left its marker");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a command in the machine says; none where it fails.
    async fn within(&self, argv: &[&str]) -> Option<String> {
        let inside = Inside::new(&self.context, &Guest::Lxd(self.names().instance));
        let output = inside.run(Run::new(argv.iter().copied())).await.ok()?;
        (output.code == 0).then(|| output.stdout.trim().to_owned())
    }
}

/// The steps of a plan that are about LXD and the machine.
fn ours(plan: &Plan) -> impl Iterator<Item = (String, Action)> + '_ {
    let all = plan.steps.iter().map(|step| (step.id.as_str().to_owned(), step.action.clone()));
    all.filter(|(id, _)| id.starts_with("machine/") || id.starts_with("lxd/"))
        .filter(|(_, action)| !matches!(action, Action::Machine { action: MachineAction::OpenWay { .. }, .. }))
}

/// What LXD keeps for others: by this nobody's may change.
fn others(held: &Held) -> (Vec<Thing>, Vec<serde_json::Value>) {
    let mine = held.things();
    let foreign: Vec<Thing> = all()
        .into_iter()
        .filter(|thing| thing.id.is_none() && !mine.contains(thing))
        .filter(|thing| thing.kind != "instance")
        .collect();
    let mut default = query("/1.0/profiles/default").unwrap();
    default["used_by"] = serde_json::Value::Null;
    (foreign, vec![default])
}

fn kinds(held: &Held) -> Vec<(&'static str, String)> {
    held.things().into_iter().map(|thing| (thing.kind, thing.name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_a_machine_is_made_changed_put_back_and_taken_away() {
    let Some(mut held) = Held::take() else { return };
    let mut room = Room::new(&mut held);
    let before = others(&held);
    room.up().await;
    let names = room.names();
    let own = [("instance", &names.instance), ("network", &names.network), ("profile", &names.profile)];
    assert_eq!(kinds(&held), own.map(|(kind, name)| (kind, name.clone())));
    everything_carries_all_labels(&room, &held);
    let state = room.state().await;
    let instance = state.instance.present().unwrap();
    assert!(instance.is_there() && instance.address.is_some() && instance.snapshots.contains(SNAPSHOT), "{instance:?}");
    assert_eq!(others(&held), before, "what is not ours is as it was");
    the_size_changes_while_it_runs(&mut room).await;
    a_folder_of_this_host_comes_and_goes(&mut room).await;
    one_that_was_stopped_is_started(&mut room).await;
    it_goes_back_to_its_snapshot(&room).await;
    room.down().await;
    assert_eq!(kinds(&held), []);
    assert_eq!(others(&held), before, "what is not ours is as it was");
    let plan = room.plan(|inputs| teardown::down(inputs, false)).await.unwrap();
    assert_eq!(ours(&plan).count(), 0);
}

fn everything_carries_all_labels(room: &Room, held: &Held) {
    for thing in held.things() {
        assert_eq!(thing.id.as_deref(), Some(room.id.as_str()), "{thing:?}");
        assert_eq!(thing.env.as_deref(), Some(room.id.name()), "{thing:?}");
    }
    let config = &query(&format!("/1.0/instances/{}", room.names().instance)).unwrap()["config"];
    assert_eq!(config["user.reportctl.run"], "0001");
    assert!(config["user.reportctl.owner"].as_str().is_some_and(|owner| !owner.is_empty()));
    assert!(config["user.user-data"].as_str().is_some_and(|text| text.starts_with("#cloud-config\n")));
    assert_eq!(config["user.user-data"], config["cloud-init.user-data"]);
}

async fn the_size_changes_while_it_runs(room: &mut Room) {
    room.machine().blueprint.memory = Size(768 << 20);
    assert_eq!(room.missing().await, ["machine/profile"]);
    room.up().await;
    let config = &query(&format!("/1.0/instances/{}", room.names().instance)).unwrap()["expanded_config"];
    assert_eq!(config["limits.memory"], "768MiB");
    assert!(room.state().await.instance.present().unwrap().is_there(), "it was not stopped for that");
}

async fn a_folder_of_this_host_comes_and_goes(room: &mut Room) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hello"), "from this host").unwrap();
    // The machine's users are other ones than this host's.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mount = reportctl::model::blueprint::Mount {
        source: folder.path().to_owned(),
        target: "/mnt/shared".into(),
        writable: false,
    };
    room.machine().blueprint.mounts = vec![mount];
    assert_eq!(room.missing().await, ["machine/adapt"]);
    room.up().await;
    assert_eq!(room.within(&["cat", "/mnt/shared/hello"]).await.as_deref(), Some("from this host"));
    assert_eq!(room.within(&["touch", "/mnt/shared/other"]).await, None, "it may only be read");
    room.machine().blueprint.mounts.clear();
    room.up().await;
    assert_eq!(room.within(&["cat", "/mnt/shared/hello"]).await, None);
}

async fn one_that_was_stopped_is_started(room: &mut Room) {
    lxc(&["stop", "--force", &room.names().instance]).ok();
    assert_eq!(room.missing().await, ["machine/start", "machine/cloud-init"]);
    room.up().await;
    let plan = room.plan(|inputs| teardown::down(inputs, true)).await.unwrap();
    let steps: Vec<(String, Action)> = ours(&plan).collect();
    assert_eq!(steps.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["machine/stop"]);
    room.perform(&steps[0].1).await.unwrap();
    assert!(!room.state().await.instance.present().unwrap().is_running);
    room.up().await;
}

async fn it_goes_back_to_its_snapshot(room: &Room) {
    room.within(&["touch", "/root/since"]).await.unwrap();
    let (name, id) = (room.names().instance, room.id.clone());
    let restore = Action::Lxd(LxdAction::Restore { name: name.clone(), id: id.clone() });
    room.perform(&restore).await.unwrap();
    let state = room.state().await;
    let instance = state.instance.present().unwrap();
    assert!(!instance.is_running && instance.snapshots.contains(SNAPSHOT));
    assert_eq!(room.missing().await, ["machine/start", "machine/cloud-init"]);
    let subnet = state.network.present().unwrap().subnet.unwrap();
    room.perform(&Action::Lxd(LxdAction::Start { name, id, subnet })).await.unwrap();
    room.await_marker(instance.promised.as_ref().unwrap()).await;
    assert_eq!(room.within(&["test", "-e", "/root/since"]).await, None);
}

/// Begins to make the instance, and gives up when LXD is at it: what is left of a run that was killed then.
async fn make_and_give_up(room: &mut Room) {
    let plan = room.plan(planner::up).await.unwrap();
    let steps: BTreeMap<String, Action> = ours(&plan).collect();
    for id in ["machine/network", "machine/profile"] {
        room.facts.absorb(&steps[id].facts());
        room.perform(&steps[id]).await.unwrap();
    }
    let name = room.names().instance;
    let creates = room.perform(&steps["machine/create"]);
    let at_it = async {
        while query(&format!("/1.0/instances/{name}")).is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        made = creates => panic!("it was made at once: {made:?}"),
        () = at_it => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_what_was_cut_off_while_it_was_made_is_gone_on_with_or_taken_away() {
    let Some(mut held) = Held::take() else { return };
    let mut room = Room::new(&mut held);
    make_and_give_up(&mut room).await;
    let subnet = room.facts.subnet;
    room.up().await;
    let state = room.state().await;
    assert!(state.instance.present().unwrap().is_there());
    assert_eq!(state.network.present().unwrap().subnet, subnet, "the addresses were remembered");
    room.down().await;
    assert_eq!(kinds(&held), []);
    make_and_give_up(&mut room).await;
    room.down().await;
    assert_eq!(kinds(&held), []);
    assert_eq!(room.state().await.busy, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_what_has_our_name_and_is_not_ours_is_left_alone() {
    let Some(mut held) = Held::take() else { return };
    let room = Room::new(&mut held);
    let names = room.names();
    // They carry the environment's name, so that they are deleted after the test, but another identity or none.
    let env = format!("user.reportctl.env={}", room.id);
    lxc(&["profile", "create", &names.profile]).ok();
    lxc(&["profile", "set", &names.profile, &env]).ok();
    lxc(&["network", "create", &names.network, "ipv4.address=none", "ipv6.address=none", &env]).ok();
    let id = "user.reportctl.id=lxd-00000000";
    lxc(&["init", "--empty", &names.instance, "--no-profiles", "--storage", &pool(), "--config", &env, "--config", id])
        .ok();
    let before = held.things();
    assert_eq!(before.len(), 3);
    let (up, down) = (room.plan(planner::up).await, room.plan(|inputs| teardown::down(inputs, false)).await);
    for error in [up.unwrap_err(), down.unwrap_err()] {
        assert!(matches!(error, PlanError::Machine { is_tool: false, .. }), "{error:?}");
        assert!(error.to_string().contains("is not this environment's"), "{error}");
    }
    for action in all_that_touch(&room) {
        let failure = room.perform(&Action::Lxd(action.clone())).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Precondition, "{action:?}: {failure:?}");
        assert!(failure.advice.is_some(), "{failure:?}");
    }
    assert_eq!(held.things(), before);
}

/// Each action that touches what may be somebody else's.
fn all_that_touch(room: &Room) -> Vec<LxdAction> {
    let names = room.names();
    let id = || room.id.clone();
    let (instance, profile, network) = (names.instance, names.profile, names.network);
    let subnet = "10.213.214.0/24".to_owned().try_into().unwrap();
    let marker = Marker { path: "/m".into(), text: "m".to_owned() };
    vec![
        LxdAction::EnsureNetwork { name: network.clone(), id: id(), subnet },
        LxdAction::EnsureProfile { name: profile.clone(), id: id(), config: BTreeMap::new(), devices: BTreeMap::new() },
        LxdAction::Create {
            name: instance.clone(),
            id: id(),
            kind: InstanceKind::Container,
            image: ImageChoice::Alias { alias: image() },
            profile: "default".to_owned(),
            devices: BTreeMap::new(),
            user_data: "#cloud-config\n".to_owned(),
            marker,
        },
        LxdAction::Adapt { name: instance.clone(), id: id(), profile: profile.clone(), devices: BTreeMap::new() },
        LxdAction::Start { name: instance.clone(), id: id(), subnet },
        LxdAction::Snapshot { name: instance.clone(), id: id() },
        LxdAction::Restore { name: instance.clone(), id: id() },
        LxdAction::Stop { name: instance.clone(), id: id() },
        LxdAction::Delete { name: instance, id: id() },
        LxdAction::DeleteProfile { name: profile, id: id() },
        LxdAction::DeleteNetwork { name: network, id: id() },
    ]
}

fn pool() -> String {
    let pools = query("/1.0/storage-pools?recursion=1").unwrap();
    pools[0]["name"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_environments_side_by_side_do_not_meet() {
    let Some(mut held) = Held::take() else { return };
    let (mut one, mut other) = (Room::new(&mut held), Room::new(&mut held));
    for room in [&mut one, &mut other] {
        let plan = room.plan(planner::up).await.unwrap();
        let steps: BTreeMap<String, Action> = ours(&plan).collect();
        for id in ["machine/network", "machine/profile"] {
            room.facts.absorb(&steps[id].facts());
            room.perform(&steps[id]).await.unwrap();
        }
    }
    assert_ne!(one.facts.subnet, other.facts.subnet);
    let of = |room: &Room| {
        let id = room.id.to_string();
        held.things().into_iter().filter(|thing| thing.id.as_deref() == Some(&id)).count()
    };
    assert_eq!((of(&one), of(&other)), (2, 2));
    one.down().await;
    assert_eq!((of(&one), of(&other)), (0, 2));
    // What the other one has remembered is lost: it is found by its labels.
    other.facts = Facts::default();
    other.down().await;
    assert_eq!((of(&one), of(&other)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_what_cannot_be_made_is_said_in_the_words_of_lxd_with_what_to_do() {
    let Some(mut held) = Held::take() else { return };
    let room = Room::new(&mut held);
    let name = room.names().instance;
    let create = |kind, image: ImageChoice, devices: &str| {
        let devices = serde_json::from_str(devices).unwrap();
        let (name, id, profile) = (name.clone(), room.id.clone(), "default".to_owned());
        let marker = Marker { path: "/m".into(), text: "m".to_owned() };
        LxdAction::Create { name, id, kind, image, profile, devices, user_data: "#cloud-config\n".to_owned(), marker }
    };
    let alias = |alias: &str| ImageChoice::Alias { alias: alias.to_owned() };
    let nope = ImageChoice::Remote { image: "no-such-remote:x".to_owned() };
    let cases = [
        (create(InstanceKind::Container, alias("no-such-image"), "{}"), "not found", "lxc image list"),
        (create(InstanceKind::Container, nope, "{}"), "doesn't exist", "lxc remote list"),
        (
            create(
                InstanceKind::Container,
                alias(&image()),
                r#"{"a": {"type": "disk", "path": "/a", "source": "/no/such"}}"#,
            ),
            "ource path",
            "is not there",
        ),
        (
            create(InstanceKind::Container, alias(&image()), r#"{"a": {"type": "disk", "colour": "red"}}"#),
            "nvalid",
            "mend it",
        ),
    ];
    for (action, said, advice) in cases {
        let failure = room.perform(&Action::Lxd(action)).await.unwrap_err();
        assert!(failure.cause.contains(said), "{failure:?}");
        assert!(failure.advice.as_ref().is_some_and(|text| text.contains(advice)), "{failure:?}");
    }
    // Nothing of any of them stays, but what LXD makes in spite of a folder that is not there.
    room.perform(&Action::Lxd(LxdAction::Delete { name: name.clone(), id: room.id.clone() })).await.unwrap();
    assert_eq!(kinds(&held), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_an_lxd_that_does_not_answer_is_told_from_one_that_is_not_there() {
    let Some(mut held) = Held::take() else { return };
    let mut room = Room::new(&mut held);
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = |room: &mut Room, folder: &std::path::Path| {
        room.context.vars.remove("LXD_SOCKET");
        room.context.vars.insert("LXD_DIR".to_owned(), folder.display().to_string());
    };
    elsewhere(&mut room, folder.path());
    let state = room.state().await;
    assert_eq!(state.server, Observed::Absent);
    assert!(state.client.present().is_some());
    // A socket that nobody listens at.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("unix.socket")).unwrap());
    assert_eq!(room.state().await.server, Observed::Absent);
    let plan = room.plan(planner::up).await.unwrap();
    assert_eq!(ours(&plan).map(|(id, _)| id).collect::<Vec<_>>(), ["lxd/start"]);
    assert_eq!(plan.replan_layer(), Some("machine"));
    // Nothing was made, so there is nothing to take away; what was made cannot be.
    assert!(room.plan(|inputs| teardown::down(inputs, false)).await.is_ok());
    room.facts.subnet = Some("10.213.214.0/24".to_owned().try_into().unwrap());
    let error = room.plan(|inputs| teardown::down(inputs, false)).await.unwrap_err();
    assert!(error.advice().is_some_and(|text| text.contains("lxd")), "{error:?}");
}
