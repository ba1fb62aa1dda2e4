//! Alertmanager as it is rendered, judged by the real amtool and run for real.

use super::render_support::{LOCAL, Stage, eventually, get, post, said, tool};
use reportctl::model::component::ComponentName::{self, *};
use reportctl::model::quantity::Version;
use std::os::unix::fs::PermissionsExt as _;

fn written(components: &[ComponentName]) -> (Stage, String) {
    let stage = Stage::new(components);
    let native = stage.native(Alertmanager);
    stage.write(&native);
    let config = native.files[0].path.to_str().unwrap().to_owned();
    (stage, config)
}

/// Which receiver an alert with these labels comes to.
fn route(config: &str, labels: &[&str]) -> String {
    let flag = format!("--config.file={config}");
    let mut argv = vec!["amtool", "config", "routes", "test", &flag];
    argv.extend(labels);
    let output = tool("prometheus-alertmanager", &argv);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_configuration_is_valid_with_and_without_the_runner() {
    for selection in [&LOCAL[..], &ComponentName::ALL] {
        let (_stage, config) = written(selection);
        let output = tool("prometheus-alertmanager", &["amtool", "check-config", &config]);
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn each_alert_comes_to_whom_it_is_for() {
    let (_stage, config) = written(&ComponentName::ALL);
    assert_eq!(route(&config, &["alertname=ReportctlSmoke", "run=abcd2345", "severity=info"]), "smoke");
    assert_eq!(route(&config, &["alertname=ReportWorkersTooFew", "purpose=scaling", "severity=info"]), "runner");
    assert_eq!(route(&config, &["alertname=ReportWorkersTooMany", "purpose=scaling", "severity=info"]), "runner");
    assert_eq!(route(&config, &["alertname=ReportctlSmokeScaling", "purpose=scaling", "run=abcd2345"]), "runner");
    assert_eq!(route(&config, &["alertname=RedisDown", "severity=critical", "component=redis"]), "people");
    assert_eq!(route(&config, &["alertname=Anything"]), "people");
    assert_eq!(route(&config, &["alertname=ReportctlSmokeAlarm"]), "people");
}

#[test]
fn without_a_runner_nobody_is_told_to_scale() {
    let (_stage, config) = written(&LOCAL);
    assert_eq!(route(&config, &["alertname=ReportWorkersTooFew", "purpose=scaling"]), "people");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(!text.contains("scaling"), "{text}");
}

#[test]
fn the_routes_of_programs_do_not_wait() {
    let (_stage, config) = written(&ComponentName::ALL);
    let text = std::fs::read_to_string(&config).unwrap();
    let tree: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let times = |receiver: &str| {
        let routes = tree["route"]["routes"].as_array().unwrap();
        // The last one is for all the others of that receiver.
        let route = routes.iter().rfind(|route| route["receiver"] == receiver).unwrap();
        ["group_wait", "group_interval", "repeat_interval"].map(|key| route[key].as_str().unwrap().to_owned())
    };
    assert_eq!(times("smoke"), ["0s", "1s", "1m"]);
    assert_eq!(times("runner"), ["0s", "15s", "1m"]);
}

#[test]
fn only_what_the_installed_version_understands_is_written() {
    let mut stage = Stage::new(&ComponentName::ALL);
    let mut text_for = |version: &str| {
        stage.active.get_mut(&Alertmanager).unwrap().0.version = Version::parse(version).unwrap();
        stage.native(Alertmanager).files[0].text.clone()
    };
    assert!(!text_for("0.25.0").contains("timeout: 10s"));
    assert!(!text_for("0.27.1").contains("timeout: 10s"));
    assert!(text_for("0.28.1").contains("timeout: 10s"));
}

#[test]
fn tokens_are_in_files_that_only_their_owner_reads() {
    let (stage, config) = written(&ComponentName::ALL);
    let text = std::fs::read_to_string(config).unwrap();
    assert!(!text.contains("-of-"), "the configuration holds no secret:\n{text}");
    for (token, component, own) in [("smoke", Alertmanager, "smoke"), ("scaling", Runner, "scaling")] {
        let path = stage.paths.config(Alertmanager).join(format!("{token}.token"));
        assert!(text.contains(path.to_str().unwrap()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), stage.secret(component, own));
    }
}

#[test]
fn it_runs_alone_and_says_so() {
    let stage = Stage::new(&LOCAL);
    let running = stage.start(Alertmanager);
    let port = stage.port(Alertmanager, "http");
    let status = eventually("alertmanager answers", || get(port, "/api/v2/status").filter(|answer| answer.0 == 200)).1;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status.pointer("/cluster/status").unwrap(), "disabled");
    assert!(!running.said().contains("level=error"), "{}", running.said());
    let own = std::fs::read_to_string(format!("/proc/{}/net/tcp", running.child.id())).unwrap();
    assert!(!own.contains(":2386 "), "nobody listens on the cluster's port 9094:\n{own}");
}

#[test]
fn what_follows_from_something_worse_is_not_told() {
    let stage = Stage::new(&LOCAL);
    let _running = stage.start(Alertmanager);
    let port = stage.port(Alertmanager, "http");
    eventually("alertmanager is ready", || get(port, "/-/ready").filter(|answer| answer.0 == 200));
    let alert = |name: &str, more: &str| format!(r#"{{"labels":{{"alertname":"{name}","instance":"r:1"{more}}}}}"#);
    let root = r#","mountpoint":"/""#;
    let alerts = [
        alert("RedisMemoryHigh", ""),
        alert("RedisMemoryFull", ""),
        alert("DiskFull", root),
        alert("DiskSpaceLow", root),
        alert("DiskWillFill", r#","mountpoint":"/data""#),
    ];
    assert_eq!(post(port, "/api/v2/alerts", &format!("[{}]", alerts.join(","))).unwrap().0, 200);
    let told = |inhibited: bool| {
        let path = format!("/api/v2/alerts?inhibited={inhibited}&active={}", !inhibited);
        let answer: serde_json::Value = serde_json::from_str(&get(port, &path).unwrap().1).unwrap();
        let mut names: Vec<String> = answer
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    eventually("all are seen", || (told(true).len() == 2).then_some(()));
    assert_eq!(told(true), ["DiskSpaceLow", "RedisMemoryHigh"]);
    assert_eq!(told(false), ["DiskFull", "DiskWillFill", "RedisMemoryFull"]);
}
