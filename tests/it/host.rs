//! The actions of this host, performed on real processes and files: each of them twice, and cut off where that matters.

use crate::place::{Place, eventually, lives};
use ComponentName::{Alertmanager, Prometheus, Redis, RedisExporter};
use reportctl::deployer::native::{Native, gather_dossier};
use reportctl::model::component::{ComponentName, PortKey};
use reportctl::model::file::{Folder, RenderedFile};
use reportctl::model::guest::MadeBy;
use reportctl::model::ids::{RunId, SecretName, StepId};
use reportctl::model::inventory::{Observed, ServiceStatus};
use reportctl::model::probe::{Body, Probe};
use reportctl::model::quantity::Span;
use reportctl::model::secret::SecretSource;
use reportctl::model::service::ServiceSpec;
use reportctl::plan::action::{Action, EnvAction, HostAction, StackAction};
use reportctl::plan::step::Step;
use reportctl::provider::host::agent::Client;
use reportctl::provider::{Failure, FailureKind, Notes, World as _};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

struct Host {
    place: Place,
    native: Native,
}

impl Host {
    fn new() -> Self {
        Self::of(Place::new(), BTreeMap::new())
    }

    fn of(place: Place, ports: BTreeMap<PortKey, u16>) -> Self {
        let native = Native::new(&place.context, &place.paths, &place.id, ports).unwrap();
        Self { place, native }
    }

    /// Performs an action once, within a minute.
    fn once(&self, action: impl Into<Action>) -> Result<(), Failure> {
        self.within(Span::seconds(60), action).0
    }

    /// Performs an action, and says what it noted.
    fn within(&self, timeout: Span, action: impl Into<Action>) -> (Result<(), Failure>, Vec<String>) {
        let id = StepId::parse("a/step").unwrap();
        let step = Step { id, after: BTreeSet::new(), because: "a test".to_owned(), timeout, action: action.into() };
        let said = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&said);
        let notes = Notes::new(move |note| listener.lock().unwrap().push(note));
        let done = self.place.block(self.native.perform(&step, &notes));
        let said = said.lock().unwrap().clone();
        (done, said)
    }

    /// Performs an action twice; both must succeed.
    #[track_caller]
    fn twice(&self, action: impl Into<Action> + Clone) {
        self.once(action.clone()).unwrap();
        self.once(action).unwrap();
    }

    fn start_agent(&self) {
        self.twice(HostAction::StartAgent { paths: self.place.paths.clone(), id: self.place.id.clone() });
    }

    fn stop_agent(&self) -> HostAction {
        HostAction::StopAgent { paths: self.place.paths.clone(), id: self.place.id.clone() }
    }

    fn start(&self, spec: ServiceSpec) -> StackAction {
        StackAction::StartService { paths: self.place.paths.clone(), spec }
    }

    fn forget(&self) -> EnvAction {
        EnvAction::Forget { paths: self.place.paths.clone(), id: self.place.id.clone() }
    }

    fn store(&self, name: &str, source: SecretSource) -> HostAction {
        let secrets = BTreeMap::from([(SecretName::parse(name).unwrap(), source)]);
        HostAction::StoreSecrets { paths: self.place.paths.clone(), secrets }
    }

    fn ready(&self, component: ComponentName, probes: Vec<Probe>) -> StackAction {
        StackAction::AwaitReady { component, paths: self.place.paths.clone(), probes }
    }

    fn status(&self, component: ComponentName) -> ServiceStatus {
        self.place.block(async { Client::new(&self.place.paths).status().await.unwrap()[&component].status.clone() })
    }

    fn pid(&self, component: ComponentName) -> u32 {
        match self.status(component) {
            ServiceStatus::Running { pid } => pid,
            other => panic!("{component} does not run: {other:?}"),
        }
    }

    fn agent_pid(&self) -> u32 {
        self.place.block(async { Client::new(&self.place.paths).version().await.unwrap().2 })
    }

    fn file(&self, name: &str, text: &str) -> StackAction {
        let path = self.place.paths.config(Redis).join(name);
        let file = RenderedFile { path, mode: 0o600, text: text.to_owned(), owner: None };
        StackAction::WriteFiles { component: Redis, folders: vec![], files: vec![file] }
    }
}

fn mode(path: impl Into<PathBuf>) -> u32 {
    path.into().metadata().unwrap().permissions().mode() & 0o7777
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_folder_is_claimed_and_given_up_wherever_either_is_cut_off() {
    let host = Host::new();
    let paths = host.place.paths.clone();
    std::fs::remove_dir_all(&paths.root).unwrap();
    let claim = EnvAction::Claim { paths: paths.clone(), id: host.place.id.clone(), made_by: MadeBy::Host };
    host.twice(claim.clone());
    assert_eq!((mode(&paths.root), mode(paths.identity())), (0o700, 0o600));
    // The journal of the run is there before the claim, and after everything else has gone.
    let journal = paths.journal(&RunId::numbered(1));
    let fill = || {
        for folder in [paths.journals(), paths.data(Redis), paths.secrets(), paths.dossiers()] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(&journal, "").unwrap();
    };
    fill();
    std::fs::remove_file(paths.identity()).unwrap();
    std::fs::remove_dir_all(&paths.root).unwrap();
    std::fs::create_dir_all(paths.journals()).unwrap();
    host.twice(claim.clone());
    fill();
    host.twice(host.forget());
    assert!(!paths.root.exists());
    // Cut off after everything but the journals was removed.
    std::fs::create_dir_all(paths.journals()).unwrap();
    std::fs::write(&journal, "").unwrap();
    host.twice(host.forget());
    assert!(!paths.root.exists());
}

#[test]
fn a_folder_that_is_not_ours_is_never_touched() {
    let host = Host::new();
    let paths = &host.place.paths;
    std::fs::create_dir_all(paths.data(Redis)).unwrap();
    let all = |host: &Host| -> Vec<Action> {
        vec![
            host.store("redis-admin", SecretSource::Generate(24)).into(),
            host.file("redis.conf", "text").into(),
            StackAction::RemovePaths { paths: vec![paths.data(Redis)] }.into(),
            HostAction::StartAgent { paths: paths.clone(), id: host.place.id.clone() }.into(),
            host.start(host.place.spec(Redis, "sleep 600", &[])).into(),
            StackAction::StopService { paths: paths.clone(), component: Redis }.into(),
            host.stop_agent().into(),
        ]
    };
    for identity in ["local-zzzzzzzz\n", "", "nonsense"] {
        std::fs::write(paths.identity(), identity).unwrap();
        for action in all(&host) {
            let failure = host.once(action.clone()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Precondition, "{action:?}: {failure}");
        }
        assert!(host.once(host.forget()).is_err());
        assert!(
            host.once(EnvAction::Claim { paths: paths.clone(), id: host.place.id.clone(), made_by: MadeBy::Host })
                .is_err()
        );
        assert!(paths.data(Redis).exists() && !paths.secrets().exists() && !paths.config(Redis).exists());
        assert_eq!(std::fs::read_to_string(paths.identity()).unwrap(), identity);
    }
}

#[test]
fn secrets_are_stored_once_and_never_overwritten() {
    let host = Host::of(Place::new().with_var("GIVEN", "given-by-variable"), BTreeMap::new());
    let secret = |name: &str| host.place.paths.secret(&SecretName::parse(name).unwrap());
    let read = |name: &str| std::fs::read_to_string(secret(name)).unwrap();
    host.once(host.store("redis-admin", SecretSource::Generate(24))).unwrap();
    let first = read("redis-admin");
    assert_eq!((first.len(), mode(secret("redis-admin")), mode(host.place.paths.secrets())), (24, 0o600, 0o700));
    // Loosened permissions are mended, the value is not.
    std::fs::set_permissions(secret("redis-admin"), std::fs::Permissions::from_mode(0o644)).unwrap();
    host.once(host.store("redis-admin", SecretSource::Generate(48))).unwrap();
    assert_eq!((read("redis-admin"), mode(secret("redis-admin"))), (first, 0o600));
    host.once(host.store("given", SecretSource::Env("GIVEN".to_owned()))).unwrap();
    assert_eq!(read("given"), "given-by-variable");
    let file = host.place.work().join("file");
    std::fs::write(&file, "given-by-file\n").unwrap();
    host.once(host.store("filed", SecretSource::File(file.display().to_string()))).unwrap();
    assert_eq!(read("filed"), "given-by-file");
}

#[test]
fn a_secret_that_cannot_be_had_is_named_and_not_shown() {
    let host = Host::of(Place::new().with_var("UNFIT", "has blanks, canary"), BTreeMap::new());
    let fails = |source| {
        let failure = host.once(host.store("redis-admin", source)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Precondition);
        assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        failure
    };
    let failure = fails(SecretSource::Env("NOT_SET".to_owned()));
    insta::assert_snapshot!(failure.cause, @"secret redis-admin comes from the environment variable NOT_SET, which is not set");
    assert_eq!(failure.advice.as_deref(), Some("export NOT_SET=…"));
    let failure = fails(SecretSource::Env("UNFIT".to_owned()));
    insta::assert_snapshot!(failure.cause, @"secret redis-admin, from the environment variable UNFIT: a secret is made of letters, digits and -._~+= only; this one has another character");
    assert!(fails(SecretSource::File("/no/such/file".to_owned())).cause.contains("cannot read /no/such/file"));
    // One that was spoilt is not silently made anew.
    let path = host.place.paths.secret(&SecretName::parse("redis-admin").unwrap());
    std::fs::write(&path, "").unwrap();
    assert!(fails(SecretSource::Generate(24)).cause.contains("a secret has 8 to 512 characters"));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "");
}

#[test]
fn files_are_written_with_their_secrets_and_no_other_folder_is_reached() {
    let host = Host::new();
    let paths = &host.place.paths;
    let missing = host.once(host.file("users.acl", "#@{secret:redis-admin:sha256}")).unwrap_err();
    assert!(missing.cause.contains("needs the secret redis-admin, which is not stored"), "{missing}");
    host.once(host.store("redis-admin", SecretSource::Generate(24))).unwrap();
    let config = paths.config(Redis);
    let folders = vec![
        Folder { path: config.clone(), mode: 0o700, owner: None },
        Folder { path: config.join("more"), mode: 0o750, owner: None },
    ];
    let file = RenderedFile {
        path: config.join("conf"),
        mode: 0o640,
        text: "pass @{secret:redis-admin}\n".to_owned(),
        owner: None,
    };
    host.twice(StackAction::WriteFiles { component: Redis, folders, files: vec![file] });
    let secret = std::fs::read_to_string(paths.secret(&SecretName::parse("redis-admin").unwrap())).unwrap();
    assert_eq!(std::fs::read_to_string(config.join("conf")).unwrap(), format!("pass {secret}\n"));
    assert_eq!((mode(config.join("conf")), mode(&config), mode(config.join("more"))), (0o640, 0o700, 0o750));
    assert_eq!(std::fs::read_dir(&config).unwrap().count(), 2, "nothing is left beside");
    let outside = host.place.work().join("../../other");
    for path in [outside, paths.root.clone(), "/tmp/elsewhere".into(), paths.lock.clone()] {
        let file = RenderedFile { path: path.clone(), mode: 0o600, text: String::new(), owner: None };
        let write = StackAction::WriteFiles { component: Redis, folders: vec![], files: vec![file] };
        assert_eq!(host.once(write).unwrap_err().kind, FailureKind::Precondition, "{}", path.display());
        assert_eq!(
            host.once(StackAction::RemovePaths { paths: vec![path] }).unwrap_err().kind,
            FailureKind::Precondition
        );
    }
    host.twice(StackAction::RemovePaths { paths: vec![config.clone(), paths.data(Redis)] });
    assert!(!config.exists());
}

#[test]
fn data_for_other_users_lies_in_a_folder_that_is_claimed_too() {
    let host = Host::new();
    let paths = &host.place.paths;
    let data = paths.shared_data.join("postgresql");
    let owner = Place::is_root().then(|| "daemon".to_owned());
    let folders = vec![Folder { path: data.clone(), mode: 0o700, owner }];
    host.twice(StackAction::WriteFiles {
        component: ComponentName::Postgresql,
        folders: folders.clone(),
        files: vec![],
    });
    assert_eq!((mode(&paths.shared_data), mode(&data)), (0o755, 0o700));
    if Place::is_root() {
        use std::os::unix::fs::MetadataExt as _;
        assert_ne!(data.metadata().unwrap().uid(), 0);
    }
    // Another's is neither used nor removed.
    std::fs::write(paths.shared_data.join("identity"), "local-zzzzzzzz\n").unwrap();
    assert!(
        host.once(StackAction::WriteFiles { component: ComponentName::Postgresql, folders, files: vec![] }).is_err()
    );
    host.twice(StackAction::RemovePaths { paths: vec![paths.shared_data.clone()] });
    host.twice(host.forget());
    assert!(data.exists());
    std::fs::write(paths.shared_data.join("identity"), format!("{}\n", host.place.id)).unwrap();
    host.twice(StackAction::RemovePaths { paths: vec![paths.shared_data.clone()] });
    assert!(!paths.shared_data.exists());
}

#[test]
fn a_preparation_runs_once_and_again_only_when_it_did_not_end_well() {
    let host = Host::new();
    let (count, proof) = (host.place.work().join("count"), host.place.paths.root.join("prepared/redis"));
    let prepare = |script: &str| {
        let run = format!("echo $REPORTCTL_ID $OWN >>{}; {script}", count.display());
        StackAction::Prepare {
            component: Redis,
            commands: vec![["/bin/sh", "-c", &run].map(str::to_owned).to_vec(), vec!["true".to_owned()]],
            env: BTreeMap::from([("OWN".to_owned(), "value".to_owned())]),
            proof: proof.clone(),
        }
    };
    let failure = host.once(prepare("echo 'disk is on fire' >&2; exit 3")).unwrap_err();
    assert!(failure.cause.ends_with("ended with exit code 3:\ndisk is on fire"), "{failure}");
    assert!(!proof.exists());
    host.twice(prepare("true"));
    let said = std::fs::read_to_string(count).unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), vec![format!("{} value", host.place.id); 2]);
    assert!(proof.exists());
}

#[test]
fn a_preparation_that_hangs_is_ended_and_shows_no_secret() {
    let host = Host::new();
    host.once(host.store("redis-admin", SecretSource::Generate(24))).unwrap();
    let secret = host.place.paths.secret(&SecretName::parse("redis-admin").unwrap());
    let run = format!("cat {}; sleep 600", secret.display());
    let prepare = StackAction::Prepare {
        component: Redis,
        commands: vec![["/bin/sh", "-c", &run].map(str::to_owned).to_vec()],
        env: BTreeMap::new(),
        proof: host.place.paths.root.join("prepared/redis"),
    };
    let failure = host.within(Span(2000), prepare).0.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    let value = std::fs::read_to_string(secret).unwrap();
    assert!(failure.cause.contains("***") && !format!("{failure:?}").contains(&value), "{failure:?}");
    assert!(host.place.marked().is_empty());
}

#[test]
fn a_service_is_started_replaced_and_stopped() {
    let host = Host::new();
    host.start_agent();
    host.twice(host.start(host.place.spec(Redis, "sleep 600", &[])));
    let first = host.pid(Redis);
    host.twice(host.start(host.place.spec(Redis, "sleep 601", &[])));
    assert_ne!(host.pid(Redis), first);
    host.twice(StackAction::StopService { paths: host.place.paths.clone(), component: Redis });
    host.twice(host.stop_agent());
    assert!(!host.place.paths.agent().exists());
    host.once(StackAction::StopService { paths: host.place.paths.clone(), component: Redis }).unwrap();
    let failure = host.once(host.start(host.place.spec(Redis, "sleep 600", &[]))).unwrap_err();
    assert!(failure.cause.contains("no agent listens"), "{failure}");
}

/// Two services that write down when they are told to end; the one that the other needs was started last, since it was
/// killed once.
fn two_in_order(host: &Host) {
    for (component, needs) in [(Redis, vec![]), (RedisExporter, vec![Redis])] {
        // The shell says "Terminated" of a child that the same signal ended; after the agent's death nobody reads its
        // standard error, and the broken pipe would end it before its trap.
        let trap = format!("trap 'echo {component} >>order; exit 0' TERM");
        let script = format!("exec 2>/dev/null; {trap}; echo up; while :; do sleep 0.01; done");
        host.once(host.start(host.place.spec(component, &script, &needs))).unwrap();
        eventually("it is up", || host.place.log(component).iter().any(|line| line == "up"));
    }
    let redis = host.pid(Redis);
    host.place.kill(redis, "KILL");
    eventually("it is up again", || host.place.log(Redis).iter().filter(|line| *line == "up").count() == 2);
    assert_ne!(host.pid(Redis), redis);
}

fn assert_all_stopped_in_order(host: &Host) {
    assert!(host.place.marked().is_empty());
    let order = std::fs::read_to_string(host.place.work().join("order")).unwrap();
    assert_eq!(order, "redis-exporter\nredis\n");
    assert!(!host.place.paths.agent().exists());
}

#[test]
fn an_agent_that_does_not_answer_is_told_to_stop_by_a_signal() {
    let host = Host::new();
    host.start_agent();
    two_in_order(&host);
    let agent = host.agent_pid();
    host.place.kill(agent, "STOP");
    let (done, notes) = host.within(Span::seconds(60), host.stop_agent());
    done.unwrap();
    assert!(notes.iter().any(|note| note.contains("it is told to end by a signal")), "{notes:?}");
    assert!(!lives(agent));
    assert_all_stopped_in_order(&host);
}

#[test]
fn an_agent_that_was_killed_is_stopped_by_stopping_what_it_left_in_order() {
    let host = Host::new();
    host.start_agent();
    two_in_order(&host);
    host.place.kill(host.agent_pid(), "KILL");
    host.twice(host.stop_agent());
    assert_all_stopped_in_order(&host);
}

#[test]
fn what_a_killed_agent_leaves_is_stopped_with_or_without_a_plan_for_it() {
    let host = Host::new();
    host.start_agent();
    host.once(host.start(host.place.spec(Redis, "exec sleep 600", &[]))).unwrap();
    let (redis, agent) = (host.pid(Redis), host.agent_pid());
    host.place.kill(agent, "KILL");
    eventually("it is gone", || !lives(agent));
    host.twice(HostAction::StopOrphans { id: host.place.id.clone(), processes: vec![] });
    assert!(!lives(redis));
    host.start_agent();
    host.once(host.start(host.place.spec(Redis, "exec sleep 600", &[]))).unwrap();
    let (redis, agent) = (host.pid(Redis), host.agent_pid());
    // What a living agent looks after is no orphan, whatever the plan says.
    let started = match reportctl::exec::identity(redis) {
        Observed::Present(reading) => reading.identity.started,
        other => panic!("{other:?}"),
    };
    let wrong = reportctl::model::inventory::Orphan { pid: redis, started, component: Some(Redis) };
    host.once(HostAction::StopOrphans { id: host.place.id.clone(), processes: vec![wrong] }).unwrap();
    assert_eq!(host.pid(Redis), redis);
    host.place.kill(agent, "KILL");
    host.twice(host.stop_agent());
    assert!(!lives(redis) && host.place.marked().is_empty());
}

fn redis(host: &Host, port: u16) -> ServiceSpec {
    let mut spec = host.place.spec(Redis, "", &[]);
    let port = port.to_string();
    let argv = [&host.place.find("redis-server"), "--bind", "127.0.0.1", "--port", &port, "--save", ""];
    spec.argv = argv.map(str::to_owned).to_vec();
    spec.argv.extend(["--user", "admin", "on", "nopass", "~*", "+@all"].map(str::to_owned));
    spec
}

fn redis_probe(port: u16) -> Probe {
    Probe::Redis { port, user: "admin".to_owned(), password: SecretName::parse("redis-admin").unwrap() }
}

#[test]
fn a_component_is_ready_when_it_answers_as_it_should() {
    let host = Host::new();
    host.start_agent();
    host.once(host.store("redis-admin", SecretSource::Generate(24))).unwrap();
    let port = free_port();
    host.once(host.start(redis(&host, port))).unwrap();
    host.twice(host.ready(Redis, vec![redis_probe(port)]));
    // One that answers and not as it should is not.
    let probe = Probe::Http { port, path: "/".to_owned(), expect: Body::Contains("ready".to_owned()) };
    let failure = host.within(Span(1500), host.ready(Redis, vec![probe])).0.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Timeout | FailureKind::Stall), "{failure:?}");
    assert!(failure.cause.starts_with("redis is not ready"), "{failure}");
    assert_eq!(failure.evidence, Some(host.place.paths.log(Redis)));
    assert_eq!(failure.advice.as_deref(), Some("reportctl logs redis"));
}

#[test]
fn one_that_keeps_ending_fails_at_once_with_its_last_words() {
    let host = Host::new();
    host.start_agent();
    host.once(host.start(host.place.spec(Redis, "echo '*** FATAL CONFIG FILE ERROR'; exit 1", &[]))).unwrap();
    let failure = host.once(host.ready(Redis, vec![redis_probe(free_port())])).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Failed);
    assert_eq!(failure.cause, "redis is not ready: its process keeps ending: it ended with exit code 1");
    assert!(failure.observed.unwrap().contains("*** FATAL CONFIG FILE ERROR"));
}

#[test]
fn one_that_nobody_looks_after_fails_at_once() {
    let host = Host::new();
    host.start_agent();
    let failure = host.once(host.ready(Redis, vec![])).unwrap_err();
    assert_eq!(failure.cause, "redis is not ready: the agent does not look after it any more");
    host.once(host.stop_agent()).unwrap();
    let failure = host.within(Span(1500), host.ready(Redis, vec![])).0.unwrap_err();
    assert!(failure.cause.contains("no agent listens"), "{failure}");
}

#[test]
fn a_port_that_was_taken_meanwhile_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let keys = [(PortKey::new(Redis, "redis"), port), (PortKey::new(Prometheus, "http"), free_port())];
    for reserved in [true, false] {
        let host = Host::of(Place::new(), if reserved { BTreeMap::new() } else { keys.clone().into() });
        if reserved {
            host.once(HostAction::ReservePorts { ports: keys.clone().into() }).unwrap();
        }
        host.start_agent();
        host.once(host.store("redis-admin", SecretSource::Generate(24))).unwrap();
        host.once(host.start(redis(&host, port))).unwrap();
        let failure = host.once(host.ready(Redis, vec![redis_probe(port)])).unwrap_err();
        assert_eq!(failure.kind, FailureKind::PortTaken(PortKey::new(Redis, "redis")), "{failure:?}");
        assert!(failure.observed.unwrap().contains("Address already in use"));
    }
}

#[test]
fn an_answer_from_another_process_does_not_count() {
    let host = Host::new();
    host.start_agent();
    host.once(host.store("redis-admin", SecretSource::Generate(24))).unwrap();
    let port = free_port();
    host.once(host.start(redis(&host, port))).unwrap();
    host.once(host.ready(Redis, vec![redis_probe(port)])).unwrap();
    // It runs, and does not listen; somebody else answers just as it would.
    host.once(host.start(host.place.spec(Alertmanager, "sleep 600", &[]))).unwrap();
    let failure = host.within(Span(1500), host.ready(Alertmanager, vec![redis_probe(port)])).0.unwrap_err();
    assert!(failure.cause.contains(&format!("another process answers on 127.0.0.1:{port}")), "{failure}");
}

#[test]
fn a_dossier_holds_what_is_needed_and_no_secret() {
    let host = Host::new();
    host.start_agent();
    host.once(host.store("redis-admin", SecretSource::Generate(24))).unwrap();
    let secret = host.place.paths.secret(&SecretName::parse("redis-admin").unwrap());
    let value = std::fs::read_to_string(&secret).unwrap();
    let script = format!("echo password is $(cat {}); exec sleep 600", secret.display());
    host.once(host.start(host.place.spec(Redis, &script, &[]))).unwrap();
    eventually("it has spoken", || host.place.log(Redis).iter().any(|line| line.contains("password")));
    let run = RunId::numbered(3);
    std::fs::create_dir_all(host.place.paths.journals()).unwrap();
    std::fs::write(host.place.paths.journal(&run), "the journal\n").unwrap();
    let gather =
        || host.place.block(gather_dossier(&host.place.context, &host.place.paths, &host.place.id, &run)).unwrap();
    let folder = gather();
    assert_eq!(gather(), folder);
    assert_eq!(folder, host.place.paths.dossiers().join("0003"));
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["agent.log", "redis.log", "run.journal", "status.txt"]);
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(text("redis.log").contains("password is ***"));
    assert!(text("status.txt").contains("Running") && text("run.journal") == "the journal\n");
    assert!(names.iter().all(|name| !text(name).contains(&value) && mode(folder.join(name)) == 0o600));
    // Where nothing could be masked, nothing that might hold a secret is copied.
    std::fs::write(&secret, "").unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    gather();
    assert!(folder.join("logs-left-out.txt").exists() && !folder.join("redis.log").exists());
}
