//! The fake Uptrace, in both dialects, with the real PostgreSQL and Redis and the fake ClickHouse behind it.

use crate::clickhouse;
use crate::stage::{Running, Said, Stage, ask, eventually, free_port, outcome, postgres, redis, try_ask};
use serde_json::{Value, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const USER: &str = "Authorization: Bearer user-token-1";
const DSN: &str = "uptrace-dsn: http://project-token-1@127.0.0.1:1";
const V20: [(&str, &str); 1] = [("FAKE_UPTRACE_VERSION", "2.0.3")];

/// Ports: HTTP, gRPC, PostgreSQL, ClickHouse, Redis.
fn config([http, grpc, pg, ch, redis]: [u16; 5]) -> String {
    format!(
        r#"service: {{env: hosted, secret: "signing"}}
site:
  url: http://127.0.0.1:{http}
  ingest_url: http://127.0.0.1:{http}?grpc={grpc}
listen:
  http: {{addr: '127.0.0.1:{http}'}}
  grpc: {{addr: '127.0.0.1:{grpc}'}}
auth: {{sign_up_disabled: true}}
seed_data:
  update: true
  delete: false
  users: [{{key: admin, name: Admin, email: admin@uptrace.local, password: "pa$$word", email_confirmed: true}}]
  user_tokens: [{{key: t1, user_key: admin, token: user-token-1}}]
  orgs: [{{key: org1, name: Reports}}]
  org_users: [{{key: ou1, org_key: org1, user_key: admin, role: owner}}]
  projects: [{{key: p1, name: report, org_key: org1}}]
  project_tokens: [{{key: pt1, project_key: p1, token: project-token-1}}]
  project_users: [{{key: pu1, project_key: p1, org_user_key: ou1, perm_level: admin}}]
ch_cluster:
  cluster: uptrace1
  replicated: false
  distributed: false
  shards: [{{replicas: [{{addr: '127.0.0.1:{ch}', database: uptrace, user: uptrace, password: ch-secret, dial_timeout: 3s}}]}}]
ch_schema: {{compression: ZSTD(1)}}
pg: {{addr: '127.0.0.1:{pg}', user: uptrace, password: pg-secret, database: postgres}}
redis_cache: {{addrs: {{alpha: '127.0.0.1:{redis}'}}, username: uptrace, password: redis-secret, db: 1}}
mailer: {{smtp: {{enabled: false}}}}
sourcemaps: {{disabled: true}}
certmagic: {{enabled: false}}
self_monitoring: {{disabled: true}}
logging: {{level: "${{LEVEL:INFO}}"}}
license: {{key: ''}}
"#
    )
}

/// Everything that Uptrace needs, running.
struct Around {
    http: u16,
    _pg: Running,
    _redis: Running,
    _ch: Running,
}

fn around(stage: &Stage) -> Around {
    let (pg, pg_port) = postgres(stage);
    let (redis, redis_port) = redis(stage);
    let (ch, [_, native, _]) = clickhouse::start(stage);
    let http = free_port();
    stage.write("uptrace.yml", &config([http, free_port(), pg_port, native, redis_port]));
    Around { http, _pg: pg, _redis: redis, _ch: ch }
}

fn step(stage: &Stage, words: &[&str]) -> (i32, String) {
    let args: Vec<&str> = std::iter::once("--config=uptrace.yml").chain(words.iter().copied()).collect();
    let (code, _, err) = outcome(stage, "uptrace", &args, &[]);
    (code, err)
}

fn prepare(stage: &Stage) {
    for words in [
        ["pg", "wait"],
        ["pg", "init"],
        ["pg", "migrate"],
        ["ch", "wait"],
        ["ch", "init"],
        ["ch", "migrate"],
        ["db", "seed"],
    ] {
        let (code, err) = step(stage, &words);
        assert_eq!(code, 0, "{words:?}: {err}");
    }
}

fn start(stage: &Stage, env: &[(&str, &str)]) -> Running {
    stage.start("uptrace", &["--config=uptrace.yml", "serve"], env, "serving")
}

fn span(trace: &str) -> String {
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "smoke-1"}}]});
    let span = json!({"traceId": trace, "spanId": "b7ad6b7169203331", "name": "smoke", "kind": 1,
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000001000000"});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}).to_string()
}

fn send(port: u16, trace: &str, headers: &[&str]) -> Said {
    let headers: Vec<&str> = headers.iter().copied().chain(["Content-Type: application/json"]).collect();
    ask(port, "POST /v1/traces", &headers, &span(trace))
}

fn get(port: u16, path: &str) -> Said {
    ask(port, &format!("GET {path}"), &[USER], "")
}

#[test]
fn a_configuration_with_a_mistake_is_refused() {
    let stage = Stage::new();
    let right = config([1, 2, 3, 4, 5]);
    stage.write("uptrace.yml", &right);
    assert_eq!(step(&stage, &["config", "validate"]), (0, String::new()));
    for (from, to, says) in [
        ("ch_cluster:", "ch_clusters:", "ch_clusters"),
        ("license:", "licence:", "licence"),
        ("enabled: false", "enabled: maybe", "enabled"),
        ("secret: \"signing\"", "secret: ''", "service.secret"),
        ("secret: \"signing\"", "secret: FIXME", "service.secret"),
        ("secret: \"signing\"", "secret: $SIGNING_SECRET", "SIGNING_SECRET"),
        ("secret: \"signing\"", "secret: '@{secret:uptrace-signing}'", "secret"),
        ("pa$$word", "pa$ word", "dollar"),
        ("user_key: admin, token", "user_key: nobody, token", "nobody"),
        ("addr: '127.0.0.1:3'", "addr: '127.0.0.1'", "pg.addr"),
        ("addrs: {alpha: '127.0.0.1:5'}", "addrs: ['127.0.0.1:5']", "addrs"),
        ("role: owner", "role: king", "king"),
        ("url: http://127.0.0.1:1", "url: 127.0.0.1:1", "site.url"),
        ("dial_timeout: 3s", "dial_timeout: 3", "invalid duration"),
        ("distributed: false", "distributed: true", "premium"),
        ("pg: {", "pgx: {", "pg"),
        ("token: project-token-1", "token: 'a@b'", "token"),
    ] {
        assert!(right.contains(from), "{from}");
        stage.write("uptrace.yml", &right.replacen(from, to, 1));
        let (code, err) = step(&stage, &["config", "validate"]);
        assert!(code != 0 && err.contains(says), "{from} -> {to}: {code} {err}");
    }
}

#[test]
fn version_2_1_wants_its_steps_in_order_and_shows_what_was_sent() {
    let stage = Stage::new();
    let Around { http, .. } = &around(&stage);
    let port = *http;
    assert_eq!(step(&stage, &["pg", "wait"]).0, 0);
    assert!(step(&stage, &["serve"]).1.contains("pg: there are unapplied migrations"));
    assert!(step(&stage, &["db", "seed"]).1.contains("unapplied migrations"));
    for words in [["pg", "migrate"], ["ch", "migrate"]] {
        assert_eq!(step(&stage, &words).0, 0);
    }
    assert!(step(&stage, &["serve"]).1.contains("uptrace db seed"));
    prepare(&stage);
    let running = start(&stage, &[]);
    let current = get(port, "/internal/v1/users/current").json();
    assert_eq!(
        (&current["user"]["email"], &current["projects"][0]["name"]),
        (&json!("admin@uptrace.local"), &json!("report"))
    );
    let guest = ask(port, "GET /internal/v1/users/current", &[], "").json();
    assert_eq!((&guest["user"]["name"], &guest["projects"]), (&json!("Guest"), &json!([])));
    let time = "time_start=1700000000000&time_end=1800000000000";
    assert_eq!(get(port, &format!("/internal/v1/logs/1/systems?{time}")).json()["systems"], json!([]));
    assert_eq!(get(port, "/internal/v1/logs/1/systems").status, 400);
    assert_eq!(get(port, &format!("/internal/v1/traces/1/{TRACE}")).json()["error"]["status"], 404);
    assert_eq!(send(port, TRACE, &[DSN]).json(), json!({}));
    let missing = send(port, TRACE, &[]);
    assert!(missing.status == 401 && missing.body.contains("uptrace-dsn header is empty or missing"));
    assert_eq!(send(port, TRACE, &["uptrace-dsn: http://wrong@127.0.0.1:1"]).status, 403);
    assert_eq!(ask(port, "POST /v1/traces", &[DSN, "Content-Type: application/json"], "{}").status, 400);
    assert_eq!(ask(port, "POST /v1/traces", &[DSN, "Content-Type: application/json"], &span("0")).status, 400);
    assert_eq!(ask(port, "POST /v1/traces", &[DSN], &span(TRACE)).status, 415);
    let found = get(port, &format!("/internal/v1/traces/1/{TRACE}")).json();
    let first = &found["spans"][0];
    assert_eq!((&first["traceId"], &first["name"]), (&json!(TRACE), &json!("smoke")));
    assert_eq!(first["attrs"], json!({"service_name::str": "smoke-1"}));
    let search = |service: &str| {
        let query = format!("where%20service_name%20=%20%22{service}%22");
        get(port, &format!("/internal/v1/spans/1?{time}&query={query}")).json()["count"].clone()
    };
    assert_eq!((search("smoke-1"), search("smoke-2")), (json!(1), json!(0)));
    let early = "time_start=1600000000000&time_end=1600000000001";
    assert_eq!(get(port, &format!("/internal/v1/spans/1?{early}")).json()["count"], 0);
    let public = "/api/v1/tracing/1/spans?time_start=2020-01-01T00:00:00Z&time_end=2040-01-01T00:00:00Z";
    assert_eq!(get(port, &format!("{public}&trace_id={TRACE}")).json()["count"], 1);
    assert_eq!(ask(port, &format!("GET /internal/v1/traces/1/{TRACE}"), &[], "").status, 401);
    assert_eq!(get(port, &format!("/internal/v1/traces/2/{TRACE}")).status, 403);
    let old = get(port, &format!("/internal/v1/tracing/1/traces/{TRACE}/spans"));
    assert!(old.is_page() && get(port, "/api/v1/healthz").is_page() && get(port, "/").is_page());
    assert_eq!(get(port, "/api/tempo/1/api/echo").body, "echo");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn version_2_0_migrates_by_itself_and_speaks_the_older_dialect() {
    let stage = Stage::new();
    let Around { http, .. } = &around(&stage);
    let port = *http;
    assert_eq!(step(&stage, &["pg", "wait"]).0, 0);
    let _running = start(&stage, &V20);
    let time = "time_start=1700000000000&time_end=1800000000000";
    assert!(get(port, &format!("/internal/v1/logs/1/systems?{time}")).is_page());
    assert!(get(port, &format!("/internal/v1/traces/1/{TRACE}")).is_page());
    let path = format!("/internal/v1/tracing/1/traces/{TRACE}/spans");
    assert_eq!(get(port, &path).status, 404);
    assert_eq!(send(port, TRACE, &[DSN]).status, 200);
    assert_eq!(get(port, &path).json()["spans"][0]["attrs"], json!({"service_name": "smoke-1"}));
    let public = "/api/v1/tracing/1/spans?";
    assert_eq!(
        get(port, &format!("{public}time_gte=2020-01-01T00:00:00Z&time_lt=2040-01-01T00:00:00Z")).json()["count"],
        1
    );
    assert_eq!(get(port, &format!("{public}{time}")).status, 400);
}

#[test]
fn it_does_not_start_without_its_databases() {
    let stage = Stage::new();
    let (_pg, pg) = postgres(&stage);
    let (_redis, redis) = redis(&stage);
    let (_ch, [http, native, _]) = clickhouse::start(&stage);
    let right = config([free_port(), free_port(), pg, native, redis]);
    stage.write("uptrace.yml", &right);
    prepare(&stage);
    let (nobody, says) = (free_port(), |text: &str| {
        stage.write("uptrace.yml", text);
        let (code, err) = step(&stage, &["serve"]);
        assert_ne!(code, 0);
        err
    });
    let moved = |from: u16, to: u16| right.replace(&format!("127.0.0.1:{from}'"), &format!("127.0.0.1:{to}'"));
    assert!(says(&moved(pg, nobody)).contains("pg: "));
    assert!(says(&moved(native, nobody)).contains("ch: dial"));
    assert!(says(&moved(native, http)).contains("ch: "));
    assert!(says(&moved(redis, nobody)).contains("redis: dial"));
    assert!(says(&right.replace("pg-secret", "wrong")).contains("password authentication failed"));
    assert!(says(&right.replace("ch-secret", "wrong")).contains("Authentication failed"));
    assert!(says(&right.replace("redis-secret", "wrong")).contains("WRONGPASS"));
    assert!(says(&right.replace("database: uptrace", "database: nowhere")).contains("does not exist"));
}

#[test]
fn it_refuses_a_clickhouse_that_is_too_old() {
    let stage = Stage::new();
    let (_pg, pg) = postgres(&stage);
    let (_redis, redis) = redis(&stage);
    let (_ch, [_, native, _]) = clickhouse::start_version(&stage, "25.3.2.1");
    stage.write("uptrace.yml", &config([free_port(), free_port(), pg, native, redis]));
    assert_eq!(step(&stage, &["pg", "wait"]).0, 0);
    let (code, err) = step(&stage, &["ch", "migrate"]);
    assert!(code != 0 && err.contains("ClickHouse is 25.3, Uptrace 2.1.0 needs 25.8"), "{err}");
    drop(start(&stage, &V20));
}

#[test]
fn each_fault_makes_one_thing_wrong() {
    let stage = Stage::new();
    let Around { http, .. } = &around(&stage);
    let port = *http;
    prepare(&stage);
    let _running = start(&stage, &[]);
    // A new trace for each fault: what was sent before must not help.
    let wrong = |trace: &str, fault: &str| {
        stage.fault(fault);
        let parsed = |said: &Said| serde_json::from_str::<Value>(&said.body).unwrap_or_default();
        let path = format!("/internal/v1/traces/1/{trace}");
        let unknown = get(port, &path).status == 404;
        let taken = send(port, trace, &[DSN]);
        let current = parsed(&get(port, "/internal/v1/users/current"));
        let found = parsed(&get(port, &path));
        let answers = [
            current["user"]["email"] == "admin@uptrace.local",
            current["projects"][0]["name"] == "report",
            taken.status == 200 && taken.kind.starts_with("application/json"),
            send(port, trace, &["uptrace-dsn: http://wrong@127.0.0.1:1"]).status == 403,
            send(port, trace, &[]).status == 401,
            unknown,
            found["spans"][0]["traceId"] == trace,
            found["spans"][0]["name"] == "smoke",
            found["spans"][0]["attrs"]["service_name::str"] == "smoke-1",
            ask(port, &format!("GET {path}"), &[], "").status == 401,
        ];
        answers.iter().enumerate().filter(|(_, right)| !**right).map(|(index, _)| index).collect::<Vec<_>>()
    };
    for (index, (fault, expected)) in [
        ("", &[][..]),
        ("uptrace/broken", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("uptrace/html", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("uptrace/guest", &[0, 1]),
        ("uptrace/other-user", &[0]),
        ("uptrace/project-missing", &[1]),
        ("uptrace/project-other", &[1]),
        ("uptrace/token-unchecked", &[3]),
        ("uptrace/dsn-unchecked", &[4]),
        ("uptrace/ingest-html", &[2, 6, 7, 8]),
        ("uptrace/ingest-refused", &[2, 4, 6, 7, 8]),
        ("uptrace/span-lost", &[6, 7, 8]),
        ("uptrace/span-name", &[7]),
        ("uptrace/span-trace", &[6]),
        ("uptrace/span-service", &[8]),
        ("uptrace/span-invented", &[5]),
        ("uptrace/query-html", &[5, 6, 7, 8]),
        ("uptrace/query-unchecked", &[9]),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(wrong(&format!("{:032x}", index + 1), fault), expected, "{fault}");
    }
    stage.fault("uptrace/span-late=0.3");
    assert_eq!(send(port, TRACE, &[DSN]).status, 200);
    let path = format!("/internal/v1/traces/1/{TRACE}");
    assert_eq!(get(port, &path).status, 404);
    eventually("the late span is found", || (get(port, &path).status == 200).then_some(()));
    stage.fault("uptrace/hang");
    assert_eq!(try_ask(port, "GET /", &[], ""), None);
}
