//! What is seen of this host, in every state that it can be found in.

use crate::place::{Place, eventually, lives};
use crate::render_support::environment;
use reportctl::model::component::ComponentName::{self, Grafana, Prometheus, Redis, RedisExporter};
use reportctl::model::digest::sha256_hex;
use reportctl::model::facts::Facts;
use reportctl::model::ids::SecretName;
use reportctl::model::inventory::{FileState, Inventory, Observed, PortUse, RootAccess, ServiceStatus};
use reportctl::observe::observe;
use reportctl::plan::ports::to_observe;
use reportctl::provider::host::agent::Client;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn look(place: &Place) -> Inventory {
    look_with(place, &Facts::default())
}

fn look_with(place: &Place, facts: &Facts) -> Inventory {
    place.block(observe(&place.context, &environment(), &place.paths, facts, &place.id, None))
}

fn run(place: &Place, component: ComponentName, script: &str) -> u32 {
    let spec = place.spec(component, script, &[]);
    place.block(async { Client::new(&place.paths).apply(vec![spec], false, LONG).await }).unwrap();
    let services = place.block(async { Client::new(&place.paths).status().await }).unwrap();
    match services[&component].status {
        ServiceStatus::Running { pid } => pid,
        ref other => panic!("{other:?}"),
    }
}

/// A stand-in for a component's program that tells its version and counts how often it was asked.
fn stand_in(place: &Place, name: &str, said: &str) -> PathBuf {
    let bin = place.bin();
    std::fs::create_dir_all(&bin).unwrap();
    let path = bin.join(name);
    let script =
        format!("#!/bin/sh\n[ \"$*\" = --version ] || exit 9\necho asked >>{}\n{said}\n", bin.join("asked").display());
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn times_asked(place: &Place) -> usize {
    std::fs::read_to_string(place.bin().join("asked")).unwrap_or_default().lines().count()
}

#[test]
fn where_nothing_is_nothing_is_seen_and_nothing_is_made() {
    let place = Place::new();
    std::fs::remove_dir_all(&place.paths.root).unwrap();
    let seen = look(&place);
    assert_eq!((&seen.identity, &seen.root, &seen.agent), (&Observed::Absent, &Observed::Absent, &Observed::Absent));
    assert!(seen.orphans.is_empty() && seen.files.is_empty() && seen.prepared.is_empty() && !seen.rebooted);
    assert!(seen.secrets.values().all(Observed::is_absent) && seen.secrets.len() > 5);
    assert!(!place.paths.root.exists(), "looking makes nothing");
    let asked: BTreeSet<u16> = seen.ports.keys().copied().collect();
    assert_eq!(asked, to_observe(&environment(), &Facts::default(), &place.id));
    assert_eq!(seen.checkout, Observed::Absent);
    assert_eq!(seen.host.uid, rustix::process::geteuid().as_raw());
    if Place::is_root() {
        assert_eq!(seen.host.root_access, Observed::Present(RootAccess::Root));
    }
}

#[test]
fn whose_the_folder_is_is_seen_and_foreign_is_unknown() {
    let place = Place::new();
    std::fs::remove_dir(place.work()).unwrap();
    assert_eq!(look(&place).identity, Observed::Present(place.id.clone()));
    std::fs::remove_dir_all(place.paths.cache()).unwrap();
    std::fs::remove_file(place.paths.identity()).unwrap();
    std::fs::create_dir(place.paths.journals()).unwrap();
    let seen = look(&place);
    assert_eq!((seen.identity, seen.root), (Observed::Absent, Observed::Present(())));
    assert!(!place.paths.cache().exists(), "nothing is kept in a folder that is not claimed");
    std::fs::write(place.paths.root.join("thesis.tex"), "").unwrap();
    assert!(matches!(look(&place).identity, Observed::Unknown(reason) if reason.contains("thesis.tex")));
    std::fs::write(place.paths.identity(), "local\n").unwrap();
    assert!(matches!(look(&place).identity, Observed::Unknown(_)));
    std::fs::remove_dir_all(&place.paths.root).unwrap();
    std::fs::write(&place.paths.root, "").unwrap();
    let seen = look(&place);
    assert!(matches!((seen.identity, seen.root), (Observed::Unknown(_), Observed::Unknown(_))));
}

#[test]
fn files_are_compared_as_they_were_rendered() {
    let place = Place::new();
    let config = place.paths.config(Redis);
    std::fs::create_dir_all(config.join("sub")).unwrap();
    std::fs::create_dir_all(place.paths.secrets()).unwrap();
    let secret = place.paths.secret(&SecretName::parse("redis-admin").unwrap());
    std::fs::write(&secret, "correct-horse").unwrap();
    let write = |name: &str, bytes: &[u8], mode| {
        std::fs::write(config.join(name), bytes).unwrap();
        std::fs::set_permissions(config.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let hash = sha256_hex(b"correct-horse");
    write("redis.conf", format!("pass correct-horse #{hash}").as_bytes(), 0o600);
    write("sub/stale", b"nobody renders it", 0o644);
    write("binary", b"\xff\xfe", 0o600);
    let seen = look(&place).files;
    let rendered = b"pass @{secret:redis-admin} #@{secret:redis-admin:sha256}";
    let state = |bytes: &[u8], mode| Observed::Present(FileState { digest: sha256_hex(bytes), mode });
    assert_eq!(seen[&config.join("redis.conf")], state(rendered, 0o600));
    assert_eq!(seen[&config.join("sub/stale")], state(b"nobody renders it", 0o644));
    assert_eq!(seen[&config.join("binary")], state(b"\xff\xfe", 0o600));
    assert_eq!(seen.len(), 3);
    // Without the values it cannot be told whether a file is as it should be.
    std::fs::write(&secret, "spoilt secret").unwrap();
    let seen = look(&place);
    assert!(
        matches!(&seen.files[&config.join("redis.conf")], Observed::Unknown(reason) if reason.contains("redis-admin"))
    );
    assert!(matches!(seen.secrets[&SecretName::parse("redis-admin").unwrap()], Observed::Unknown(_)));
    assert!(!format!("{seen:?}").contains("spoilt secret"));
}

#[test]
fn proofs_of_preparations_are_seen() {
    let place = Place::new();
    let proof = place.paths.root.join("prepared/postgresql");
    assert!(look(&place).prepared.is_empty());
    std::fs::create_dir(proof.parent().unwrap()).unwrap();
    std::fs::write(&proof, "").unwrap();
    assert_eq!(look(&place).prepared[&proof], Observed::Present(()));
}

#[test]
fn ports_are_told_apart_by_who_holds_them() {
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, everywhere) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("0.0.0.0:0").unwrap());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let own = port(&free);
    drop(free);
    place.launch().unwrap();
    let server = place.find("redis-server");
    run(&place, Redis, &format!("exec {server} --bind 127.0.0.1 --port {own} --save ''"));
    eventually("it listens", || std::net::TcpStream::connect(("127.0.0.1", own)).is_ok());
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = port(&unused);
    drop(unused);
    let numbers = [own, port(&taken), port(&everywhere), nobody];
    let keys = ["a", "b", "c", "d"].map(|name| reportctl::model::component::PortKey::new(Redis, name));
    let facts = Facts { ports: keys.into_iter().zip(numbers).collect(), ..Facts::default() };
    let seen = look_with(&place, &facts).ports;
    let uses = numbers.map(|number| seen[&number]);
    assert_eq!(uses, [PortUse::Ours, PortUse::Taken, PortUse::Taken, PortUse::Free]);
    // It is still ours when nobody looks after it any more.
    let agent = look(&place).agent.present().unwrap().pid;
    place.kill(agent, "KILL");
    eventually("it is gone", || !lives(agent));
    assert_eq!(look_with(&place, &facts).ports[&own], PortUse::Ours);
}

#[test]
fn the_agent_is_seen_as_it_is() {
    let place = Place::new();
    let agent = place.launch().unwrap();
    let redis = run(&place, Redis, "exec sleep 600");
    let seen = look(&place);
    let state = seen.agent.present().unwrap();
    assert_eq!((state.pid, &state.services[&Redis].status), (agent, &ServiceStatus::Running { pid: redis }));
    assert_eq!(state.services[&Redis].digest, place.spec(Redis, "exec sleep 600", &[]).digest());
    assert!(seen.orphans.is_empty() && !seen.rebooted);
    // One that does not answer is unknown, and what it looks after is no orphan.
    place.kill(agent, "STOP");
    let seen = look(&place);
    place.kill(agent, "CONT");
    assert!(matches!(&seen.agent, Observed::Unknown(reason) if reason.contains("did not answer")), "{:?}", seen.agent);
    assert!(seen.orphans.is_empty());
    place.kill(agent, "KILL");
    eventually("it is gone", || !lives(agent));
    let seen = look(&place);
    assert!(seen.agent.is_absent() && !seen.rebooted);
    let orphans: Vec<_> = seen.orphans.iter().map(|orphan| (orphan.pid, orphan.component)).collect();
    assert_eq!(orphans, [(redis, Some(Redis))]);
}

#[test]
fn another_environments_agent_in_our_folder_is_not_ours() {
    let place = Place::new();
    place.launch().unwrap();
    let mut other = Place::new();
    other.paths = place.paths.clone();
    assert!(matches!(look(&other).agent, Observed::Unknown(reason) if reason.contains(place.id.as_str())));
}

#[test]
fn a_boot_since_the_agent_was_started_is_seen() {
    let place = Place::new();
    let pid = place.launch().unwrap();
    place.kill(pid, "KILL");
    eventually("it is gone", || !lives(pid));
    let record = place.paths.agent().join("agent.json");
    let text = std::fs::read_to_string(&record).unwrap();
    let boot = reportctl::provider::host::agent::boot_id().present().unwrap().clone();
    std::fs::write(&record, text.replace(&boot, "11111111-2222-3333-4444-555555555555")).unwrap();
    let seen = look(&place);
    assert!(seen.rebooted && seen.agent.is_absent());
    std::fs::write(&record, "half a rec").unwrap();
    assert!(!look(&place).rebooted);
}

#[test]
fn programs_tell_their_version_once() {
    let place = Place::new().with_own_programs();
    let redis = stand_in(
        &place,
        "redis-server",
        "echo 'Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0'",
    );
    stand_in(&place, "prometheus", "echo 'prometheus, version 2.53.1 (branch: debian/sid)' >&2");
    stand_in(&place, "prometheus-redis-exporter", "echo broken >&2; exit 3");
    stand_in(&place, "grafana", "echo 'I do not tell'");
    let seen = look(&place).programs;
    let version = |name| seen[&name].present().map(|program| program.version.to_string());
    assert_eq!((version(Redis).as_deref(), version(Prometheus).as_deref()), (Some("7.2.4"), Some("2.53.1")));
    assert_eq!(seen[&Redis].present().unwrap().path, redis);
    assert!(
        matches!(&seen[&RedisExporter], Observed::Unknown(why) if why.contains("exit code 3") && why.contains("broken"))
    );
    assert!(matches!(&seen[&Grafana], Observed::Unknown(why) if why.contains("tells no version: I do not tell")));
    assert_eq!(seen[&ComponentName::NodeExporter], Observed::Absent);
    assert_eq!(times_asked(&place), 4);
    // What was understood is not asked again, unless the program changes.
    assert_eq!(look(&place).programs, seen);
    assert_eq!(times_asked(&place), 6);
    stand_in(&place, "redis-server", "echo 'Redis server v=7.4.0 sha=0'");
    assert_eq!(look(&place).programs[&Redis].present().unwrap().version.to_string(), "7.4.0");
}

#[test]
fn an_empty_environment_of_variables_will_do() {
    let mut place = Place::new();
    place.context.vars.clear();
    let seen = look(&place);
    assert_eq!(seen.identity, Observed::Present(place.id.clone()));
    // The usual folders are searched all the same.
    assert!(seen.packages.values().any(|package| !matches!(package.installed, Observed::Unknown(_))));
}
