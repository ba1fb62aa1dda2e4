//! Every file of the built-in environments: looked at, and judged.

use crate::command::{Home, done};
use reportctl::model::component::{ComponentName::*, PortKey};
use reportctl::model::ids::{EnvId, EnvName};
use reportctl::model::inventory::Program;
use reportctl::model::paths::Paths;
use reportctl::model::quantity::Version;
use reportctl::project::Project;
use reportctl::render::tree::{Known, Tree, tree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn local(programs: &BTreeMap<reportctl::model::component::ComponentName, Program>) -> Tree {
    let env = Project::embedded().load("local").unwrap();
    let paths = Paths::new(Path::new("/home/user/.local/state/reportctl"), &EnvName::parse("local").unwrap());
    let id = EnvId::parse("local-7f3k9q2m").unwrap();
    let ports = BTreeMap::from([(PortKey::new(Redis, "redis"), 16_379)]);
    tree(&env, &Known { paths: &paths, id: &id, uid: 1000, programs, ports: &ports }).unwrap()
}

#[test]
fn every_file_of_the_local_environment() {
    for file in local(&BTreeMap::new()).files {
        let name = file.path.display().to_string().replace('/', "__");
        let text = match file.path.ends_with("report.html") {
            // Its style and its script are files of their own in the source.
            true => without(&without(&file.text, "<style>", "</style>"), "<script>", "</script>"),
            false => file.text,
        };
        insta::assert_snapshot!(name, format!("mode {:o}\n\n{text}", file.mode));
    }
}

/// The text with all between two marks left out.
fn without(text: &str, from: &str, to: &str) -> String {
    let (before, rest) = text.split_once(from).unwrap();
    let (_, after) = rest.split_once(to).unwrap();
    format!("{before}{from}…{to}{after}")
}

#[test]
fn what_is_rendered_is_sound_and_complete() {
    let tree = local(&BTreeMap::new());
    assert_eq!(tree.problems(), []);
    let paths: BTreeSet<String> = tree.files.iter().map(|file| file.path.display().to_string()).collect();
    for path in [
        "redis/redis.conf",
        "redis/users.acl",
        "redis-exporter/passwords.json",
        "prometheus/prometheus.yml",
        "prometheus/rules.yml",
        "prometheus/rules_test.yml",
        "prometheus/consoles/report.html",
        "alertmanager/alertmanager.yml",
        "grafana/grafana.ini",
        "grafana/dashboards/report-stack.json",
        "postgresql/setup.sql",
        "clickhouse/config.xml",
        "uptrace/uptrace.yml",
        "requestor/webhook.secret",
        "runner/webhook.secret",
    ] {
        assert!(paths.contains(path), "{path} is not among {paths:?}");
    }
    assert!(tree.files.iter().all(|file| file.mode == 0o600));
}

#[test]
fn what_is_wrong_is_told_with_its_file() {
    let sound = local(&BTreeMap::new());
    for (path, from, to, words) in [
        ("prometheus/prometheus.yml", "rules.yml", "rule.yml", "matches no file"),
        ("prometheus/rules.yml", "severity: critical", "severity: bad", "no severity"),
        ("prometheus/rules_test.yml", "alertname: RedisDown", "alertname: RedisUp", "no test in which `RedisDown`"),
        (
            "alertmanager/alertmanager.yml",
            "alertname=\"ReportctlSmoke\"",
            "alertname == ReportctlSmoke",
            "may not match",
        ),
        ("grafana/dashboards/report-stack.json", "\"uid\": \"prom\"", "\"uid\": \"other\"", "data source"),
        ("grafana/dashboards/report-stack.json", "\"panels\"", "panels", "file"),
    ] {
        let mut tree = sound.clone();
        let file = tree.files.iter_mut().find(|file| file.path == Path::new(path)).unwrap();
        assert!(file.text.contains(from), "{path}: {from}");
        file.text = file.text.replace(from, to);
        let problems = tree.problems();
        let found = problems.iter().any(|(at, problem)| at == Path::new(path) && problem.to_string().contains(words));
        assert!(found, "{path} with {to}: {problems:?}");
    }
}

#[test]
fn what_was_found_counts_and_what_was_not_is_said() {
    let nothing = local(&BTreeMap::new());
    assert_eq!(nothing.assumed[&Alertmanager], Version::parse("0.25").unwrap());
    assert_eq!(nothing.assumed.len(), 11);
    let version = Version::parse("0.28.1").unwrap();
    let program = Program { path: PathBuf::from("/opt/am/alertmanager"), version, build: None };
    let found = local(&BTreeMap::from([(Alertmanager, program)]));
    assert!(!found.assumed.contains_key(&Alertmanager));
    let text =
        |tree: &Tree, path: &str| tree.files.iter().find(|file| file.path == Path::new(path)).unwrap().text.clone();
    assert!(!text(&nothing, "alertmanager/alertmanager.yml").contains("timeout: 10s"));
    assert!(text(&found, "alertmanager/alertmanager.yml").contains("timeout: 10s"));
    // A chosen port stands where it was chosen, the wanted one elsewhere.
    assert!(text(&nothing, "redis/redis.conf").contains("\nport 16379\n"));
    assert!(text(&nothing, "redis-exporter/passwords.json").contains("redis://127.0.0.1:16379"));
    assert!(text(&nothing, "prometheus/prometheus.yml").contains("127.0.0.1:9121"));
}

#[test]
fn equal_inputs_give_equal_bytes_and_no_secret_stands_in_them() {
    let (one, other) = (local(&BTreeMap::new()), local(&BTreeMap::new()));
    assert_eq!(one, other);
    let references: usize = one.files.iter().map(|file| file.text.matches("@{secret:").count()).sum();
    assert!(references >= 15, "{references}");
}

#[test]
fn the_files_of_a_machine_are_written_by_their_paths_in_it_with_its_user_data_and_without_a_secret() {
    let home = Home::new();
    // What this host has installed, LXD not least, does not count.
    done(home.command("render -e lxd -o out").env("PATH", home.path())).ok();
    let read = |path: &str| std::fs::read_to_string(home.work().join("out").join(path)).unwrap();
    let data = read("cloud-init/user-data");
    assert!(data.starts_with("#cloud-config\n"), "{data}");
    assert!(!data.contains("@{secret") && !data.contains("PRIVATE KEY"), "{data}");
    let redis = read("etc/reportctl/redis/redis.conf");
    assert!(redis.contains("/var/lib/reportctl/redis"), "{redis}");
    let unit = read("etc/systemd/system/report-redis.service");
    assert!(unit.contains("User=report-redis\n"), "{unit}");
    for text in [&data, &redis, &unit] {
        assert!(!text.contains(home.path().to_str().unwrap()), "a path of this host: {text}");
    }
    let json = done(home.command("render -e lxd -o json").env("PATH", home.path())).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["user_data"], data);
}
