//! The fake ClickHouse.

use crate::stage::{Running, Said, Stage, ask, free_port, outcome, try_ask};
use sha2_of::sha256;

mod sha2_of {
    /// SHA-256 of `ch-secret`, as `sha256sum` gives it.
    pub fn sha256() -> String {
        let output = std::process::Command::new("sh").args(["-c", "printf ch-secret | sha256sum"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()[..64].to_owned()
    }
}

/// A configuration that is right, for a place and three ports.
pub fn config(stage: &Stage, [http, native, metrics]: [u16; 3]) -> String {
    let (path, hash) = (stage.path("ch").display().to_string(), sha256());
    format!(
        r#"<?xml version="1.0"?>
<clickhouse>
  <logger><level>information</level><console>true</console></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http}</http_port>
  <tcp_port>{native}</tcp_port>
  <path>{path}</path>
  <max_server_memory_usage>1610612736</max_server_memory_usage>
  <mark_cache_size>134217728</mark_cache_size>
  <background_pool_size>2</background_pool_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_execute_mutation>2</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>2</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>2</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
  <query_log remove="1"/>
  <prometheus><endpoint>/metrics</endpoint><port>{metrics}</port><metrics>true</metrics></prometheus>
  <startup_scripts><scripts><query>CREATE DATABASE IF NOT EXISTS uptrace</query></scripts></startup_scripts>
  <users>
    <uptrace>
      <password_sha256_hex>{hash}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants><query>GRANT ALL ON uptrace.*</query><query>GRANT SELECT ON system.*</query></grants>
    </uptrace>
    <far><no_password/><networks><ip>::1</ip></networks></far>
  </users>
  <profiles><default><max_threads>2</max_threads><log_queries>0</log_queries></default></profiles>
  <quotas><default/></quotas>
</clickhouse>
"#
    )
}

/// Starts it: the process and its ports.
pub fn start(stage: &Stage) -> (Running, [u16; 3]) {
    start_version(stage, "25.8.15.35")
}

/// Starts it as another version.
pub fn start_version(stage: &Stage, version: &str) -> (Running, [u16; 3]) {
    let ports = [free_port(), free_port(), free_port()];
    stage.write("clickhouse.xml", &config(stage, ports));
    let (args, env) = (["server", "--config-file=clickhouse.xml"], [("FAKE_CLICKHOUSE_VERSION", version)]);
    let running = stage.start("clickhouse", &args, &env, "Ready for connections");
    (running, ports)
}

fn select(port: u16, query: &str) -> Said {
    let headers = ["X-ClickHouse-User: uptrace", "X-ClickHouse-Key: ch-secret", "X-ClickHouse-Database: uptrace"];
    ask(port, "POST /", &headers, query)
}

#[test]
fn a_configuration_with_a_mistake_is_refused() {
    let stage = Stage::new();
    let right = config(&stage, [free_port(), free_port(), free_port()]);
    for (from, to, says) in [
        ("<mark_cache_size>", "<mark_cash_size/><mark_cache_size>", "mark_cash_size"),
        ("<http_port>", "<max_threads>2</max_threads><http_port>", "user-level setting"),
        ("</clickhouse>", "", "XML"),
        ("<clickhouse>", "<database><clickhouse></clickhouse></database><clickhouse>", "root"),
        ("1610612736", "1.5GiB", "max_server_memory_usage"),
        ("to_execute_mutation>2<", "to_execute_mutation>20<", "(20)"),
        ("<ip>127.0.0.1</ip>", "<ip>localhost</ip>", "localhost"),
        ("<profile>default</profile>", "<profile>small</profile>", "profile"),
        ("<no_password/>", "", "exactly one"),
        ("<max_threads>2</max_threads><log", "<max_thread>2</max_thread><log", "Unknown setting"),
        ("<listen_host>127.0.0.1</listen_host>", "<listen_host>@{secret:x}</listen_host>", "secret"),
        ("GRANT ALL ON uptrace.*", "GIVE ALL", "GRANT"),
        ("CREATE DATABASE IF NOT EXISTS uptrace", "CREATE TABLE t", "does not know"),
        ("<path>", "<path/><path>", "twice"),
    ] {
        assert!(right.contains(from), "{from}");
        stage.write("wrong.xml", &right.replacen(from, to, 1));
        let (code, _, err) = outcome(&stage, "clickhouse", &["server", "--config-file=wrong.xml"], &[]);
        assert!(code != 0 && err.contains(says), "{from} -> {to}: {code} {err}");
    }
    let hash = sha256();
    stage.write("wrong.xml", &right.replace(&hash, &hash[1..]));
    let (code, _, err) = outcome(&stage, "clickhouse", &["server", "--config-file=wrong.xml"], &[]);
    assert!(code != 0 && err.contains("password_sha256_hex"), "{err}");
}

#[test]
fn it_answers_who_may_ask_and_ends_on_request() {
    let stage = Stage::new();
    let (running, [http, native, metrics]) = start(&stage);
    assert_eq!(ask(http, "GET /ping", &[], "").body, "Ok.\n");
    assert_eq!(select(http, "SELECT 1").body, "1\n");
    assert_eq!(select(http, "SELECT version()").body, "25.8.15.35\n");
    assert_eq!(select(http, "SHOW DATABASES").body, "default\nsystem\nuptrace\n");
    assert_eq!(ask(http, "GET /?user=uptrace&password=ch-secret&query=SELECT%201", &[], "").body, "1\n");
    let basic = "Authorization: Basic dXB0cmFjZTpjaC1zZWNyZXQ=";
    assert_eq!(ask(http, "POST /?query=SELECT+1", &[basic], "").body, "1\n");
    for (line, headers, status) in [
        ("GET /?query=SELECT+1", &[][..], 403),
        ("GET /?user=uptrace&query=SELECT+1", &[], 403),
        ("GET /?user=nobody&password=ch-secret&query=SELECT+1", &[], 403),
        ("GET /?user=far&query=SELECT+1", &[], 403),
        ("GET /?user=uptrace&password=ch-secret&query=SELECT+1", &[basic], 403),
        ("GET /?query=SELECT+1&database=nowhere", &[basic], 404),
        ("GET /?query=CREATE+DATABASE+uptrace", &[basic], 500),
        ("POST /?query=CREATE+DATABASE+a", &[basic], 403),
        ("POST /?query=SELECT+now()", &[basic], 501),
        ("GET /pong", &[], 404),
    ] {
        let said = ask(http, line, headers, "");
        assert_eq!(said.status, status, "{line}: {said:?}");
    }
    assert!(ask(metrics, "GET /metrics", &[], "").body.contains("ClickHouseMetrics_Query 0"));
    assert_eq!(ask(metrics, "GET /", &[], "").status, 404);
    std::net::TcpStream::connect(("127.0.0.1", native)).unwrap();
    assert_eq!(running.end(), Some(0));
    assert!(stage.path("ch/metadata/uptrace.sql").exists());
}

#[test]
fn its_client_logs_in_as_its_configuration_says() {
    let stage = Stage::new();
    let (_running, [http, native, _]) = start(&stage);
    let login = |port: u16, password: &str| {
        let text = format!(
            "<config><host>127.0.0.1</host><port>{port}</port><user>uptrace</user><password>{password}</password></config>"
        );
        stage.write("client.xml", &text);
    };
    let run = |query: &str| {
        let (code, out, err) =
            outcome(&stage, "clickhouse", &["client", "--config-file=client.xml", "--query", query], &[]);
        (code == 0, out + &err)
    };
    login(native, "ch-secret");
    assert_eq!(run("SHOW DATABASES"), (true, "default\nsystem\nuptrace\n".to_owned()));
    assert_eq!(run("CREATE DATABASE IF NOT EXISTS uptrace"), (true, String::new()));
    for (query, says) in [
        ("CREATE DATABASE uptrace", "already exists"),
        ("CREATE DATABASE other", "Not enough privileges"),
        ("SELECT 2", "does not know"),
    ] {
        let (worked, said) = run(query);
        assert!(!worked && said.contains(says), "{query}: {said}");
    }
    login(native, "wrong");
    assert!(run("SELECT 1").1.contains("code 516"));
    login(http, "ch-secret");
    assert!(!run("SELECT 1").0);
}

#[test]
fn each_fault_makes_one_thing_wrong() {
    let stage = Stage::new();
    let (_running, [http, _, metrics]) = start(&stage);
    let wrong = |fault: &str| {
        stage.fault(fault);
        let answers = [
            ask(http, "GET /ping", &[], "").body == "Ok.\n",
            select(http, "SELECT 1").body == "1\n",
            select(http, "SELECT version()").body == "25.8.15.35\n",
            ask(http, "GET /?user=nobody&query=SELECT+1", &[], "").status == 403,
            ask(metrics, "GET /metrics", &[], "").body.contains("ClickHouseMetrics_Query 0"),
        ];
        answers.map(|right| !right)
    };
    for (fault, expected) in [
        ("", [false, false, false, false, false]),
        ("clickhouse/broken", [true, true, true, true, true]),
        ("clickhouse/html", [true, true, true, true, true]),
        ("clickhouse/ping-other", [true, false, false, false, false]),
        ("clickhouse/select-wrong", [false, true, false, false, false]),
        ("clickhouse/select-empty", [false, true, true, false, false]),
        ("clickhouse/version-other", [false, false, true, false, false]),
        ("clickhouse/user-unchecked", [false, false, false, true, false]),
        ("clickhouse/user-refused", [false, true, true, false, false]),
        ("clickhouse/metrics-html", [false, false, false, false, true]),
        ("clickhouse/metrics-empty", [false, false, false, false, true]),
        ("uptrace/html", [false, false, false, false, false]),
    ] {
        assert_eq!(wrong(fault), expected, "{fault}");
    }
    stage.fault("clickhouse/hang");
    assert_eq!(try_ask(http, "GET /ping", &[], ""), None);
    stage.fault("clickhouse/lazy");
    assert!(ask(http, "GET /ping", &[], "").body.contains("there is no fault"));
}

#[test]
fn faults_may_stand_in_the_environment_too() {
    let stage = Stage::new();
    let ports = [free_port(), free_port(), free_port()];
    stage.write("clickhouse.xml", &config(&stage, ports));
    let args = ["server", "--config-file=clickhouse.xml"];
    let (code, _, err) = outcome(&stage, "clickhouse", &args, &[("FAKE_FAULT", "clickhouse/lazy")]);
    assert!(code != 0 && err.contains("there is no fault named `clickhouse/lazy`"), "{err}");
    let env = [("FAKE_FAULT", "clickhouse/ping-other,uptrace/guest")];
    let _running = stage.start("clickhouse", &args, &env, "Ready for connections");
    assert_eq!(ask(ports[0], "GET /ping", &[], "").body, "pong\n");
}
