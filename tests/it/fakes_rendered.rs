//! Grafana, ClickHouse and Uptrace as they are rendered, read by the fakes: the whole watch over real Redis, PostgreSQL
//! and Prometheus.

use super::fakes;
use super::render_support::{Running, Stage, eventually, get};
use reportctl::model::component::ComponentName::{self, *};
use reportctl::model::probe::{Body, Probe};
use reportctl::model::quantity::Version;
use reportctl::render::native::Native;
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What runs, in the order in which it is started.
pub const ORDER: [ComponentName; 6] = [Redis, Postgresql, Clickhouse, Prometheus, Uptrace, Grafana];

/// A stage whose Grafana, ClickHouse and Uptrace are the fakes.
pub fn stage(uptrace: &str) -> Stage {
    let mut stage = Stage::new(&ORDER);
    stage.uid = std::fs::metadata("/proc/self").unwrap().uid();
    let folder = stage.paths.root.parent().unwrap().parent().unwrap().to_owned();
    // As root, PostgreSQL's own user must come through.
    std::fs::create_dir_all(&stage.paths.shared_data).unwrap();
    for passed in [&folder, &stage.paths.shared_data] {
        std::fs::set_permissions(passed, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let faults = faults(&stage);
    let vars = [("FAKE_UPTRACE_VERSION", uptrace), ("FAKE_FAULT_FILE", faults.to_str().unwrap())];
    let bin = fakes::search_path(&folder, &vars);
    for (name, version) in [(Grafana, "12.4.0"), (Clickhouse, "25.8.15.35"), (Uptrace, uptrace)] {
        let (program, _) = stage.active.get_mut(&name).unwrap();
        program.path = bin.join(name.as_str());
        program.version = Version::parse(version).unwrap();
    }
    stage
}

/// The file with the faults of the stage's fakes: none while it is not there.
pub fn faults(stage: &Stage) -> PathBuf {
    stage.paths.root.with_file_name("faults")
}

/// Writes, prepares and starts a component, and waits until it is ready.
pub fn up(stage: &Stage, name: ComponentName) -> Running {
    let native = stage.native(name);
    stage.write(&native);
    for folder in &native.folders {
        if let Some(owner) = &folder.owner {
            assert!(Command::new("chown").arg(format!("{owner}:")).arg(&folder.path).status().unwrap().success());
        }
    }
    prepare(&native);
    let mut running = stage.start_as(name, &native);
    eventually(&format!("{name} is ready"), || {
        assert_eq!(running.child.try_wait().unwrap(), None, "{name}: {}", running.said());
        native.ready.iter().all(holds).then_some(())
    });
    running
}

fn prepare(native: &Native) {
    let Some(prepare) = &native.prepare else { return };
    for argv in &prepare.commands {
        let output = Command::new(&argv[0]).args(&argv[1..]).envs(&prepare.env).current_dir("/").output().unwrap();
        assert!(output.status.success(), "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn holds(probe: &Probe) -> bool {
    match probe {
        Probe::Http { port, path, expect } => get(*port, path).is_some_and(|(status, body)| {
            status == 200
                && match expect {
                    Body::Contains(text) => body.contains(text),
                    Body::Json { pointer, equals } => serde_json::from_str::<Value>(&body)
                        .is_ok_and(|body| body.pointer(pointer).and_then(Value::as_str) == Some(equals)),
                }
        }),
        Probe::Postgres { port, program } => {
            let port = format!("--port={port}");
            Command::new(program).args(["--quiet", "--host=127.0.0.1", &port]).status().unwrap().success()
        }
        Probe::Redis { port, .. } => std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok(),
    }
}

/// How to log in.
enum Login<'a> {
    Basic(&'a str, &'a str),
    Token(&'a str),
}

/// Built together with the services, reqwest has TLS and no ciphers of its own.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Asks with a login: status and JSON (null where it is none).
fn ask(port: u16, path: &str, login: &Login<'_>, body: Option<&Value>) -> (u16, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, url) = (client(), format!("http://127.0.0.1:{port}{path}"));
        let request = match body {
            Some(body) => client.post(url).json(body),
            None => client.get(url),
        };
        let request = match login {
            Login::Basic(user, password) => request.basic_auth(user, Some(password)),
            Login::Token(token) => request.bearer_auth(token),
        };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    })
}

/// Sends one span: the status.
fn send(stage: &Stage, token: &str, trace: &str) -> u16 {
    let port = stage.port(Uptrace, "http");
    let span = json!({"traceId": trace, "spanId": "b7ad6b7169203331", "name": "smoke", "kind": 1,
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000001000000"});
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let request = client().post(format!("http://127.0.0.1:{port}/v1/traces"));
        let request = request.header("uptrace-dsn", format!("http://{token}@127.0.0.1:{port}"));
        let request = request.header("content-type", "application/json").body(body);
        request.send().await.unwrap().status().as_u16()
    })
}

/// Uptrace has its administrator and its project, and shows a span that was sent.
fn uptrace_works(stage: &Stage, trace_path: &str) {
    let (port, token) = (stage.port(Uptrace, "http"), stage.secret(Uptrace, "user-token"));
    let login = Login::Token(&token);
    let (_, current) = ask(port, "/internal/v1/users/current", &login, None);
    assert_eq!(current.pointer("/user/name"), Some(&json!("Admin")), "{current}");
    assert_eq!(current.pointer("/projects/0"), Some(&json!({"id": 1, "name": "report", "orgId": 1})), "{current}");
    assert_eq!(ask(port, trace_path, &login, None).0, 404);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(send(stage, "wrong", trace), 403);
    assert_eq!(send(stage, &stage.secret(Uptrace, "project-token"), trace), 200);
    assert_eq!(ask(port, trace_path, &login, None).1.pointer("/spans/0/name"), Some(&json!("smoke")));
}

/// Grafana lets the administrator in, reaches its data sources, and shows every panel.
fn grafana_works(stage: &Stage) {
    let (port, password) = (stage.port(Grafana, "http"), stage.secret(Grafana, "admin"));
    let login = Login::Basic("admin", &password);
    assert_eq!(ask(port, "/api/org", &login, None).0, 200);
    assert_eq!(ask(port, "/api/org", &Login::Basic("admin", "admin"), None).0, 401);
    for uid in ["prom", "uptrace"] {
        let (_, health) = ask(port, &format!("/api/datasources/uid/{uid}/health"), &login, None);
        assert_eq!(health["status"], "OK", "{uid}: {health}");
    }
    let (_, found) = ask(port, "/api/search?type=dash-db", &login, None);
    assert_eq!(found[0]["uid"], "report-stack", "{found}");
    let (_, dashboard) = ask(port, "/api/dashboards/uid/report-stack", &login, None);
    assert_eq!(dashboard["meta"]["provisioned"], true, "{}", dashboard["meta"]);
    let panels = dashboard["dashboard"]["panels"].as_array().unwrap();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let body = json!({"queries": panel["targets"], "from": "now-5m", "to": "now"});
        let (status, answer) = ask(port, "/api/ds/query", &login, Some(&body));
        assert_eq!(status, 200, "{}: {answer}", panel["title"]);
    }
}

#[test]
fn the_newer_uptrace_reads_what_is_rendered_and_grafana_shows_it() {
    let stage = stage("2.1.0");
    let running: Vec<Running> = ORDER.into_iter().map(|name| up(&stage, name)).collect();
    uptrace_works(&stage, "/internal/v1/traces/1/0af7651916cd43dd8448eb211c80319c");
    grafana_works(&stage);
    // A preparation may run twice, and nothing wrote into a folder that holds what is rendered alone.
    prepare(&stage.native(Uptrace));
    for name in [Grafana, Clickhouse, Uptrace] {
        let rendered: Vec<_> = stage.native(name).files.into_iter().map(|file| file.path).collect();
        for path in files(&stage.paths.config(name)) {
            assert!(rendered.contains(&path), "{} was not rendered", path.display());
        }
    }
    for one in running.iter().rev() {
        assert!(Command::new("kill").arg(one.child.id().to_string()).status().unwrap().success());
    }
    for (mut one, name) in running.into_iter().zip(ORDER) {
        let status = eventually("it ends", || one.child.try_wait().unwrap());
        assert!(status.success(), "{name}: {status}");
    }
}

#[test]
fn the_older_uptrace_reads_what_is_rendered() {
    let stage = stage("2.0.3");
    let _running: Vec<Running> = ORDER.into_iter().take(5).map(|name| up(&stage, name)).collect();
    uptrace_works(&stage, "/internal/v1/tracing/1/traces/0af7651916cd43dd8448eb211c80319c/spans");
}

/// Every file in a folder and below.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
