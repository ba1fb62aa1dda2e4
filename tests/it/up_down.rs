//! `up` and `down` on real services: what a person sees who uses them.

use crate::command::done;
use crate::stage::{COMPONENTS, Stage, UP, eventually, free_ports, gated, get, lives, redis, signal, tree, which};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

/// The components whose process is another one now.
fn restarted(before: &std::collections::BTreeMap<String, u32>, stage: &Stage) -> Vec<String> {
    let after = stage.pids();
    before.iter().filter(|(name, pid)| after[*name] != **pid).map(|(name, _)| name.clone()).collect()
}

#[test]
fn up_brings_up_what_answers_and_a_second_one_does_nothing() {
    let stage = Stage::new();
    let up = stage.up();
    stage.all_answer();
    assert_eq!(stage.ports(), stage.wanted, "the wanted ports were free");
    let id = std::fs::read_to_string(stage.paths().identity()).unwrap();
    let reclaim = up.err.find(&format!("down --id {}", id.trim()));
    assert!(reclaim < up.err.find("env/claim"), "how to remove everything stands first: {}", up.err);
    for skipped in ["grafana", "clickhouse", "uptrace"] {
        assert!(up.err.contains(&format!("skipped  {skipped}: ")), "{}", up.err);
    }
    let (pids, files) = (stage.pids(), tree(&stage.paths().root.join("config")));
    let again = stage.up();
    assert!(again.err.contains("nothing to do, it is as it should be"), "{}", again.shown());
    assert_eq!(stage.pids(), pids);
    assert_eq!(tree(&stage.paths().root.join("config")), files);
    stage.nothing_is_pending();
    let ports = stage.ports();
    stage.down();
    stage.is_gone(&ports);
    let again = stage.down();
    assert!(again.err.contains("nothing to do, nothing of it is here"), "{}", again.shown());
    for (line, code) in [("down -y --keep-data", 0), ("down -y -e nobody", 6), ("down --dry-run", 0)] {
        assert_eq!(stage.run(line).code, Some(code), "{line}");
    }
    stage.is_gone(&ports);
}

#[test]
fn a_change_restarts_what_it_concerns_and_nothing_else() {
    let mut stage = Stage::new();
    stage.up();
    assert_eq!(stage.redis("SET kept yes"), "OK");
    let mut pids = stage.pids();
    let mut change = |stage: &Stage, of: &'static str, line: &'static str, concerned: &[&str]| {
        stage.write_env("free", |component| if component == of { line.to_owned() } else { String::new() });
        let plan = stage.run("plan --detailed-exitcode");
        assert_eq!(plan.code, Some(5), "{}", plan.shown());
        let named: Vec<&str> =
            COMPONENTS.into_iter().filter(|name| plan.out.contains(&format!("\n  {name} "))).collect();
        assert_eq!(named, concerned, "{}", plan.shown());
        stage.up();
        let mut concerned = concerned.to_vec();
        concerned.sort_unstable();
        assert_eq!(restarted(&pids, stage), concerned, "{line}");
        stage.all_answer();
        stage.nothing_is_pending();
        assert_eq!(stage.redis("GET kept"), "yes");
        pids = stage.pids();
    };
    change(&stage, "redis", "fsync: always\n", &["redis"]);
    assert!(stage.redis("CONFIG GET appendfsync").contains("always"));
    // Redis's option goes back to what it was at the same time.
    change(&stage, "prometheus", "retention: 7d\n", &["redis", "prometheus"]);
    let flags = get(stage.port("prometheus/http"), "/api/v1/status/flags").unwrap();
    assert!(flags.contains(r#""storage.tsdb.retention.time":"1w""#), "{flags}");
    change(&stage, "prometheus", "retention: 7d\nscrape-interval: 7s\n", &["prometheus"]);
    assert!(get(stage.port("prometheus/http"), "/api/v1/status/config").unwrap().contains("scrape_interval: 7s"));
    // Another port: whoever scrapes it must know.
    let old = stage.port("node-exporter/http");
    let new = free_ports(1)[0];
    stage.wanted.insert("node-exporter/http".to_owned(), new);
    stage.write_env("free", |component| match component {
        "prometheus" => "retention: 7d\nscrape-interval: 7s\n".to_owned(),
        _ => String::new(),
    });
    let plan = stage.run("plan --detailed-exitcode");
    assert!(plan.code == Some(5) && plan.out.contains(&new.to_string()), "{}", plan.shown());
    let pids = stage.pids();
    stage.up();
    assert_eq!(restarted(&pids, &stage), ["node-exporter", "prometheus"]);
    assert_eq!(stage.port("node-exporter/http"), new);
    stage.all_answer();
    assert!(crate::stage::is_free(old));
}

#[test]
fn down_that_keeps_data_is_followed_by_the_same_again() {
    let stage = Stage::new();
    stage.up();
    let (ports, secrets) = (stage.ports(), stage.secrets());
    assert_eq!(stage.redis("SET kept yes"), "OK");
    let down = stage.run("down -y --keep-data");
    assert_eq!(down.code, Some(0), "{}", down.shown());
    assert_eq!(stage.processes(), []);
    assert_eq!((stage.ports(), stage.secrets()), (ports.clone(), secrets.clone()));
    let again = stage.run("down -y --keep-data");
    assert!(again.code == Some(0) && again.err.contains("nothing to do"), "{}", again.shown());
    stage.up();
    stage.all_answer();
    assert_eq!((stage.ports(), stage.secrets()), (ports.clone(), secrets));
    assert_eq!(stage.redis("GET kept"), "yes");
    // And without the processes, everything goes too.
    stage.run("down -y --keep-data").ok();
    stage.down();
    stage.is_gone(&ports);
}

#[test]
fn a_component_that_is_left_out_is_stopped_and_one_that_is_back_finds_its_data() {
    let stage = Stage::new();
    stage.up();
    let before = stage.pids();
    let text = std::fs::read_to_string(stage.file()).unwrap();
    std::fs::write(stage.file(), text.replace("  alertmanager:\n", "  alertmanager:\n    enabled: false\n")).unwrap();
    let plan = stage.run("plan --detailed-exitcode");
    assert_eq!(plan.code, Some(5), "{}", plan.shown());
    let data = stage.paths().root.join("data/alertmanager");
    stage.up();
    assert!(!lives(before["alertmanager"]) && stage.answers("alertmanager").is_err());
    assert!(data.exists(), "its data stays");
    stage.nothing_is_pending();
    for component in ["redis", "redis-exporter", "node-exporter", "prometheus"] {
        stage.answers(component).unwrap();
    }
    std::fs::write(stage.file(), text).unwrap();
    stage.up();
    stage.all_answer();
    stage.nothing_is_pending();
    for component in ["redis", "redis-exporter", "node-exporter"] {
        assert_eq!(stage.pids()[component], before[component], "{component} has nothing to do with it");
    }
}

#[test]
fn a_second_command_on_the_same_environment_is_told_who_works_on_it() {
    let stage = Stage::new();
    let gate = stage.at("gate");
    let stage = gated(stage, "redis-server", &gate);
    let first = stage.begin(UP);
    first.says("start    redis/ready");
    for line in [UP, "down -y"] {
        let second = stage.run(line);
        assert_eq!(second.code, Some(7), "{}", second.shown());
        let holder = format!("process {}", first.child.id());
        assert!(second.err.contains(&holder) && second.err.contains("`reportctl up`"), "{}", second.shown());
    }
    // To look is always allowed.
    assert!(matches!(stage.run("plan --detailed-exitcode").code, Some(0 | 5)));
    std::fs::write(&gate, "").unwrap();
    let (code, said) = first.end();
    assert_eq!(code, Some(0), "{said}");
    stage.pids();
    stage.all_answer();
}

#[test]
fn two_environments_side_by_side_do_not_meet() {
    let (one, other) = (Stage::new(), Stage::new());
    // The other one asks for the very ports that the first one has, and shares its state folder.
    std::fs::copy(other.file(), one.at("project/environments").join(format!("{}.yaml", other.name))).unwrap();
    let text = std::fs::read_to_string(one.file()).unwrap();
    std::fs::write(one.at("project/environments").join(format!("{}.yaml", other.name)), text).unwrap();
    one.up();
    let (pids, ports) = (one.pids(), one.ports());
    assert_eq!(one.redis("SET whose one"), "OK");
    let beside = |line: &str| {
        let ran = done(one.command(line).env("REPORTCTL_ENV", &other.name));
        assert_eq!(ran.code, Some(0), "{}", ran.shown());
    };
    beside(UP);
    // Its state is in the first one's folder: look at it there.
    std::fs::remove_dir_all(other.at("state")).unwrap();
    std::os::unix::fs::symlink(one.at("state"), other.at("state")).unwrap();
    other.all_answer();
    other.pids();
    // Those for smoke are open only while a check waits there, and checks wait for each other.
    let of = |stage: &Stage| stage.ports().into_iter().filter(|(key, _)| key != "alertmanager/smoke").map(|(_, it)| it);
    let both: Vec<u16> = of(&one).chain(of(&other)).collect();
    let mut once = both.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), both.len(), "no port is used twice");
    assert_eq!(other.redis("GET whose"), "");
    assert_eq!(other.redis("SET whose other"), "OK");
    assert_eq!(one.pids(), pids);
    assert_eq!(one.redis("GET whose"), "one");
    one.down();
    other.all_answer();
    other.nothing_is_pending_beside(&one);
    assert_eq!(other.redis("GET whose"), "other");
    beside("down -y");
    one.is_gone(&ports);
}

#[test]
fn a_port_that_is_taken_is_left_to_whoever_has_it() {
    let stage = Stage::new();
    let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, stage.wanted["prometheus/http"])).unwrap();
    let up = stage.up();
    let chosen = stage.port("prometheus/http");
    assert_ne!(chosen, stage.wanted["prometheus/http"]);
    assert!(up.err.contains(&format!("prometheus/http gets {chosen}, since")), "{}", up.err);
    stage.all_answer();
    stranger.set_nonblocking(true).unwrap();
    let called = stranger.accept().map(|(_, from)| from);
    assert!(called.is_err(), "the stranger was disturbed by {called:?}");
    // What was chosen is remembered, also when the wanted one has become free.
    drop(stranger);
    assert!(stage.up().err.contains("nothing to do"));
    stage.run("down -y --keep-data").ok();
    stage.up();
    assert_eq!(stage.port("prometheus/http"), chosen);
    stage.all_answer();
}

#[test]
fn a_port_that_must_be_had_and_is_taken_is_an_error_that_names_it() {
    let stage = Stage::with_ports("exact");
    let number = stage.wanted["prometheus/http"];
    let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
    let up = stage.run(UP);
    assert_eq!(up.code, Some(8), "{}", up.shown());
    assert!(up.err.contains(&format!("port {number}, which prometheus/http must have, is in use")), "{}", up.err);
    assert!(up.err.contains("exit      8 (precondition-failed)"), "{}", up.err);
    assert_eq!(stage.processes(), []);
    stranger.set_nonblocking(true).unwrap();
    assert!(stranger.accept().is_err(), "the stranger was disturbed");
    drop(stranger);
    stage.up();
    assert_eq!(stage.ports(), stage.wanted);
    stage.all_answer();
    let ports = stage.ports();
    stage.down();
    stage.is_gone(&ports);
}

#[test]
fn a_port_that_is_taken_between_planning_and_starting_is_chosen_again() {
    let stage = Stage::new();
    let gate = stage.at("gate");
    let stage = gated(stage, "prometheus", &gate);
    let up = stage.begin(UP);
    up.says("start    prometheus/ready");
    let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, stage.wanted["prometheus/http"])).unwrap();
    std::fs::write(&gate, "").unwrap();
    let (code, said) = up.end();
    if code != Some(0) {
        // The run may have planned again already, for another reason; then it says so, and the next one goes on.
        assert!(said.contains(&stage.wanted["prometheus/http"].to_string()), "{said}");
        stage.up();
    }
    assert_ne!(stage.port("prometheus/http"), stage.wanted["prometheus/http"]);
    stage.all_answer();
    stage.nothing_is_pending();
    drop(stranger);
}

/// A Redis of somebody else, which ends with this value.
struct Stranger {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Stranger {
    fn new(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(which("redis-server"));
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let stranger = Self { child, port, _folder: folder };
        eventually("the other Redis answers", || stranger.says(&["PING"]) == "PONG");
        stranger
    }

    fn says(&self, words: &[&str]) -> String {
        redis(self.port, "", "", words)
    }

    /// A figure of it.
    fn figure(&self, section: &str, name: &str) -> String {
        let text = self.says(&["INFO", section]);
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_redis_that_was_there_before_is_neither_asked_nor_stopped() {
    let stage = Stage::new();
    let other = Stranger::new(stage.wanted["redis/redis"]);
    assert_eq!(other.says(&["SET", "theirs", "untouched"]), "OK");
    let run = other.figure("server", "run_id");
    let connections = |asked: u64| other.figure("stats", "total_connections_received").parse::<u64>().unwrap() - asked;
    let before = connections(0);
    stage.run("up -y").ok();
    stage.all_answer();
    assert_ne!(stage.port("redis/redis"), other.port);
    assert_eq!(stage.redis("GET theirs"), "");
    stage.up();
    stage.run("plan").ok();
    let ports = stage.ports();
    stage.down();
    stage.is_gone(&ports.into_iter().filter(|(_, port)| *port != other.port).collect());
    assert_eq!(connections(1), before, "nobody but this test has connected");
    assert_eq!(other.figure("server", "run_id"), run);
    assert_eq!(other.says(&["GET", "theirs"]), "untouched");
    assert!(lives(other.child.id()));
}

#[test]
fn a_folder_of_somebody_else_is_never_touched() {
    for identity in [None, Some("other-7f3k9q2m\n"), Some("7f3k9q2m\n"), Some("")] {
        let stage = Stage::new();
        let root = stage.paths().root;
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("thesis.tex"), "the only copy").unwrap();
        if let Some(identity) = identity {
            std::fs::write(root.join("identity"), identity).unwrap();
        }
        let before = tree(&root);
        for line in [UP, "down -y", "down -y --keep-data", &format!("down -y --id {}-7f3k9q2m", stage.name)] {
            let refused = stage.run(line);
            assert_eq!(refused.code, Some(8), "{identity:?}, {line}: {}", refused.shown());
            assert!(refused.err.contains("is not this environment's"), "{}", refused.shown());
            assert!(refused.err.contains(&root.display().to_string()), "{}", refused.shown());
            assert!(refused.err.contains("mv "), "it says what to type: {}", refused.shown());
        }
        assert_eq!(tree(&root), before);
        assert_eq!(stage.processes(), []);
    }
}

#[test]
fn a_dry_run_changes_nothing_and_prints_what_would_be_done() {
    let stage = Stage::new();
    let before = tree(&stage.at(""));
    let fresh = stage.run("up --dry-run").ok();
    assert_eq!(tree(&stage.at("")), before);
    for word in ["redis-server", "prometheus", "# env/claim", &stage.paths().root.display().to_string()] {
        assert!(fresh.contains(word), "{fresh}");
    }
    stage.run("down --dry-run").ok();
    assert_eq!(tree(&stage.at("")), before);
    stage.up();
    let (pids, journals) = (stage.pids(), tree(&stage.paths().journals()));
    assert!(stage.run("up --dry-run").ok().contains("nothing to do"));
    let gone = stage.run("down --dry-run").ok();
    assert!(gone.contains(&stage.paths().root.display().to_string()), "{gone}");
    assert_eq!((stage.pids(), tree(&stage.paths().journals())), (pids, journals));
}

#[test]
fn equal_things_give_plans_of_equal_bytes() {
    let stage = Stage::new();
    for _ in 0..2 {
        let plans = [stage.run("plan -o json").ok(), stage.run("plan -o json").ok()];
        assert_eq!(plans[0], plans[1]);
        for file in ["one", "other"] {
            stage.run(&format!("plan --out {file}")).ok();
        }
        let read = |file: &str| std::fs::read(stage.at("project").join(file)).unwrap();
        assert_eq!(read("one"), read("other"));
        stage.up();
    }
}

#[test]
fn a_saved_plan_is_performed_while_it_holds_and_refused_afterwards() {
    let stage = Stage::new();
    stage.run("plan --out first").ok();
    let up = stage.run(&format!("{UP} first"));
    assert_eq!(up.code, Some(0), "{}", up.shown());
    stage.all_answer();
    let pids = stage.pids();
    let stale = stage.run(&format!("{UP} first"));
    assert_eq!(stale.code, Some(8), "{}", stale.shown());
    assert!(stale.err.contains("plan --out FILE"), "{}", stale.shown());
    stage.write_env("free", |name| if name == "prometheus" { "retention: 7d\n".to_owned() } else { String::new() });
    stage.run("plan --out second").ok();
    stage.write_env("free", |name| if name == "prometheus" { "retention: 8d\n".to_owned() } else { String::new() });
    let stale = stage.run(&format!("{UP} second"));
    assert_eq!(stale.code, Some(8), "{}", stale.shown());
    assert_eq!(stage.pids(), pids, "a plan that is refused does nothing");
    let file = stage.at("project/second");
    let altered = std::fs::read_to_string(&file).unwrap().replace("7d", "9d");
    std::fs::write(&file, altered).unwrap();
    assert!(matches!(stage.run(&format!("{UP} second")).code, Some(3 | 8)));
    std::fs::write(&file, "{}").unwrap();
    assert_eq!(stage.run(&format!("{UP} second")).code, Some(3));
    assert_eq!(stage.pids(), pids);
}

#[test]
fn a_signal_ends_the_run_after_what_it_has_begun_and_up_goes_on() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let stage = Stage::new();
        let gate = stage.at("gate");
        let stage = gated(stage, "redis-server", &gate);
        let up = stage.begin(UP);
        up.says("start    redis/ready");
        signal(up.child.id(), name);
        up.says("ending: nothing new is begun");
        std::fs::write(&gate, "").unwrap();
        let (ended, said) = up.end();
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains("ok       redis/ready"), "what had begun came to its end: {said}");
        let id = std::fs::read_to_string(stage.paths().identity()).unwrap();
        assert!(said.contains(&format!("reportctl up -e {}", stage.name)), "{said}");
        assert!(said.contains(&format!("down --id {}", id.trim())), "{said}");
        assert!(stage.answers("redis-exporter").is_err(), "nothing new was begun");
        stage.up();
        stage.all_answer();
        stage.pids();
        stage.nothing_is_pending();
    }
}

#[test]
fn a_second_signal_breaks_off_and_down_leaves_nothing() {
    let stage = Stage::new();
    let gate = stage.at("gate");
    let stage = gated(stage, "redis-server", &gate);
    let up = stage.begin(UP);
    up.says("start    redis/ready");
    signal(up.child.id(), "INT");
    up.says("ending: nothing new is begun");
    signal(up.child.id(), "INT");
    let (ended, said) = up.end();
    assert_eq!(ended, Some(130), "{said}");
    assert!(said.contains("breaking off"), "{said}");
    let again = stage.begin(UP);
    again.says("start    redis/ready");
    std::fs::write(&gate, "").unwrap();
    let (ended, said) = again.end();
    assert_eq!(ended, Some(0), "{said}");
    stage.all_answer();
    stage.pids();
    stage.nothing_is_pending();
    let ports = stage.ports();
    stage.down();
    stage.is_gone(&ports);
}

#[test]
fn what_never_becomes_ready_is_a_timeout_with_evidence_and_a_limit_is_kept() {
    let stage = Stage::new();
    let gate = stage.at("gate");
    let stage = gated(stage, "redis-server", &gate);
    let up = stage.run(&format!("{UP} --timeout 2s"));
    assert_eq!(up.code, Some(9), "{}", up.shown());
    assert!(up.err.contains("up took longer than 2s"), "{}", up.shown());
    std::fs::write(&gate, "").unwrap();
    stage.up();
    stage.all_answer();
}

#[test]
fn a_program_that_ends_at_once_fails_the_run_with_its_own_words() {
    let stage = Stage::new().with_script(
        "prometheus",
        &format!(
            "#!/bin/sh\ncase \"$*\" in *--version*) exec '{}' --version;; esac\necho 'the disk is on fire' >&2\nexit 3\n",
            which("prometheus").display()
        ),
    );
    let up = stage.run(UP);
    assert_eq!(up.code, Some(10), "{}", up.shown());
    assert!(up.err.contains("prometheus/ready") && up.err.contains("the disk is on fire"), "{}", up.shown());
    assert!(up.err.contains("dossier"), "{}", up.shown());
    stage.answers("redis").unwrap();
    let ports = stage.ports();
    stage.down();
    stage.is_gone(&ports);
}

/// The results of the checks that ran, by their names.
fn results(document: &str) -> std::collections::BTreeMap<String, String> {
    let evidence: serde_json::Value = serde_json::from_str(document).unwrap();
    let checks = evidence["checks"].as_array().unwrap_or_else(|| panic!("no checks: {document}"));
    let of = |check: &serde_json::Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    checks.iter().map(|check| (of(check, "name"), check["outcome"].to_string())).collect()
}

#[test]
fn checks_tell_what_is_wrong_and_say_so_until_it_is_right() {
    let stage = Stage::new();
    stage.up();
    // A program that hangs is there and does not answer.
    let exporter = stage.pids()["redis-exporter"];
    signal(exporter, "STOP");
    let red = stage.run("up -y");
    assert_eq!(red.code, Some(11), "{}", red.shown());
    assert!(red.err.contains("redis-exporter/figures") && red.err.contains("11 (smoke-failed)"), "{}", red.shown());
    signal(exporter, "CONT");
    stage.run("smoke redis-exporter").ok();
    // Rights that somebody gave by hand are seen by asking, and are gone with a restart.
    assert_eq!(stage.redis("ACL SETUSER runner allkeys"), "OK");
    let red = stage.run("smoke redis -o json");
    assert_eq!(red.code, Some(11), "{}", red.shown());
    for (check, result) in results(&red.out) {
        assert_eq!(result.contains("failed"), check == "redis/least-privilege", "{check}: {result}");
    }
    assert_eq!(stage.redis("ACL LOAD"), "OK");
    stage.run("smoke redis --disruptive").ok();
}

#[test]
fn what_somebody_changed_in_a_file_is_put_right() {
    let stage = Stage::new();
    stage.up();
    let pids = stage.pids();
    for file in ["redis/users.acl", "prometheus/rules.yml"] {
        let path = stage.paths().root.join("config").join(file);
        let right = std::fs::read(&path).unwrap();
        std::fs::write(&path, "user everybody on nopass ~* &* +@all\n").unwrap();
        let plan = stage.run("plan --detailed-exitcode");
        assert!(plan.code == Some(5) && plan.out.contains(file.split('/').next().unwrap()), "{}", plan.shown());
        stage.up();
        assert_eq!(std::fs::read(&path).unwrap(), right);
        stage.nothing_is_pending();
    }
    assert_eq!(restarted(&pids, &stage), ["prometheus", "redis"]);
    std::fs::remove_file(stage.paths().root.join("config/redis/users.acl")).unwrap();
    stage.up();
    stage.all_answer();
}
