//! The traps of the foreign tools, each on the real tool: what it does, and that our own judgement is right where it
//! is not.

use super::render_support::{LOCAL, Running, Stage, eventually, free_port, get, post, said, tool};
use reportctl::model::component::ComponentName::*;
use reportctl::model::probe::{Body, Probe};
use reportctl::render::check;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A folder with these files.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// How many files a pattern names, as far as these tests use patterns: `*.yml` and plain names.
    fn matches(&self, pattern: &str) -> usize {
        let name = PathBuf::from(pattern).file_name().unwrap().to_str().unwrap().to_owned();
        let names =
            std::fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let ending = name.strip_prefix('*');
        names.filter(|found| ending.map_or(*found == name, |ending| found.ends_with(ending))).count()
    }
}

fn run(package: &str, argv: &[&str], last: &str) -> Output {
    tool(package, &argv.iter().copied().chain([last]).collect::<Vec<_>>())
}

fn promtool(argv: &[&str], last: &str) -> (Option<i32>, String) {
    let output = run("prometheus", &[&["promtool"], argv].concat(), last);
    (output.status.code(), said(&output))
}

fn amtool_check(file: &str) -> (Option<i32>, String) {
    let output = run("prometheus-alertmanager", check::AMTOOL_CHECK, file);
    (output.status.code(), said(&output))
}

const JOB: &str = "scrape_configs: [{job_name: a, static_configs: [{targets: ['127.0.0.1:1']}]}]\n";
const RULE: &str = "groups: [{name: g, rules: [{record: a, expr: up}]}]\n";

// ---- promtool ----

#[test]
fn promtool_passes_an_empty_configuration() {
    let files = Files::new(&[("p.yml", "")]);
    let (code, text) = promtool(&["check", "config", "--lint-fatal"], &files.path("p.yml"));
    assert!(code == Some(0) && text.contains("SUCCESS"), "{text}");
    assert!(!check::prometheus("", |_| 1).is_empty());
}

#[test]
fn promtool_passes_a_pattern_of_rule_files_that_matches_nothing() {
    let files = Files::new(&[]);
    let with = |rules: &str| format!("{JOB}rule_files: ['{}']\n", files.path(rules));
    std::fs::write(files.path("glob.yaml"), with("*.yml")).unwrap();
    std::fs::write(files.path("plain.yaml"), with("rules.yml")).unwrap();
    let check_config = ["check", "config", "--lint-fatal"];
    assert_eq!(promtool(&check_config, &files.path("glob.yaml")).0, Some(0));
    assert_eq!(check::prometheus(&with("*.yml"), |pattern| files.matches(pattern)).len(), 1);
    // A plain path is looked at, which is why ours is one; but not when only the syntax is asked for.
    assert_eq!(promtool(&check_config, &files.path("plain.yaml")).0, Some(1));
    assert_eq!(promtool(&["check", "config", "--syntax-only"], &files.path("plain.yaml")).0, Some(0));
    std::fs::write(files.path("rules.yml"), RULE).unwrap();
    assert_eq!(promtool(&check_config, &files.path("plain.yaml")).0, Some(0));
    assert_eq!(check::prometheus(&with("rules.yml"), |pattern| files.matches(pattern)), []);
}

#[test]
fn promtool_passes_what_lint_finds_unless_it_is_told_not_to() {
    let twice = "groups: [{name: g, rules: [{record: a, expr: up}, {record: a, expr: up}]}]\n";
    let files = Files::new(&[("r.yml", twice)]);
    let (code, text) = promtool(&["check", "rules"], &files.path("r.yml"));
    assert!(code == Some(0) && text.contains("FAILED"), "{code:?} {text}");
    assert_eq!(promtool(&check::PROMTOOL_CHECK_RULES[1..], &files.path("r.yml")).0, Some(3));
    assert!(check::rules(twice)[0].what.contains("twice"));
    // The words say FAILED, the status says passed: only with the flag do both say the same.
    assert!(check::PROMTOOL_CHECK_RULES.contains(&"--lint-fatal"));
    assert!(check::PROMTOOL_CHECK_CONFIG.contains(&"--lint-fatal"));
}

#[test]
fn promtool_passes_a_rule_file_without_rules() {
    let files = Files::new(&[("r.yml", "groups: []\n")]);
    let (code, text) = promtool(&check::PROMTOOL_CHECK_RULES[1..], &files.path("r.yml"));
    assert!(code == Some(0) && text.contains("0 rules"), "{text}");
    assert!(!check::rules("groups: []\n").is_empty());
}

#[test]
fn promtool_passes_tests_that_test_nothing() {
    let tests = "rule_files: [r.yml]\ntests: []\n";
    let files = Files::new(&[("r.yml", RULE), ("t.yml", tests)]);
    let (code, text) = promtool(&check::PROMTOOL_TEST[1..], &files.path("t.yml"));
    assert!(code == Some(0) && text.contains("SUCCESS"), "{text}");
    assert!(check::rule_tests(RULE, tests)[0].what.contains("no test"));
}

#[test]
fn promtool_only_warns_of_a_rule_file_that_tests_miss() {
    let tests =
        "rule_files: [other.yml]\ntests: [{alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: []}]}]\n";
    let files = Files::new(&[("t.yml", tests)]);
    let (code, text) = promtool(&check::PROMTOOL_TEST[1..], &files.path("t.yml"));
    assert!(text.contains("WARNING: no file match pattern"), "{text}");
    // That an alert is quiet which does not exist is no proof: ours asks for a case in which it fires as well.
    assert_eq!(code, Some(0), "{text}");
    let rules = "groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]";
    assert_eq!(check::rule_tests(rules, tests).len(), 1);
}

#[test]
fn promtool_does_refuse_what_is_plainly_wrong() {
    for (text, words) in [
        ("scrape_configz: []\n".to_owned(), "field scrape_configz not found"),
        ("global: {scrape_interval: 15}\n".to_owned(), "not a valid duration string"),
        (JOB.replace("}]}]", "}]}, {job_name: a}]"), "multiple scrape configs with job name"),
        (JOB.replace("127.0.0.1:1", "http://127.0.0.1:1/x"), "is not a valid hostname"),
        (JOB.replace("job_name: a", "job_name: a, authorization: {credentials_file: /none}"), "no such file"),
    ] {
        let files = Files::new(&[("p.yml", &text)]);
        let (code, said) = promtool(&["check", "config", "--lint-fatal"], &files.path("p.yml"));
        assert!(said.contains(words), "{said}");
        assert!(check::verdict(code, &said).unwrap_err().contains(words));
    }
}

// ---- amtool ----

#[test]
fn amtool_passes_a_mistyped_matcher() {
    let config = |matcher: &str| {
        format!(
            "route: {{receiver: a, routes: [{{receiver: b, matchers: ['{matcher}']}}]}}\nreceivers: [{{name: a}}, {{name: b}}]\n"
        )
    };
    let files =
        Files::new(&[("am.yml", &config("severity == critical")), ("good.yml", &config(r#"severity="critical""#))]);
    assert_eq!(amtool_check(&files.path("am.yml")).0, Some(0));
    assert_eq!(check::alertmanager(&config("severity == critical"), |_| 1).len(), 1);
    // It means something else than it says: the alert goes to nobody in particular.
    let routed = |name: &str| {
        let flag = format!("--config.file={}", files.path(name));
        let argv = ["amtool", "config", "routes", "test", &flag, "severity=critical"];
        String::from_utf8_lossy(&tool("prometheus-alertmanager", &argv).stdout).trim().to_owned()
    };
    assert_eq!((routed("am.yml").as_str(), routed("good.yml").as_str()), ("a", "b"));
    assert_eq!(check::alertmanager(&config(r#"severity="critical""#), |_| 1), []);
}

#[test]
fn amtool_says_success_before_it_fails() {
    let files = Files::new(&[("t.tmpl", "{{ broken")]);
    let config = format!("route: {{receiver: a}}\nreceivers: [{{name: a}}]\ntemplates: ['{}']\n", files.path("t.tmpl"));
    std::fs::write(files.path("am.yml"), &config).unwrap();
    let (code, text) = amtool_check(&files.path("am.yml"));
    assert!(text.find("SUCCESS") < text.find("FAILED") && text.contains("SUCCESS"), "{text}");
    assert!(check::verdict(code, &text).unwrap_err().contains("template"));
}

#[test]
fn amtool_passes_a_pattern_of_templates_that_matches_nothing() {
    let files = Files::new(&[]);
    let config = format!("route: {{receiver: a}}\nreceivers: [{{name: a}}]\ntemplates: ['{}']\n", files.path("*.tmpl"));
    std::fs::write(files.path("am.yml"), &config).unwrap();
    assert_eq!(amtool_check(&files.path("am.yml")).0, Some(0));
    assert!(check::alertmanager(&config, |pattern| files.matches(pattern))[0].what.contains("matches no file"));
}

#[test]
fn amtool_passes_a_receiver_that_nobody_reaches() {
    let config = "route: {receiver: a}\nreceivers: [{name: a}, {name: team}]\n";
    let files = Files::new(&[("am.yml", config)]);
    assert_eq!(amtool_check(&files.path("am.yml")).0, Some(0));
    assert!(check::alertmanager(config, |_| 1)[0].what.contains("`team`"));
}

#[test]
fn amtool_does_refuse_what_is_plainly_wrong() {
    for (config, words) in [
        ("", "no route"),
        ("route: {receiver: b}\nreceivers: [{name: a}]\n", "undefined receiver"),
        (
            "route: {receiver: a, matchers: ['x=\"y\"']}\nreceivers: [{name: a}]\n",
            "root route must not have any matchers",
        ),
        ("route: {receiver: a}\nreceivers: [{name: a, email_configs: [{to: x@y}]}]\n", "no global SMTP"),
        ("route: {receiver: a}\nreceivers: [{name: a, pigeon_configs: []}]\n", "field pigeon_configs not found"),
    ] {
        let files = Files::new(&[("am.yml", config)]);
        let (code, text) = amtool_check(&files.path("am.yml"));
        assert!(check::verdict(code, &text).unwrap_err().contains(words), "{text}");
    }
}

#[test]
fn amtool_tells_a_wrong_route_by_its_exit_status() {
    let stage = Stage::new(&LOCAL);
    stage.write(&stage.native(Alertmanager));
    let config = format!("--config.file={}", stage.native(Alertmanager).files[0].path.display());
    let verify = |receiver: &str| {
        let receiver = format!("--verify.receivers={receiver}");
        let argv = ["amtool", "config", "routes", "test", &config, &receiver, "alertname=ReportctlSmoke"];
        tool("prometheus-alertmanager", &argv).status.code()
    };
    assert_eq!((verify("smoke"), verify("people")), (Some(0), Some(1)));
}

// ---- redis-cli ----

#[test]
fn redis_cli_ends_well_on_errors() {
    let stage = Stage::new(&[Redis]);
    let _running = stage.start(Redis);
    let port = stage.port(Redis, "redis").to_string();
    let ask = |more: &[&str], command: &[&str]| {
        let argv = [&["redis-cli", "-p", &port], more, command].concat();
        tool("redis-tools", &argv)
    };
    eventually("redis answers", || said(&ask(&[], &["PING"])).contains("NOAUTH").then_some(()));
    let password = stage.secret(Redis, "runner");
    let login = ["--no-auth-warning", "--user", "runner", "--pass", &password];
    for (more, command, words) in [
        (&[][..], &["PING"][..], "NOAUTH"),
        (&login[..], &["PUBLISH", "user:1", "x"], "NOPERM"),
        (&login[..], &["GET"], "ERR"),
    ] {
        let output = ask(more, command);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{words}: {out}");
        assert!(check::redis_reply(output.status.code(), &out, &err).unwrap_err().contains(words), "{out}{err}");
        let strict = ask(&[more, &["-e"]].concat(), command);
        assert_eq!(strict.status.code(), Some(1), "{words}");
    }
    let output = ask(&login, &["PING"]);
    assert_eq!(check::redis_reply(output.status.code(), &String::from_utf8_lossy(&output.stdout), ""), Ok("PONG"));
}

// ---- what calls itself healthy or ready ----

#[test]
fn the_redis_exporter_is_healthy_without_redis() {
    let stage = Stage::new(&[Redis, RedisExporter]);
    let _exporter = stage.start(RedisExporter);
    let port = stage.port(RedisExporter, "http");
    let answer = eventually("the exporter answers", || get(port, "/health"));
    assert_eq!(answer.0, 200, "{answer:?}");
    let figures = get(port, "/metrics").unwrap();
    assert_eq!(figures.0, 200);
    assert!(figures.1.contains("redis_up 0\n"));
    // Our own question is not content with that.
    let Probe::Http { expect: Body::Contains(words), .. } = &stage.native(RedisExporter).ready[0] else { panic!() };
    assert!(!figures.1.contains(words.as_str()));
}

#[test]
fn a_target_stays_up_when_redis_is_dead() {
    let stage = Stage::new(&[Redis, RedisExporter, Prometheus]);
    let _running: Vec<Running> = [RedisExporter, Prometheus].map(|name| stage.start(name)).into();
    let port = stage.port(Prometheus, "http");
    let value = |query: &str| {
        let body = get(port, &format!("/api/v1/query?query={query}"))?.1;
        let body: serde_json::Value = serde_json::from_str(&body).ok()?;
        body.pointer("/data/result/0/value/1")?.as_str().map(str::to_owned)
    };
    let up = eventually("the exporter is scraped", || value("up%7Bjob%3D%22redis-exporter%22%7D"));
    assert_eq!(up, "1", "which is why the alert asks for redis_up");
    assert_eq!(value("redis_up").unwrap(), "0");
    let rules = stage.native(Prometheus).files[1].text.clone();
    assert!(rules.contains("redis_up{job=\"redis-exporter\"} == 0"));
}

#[test]
fn prometheus_is_ready_before_it_has_a_target() {
    let stage = Stage::new(&[Prometheus]);
    let _running = stage.start(Prometheus);
    let port = stage.port(Prometheus, "http");
    eventually("prometheus is ready", || get(port, "/-/ready").filter(|answer| answer.0 == 200));
    let targets = || get(port, "/api/v1/targets?state=active").unwrap().1;
    assert!(targets().contains(r#""activeTargets":[]"#), "so a check must wait for targets: {}", targets());
    eventually("its targets are found", || targets().contains(r#""health":"up""#).then_some(()));
}

#[test]
fn prometheus_cannot_be_told_over_http_to_read_another_configuration() {
    let stage = Stage::new(&[Prometheus]);
    let _running = stage.start(Prometheus);
    let port = stage.port(Prometheus, "http");
    eventually("prometheus is ready", || get(port, "/-/ready").filter(|answer| answer.0 == 200));
    assert_eq!(post(port, "/-/reload", "").unwrap().0, 403);
    assert_eq!(post(port, "/-/quit", "").unwrap().0, 403);
    assert_eq!(post(port, "/api/v1/admin/tsdb/snapshot", "").unwrap().0, 500, "the admin interface is off");
}

#[test]
fn a_configuration_that_redis_does_not_understand_ends_it() {
    let stage = Stage::new(&[Redis]);
    let native = stage.native(Redis);
    stage.write(&native);
    let conf = &native.files[0].path;
    std::fs::write(conf, format!("{}\nmaxmemroy 1gb\n", std::fs::read_to_string(conf).unwrap())).unwrap();
    let output = Command::new(&native.service.argv[0])
        .args(&native.service.argv[1..])
        .arg("--port")
        .arg(free_port().to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("FATAL CONFIG FILE ERROR"));
}
