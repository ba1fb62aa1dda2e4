//! The journal: what stands in it, what is read back from it, and what torn and damaged files come to.

use crate::fake_world::quick_folder;
use reportctl::context::Context;
use reportctl::journal::JournalError;
use reportctl::journal::entry::{Entry, Outcome, Verb};
use reportctl::journal::log::{Log, Opening};
use reportctl::journal::status::{StepEvent, StepStatus};
use reportctl::journal::store::{self, Memory};
use reportctl::model::component::{ComponentName, PortKey};
use reportctl::model::facts::Facts;
use reportctl::model::ids::{EnvId, EnvName, StepId};
use reportctl::model::paths::Paths;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

struct Place {
    folder: tempfile::TempDir,
    paths: Paths,
}

impl Place {
    fn new() -> Self {
        let folder = quick_folder();
        let paths = Paths::new(folder.path(), &name());
        Self { folder, paths }
    }

    fn open(&self, verb: Verb) -> Log {
        self.open_with(verb, BTreeMap::new()).unwrap()
    }

    fn open_with(&self, verb: Verb, vars: BTreeMap<String, String>) -> Result<Log, JournalError> {
        let context = Context::fixed(vars, self.folder.path().to_owned());
        Log::open(&context, &self.paths, &self.recall(), opening(verb))
    }

    fn recall(&self) -> Memory {
        store::recall(&self.paths).unwrap()
    }

    fn file(&self, number: u32) -> PathBuf {
        self.paths.journals().join(format!("{number:04}.journal"))
    }

    fn bytes(&self, number: u32) -> Vec<u8> {
        std::fs::read(self.file(number)).unwrap()
    }

    fn put(&self, number: u32, bytes: &[u8]) {
        std::fs::create_dir_all(self.paths.journals()).unwrap();
        std::fs::write(self.file(number), bytes).unwrap();
    }
}

fn name() -> EnvName {
    EnvName::parse("local").unwrap()
}

fn opening(verb: Verb) -> Opening {
    let id = EnvId::parse("local-7f3k9q2m").unwrap();
    Opening { env: name(), id, verb, version: "0.1.0".to_owned() }
}

fn step(text: &str) -> StepId {
    StepId::parse(text).unwrap()
}

fn planned(steps: &[&str]) -> Entry {
    Entry::Planned { digest: "d".to_owned(), steps: steps.iter().map(|text| step(text)).collect() }
}

fn started(text: &str, facts: Facts) -> Entry {
    Entry::Started { step: step(text), facts }
}

fn succeeded(text: &str, settled: Facts) -> Entry {
    Entry::Succeeded { step: step(text), settled }
}

fn ports(number: u16) -> Facts {
    let ports = BTreeMap::from([(PortKey::new(ComponentName::Redis, "redis"), number)]);
    Facts { ports, ..Facts::default() }
}

/// A run of a few lines, finished.
fn write_a_run(place: &Place) {
    let mut log = place.open(Verb::Up);
    log.commit(vec![Entry::Reclaim { command: "reportctl down".to_owned() }]).unwrap();
    log.commit(vec![planned(&["ports/reserve", "redis/start"])]).unwrap();
    log.commit(vec![started("ports/reserve", ports(6379))]).unwrap();
    log.commit(vec![succeeded("ports/reserve", Facts::default()), started("redis/start", Facts::default())]).unwrap();
    log.commit(vec![Entry::Failed { step: step("redis/start"), cause: "no".to_owned() }]).unwrap();
    log.finish(Outcome::Failed).unwrap();
}

#[test]
fn the_first_line_says_whose_run_it_is_and_each_line_has_its_checksum() {
    let place = Place::new();
    write_a_run(&place);
    let text = String::from_utf8(place.bytes(1)).unwrap();
    insta::assert_snapshot!(text);
    for line in text.lines() {
        let (sum, rest) = line.split_once(' ').unwrap();
        assert_eq!(sum, format!("{:08x}", crc32fast::hash(rest.as_bytes())));
    }
}

#[test]
fn nothing_is_remembered_where_there_is_nothing() {
    let memory = Place::new().recall();
    assert!(memory.facts.is_empty() && memory.last.is_none() && memory.damage.is_empty());
    assert_eq!(memory.run_for(Verb::Up).0.as_str(), "0001");
}

#[test]
fn only_an_unfinished_last_run_is_gone_on_with_and_only_for_what_it_was_begun_for() {
    let place = Place::new();
    drop(place.open(Verb::Up));
    let choice = |verb| {
        let (run, resumed) = place.recall().run_for(verb);
        (run.number(), resumed)
    };
    assert_eq!((choice(Verb::Up), choice(Verb::Down)), ((1, true), (2, false)));
    let mut again = place.open(Verb::Up);
    assert!(again.is_resumed());
    again.finish(Outcome::Interrupted).unwrap();
    assert_eq!(choice(Verb::Up), (1, true), "an interrupted run can be gone on with");
    place.open(Verb::Up).finish(Outcome::Failed).unwrap();
    assert_eq!(choice(Verb::Up), (2, false), "a failed one has ended");
    place.open(Verb::Down).finish(Outcome::Succeeded).unwrap();
    assert_eq!((choice(Verb::Up), choice(Verb::Down)), ((3, false), (3, false)));
}

#[test]
fn what_is_remembered_grows_over_runs_until_it_is_settled() {
    let place = Place::new();
    let install = Facts {
        packages: BTreeSet::from(["redis-server".to_owned()]),
        new_units: BTreeSet::from(["redis-server.service".to_owned()]),
        policy_placed: true,
        ..Facts::default()
    };
    let mut log = place.open(Verb::Up);
    log.commit(vec![planned(&["packages/install"]), started("packages/install", install.clone())]).unwrap();
    assert_eq!(log.facts(), &place.recall().facts, "live and read back are the same");
    log.commit(vec![Entry::Failed { step: step("packages/install"), cause: "no".to_owned() }]).unwrap();
    log.finish(Outcome::Failed).unwrap();
    assert!(place.recall().facts.policy_placed, "a failed install has settled nothing");
    let mut log = place.open(Verb::Up);
    log.commit(vec![planned(&["packages/install", "ports/reserve"])]).unwrap();
    log.commit(vec![started("packages/install", install.clone())]).unwrap();
    log.commit(vec![succeeded("packages/install", install), started("ports/reserve", ports(7000))]).unwrap();
    let facts = place.recall().facts;
    assert_eq!(log.facts(), &facts);
    assert!(!facts.policy_placed && facts.new_units.is_empty());
    assert_eq!(facts.packages.len(), 1, "down still names the package");
    assert_eq!(facts.ports, ports(7000).ports);
    assert_eq!(facts.id, Some(opening(Verb::Up).id));
}

#[test]
fn a_file_cut_anywhere_is_read_up_to_its_last_whole_line_and_gone_on_with() {
    let whole = Place::new();
    write_a_run(&whole);
    let bytes = whole.bytes(1);
    for len in 0..=bytes.len() {
        let place = Place::new();
        place.put(1, &bytes[..len]);
        let memory = place.recall();
        memory.sound().unwrap();
        let lines = bytes[..len].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(memory.last.is_some(), lines >= 1, "length {len}");
        assert_eq!(!memory.facts.ports.is_empty(), lines >= 4, "length {len}");
        let mut log = place.open(Verb::Up);
        assert_eq!(log.is_resumed(), (1..7).contains(&lines), "length {len}");
        assert_eq!(log.run_id().number(), if lines == 7 { 2 } else { 1 }, "length {len}");
        log.commit(vec![planned(&["redis/start"])]).unwrap();
        let memory = place.recall();
        memory.sound().unwrap();
        assert_eq!(!memory.facts.ports.is_empty(), lines >= 4, "length {len}");
    }
}

#[test]
fn damage_in_the_middle_names_the_file_and_the_line_and_costs_no_more_than_the_line() {
    let whole = Place::new();
    write_a_run(&whole);
    let bytes = whole.bytes(1);
    let last_line = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for at in 0..bytes.len() {
        let place = Place::new();
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        place.put(1, &damaged);
        let memory = place.recall();
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        // From the end of the last line but one on, it looks like a line that was torn.
        if at + 1 >= last_line {
            memory.sound().unwrap();
            continue;
        }
        let Err(JournalError::Damaged(damage)) = memory.sound() else { panic!("byte {at} is not missed") };
        assert_eq!((damage.line, damage.path), (line, place.file(1)), "byte {at}");
        if line > 1 {
            assert_eq!(memory.facts.id, Some(opening(Verb::Up).id), "byte {at}");
        }
        // A line end that is damaged makes one line of two.
        let spoils_the_ports = line == 4 || (line == 3 && bytes[at] == b'\n');
        assert_eq!(memory.facts.ports.is_empty(), spoils_the_ports, "byte {at}, line {line}");
        let (run, resumed) = memory.run_for(Verb::Down);
        assert_eq!((run.number(), resumed), (2, false), "down begins a run of its own");
    }
}

#[test]
fn damage_anywhere_in_a_file_with_a_torn_end_is_still_damage() {
    let place = Place::new();
    write_a_run(&place);
    let mut bytes = place.bytes(1);
    let last_line = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    bytes[last_line + 3] ^= 1;
    bytes.extend_from_slice(b"1234");
    place.put(1, &bytes);
    assert!(matches!(place.recall().sound(), Err(JournalError::Damaged(damage)) if damage.line == 7));
}

#[test]
fn a_file_of_another_form_is_refused_by_name() {
    let place = Place::new();
    let text = r#"{"schema":2,"whatever":true}"#;
    place.put(1, format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes())).as_bytes());
    let error = store::recall(&place.paths).unwrap_err();
    assert!(matches!(error, JournalError::Schema { found: 2, .. }), "{error}");
    assert!(error.to_string().contains("0001.journal"), "{error}");
}

#[test]
fn other_files_beside_the_journals_are_left_alone() {
    let place = Place::new();
    place.put(1, b"");
    std::fs::write(place.paths.journals().join("notes.txt"), "mine").unwrap();
    std::fs::write(place.paths.journals().join("x.journal"), "mine").unwrap();
    assert!(place.recall().last.is_none());
}

#[test]
fn what_cannot_follow_is_refused_live_and_is_damage_when_read() {
    let place = Place::new();
    let mut log = place.open(Verb::Up);
    log.commit(vec![planned(&["redis/start"])]).unwrap();
    let before = place.bytes(1);
    for entry in [succeeded("redis/start", Facts::default()), started("redis/ready", Facts::default())] {
        assert!(matches!(log.commit(vec![entry]), Err(JournalError::Order(_))));
    }
    assert_eq!(place.bytes(1), before, "nothing of it is written");
    let text = r#"{"at":"","entries":[{"entry":"succeeded","step":"redis/start"}]}"#;
    let line = format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()));
    place.put(1, &[before, line.into_bytes()].concat());
    assert!(matches!(place.recall().sound(), Err(JournalError::Damaged(damage)) if damage.line == 3));
}

#[test]
fn only_the_transitions_of_the_table_are_possible() {
    use StepEvent as Event;
    use StepStatus as Status;
    let all = [Status::Pending, Status::Running, Status::Succeeded, Status::Failed, Status::Abandoned];
    let events = [Event::Started, Event::Succeeded, Event::Failed, Event::Abandoned];
    let possible: Vec<(Status, Event, Status)> = all
        .into_iter()
        .flat_map(|from| events.into_iter().filter_map(move |event| Some((from, event, from.next(event).ok()?))))
        .collect();
    assert_eq!(
        possible,
        [
            (Status::Pending, Event::Started, Status::Running),
            (Status::Running, Event::Succeeded, Status::Succeeded),
            (Status::Running, Event::Failed, Status::Failed),
            (Status::Running, Event::Abandoned, Status::Abandoned),
        ]
    );
}

#[test]
fn files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    write_a_run(&place);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&place.file(1)), 0o600);
    assert_eq!((mode(&place.paths.root), mode(&place.paths.journals())), (0o700, 0o700));
}

/// Where the process that kills itself writes, and when it does.
const CHILD: &str = "REPORTCTL_TEST_JOURNAL_CHILD";

/// Not a test by itself: the process that kills itself.
#[test]
fn child() {
    let Ok(wish) = std::env::var(CHILD) else { return };
    let (at, folder) = wish.split_once(':').unwrap();
    let place = Place { paths: Paths::new(Path::new(folder), &name()), folder: quick_folder() };
    let vars = BTreeMap::from([("REPORTCTL_TEST_KILL_AT".to_owned(), at.to_owned())]);
    let mut log = place.open_with(Verb::Up, vars).unwrap();
    log.commit(vec![planned(&["ports/reserve"])]).unwrap();
    log.commit(vec![started("ports/reserve", ports(6379))]).unwrap();
    log.commit(vec![succeeded("ports/reserve", Facts::default())]).unwrap();
    log.finish(Outcome::Succeeded).unwrap();
}

#[test]
fn a_process_may_be_made_to_kill_itself_at_any_write() {
    let whole = Place::new();
    let run = |at: &str, place: &Place| {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::child", "--nocapture"])
            .env(CHILD, format!("{at}:{}", place.folder.path().display()))
            .output()
            .unwrap()
            .status
    };
    assert!(run("99", &whole).success());
    let lines: Vec<usize> =
        whole.bytes(1).iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    assert_eq!(lines.len(), 5);
    for number in 1..=5 {
        for (suffix, whole_lines, is_torn) in [("", number - 1, false), ("/", number - 1, true), ("+", number, false)] {
            let place = Place::new();
            let status = run(&format!("{number}{suffix}"), &place);
            assert_eq!(status.signal(), Some(9), "{number}{suffix}");
            let found = place.bytes(1);
            let end = if whole_lines == 0 { 0 } else { lines[whole_lines - 1] };
            assert_eq!(found.len() > end, is_torn, "{number}{suffix}");
            assert_eq!(found.iter().filter(|byte| **byte == b'\n').count(), whole_lines, "{number}{suffix}");
            place.recall().sound().unwrap();
            assert_eq!(place.recall().run_for(Verb::Up).1, (1..5).contains(&whole_lines));
        }
    }
}
