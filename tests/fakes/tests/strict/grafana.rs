//! The fake Grafana, with a Prometheus of four lines behind it.

use crate::stage::{Running, Said, Stage, ask, eventually, free_port, outcome, try_ask};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

const ADMIN: &str = "Authorization: Basic YWRtaW46Zy1zZWNyZXQ="; // admin:g-secret
const DEFAULT: &str = "Authorization: Basic YWRtaW46YWRtaW4="; // admin:admin

/// Answers every question of Prometheus; an empty vector where the query holds `nothing`.
fn prometheus() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let mut text = String::new();
            while !text
                .split_once("\r\n\r\n")
                .is_some_and(|(_, body)| text.starts_with("GET") || body.contains("query="))
            {
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0, "the question ends early: {text}");
                text.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            let (status, body) = if text.contains("nothing") {
                (200, json!({"status": "success", "data": {"resultType": "vector", "result": []}}))
            } else if text.contains("broken") {
                (400, json!({"status": "error", "errorType": "bad_data", "error": "parse error"}))
            } else {
                let row = json!({"metric": {"job": "a"}, "value": [1.0, "1"]});
                (200, json!({"status": "success", "data": {"resultType": "vector", "result": [row]}}))
            };
            let body = body.to_string();
            write!(stream, "HTTP/1.0 {status} x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    port
}

fn ini(stage: &Stage, port: u16) -> String {
    let at = |name: &str| stage.path(name).display().to_string();
    format!(
        "[paths]\ndata = {}\nlogs = {}\nprovisioning = {}\n[server]\nhttp_addr = 127.0.0.1\nhttp_port = {port}\n\
         [security]\nadmin_user = admin\nadmin_password = \"\"\"g-secret\"\"\"\n[users]\nallow_sign_up = false\n\
         [auth.anonymous]\nenabled = false\n; a comment\n[analytics]\nreporting_enabled = false ; why\n",
        at("data"),
        at("logs"),
        at("provisioning")
    )
}

fn datasources(prometheus: u16) -> String {
    format!(
        "apiVersion: 1\nprune: true\ndatasources:\n  - {{name: Prometheus, uid: prom, type: prometheus, access: proxy, \
         url: 'http://127.0.0.1:{prometheus}', isDefault: true, editable: false, jsonData: {{httpMethod: POST}}}}\n"
    )
}

fn providers(stage: &Stage) -> String {
    format!(
        "apiVersion: 1\nproviders:\n  - {{name: report, orgId: 1, folder: Report, type: file, disableDeletion: true, \
         allowUiUpdates: false, updateIntervalSeconds: 1, options: {{path: {}}}}}\n",
        stage.path("dashboards").display()
    )
}

const DASHBOARD: &str = r#"{"uid": "report-stack", "title": "Report stack", "schemaVersion": 39, "tags": ["report"],
    "panels": [{"type": "timeseries", "title": "Up"}]}"#;

fn lay_out(stage: &Stage, port: u16) {
    stage.write("grafana.ini", &ini(stage, port));
    stage.write("provisioning/datasources/report.yaml", &datasources(prometheus()));
    stage.write("provisioning/dashboards/report.yaml", &providers(stage));
    stage.write("dashboards/report.json", DASHBOARD);
}

const ARGS: [&str; 5] = ["server", "--homepath", "/usr/share/grafana", "--config", "grafana.ini"];

fn start(stage: &Stage) -> Running {
    stage.start("grafana", &ARGS, &[], "HTTP Server Listen")
}

fn query(port: u16, expression: &str) -> Said {
    let query = json!({"refId": "A", "datasource": {"uid": "prom"}, "expr": expression, "instant": true});
    let body = json!({"queries": [query], "from": "now-5m", "to": "now"}).to_string();
    ask(port, "POST /api/ds/query", &[ADMIN, "Content-Type: application/json"], &body)
}

#[test]
fn a_configuration_with_a_mistake_is_refused() {
    let stage = Stage::new();
    let port = free_port();
    lay_out(&stage, port);
    let (ini, sources) = (ini(&stage, port), datasources(1));
    let wrong = |says: &str| {
        let (code, _, err) = outcome(&stage, "grafana", &ARGS, &[]);
        assert!(code != 0 && err.contains(says), "{says}: {code} {err}");
    };
    for (from, to, says) in [
        ("[users]", "[user]", "[user] is unknown"),
        ("allow_sign_up", "allow_signup", "allow_signup"),
        ("enabled = false", "enabled = no", "not true or false"),
        ("http_port = ", "http_port = x", "whole number"),
        ("g-secret", "@{secret:grafana-admin}", "secret"),
        ("\"\"\"g-secret\"\"\"", "$__file{/nowhere}", "/nowhere"),
        ("admin_user = admin", "admin_user", "delimiter"),
    ] {
        assert!(ini.contains(from));
        stage.write("grafana.ini", &ini.replacen(from, to, 1));
        wrong(says);
    }
    stage.write("grafana.ini", &ini);
    for (from, to, says) in [
        ("uid: prom,", "", "uid"),
        ("isDefault", "default", "default"),
        ("type: prometheus", "type: prometeus", "plugin"),
        ("apiVersion: 1", "apiVersion: 2", "apiVersion"),
        ("http://", "ftp://", "ftp"),
        ("name: Prometheus", "name: $NOWHERE", "NOWHERE"),
        ("datasources:", "datasources: [", "report.yaml"),
    ] {
        assert!(sources.contains(from));
        stage.write("provisioning/datasources/report.yaml", &sources.replacen(from, to, 1));
        wrong(says);
    }
    stage.write("provisioning/datasources/report.yaml", &sources);
    stage.write("provisioning/alerting/report.yaml", "apiVersion: 1\ncontacts: []\n");
    wrong("contacts");
    std::fs::remove_file(stage.path("provisioning/alerting/report.yaml")).unwrap();
    let (code, _, err) = outcome(&stage, "grafana", &ARGS, &[("GF_SECURITY_ADMIN_PASSWORD__FILE", "/nowhere")]);
    assert!(code != 0 && err.contains("container image"), "{err}");
    let (code, _, err) = outcome(&stage, "grafana", &ARGS, &[("GF_SECURTY_ADMIN_PASSWORD", "x")]);
    assert!(code != 0 && err.contains("GF_SECURTY_ADMIN_PASSWORD"), "{err}");
    // A start that failed later on has already made the administrator.
    std::fs::remove_dir_all(stage.path("data")).unwrap();
    stage.write("password", "from-file\n");
    let env = [("GF_SECURITY_ADMIN_PASSWORD__FILE", "password"), ("FAKE_GRAFANA_IMAGE", "1")];
    let _running = stage.start("grafana", &ARGS, &env, "HTTP Server Listen");
    let given = "Authorization: Basic YWRtaW46ZnJvbS1maWxl"; // admin:from-file
    assert_eq!(ask(port, "GET /api/org", &[given], "").status, 200);
    assert_eq!(ask(port, "GET /api/org", &[ADMIN], "").status, 401);
}

#[test]
fn it_serves_what_was_provisioned_to_the_administrator() {
    let stage = Stage::new();
    let port = free_port();
    lay_out(&stage, port);
    stage.write("dashboards/broken.json", "{");
    let running = start(&stage);
    let get = |path: &str| ask(port, &format!("GET {path}"), &[ADMIN], "");
    let health = ask(port, "GET /api/health", &[], "").json();
    assert_eq!((&health["database"], &health["version"]), (&json!("ok"), &json!("12.4.0")));
    assert_eq!(get("/api/datasources/uid/prom").json()["type"], "prometheus");
    assert_eq!(get("/api/datasources/uid/other").status, 404);
    assert_eq!(get("/api/datasources/uid/prom/health").json()["status"], "OK");
    assert_eq!(query(port, "up").json().pointer("/results/A/frames/0/data/values/1"), Some(&json!([1.0])));
    assert_eq!(query(port, "nothing").json().pointer("/results/A/frames/0/data/values"), Some(&json!([])));
    let broken = query(port, "broken");
    assert_eq!((broken.status, broken.json()["results"]["A"]["error"].clone()), (400, json!("parse error")));
    assert_eq!(get("/api/search?type=dash-db").json()[0]["uid"], "report-stack");
    let dashboard = get("/api/dashboards/uid/report-stack").json();
    assert_eq!(
        (&dashboard["meta"]["provisioned"], &dashboard["meta"]["folderTitle"]),
        (&json!(true), &json!("Report"))
    );
    assert_eq!(get("/api/dashboards/uid/other").status, 404);
    assert_eq!(get("/api/nothing").status, 404);
    assert_eq!(get("/api/org").json()["name"], "Main Org.");
    let refused = ask(port, "GET /api/org", &[DEFAULT], "");
    assert_eq!((refused.status, refused.json()["messageId"].clone()), (401, json!("password-auth.failed")));
    assert_eq!(ask(port, "GET /api/org", &[], "").json()["messageId"], "auth.unauthorized");
    assert_eq!(ask(port, "GET /somewhere", &[], "").status, 302);
    assert!(ask(port, "GET /metrics", &[], "").body.contains("grafana_build_info"));
    let changed = DASHBOARD.replace("Report stack", "Changed stack");
    stage.write("dashboards/report.json", &changed);
    eventually("the changed file is read", || (get("/api/search").json()[0]["title"] == "Changed stack").then_some(()));
    assert_eq!(running.end(), Some(0));
}

#[test]
fn the_password_of_the_first_start_stays_until_it_is_reset() {
    let stage = Stage::new();
    let port = free_port();
    lay_out(&stage, port);
    assert_eq!(start(&stage).end(), Some(0));
    stage.write("grafana.ini", &ini(&stage, port).replace("g-secret", "another"));
    let running = start(&stage);
    assert_eq!(ask(port, "GET /api/org", &[ADMIN], "").status, 200);
    drop(running);
    let args = ["cli", "--homepath", "/x", "--config", "grafana.ini", "admin", "reset-admin-password"];
    let mut command = stage.command("grafana", &args, &[]);
    let mut child = command.arg("--password-from-stdin").stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"admin\n").unwrap();
    assert!(child.wait().unwrap().success());
    let _running = start(&stage);
    assert_eq!(ask(port, "GET /api/org", &[DEFAULT], "").status, 200);
    for _ in 0..5 {
        assert_eq!(ask(port, "GET /api/org", &[ADMIN], "").status, 401);
    }
    // Five wrong passwords lock the user out, whatever comes next.
    assert_eq!(ask(port, "GET /api/org", &[DEFAULT], "").status, 401);
}

#[test]
fn each_fault_makes_one_thing_wrong() {
    let stage = Stage::new();
    let port = free_port();
    lay_out(&stage, port);
    let ini = ini(&stage, port).replace("[users]", "disable_brute_force_login_protection = true\n[users]");
    stage.write("grafana.ini", &ini);
    let _running = start(&stage);
    let get = |path: &str| ask(port, &format!("GET {path}"), &[ADMIN], "");
    let parsed = |said: &Said| serde_json::from_str::<serde_json::Value>(&said.body).unwrap_or_default();
    let wrong = |fault: &str| {
        stage.fault(fault);
        let (health, source) = (ask(port, "GET /api/health", &[], ""), get("/api/datasources/uid/prom"));
        let (answered, dashboard) = (query(port, "up"), get("/api/dashboards/uid/report-stack"));
        let answers = [
            health.status == 200 && parsed(&health)["database"] == "ok",
            source.status == 200 && !source.body.contains("127.0.0.1:1\"") && source.body.contains("\"prom\""),
            parsed(&get("/api/datasources/uid/prom/health"))["status"] == "OK",
            parsed(&answered).pointer("/results/A/frames/0/data/values/0/0").is_some(),
            parsed(&dashboard)["meta"]["provisioned"] == true,
            parsed(&dashboard)["dashboard"]["panels"][0]["title"] == "Up",
            parsed(&get("/api/search"))[0]["title"] == "Report stack",
            get("/api/org").status == 200,
            ask(port, "GET /api/org", &[DEFAULT], "").status == 401,
        ];
        answers.iter().enumerate().filter(|(_, right)| !**right).map(|(index, _)| index).collect::<Vec<_>>()
    };
    for (fault, expected) in [
        ("", &[][..]),
        ("grafana/broken", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("grafana/html", &[0, 1, 2, 3, 4, 5, 6, 8]),
        ("grafana/health-text", &[0]),
        ("grafana/health-other", &[0]),
        ("grafana/database-failing", &[0]),
        ("grafana/database-lies", &[0]),
        ("grafana/datasource-missing", &[1, 2, 3]),
        ("grafana/datasource-url", &[1, 2, 3]),
        ("grafana/datasource-error", &[2]),
        ("grafana/datasource-lies", &[2]),
        ("grafana/query-error", &[3]),
        ("grafana/frames-missing", &[3]),
        ("grafana/frames-empty", &[3]),
        ("grafana/dashboards-missing", &[4, 5, 6]),
        ("grafana/dashboard-manual", &[4]),
        ("grafana/dashboard-empty", &[5]),
        ("grafana/dashboard-other", &[6]),
        ("grafana/default-password", &[8]),
        ("grafana/password-unchecked", &[8]),
        ("grafana/password-forgotten", &[1, 2, 3, 4, 5, 6, 7]),
    ] {
        assert_eq!(wrong(fault), expected, "{fault}");
    }
    stage.fault("grafana/hang");
    assert_eq!(try_ask(port, "GET /api/health", &[], ""), None);
}
