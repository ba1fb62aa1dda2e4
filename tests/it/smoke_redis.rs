//! Smoke checks of Redis: the real one, closed and open, and one that says what it is told to.

use crate::render_support::{Running, Stage};
use crate::smoke_support::{await_ready, check, fails, hasty, passes, patient, stage, start, target};
use reportctl::context::Context;
use reportctl::model::component::ComponentName::Redis;
use reportctl::model::environment::{Fsync, Options as ComponentOptions};
use reportctl::model::quantity::{Size, Version};
use reportctl::model::secret::SecretValue;
use reportctl::provider::host::agent::{Client, launch};
use reportctl::smoke::Options;
use reportctl::smoke::evidence::Outcome;
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A real Redis whose files are not quite what we render.
async fn changed(file: &str, change: impl Fn(&str) -> String) -> (Stage, Running) {
    let stage = stage(&[Redis]);
    let mut native = stage.native(Redis);
    let file = native.files.iter_mut().find(|rendered| rendered.path.ends_with(file)).unwrap();
    let text = change(&file.text);
    assert_ne!(text, file.text, "the change changes nothing");
    file.text = text;
    let running = stage.start_as(Redis, &native);
    await_ready(&stage, Redis).await;
    (stage, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_must_answer_every_user() {
    let stage = stage(&[Redis]);
    let _running = start(&stage, &[Redis]).await;
    passes(target(&stage), "redis/answers").await;
    let mut wrong = target(&stage);
    let runner = reportctl::model::environment::secret_name(Redis, "runner").unwrap();
    wrong.secrets.insert(runner, SecretValue::parse("another-password").unwrap());
    let result = fails(wrong, "redis/answers", "as runner").await;
    assert!(result.detail.contains("Password authentication failed"), "{result:#?}");
    assert_eq!(result.expected.unwrap(), "PONG to each of admin, requestor, runner, metrics and uptrace");
    let mut other = target(&stage);
    other.active.get_mut(&Redis).unwrap().program.version = Version::parse("6.0.16").unwrap();
    let result = fails(other, "redis/answers", "runs").await;
    assert_eq!(result.expected.unwrap(), "version 6.0.16, which is installed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_redis_is_found_out() {
    let open = |text: &str| {
        text.replace("user default off resetpass sanitize-payload ~* &* +@all", "user default on nopass ~* &* +@all")
    };
    let (stage, _running) = changed("users.acl", open).await;
    fails(target(&stage), "redis/refuses-strangers", "PING without a login is answered with PONG").await;
    let any = |text: &str| {
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("user admin ")).collect();
        lines.push("user admin on nopass ~* &* +@all");
        lines.join("\n") + "\n"
    };
    let (stage, _running) = changed("users.acl", any).await;
    fails(target(&stage), "redis/refuses-strangers", "a wrong password for admin is answered with OK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_and_too_few_rights_are_found_out() {
    let cases = [
        ("user runner ", " +get ~* ", "runner may `GET other:1`"),
        ("user runner ", " -xack ", "runner may not `XACK report:q:webhooks:normal workers 1-1`"),
        ("user requestor ", " +flushall ", "requestor may `FLUSHALL`"),
        ("user metrics ", " +get allkeys ", "metrics does `GET report:smoke` and is answered with what it asked for"),
        ("user uptrace ", " %R~report:* ", "uptrace may `XRANGE report:q:reports:normal - +`"),
    ];
    for (user, more, seen) in cases {
        let change = |text: &str| {
            let line =
                |line: &str| if line.starts_with(user) { format!("{line}{more}\n") } else { format!("{line}\n") };
            text.lines().map(line).collect()
        };
        let (stage, _running) = changed("users.acl", change).await;
        fails(target(&stage), "redis/least-privilege", seen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_lose_data_is_found_out() {
    let (stage, _running) = changed("redis.conf", |text| text.replace("appendonly yes", "appendonly no")).await;
    fails(target(&stage), "redis/saves", "aof_enabled is 0").await;
    let (stage, _running) = changed("redis.conf", |text| text.replace("noeviction", "allkeys-lru")).await;
    fails(target(&stage), "redis/keeps-all", "maxmemory-policy is allkeys-lru").await;

    let stage = stage_with(Fsync::Always, 64 << 20);
    let _running = start(&stage, &[Redis]).await;
    assert!(passes(target(&stage), "redis/saves").await.contains("appendfsync always: a power cut loses nothing"));
    passes(target(&stage), "redis/keeps-all").await;
    let mut other = target(&stage);
    let component = other.env.stack.components.get_mut(&Redis).unwrap();
    (component.options, component.memory) = (ComponentOptions::Redis { fsync: Fsync::Everysec }, Size(128 << 20));
    fails(other.clone(), "redis/saves", "appendfsync is always").await;
    fails(other, "redis/keeps-all", "maxmemory is 67108864").await;
}

fn stage_with(fsync: Fsync, memory: u64) -> Stage {
    let mut stage = stage(&[Redis]);
    let component = stage.env.stack.components.get_mut(&Redis).unwrap();
    (component.options, component.memory) = (ComponentOptions::Redis { fsync }, Size(memory));
    stage
}

/// Speaks Redis's protocol and answers `INFO` with that text and `CONFIG GET` as a good one does.
fn says(port: u16, info: String) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, info) = (stream.unwrap(), info.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(words) = command(&mut reader) {
                    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
                    let pair = |name: &str, value: &str| format!("*2\r\n{}{}", bulk(name), bulk(value));
                    let answer = match words[0].to_uppercase().as_str() {
                        "INFO" => bulk(&info),
                        "CONFIG" if words[2] == "maxmemory" => pair("maxmemory", "268435456"),
                        "CONFIG" if words[2] == "appendfsync" => pair("appendfsync", "everysec"),
                        "CONFIG" => pair(&words[2], "noeviction"),
                        _ => "+OK\r\n".to_owned(),
                    };
                    if (&stream).write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
}

fn command(reader: &mut impl std::io::BufRead) -> Option<Vec<String>> {
    let mut line = String::new();
    let mut number = |reader: &mut dyn std::io::BufRead| {
        line.clear();
        reader.read_line(&mut line).ok()?;
        line.get(1..)?.trim().parse::<usize>().ok()
    };
    let count = number(reader)?;
    (0..count)
        .map(|_| {
            let length = number(reader)?;
            let mut bytes = vec![0; length + 2];
            reader.read_exact(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_says_of_its_files_counts() {
    let good = "loading:0\r\naof_enabled:1\r\naof_last_write_status:ok\r\naof_last_bgrewrite_status:ok\r\n\
                rdb_last_bgsave_status:ok\r\nevicted_keys:0\r\n";
    let stage = |info: String| {
        let stage = crate::smoke_support::stage(&[Redis]);
        says(stage.port(Redis, "redis"), info);
        stage
    };
    passes(target(&stage(good.to_owned())), "redis/saves").await;
    passes(target(&stage(good.to_owned())), "redis/keeps-all").await;
    for (from, to, name, seen) in [
        ("loading:0", "loading:1", "redis/saves", "loading is 1"),
        ("aof_last_write_status:ok", "aof_last_write_status:err", "redis/saves", "aof_last_write_status is err"),
        (
            "aof_last_bgrewrite_status:ok",
            "aof_last_bgrewrite_status:err",
            "redis/saves",
            "aof_last_bgrewrite_status is err",
        ),
        ("rdb_last_bgsave_status:ok", "rdb_last_bgsave_status:err", "redis/saves", "rdb_last_bgsave_status is err"),
        ("aof_enabled:1\r\n", "", "redis/saves", "aof_enabled is not told"),
        ("evicted_keys:0", "evicted_keys:7", "redis/keeps-all", "7 keys were evicted"),
    ] {
        fails(target(&stage(good.replace(from, to))), name, seen).await;
    }
}

/// A Redis under a real agent, which is stopped when the test ends.
struct Supervised {
    stage: Stage,
    client: Client,
}

impl Supervised {
    async fn new() -> Self {
        let stage = stage(&[Redis]);
        let native = stage.native(Redis);
        stage.write(&native);
        std::fs::write(stage.paths.identity(), format!("{}\n", stage.id)).unwrap();
        let mut context = Context::real().unwrap();
        context.program = PathBuf::from(env!("CARGO_BIN_EXE_reportctl"));
        launch(&context, &stage.paths, &stage.id).unwrap();
        let client = Client::new(&stage.paths);
        client.apply(vec![native.service], true, Duration::from_secs(20)).await.unwrap();
        await_ready(&stage, Redis).await;
        Self { stage, client }
    }

    async fn stop(self) {
        self.client.stop(None, Duration::from_secs(20)).await.unwrap();
    }

    async fn keys(&self) -> usize {
        let direct = reportctl::reach::Direct::new().unwrap();
        let admin = SecretValue::parse(&self.stage.secret(Redis, "admin")).unwrap();
        let port = self.stage.port(Redis, "redis");
        direct.redis(port, "admin", &admin, |redis| redis::cmd("DBSIZE").query(redis)).await.unwrap()
    }
}

fn disruptive() -> Options {
    Options { disruptive: true, ..patient() }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_its_data_over_a_restart_by_the_agent() {
    let redis = Supervised::new().await;
    let before = redis.client.status().await.unwrap()[&Redis].clone();
    let result = check(target(&redis.stage), "redis/keeps-data", disruptive()).await;
    assert_eq!(result.outcome, Outcome::Passed, "{result:#?}");
    let after = redis.client.status().await.unwrap()[&Redis].clone();
    assert_ne!(before.status, after.status, "it was restarted");
    assert_eq!((before.digest, after.restarts), (after.digest, 0), "exactly as it was, and on request");
    assert_eq!(redis.keys().await, 0, "nothing is left of the check");
    redis.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgets_is_found_out() {
    let redis = Supervised::new().await;
    // The service that the check starts anew is this one, whose files the check does not write.
    let conf = redis.stage.paths.config(Redis).join("redis.conf");
    let text = std::fs::read_to_string(&conf).unwrap().replace("appendonly yes", "appendonly no");
    std::fs::write(&conf, text).unwrap();
    let result = check(target(&redis.stage), "redis/keeps-data", disruptive()).await;
    assert_eq!(result.outcome, Outcome::Failed, "{result:#?}");
    assert!(result.detail.contains("was gone after the restart"), "{result:#?}");
    redis.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_does_not_come_back_is_found_out() {
    let redis = Supervised::new().await;
    let conf = redis.stage.paths.config(Redis).join("redis.conf");
    std::fs::write(&conf, "this-is-no-setting yes\n").unwrap();
    let begun = Instant::now();
    let result = check(target(&redis.stage), "redis/keeps-data", Options { disruptive: true, ..hasty() }).await;
    assert_eq!(result.outcome, Outcome::Failed, "{result:#?}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    redis.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_agent_redis_is_not_touched() {
    let stage = stage(&[Redis]);
    let _running = start(&stage, &[Redis]).await;
    let result = check(target(&stage), "redis/keeps-data", Options { disruptive: true, ..hasty() }).await;
    assert_eq!(result.outcome, Outcome::Failed, "{result:#?}");
    assert!(result.detail.contains("no agent listens"), "{result:#?}");
    passes(target(&stage), "redis/answers").await;
}
