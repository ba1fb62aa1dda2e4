//! `up` of a machine of LXD, killed without warning at a write to the journal: `up` goes on with it and comes to the same end,
//! and `down` takes away all that is ours and nothing else. In the fake LXD, in whose machines programs really run, at every
//! write; in this host's LXD at some writes, which another commit chooses anew, and in `tests/full/lxd` at each.

use crate::command::{Done, done};
use crate::fakes;
use crate::lxd_support::{Lxd, image, lxc, query};
use crate::stage::{UP, free_ports, is_free, marked, tree, write_program};
use reportctl::journal::store;
use reportctl::model::ids::EnvName;
use reportctl::model::lxd::Names;
use reportctl::model::paths::Paths;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// What is not in the stack, so that a run takes seconds.
const LEFT_OUT: [&str; 10] = [
    "redis-exporter",
    "node-exporter",
    "prometheus",
    "alertmanager",
    "postgresql",
    "grafana",
    "clickhouse",
    "uptrace",
    "requestor",
    "runner",
];

/// At how many writes `up` is killed in this host's LXD.
const CHOSEN: u64 = 6;

/// An environment with a project and a state of its own: a machine with Redis in it.
struct Stage {
    folder: tempfile::TempDir,
    name: String,
    port: u16,
}

impl Stage {
    /// One whose machine is made of a local image. The programs in `bin` come before the host's.
    fn new(image: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("k{}n{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::Builder::new().prefix("kill-lxd").tempdir().unwrap();
        let stage = Self { folder, name, port: free_ports(1)[0] };
        for folder in ["bin", "project/environments", "project/blueprints", "state", "home", "tmp"] {
            std::fs::create_dir_all(stage.at(folder)).unwrap();
        }
        let blueprint = include_str!("../../blueprints/report-stack.yaml").replace("images:debian/12/cloud", image);
        std::fs::write(stage.at("project/blueprints/killed.yaml"), blueprint).unwrap();
        let stack: String = LEFT_OUT.iter().map(|name| format!("  {name}: {{enabled: false}}\n")).collect();
        let text = format!(
            "extends: lxd\nmachine: {{blueprint: killed}}\nstack:\n  redis: {{ports: {{redis: {}}}}}\n{stack}",
            stage.port
        );
        std::fs::write(stage.at("project/environments").join(format!("{}.yaml", stage.name)), text).unwrap();
        stage
    }

    /// One in a fake LXD of its own, whose machines end when its folder is removed. None where no machine can run: the test
    /// is left out, and says why.
    fn fake() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("left out: a fake machine needs root");
            return None;
        }
        let stage = Self::new("report-test");
        let machine = fakes::program("fake-machine");
        for role in ["lxc", "ssh"] {
            let lxd = stage.at("lxd");
            let script =
                format!("#!/bin/sh\nFAKE_LXD='{}' exec '{}' {role} \"$@\"\n", lxd.display(), machine.display());
            write_program(&stage.at("bin").join(role), &script);
        }
        Some(stage)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn paths(&self) -> Paths {
        Paths::new(&self.at("state/reportctl"), &EnvName::parse(&self.name).unwrap())
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reportctl"));
        command.args(line.split_whitespace()).env_clear().current_dir(self.at("project")).stdin(Stdio::null());
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("LC_ALL", "C.UTF-8").env("REPORTCTL_ENV", &self.name);
        for (name, folder) in [("HOME", "home"), ("TMPDIR", "tmp"), ("XDG_STATE_HOME", "state")] {
            command.env(name, self.at(folder));
        }
        command
    }

    #[track_caller]
    fn ok(&self, line: &str) -> Done {
        let done = done(&mut self.command(line));
        assert_eq!(done.code, Some(0), "{line}: {}", done.shown());
        done
    }

    /// Runs `up`, killed at a write to the journal such as `3` or `3/`. False: it came to its end before that.
    #[track_caller]
    fn killed(&self, write: &str) -> bool {
        let output = self.command(&up()).env("REPORTCTL_TEST_KILL_AT", write).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let was_killed = output.status.signal() == Some(9);
        assert!(was_killed || output.status.success(), "killed at {write}: {}\n{said}", output.status);
        was_killed
    }

    /// What the fake LXD says to a command.
    fn fake_lxc(&self, words: &[&str]) -> String {
        done(Command::new(self.at("bin/lxc")).args(words).stdin(Stdio::null())).ok()
    }

    /// Every thing in the fake LXD by its path.
    fn fake_things(&self) -> Vec<String> {
        let kinds = ["instances", "images", "profiles", "networks", "storage-pools"];
        let lists = kinds.map(|kind| self.fake_lxc(&["query", &format!("/1.0/{kind}")]));
        lists.iter().flat_map(|list| serde_json::from_str::<Vec<String>>(list).unwrap()).collect()
    }

    /// How often this host's part of it was written to.
    fn writes(&self) -> u64 {
        let files = std::fs::read_dir(self.paths().journals()).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().lines().count() as u64).sum()
    }

    /// What its things in LXD are called, once it has an identity.
    fn names(&self) -> Option<Names> {
        store::recall(&self.paths()).unwrap().facts.id.map(|id| Names::of(&id))
    }

    /// Redis is there in the machine, and knows its administrator's password.
    #[track_caller]
    fn answers(&self) {
        let password = std::fs::read_to_string(self.paths().secrets().join("redis-admin")).unwrap();
        let (instance, port) = (self.names().unwrap().instance, self.port.to_string());
        let password = format!("REDISCLI_AUTH={}", password.trim());
        let inside = ["exec", &instance, "-n", "-T", "--env", &password, "--"];
        let ping = ["redis-cli", "--user", "admin", "-p", &port, "PING"];
        assert_eq!(lxc(&[&inside[..], &ping].concat()).ok().trim(), "PONG");
    }

    /// Nothing of it is on this host any more.
    #[track_caller]
    fn is_gone_from_the_host(&self, after: &str) {
        assert_eq!(tree(&self.at("state")), BTreeMap::new(), "{after}");
        assert_eq!(tree(&self.at("tmp")), BTreeMap::new(), "{after}");
        assert_eq!(marked(&self.name), [], "{after}");
        assert!(is_free(self.port), "somebody still listens on {}, {after}", self.port);
    }

    /// Nothing of it is in this host's LXD any more, by label and by name.
    #[track_caller]
    fn is_gone_from_lxd(&self, held: &Lxd, names: Option<&Names>, foreign: &Foreign, after: &str) {
        let labelled: Vec<_> =
            held.things().into_iter().filter(|thing| thing.env.as_ref() == Some(&self.name)).collect();
        assert_eq!(labelled, [], "{after}");
        let mine = format!("report-{}-", self.name);
        let network = names.map_or("", |names| &names.network);
        let is_mine = |name: &str| (name.contains(&mine) || name == network) && name != foreign.profile;
        let left: Vec<String> = all_names().into_iter().filter(|name| is_mine(name)).collect();
        assert_eq!(left, Vec::<String>::new(), "{after}");
    }
}

/// `up`, without what takes long and is not about the machine.
fn up() -> String {
    format!("{UP} --no-bake")
}

/// The name of everything in this host's LXD: of images each alias, of volumes those in every pool, and for a label that one
/// carries the name that its owner would have.
fn all_names() -> Vec<String> {
    let list = |path: &str| query(path).unwrap().as_array().cloned().unwrap_or_default();
    let name = |object: &Value| object["name"].as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for kind in ["instances", "profiles", "networks", "storage-pools", "images/aliases"] {
        found.extend(list(&format!("/1.0/{kind}?recursion=1")).iter().map(name));
    }
    for pool in list("/1.0/storage-pools?recursion=1").iter().map(name) {
        for volume in list(&format!("/1.0/storage-pools/{pool}/volumes?recursion=1")) {
            found.push(name(&volume));
            found.extend(volume["config"]["user.reportctl.id"].as_str().map(|id| format!("report-{id}")));
        }
    }
    found
}

/// A profile and a network of somebody else, which are called as ours are and carry no label.
struct Foreign {
    profile: String,
    network: String,
    seen: Vec<Value>,
}

impl Foreign {
    /// `env`: of which environment their names speak.
    fn new(env: &str) -> Self {
        let random: String = std::iter::repeat_with(|| fastrand::char('a'..='z')).take(8).collect();
        let mut foreign =
            Self { profile: format!("report-{env}-{random}"), network: format!("rc{random}"), seen: Vec::new() };
        lxc(&["profile", "create", &foreign.profile]).ok();
        lxc(&["network", "create", &foreign.network, "ipv4.address=none", "ipv6.address=none"]).ok();
        foreign.seen = foreign.look();
        foreign
    }

    fn look(&self) -> Vec<Value> {
        let paths = [format!("/1.0/profiles/{}", self.profile), format!("/1.0/networks/{}", self.network)];
        paths.iter().map(|path| query(path).unwrap_or_default()).collect()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        for (kind, name) in [("profile", &self.profile), ("network", &self.network)] {
            let gone = lxc(&[kind, "delete", name]);
            if gone.code != Some(0) {
                eprintln!("deleting {kind} {name}: {}", gone.shown());
            }
        }
    }
}

/// What follows a kill, before `down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Up,
    Down,
}

/// Kills `up` in this host's LXD at a write, and then takes it away, at once or after another `up`. How many writes there were
/// if `up` came to its end before that.
#[track_caller]
fn kill_for_real(write: &str, then: Then) -> Option<u64> {
    let mut held = Lxd::take().unwrap();
    let begun = Instant::now();
    let stage = Stage::new(&image());
    held.owns_env(&stage.name);
    let foreign = Foreign::new(&stage.name);
    let writes = (!stage.killed(write)).then(|| stage.writes());
    let mut names = stage.names();
    let after = format!("after a kill at {write}, and {then:?}");
    if then == Then::Up {
        stage.ok(&up());
        let again = stage.ok(&up());
        assert!(again.err.contains("nothing to do"), "{after}: {}", again.shown());
        stage.answers();
        let kinds: Vec<&str> = held.things().iter().map(|thing| thing.kind).collect();
        assert_eq!(kinds, ["instance", "network", "profile"], "{after}");
        names = stage.names();
    }
    stage.ok("down -y");
    stage.is_gone_from_lxd(&held, names.as_ref(), &foreign, &after);
    stage.is_gone_from_the_host(&after);
    // They carry the environment's own pattern, and are not its.
    assert_eq!(foreign.look(), foreign.seen, "{after}");
    println!("{after}: {:.1} s", begun.elapsed().as_secs_f64());
    writes
}

/// A number that another commit changes, or another Cargo.lock where there are no commits.
fn seed() -> u64 {
    let folder = env!("CARGO_MANIFEST_DIR");
    let git = Command::new("git").args(["-C", folder, "rev-parse", "HEAD"]).stdin(Stdio::null()).output();
    let text = match git {
        Ok(output) if output.status.success() => output.stdout,
        _ => std::fs::read(format!("{folder}/Cargo.lock")).unwrap(),
    };
    u64::from_be_bytes(Sha256::digest(text)[..8].try_into().unwrap())
}

/// One write in each part of a run, all parts being as long.
fn chosen(writes: u64, seed: u64) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..CHOSEN).map(|part| random.u64(part * writes / CHOSEN + 1..=(part + 1) * writes / CHOSEN)).collect()
}

#[test]
fn the_chosen_writes_are_spread_over_the_run_and_depend_on_the_seed() {
    assert_eq!(chosen(22, 7), chosen(22, 7));
    let all: Vec<Vec<u64>> = (0..200).map(|seed| chosen(22, seed)).collect();
    for one in &all {
        assert!(one.is_sorted_by(|a, b| a < b) && one[0] >= 1 && one[5] <= 22, "{one:?}");
    }
    assert!((1..=22).all(|write| all.iter().any(|one| one.contains(&write))), "a write is never chosen");
}

/// The first `up` comes to its end, and says how many writes there are to choose from.
#[test]
fn lxd_real_kill_of_up_at_some_writes_leaves_nothing_and_can_be_gone_on_with() {
    if Lxd::take().is_none() {
        return;
    }
    let writes = kill_for_real("1000000", Then::Down).unwrap();
    let seed = seed();
    let chosen = chosen(writes, seed);
    println!("of {writes} writes {chosen:?} are chosen by {seed}");
    for (number, write) in (seed % 2..).zip(chosen) {
        let then = if number % 2 == 0 { Then::Up } else { Then::Down };
        let ended = kill_for_real(&write.to_string(), then);
        assert_eq!(ended, None, "it was not killed at {write} of {writes}");
    }
}

/// Before each write, and within it.
#[test]
#[ignore = "takes half an hour: tests/full/lxd runs it"]
fn lxd_real_kill_of_up_at_every_write_leaves_nothing_and_can_be_gone_on_with() {
    if Lxd::take().is_none() {
        return;
    }
    let (begun, mut kills) = (Instant::now(), 0);
    let mut write = 1;
    loop {
        if let Some(writes) = kill_for_real(&write.to_string(), Then::Up) {
            assert_eq!(write, writes + 1, "one of {writes} writes was left out");
            break;
        }
        assert_eq!(kill_for_real(&format!("{write}/"), Then::Down), None);
        (write, kills) = (write + 1, kills + 2);
    }
    println!("{kills} kills at {} writes in {:.0} s: nothing was left", write - 1, begun.elapsed().as_secs_f64());
}

/// All that is left is what was there before, and that includes what others have made meanwhile.
#[test]
fn down_leaves_nothing_after_a_kill_of_up_before_every_write() {
    let mut write = 1;
    loop {
        let Some(stage) = Stage::fake() else { return };
        let after = format!("after a kill at {write}");
        let before = stage.fake_things();
        let was_killed = stage.killed(&write.to_string());
        stage.fake_lxc(&["profile", "create", "somebody-elses"]);
        stage.ok("down -y");
        let (others, left): (Vec<String>, Vec<String>) =
            stage.fake_things().into_iter().partition(|thing| thing.ends_with("/somebody-elses"));
        assert_eq!((others.len(), left), (1, before), "{after}");
        stage.is_gone_from_the_host(&after);
        if !was_killed {
            break;
        }
        write += 1;
    }
    // The claim, network, profile, instance, start, cloud-init, readiness and snapshot, each with a start and an end.
    assert!(write > 16, "only {write} writes were tried");
}
