//! Grafana, ClickHouse and Uptrace as they are rendered, held against the strict fakes; what they stand on is real.

use super::fakes::program;
use super::render_support::{Running, Stage, eventually, get};
use reportctl::model::component::ComponentName::{self, *};
use reportctl::model::inventory::Program;
use reportctl::model::probe::{Body, Probe};
use reportctl::model::quantity::Version;
use reportctl::render::check;
use reportctl::render::dashboard::{PROMETHEUS_UID, UID};
use serde_json::Value;
use std::process::Command;

/// A stage whose third-party programs are fakes.
fn stage(components: &[ComponentName]) -> Stage {
    let mut stage = Stage::new(components);
    for (name, version) in [(Grafana, "12.4.0"), (Clickhouse, "25.8.15"), (Uptrace, "2.1.0")] {
        if let Some(active) = stage.active.get_mut(&name) {
            let version = Version::parse(version).unwrap();
            active.0 = Program { path: program(name.as_str()), version, build: None };
        }
    }
    stage
}

/// Whether the component's own probes hold.
fn is_ready(stage: &Stage, name: ComponentName) -> bool {
    stage.native(name).ready.iter().all(|probe| match probe {
        Probe::Http { port, path, expect } => match (get(*port, path), expect) {
            (Some((200, body)), Body::Contains(text)) => body.contains(text),
            (Some((200, body)), Body::Json { pointer, equals }) => serde_json::from_str::<Value>(&body)
                .is_ok_and(|body| body.pointer(pointer).and_then(Value::as_str) == Some(equals)),
            _ => false,
        },
        Probe::Redis { .. } | Probe::Postgres { .. } => true,
    })
}

fn await_ready(stage: &Stage, name: ComponentName, running: &mut Running) {
    eventually(&format!("{name} is ready"), || {
        assert!(running.child.try_wait().unwrap().is_none(), "{name} ended: {}", running.said());
        is_ready(stage, name).then_some(())
    });
}

/// Runs a preparation; the commands that failed, with what they said.
fn prepare(stage: &Stage, name: ComponentName, vars: &[(&str, &str)]) -> Vec<String> {
    let native = stage.native(name);
    stage.write(&native);
    let prepare = native.prepare.unwrap();
    let run = |argv: &Vec<String>| {
        let output =
            Command::new(&argv[0]).args(&argv[1..]).envs(&prepare.env).envs(vars.iter().copied()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (!output.status.success()).then(|| format!("{argv:?}: {said}"))
    };
    prepare.commands.iter().filter_map(run).collect()
}

#[test]
fn grafana_takes_its_configuration_and_shows_the_dashboard() {
    let stage = stage(&[Redis, RedisExporter, NodeExporter, Prometheus, Alertmanager, Grafana]);
    let mut running: Vec<Running> = [NodeExporter, Prometheus, Grafana].map(|name| stage.start(name)).into();
    await_ready(&stage, Grafana, &mut running[2]);
    let port = stage.port(Grafana, "http");
    let mine = |path: &str| {
        let login = base64(&format!("admin:{}", stage.secret(Grafana, "admin")));
        super::render_support::ask(port, path, &[("Authorization", &format!("Basic {login}"))]).unwrap()
    };
    let (status, body) = mine(&format!("/api/dashboards/uid/{UID}"));
    assert_eq!(status, 200, "{body}");
    let board: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(board.pointer("/meta/provisioned"), Some(&Value::Bool(true)));
    assert_eq!(check::dashboard(&board["dashboard"], &[PROMETHEUS_UID]), []);
    let (status, body) = mine(&format!("/api/datasources/uid/{PROMETHEUS_UID}"));
    assert_eq!(status, 200, "{body}");
    let source: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(source["url"], format!("http://127.0.0.1:{}", stage.port(Prometheus, "http")));
    assert_eq!(get(port, "/api/org").unwrap().0, 401, "nobody comes in without the password");
}

#[test]
fn clickhouse_takes_its_configuration() {
    let stage = stage(&[Prometheus, Clickhouse]);
    let mut running = stage.start(Clickhouse);
    await_ready(&stage, Clickhouse, &mut running);
    assert_eq!(get(stage.port(Clickhouse, "metrics"), "/metrics").unwrap().0, 200);
}

#[test]
fn uptrace_is_prepared_and_runs_in_both_dialects() {
    for (version, commands) in [("2.1.0", 9), ("2.0.3", 1)] {
        let mut stage = stage(&[Redis, Postgresql, Clickhouse, Uptrace]);
        stage.active.get_mut(&Uptrace).unwrap().0.version = Version::parse(version).unwrap();
        let vars = [("FAKE_UPTRACE_VERSION", version)];
        let native = stage.native(Uptrace);
        assert_eq!(native.prepare.as_ref().unwrap().commands.len(), commands, "{version}");
        assert!(native.prepare.as_ref().unwrap().proof.ends_with(format!("prepared/uptrace-{version}")));
        let mut clickhouse = stage.start(Clickhouse);
        await_ready(&stage, Clickhouse, &mut clickhouse);
        let _redis = stage.start(Redis);
        let _postgres = super::render_postgresql::ready_to_use(&stage);
        assert_eq!(prepare(&stage, Uptrace, &vars), Vec::<String>::new(), "{version}");
        assert_eq!(prepare(&stage, Uptrace, &vars), Vec::<String>::new(), "{version}: again");
        let mut uptrace = stage.start_with(Uptrace, &vars);
        await_ready(&stage, Uptrace, &mut uptrace);
        // Whatever it does not know it answers with its page: a status alone says nothing.
        let (status, body) = get(stage.port(Uptrace, "http"), "/no/such/page").unwrap();
        assert!(status == 200 && !body.contains("\"projects\":"), "{body}");
    }
}

#[test]
fn passwords_are_in_no_argument_of_a_preparation() {
    let stage = stage(&ComponentName::ALL[..9]);
    for name in [Postgresql, Uptrace] {
        let prepare = stage.native(name).prepare.unwrap();
        let seen = format!("{:?} {:?}", prepare.commands, prepare.env);
        assert!(!seen.contains("@{") && !seen.contains("-of-"), "{seen}");
    }
}

/// Base64 of a short text.
fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let piece = |bytes: &[u8]| {
        let bits = bytes.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - bytes.len()));
        let letter = |at: usize| char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]);
        (0..4).map(|at| if at <= bytes.len() { letter(at) } else { '=' }).collect::<String>()
    };
    text.as_bytes().chunks(3).map(piece).collect()
}
