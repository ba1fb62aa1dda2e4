//! This host's real LXD, for tests whose names begin with `lxd_real_`. Whatever such a test makes carries the name of an
//! environment or an identity that no other test has, and is deleted when the test ends, also by a panic.

use crate::command::{Done, done};
use reportctl::model::guest::label;
use reportctl::model::ids::EnvId;
use serde_json::Value;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Set by `tests/run`: there must be an LXD, and a test that finds none fails.
const WANTED: &str = "REPORT_TEST_LXD";

/// Set by `tests/run`: the alias of the image that `tests/tools/lxd image` has made.
const IMAGE: &str = "REPORT_TEST_LXD_IMAGE";

/// What LXD keeps that can carry our labels, where it is listed, and under which name each is deleted. In this order nothing
/// is in use when it is deleted.
const KINDS: [(&str, &str, &str); 5] = [
    ("instance", "/1.0/instances", "name"),
    ("image", "/1.0/images", "fingerprint"),
    ("profile", "/1.0/profiles", "name"),
    ("network", "/1.0/networks", "name"),
    ("storage", "/1.0/storage-pools", "name"),
];

/// One object of LXD.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    /// `instance`, `image`, `profile`, `network` or `storage`.
    pub kind: &'static str,
    /// Its name; an image's fingerprint.
    pub name: String,
    /// The identity that it carries, if any.
    pub id: Option<String>,
    /// The environment that it carries, if any.
    pub env: Option<String>,
}

/// The right to use LXD, and what is made with it.
pub struct Lxd {
    owners: BTreeSet<String>,
    // One test of a process at a time. Nextest gives each a process of its own, and has a group for them.
    _turn: MutexGuard<'static, ()>,
}

impl Lxd {
    /// This host's LXD, or none: the test is then left out, and says why. Where `REPORT_TEST_LXD` is set it must be there.
    #[track_caller]
    pub fn take() -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        if let Err(reason) = is_there() {
            assert!(std::env::var_os(WANTED).is_none(), "{WANTED} is set, and {reason}");
            eprintln!("left out: {reason}. `eval \"$(tests/tools/lxd image)\"` makes one ready.");
            return None;
        }
        Some(Self { owners: BTreeSet::new(), _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner) })
    }

    /// An identity that nothing else has. What carries it is deleted with this value.
    pub fn new_id(&mut self) -> EnvId {
        let suffix: String = std::iter::repeat_with(|| fastrand::char('a'..='z')).take(8).collect();
        let id = EnvId::parse(&format!("lxd-{suffix}")).unwrap();
        self.owners.insert(id.to_string());
        id
    }

    /// What carries the identity of an environment of this name, or its name, is deleted with this value.
    pub fn owns_env(&mut self, name: &str) {
        self.owners.insert(name.to_owned());
    }

    /// Everything in LXD that carries what this value owns.
    pub fn things(&self) -> Vec<Thing> {
        let owns = |label: &Option<String>| label.as_ref().is_some_and(|label| self.owners.contains(label));
        all().into_iter().filter(|thing| owns(&thing.id) || owns(&thing.env)).collect()
    }
}

impl Drop for Lxd {
    fn drop(&mut self) {
        // In the order of the kinds.
        let things = self.things();
        let ordered = KINDS.iter().flat_map(|(kind, ..)| things.iter().filter(move |thing| thing.kind == *kind));
        for thing in ordered {
            let words: &[&str] = match thing.kind {
                "instance" => &["delete", "--force"],
                kind => &[kind, "delete"],
            };
            let gone = lxc(&[words, &[&thing.name]].concat());
            if gone.code != Some(0) {
                eprintln!("deleting {thing:?}: {}", gone.shown());
            }
        }
    }
}

/// Why LXD cannot be used here, if it cannot.
fn is_there() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("the tests are not run by root".to_owned());
    }
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|folder| folder.join("lxc").is_file());
    if !found {
        return Err("`lxc` is not installed".to_owned());
    }
    let server = lxc(&["query", "/1.0"]);
    if server.code == Some(0) { Ok(()) } else { Err(format!("LXD does not answer: {}", server.err.trim())) }
}

/// The alias of the image to launch from.
///
/// Panics: `tests/tools/lxd image` was not run.
pub fn image() -> String {
    if let Ok(alias) = std::env::var(IMAGE) {
        return alias;
    }
    // Run by hand: any that the tool has made.
    let found = lxc(&["image", "list", "--format", "csv", "--columns", "l"]).ok();
    let alias = found.lines().find(|alias| alias.starts_with("report-test-"));
    alias.expect("there is no image for tests: run `tests/tools/lxd image`").to_owned()
}

/// Runs `lxc` to its end, with nothing to read.
pub fn lxc(words: &[&str]) -> Done {
    done(Command::new("timeout").args(["120", "lxc"]).args(words).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()))
}

/// What `lxc query` says of a path; none where there is nothing.
pub fn query(path: &str) -> Option<Value> {
    let answer = lxc(&["query", path]);
    (answer.code == Some(0)).then(|| serde_json::from_str(&answer.out).unwrap())
}

/// Everything that LXD keeps and that has labels. Networks of the host that LXD does not manage are not LXD's.
pub fn all() -> Vec<Thing> {
    let mut found = Vec::new();
    for (kind, path, key) in KINDS {
        for object in query(&format!("{path}?recursion=1")).unwrap().as_array().into_iter().flatten() {
            if object["managed"] == false {
                continue;
            }
            let labels = if kind == "image" { &object["properties"] } else { &object["config"] };
            let label = |name: &str| labels[format!("user.{name}")].as_str().map(str::to_owned);
            let name = object[key].as_str().unwrap().to_owned();
            found.push(Thing { kind, name, id: label(label::ID), env: label(label::ENV) });
        }
    }
    found.sort();
    found
}

#[test]
fn lxd_real_what_a_test_has_made_is_deleted_also_by_a_panic() {
    let Some(mut lxd) = Lxd::take() else { return };
    let id = lxd.new_id();
    let (name, env) = (format!("report-{id}"), format!("{id}-env"));
    lxd.owns_env(&env);
    let label = |label: &str, value: &str| format!("user.{label}={value}");
    lxc(&["profile", "create", &name]).ok();
    lxc(&["profile", "set", &name, &label(label::ENV, &env)]).ok();
    let config = label(label::ID, id.as_str());
    lxc(&["init", "--quiet", &image(), &name, "--profile", "default", "--profile", &name, "--config", &config]).ok();
    let kinds: Vec<&str> = lxd.things().iter().map(|thing| thing.kind).collect();
    assert_eq!(kinds, ["instance", "profile"]);
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _held = lxd;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(all().into_iter().filter(|thing| thing.name == name).collect::<Vec<_>>(), []);
}
