//! Redis as it is rendered, on the real server: what each user may do and what it may not.

use super::render_support::{Running, Stage, eventually, get};
use reportctl::model::component::ComponentName::{Redis, RedisExporter};
use reportctl::model::environment::{Fsync, Options};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// A connection that speaks Redis's inline commands.
struct Talk(BufReader<TcpStream>);

impl Talk {
    fn open(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        Some(Self(BufReader::new(stream)))
    }

    fn as_user(stage: &Stage, user: &str) -> Self {
        let mut talk = eventually("redis listens", || Self::open(stage.port(Redis, "redis")));
        let answer = talk.say(&format!("AUTH {user} {}", stage.secret(Redis, user)));
        assert_eq!(answer, "+OK", "{user}");
        talk
    }

    /// Sends a command; the reply flattened to one line.
    fn say(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let line = line.trim_end().to_owned();
        match line.chars().next() {
            Some('$') if line != "$-1" => {
                let mut bytes = vec![0; line[1..].parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes[..bytes.len() - 2]).into_owned()
            }
            Some('*') if line != "*-1" => {
                let parts: Vec<String> = (0..line[1..].parse::<usize>().unwrap()).map(|_| self.reply()).collect();
                format!("[{}]", parts.join(" "))
            }
            _ => line,
        }
    }
}

fn start() -> (Stage, Running) {
    let stage = Stage::new(&[Redis]);
    let running = stage.start(Redis);
    (stage, running)
}

/// Every command of the table, as that user; a line for each that went otherwise than it should.
fn judge(stage: &Stage, user: &str, may: &[&str], may_not: &[&str]) {
    let mut wrong = Vec::new();
    for (commands, allowed) in [(may, true), (may_not, false)] {
        for command in commands {
            let answer = Talk::as_user(stage, user).say(command);
            // In a script, and for DEBUG, the server says it in other words.
            let refusals = ["-NOPERM", "The user executing the script can't", "-ERR DEBUG command not allowed"];
            let refused = refusals.iter().any(|words| answer.contains(words));
            // Anything but a refusal would hide a typo in the table.
            let broken = allowed && answer.starts_with('-');
            if refused == allowed || broken {
                wrong.push(format!("{user}: {command}: {answer}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nobody_enters_without_a_password() {
    let (stage, _running) = start();
    let mut talk = eventually("redis listens", || Talk::open(stage.port(Redis, "redis")));
    for command in ["PING", "GET report:x", "INFO", "ACL WHOAMI"] {
        assert!(talk.say(command).starts_with("-NOAUTH"), "{command}");
    }
    assert!(talk.say("AUTH admin wrong-password").starts_with("-WRONGPASS"));
    assert!(talk.say("AUTH default anything").starts_with("-WRONGPASS"));
}

#[test]
fn the_admin_may_do_everything() {
    let (stage, _running) = start();
    judge(&stage, "admin", &["SET any thing", "KEYS *", "CONFIG GET maxmemory", "FLUSHALL", "ACL LIST", "INFO"], &[]);
}

#[test]
fn the_requestor_puts_work_in_and_serves_sessions() {
    let (stage, _running) = start();
    let may = [
        "PING",
        "HELLO 3",
        "CLIENT SETNAME requestor",
        "XADD report:queue:high * type gage user 7",
        "XLEN report:queue:high",
        "XINFO STREAM report:queue:high",
        "XREVRANGE report:queue:high + - COUNT 10",
        "SET report:once:abc 1 NX EX 60",
        "HSET report:job:1 state queued",
        "HGETALL report:job:1",
        "ZADD report:delayed 5 1",
        "EXPIRE report:job:1 60",
        "XADD user:7:ev MAXLEN ~ 1000 * done 1",
        "XRANGE user:7:ev - + COUNT 50",
        "XREAD COUNT 1 STREAMS user:7:ev 0",
        "PUBLISH user:7 1-0",
        "SUBSCRIBE user:7",
        "SET report:ticket:x 7 EX 30",
        "GETDEL report:ticket:x",
        "SET user:/link:x 7 EX 30",
        "GETDEL user:/link:x",
        "HSET user:/session:x user 7",
        "EVAL \"redis.call('RPUSH', KEYS[1], 'a') return redis.call('LRANGE', KEYS[1], 0, redis.call('LLEN', KEYS[1]))\" 1 user:/notify:teams:items",
        "XADD report:q:notifications:normal 5-1 job a",
        "XGROUP CREATE report:q:notifications:normal workers 0",
        "XREADGROUP GROUP workers me COUNT 1 STREAMS report:q:notifications:normal >",
        "XINFO CONSUMERS report:q:notifications:normal workers",
        "XACK report:q:notifications:normal workers 5-1",
        "TIME",
        "SCRIPT LOAD \"return 1\"",
        "EVAL \"return redis.call('XADD', KEYS[1], '*', 'a', ARGV[1])\" 1 report:queue:low 1",
        "EVAL \"redis.call('XADD', KEYS[1], '*', 'a', '1') return redis.call('PUBLISH', 'user:7', '1')\" 1 user:7:ev",
        "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
        "MULTI",
    ];
    let may_not = [
        // Not its keys.
        "GET other",
        "SET uptrace:x 1",
        "SET user7 1",
        "XADD queue * a b",
        "EVAL \"return redis.call('GET', 'other')\" 0",
        // Not its channels.
        "SUBSCRIBE other",
        "SUBSCRIBE user",
        "PSUBSCRIBE *",
        "PUBLISH other 1",
        "PUBSUB CHANNELS",
        // It does not take work, but for notifications.
        "XREADGROUP GROUP workers me COUNT 1 STREAMS report:q:reports:normal >",
        "XREADGROUP GROUP workers me COUNT 1 STREAMS report:q:notifications:normal report:q:webhooks:normal > >",
        "XACK report:q:webhooks:normal workers 1-0",
        "XREADGROUP GROUP workers me COUNT 1 STREAMS report:queue:high >",
        "XACK report:queue:high workers 1-0",
        "XCLAIM report:queue:high workers me 0 1-0",
        "XAUTOCLAIM report:queue:high workers me 0 0",
        "XGROUP CREATE report:queue:high workers 0",
        // Nothing that looks around or does harm.
        "KEYS *",
        "SCAN 0",
        "RANDOMKEY",
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG GET *",
        "CONFIG SET appendonly no",
        "INFO",
        "MONITOR",
        "SHUTDOWN",
        "DEBUG SLEEP 0",
        "SAVE",
        "BGREWRITEAOF",
        "REPLICAOF 127.0.0.1 1",
        "ACL LIST",
        "ACL SETUSER me on",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "SLOWLOG GET",
        "SCRIPT FLUSH",
        "FUNCTION LIST",
        "MODULE LIST",
        "MIGRATE 127.0.0.1 1 report:x 0 1",
    ];
    judge(&stage, "requestor", &may[..may.len() - 2], &may_not);
    let mut talk = Talk::as_user(&stage, "requestor");
    assert_eq!(talk.say("SCRIPT LOAD \"return 1\""), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    assert_eq!(talk.say(may[may.len() - 2]), ":1");
    for command in ["MULTI", "XADD report:queue:high * a b", "SET report:once:b 1", "EXEC"] {
        assert!(!talk.say(command).starts_with('-'), "{command}");
    }
}

#[test]
fn the_runner_takes_work_and_has_no_channel() {
    let (stage, _running) = start();
    let may = [
        "PING",
        "XGROUP CREATE report:queue:high workers 0 MKSTREAM",
        "XADD report:queue:high 5-1 type gage",
        "XREADGROUP GROUP workers me COUNT 1 STREAMS report:queue:high >",
        "XPENDING report:queue:high workers - + 10 me",
        "XCLAIM report:queue:high workers me 0 5-1 JUSTID",
        "XAUTOCLAIM report:queue:high workers me 60000 0 COUNT 10",
        "EVAL \"if redis.call('XACK', KEYS[1], 'workers', ARGV[1]) == 0 then return 0 end return redis.call('XDEL', KEYS[1], ARGV[1])\" 1 report:queue:high 5-1",
        "XGROUP DELCONSUMER report:queue:high workers me",
        "XINFO GROUPS report:queue:high",
        "ZADD report:delayed 5 job",
        "ZRANGEBYSCORE report:delayed -inf 10 LIMIT 0 100",
        "HSET report:job:1 state done",
        "SETEX report:result:1 60 x",
        "TIME",
        "EVAL \"return redis.call('TIME')\" 0",
    ];
    let may_not = [
        // No channel, in any way.
        "SUBSCRIBE user:7",
        "PSUBSCRIBE user:*",
        "SSUBSCRIBE user:7",
        "PUBLISH user:7 x",
        "EVAL \"return redis.call('PUBLISH', 'user:7', 'x')\" 0",
        // No user's log, and nobody else's keys.
        "XADD user:7:ev * a b",
        "XRANGE user:7:ev - +",
        "GET other",
        // Nothing that looks around or does harm.
        "KEYS *",
        "SCAN 0",
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG GET *",
        "INFO",
        "MONITOR",
        "SHUTDOWN",
        "SAVE",
        "ACL LIST",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "SCRIPT FLUSH",
        "SLOWLOG GET",
        "DEBUG SLEEP 0",
    ];
    judge(&stage, "runner", &may, &may_not);
}

#[test]
fn the_exporter_sees_figures_and_no_data() {
    let (stage, _running) = start();
    Talk::as_user(&stage, "admin").say("SET report:job:1 private");
    let may = [
        "PING",
        "INFO",
        "INFO commandstats",
        "LATENCY LATEST",
        "SLOWLOG LEN",
        "CLIENT SETNAME exporter",
        "CONFIG GET *",
    ];
    let may_not = [
        "GET report:job:1",
        "STRLEN report:job:1",
        "TYPE report:job:1",
        "SCAN 0",
        "KEYS *",
        "CONFIG SET appendonly no",
        "CLIENT LIST",
        "MONITOR",
        "EVAL \"return 1\" 0",
        "PUBLISH user:7 x",
        "SUBSCRIBE user:7",
        "SET x 1",
        "FLUSHALL",
        "ACL LIST",
    ];
    judge(&stage, "metrics", &may, &may_not);
    let config = Talk::as_user(&stage, "metrics").say("CONFIG GET *");
    assert!(config.contains("appendonly") && !config.contains("-of-redis"), "{config}");
    let mut admin = Talk::as_user(&stage, "admin");
    admin.say("EVAL \"local n = 0 for i = 1, 3000000 do n = n + i end return n\" 0");
    assert_eq!(Talk::as_user(&stage, "metrics").say("SLOWLOG GET"), "[]");
}

#[test]
fn uptrace_reaches_every_key_but_those_of_the_report_system() {
    let (stage, _running) = start();
    let may = [
        "PING",
        "SELECT 1",
        "SET anything 1",
        "SET uptrace:x 1",
        "SET rate:1 1",
        "SET reports 1",
        "SET reporting:x 1",
        "SET users:1 1",
        "SET user_7 1",
        "GET anything",
        "HSET cache:h f v",
        "EXPIRE anything 10",
        "EVAL \"return redis.call('GET', KEYS[1])\" 1 anything",
    ];
    let may_not = [
        "GET report:job:1",
        "SET report:job:1 x",
        "DEL report:queue:high",
        "XADD report:queue:high * a b",
        "GET report:",
        "GET user:7:ev",
        "XRANGE user:7:ev - +",
        "DEL user:7:ev",
        "SET user:7 1",
        "GET user:/session:1",
        "RENAME report:a b",
        "COPY report:a b",
        "EVAL \"return redis.call('GET', 'report:job:1')\" 0",
        "KEYS *",
        "FLUSHALL",
        "FLUSHDB",
        "SWAPDB 0 1",
        "CONFIG GET *",
        "PUBLISH user:7 x",
        "SUBSCRIBE user:7",
        "SHUTDOWN",
        "MONITOR",
        "ACL LIST",
        "SCRIPT FLUSH",
    ];
    judge(&stage, "uptrace", &may, &may_not);
}

#[test]
fn the_server_runs_with_what_was_asked() {
    let mut stage = Stage::new(&[Redis]);
    stage.env.stack.components.get_mut(&Redis).unwrap().options = Options::Redis { fsync: Fsync::Always };
    let _running = stage.start(Redis);
    let mut talk = Talk::as_user(&stage, "admin");
    for (key, value) in [
        ("maxmemory", "268435456"),
        ("maxmemory-policy", "noeviction"),
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("bind", "127.0.0.1"),
        ("protected-mode", "yes"),
        ("save", ""),
    ] {
        assert_eq!(talk.say(&format!("CONFIG GET {key}")), format!("[{key} {value}]"));
    }
    assert_eq!(talk.say("CONFIG GET dir"), format!("[dir {}]", stage.paths.data(Redis).display()));
}

#[test]
fn what_was_written_is_there_after_a_kill() {
    let stage = Stage::new(&[Redis]);
    let mut running = stage.start(Redis);
    let mut talk = Talk::as_user(&stage, "requestor");
    assert!(!talk.say("XADD report:queue:high 7-1 type gage").starts_with('-'));
    // Everysec: what was written a second ago is on the disk; the kernel has it at once, which is enough for a kill.
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    drop(running);
    let _running = stage.start(Redis);
    assert_eq!(Talk::as_user(&stage, "requestor").say("XLEN report:queue:high"), ":1");
}

#[test]
fn what_a_script_or_a_transaction_wrote_is_there_after_a_kill() {
    let stage = Stage::new(&[Redis]);
    let mut running = stage.start(Redis);
    let mut talk = Talk::as_user(&stage, "requestor");
    let script = "EVAL \"redis.call('SET', KEYS[1], 'a') return redis.call('SET', KEYS[2], 'b')\" 2 report:a report:b";
    for command in [script, "MULTI", "SET report:c c", "SET report:d d", "EXEC"] {
        assert!(!talk.say(command).starts_with('-'), "{command}");
    }
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    drop(running);
    let running = stage.start(Redis);
    let mut talk = Talk::as_user(&stage, "requestor");
    for key in ["a", "b", "c", "d"] {
        assert_eq!(talk.say(&format!("GET report:{key}")), key);
    }
    assert!(!running.said().contains("CRITICAL"), "{}", running.said());
    let mut nobody = eventually("redis listens", || Talk::open(stage.port(Redis, "redis")));
    for login in ["AUTH default", "AUTH default default", "AUTH default \"\""] {
        assert!(nobody.say(login).starts_with('-'), "{login}");
    }
    assert!(nobody.say("GET report:a").starts_with("-NOAUTH"));
}

#[test]
fn a_full_queue_refuses_and_never_evicts() {
    let mut stage = Stage::new(&[Redis]);
    stage.env.stack.components.get_mut(&Redis).unwrap().memory.0 = 3 << 20;
    let _running = stage.start(Redis);
    let mut talk = Talk::as_user(&stage, "requestor");
    let load = "x".repeat(30_000);
    let refused = (0..200).map(|n| talk.say(&format!("SET report:job:{n} {load}"))).find(|answer| answer != "+OK");
    assert!(refused.unwrap().starts_with("-OOM"));
    assert_ne!(talk.say("GET report:job:0"), "$-1");
}

#[test]
fn no_file_and_no_argument_holds_a_password_for_others_to_read() {
    let stage = Stage::new(&[Redis, RedisExporter]);
    for name in [Redis, RedisExporter] {
        let native = stage.native(name);
        stage.write(&native);
        for file in &native.files {
            assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for folder in &native.folders {
            assert_eq!(std::fs::metadata(&folder.path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        let arguments = format!("{:?} {:?}", native.service.argv, native.service.env);
        assert!(!arguments.contains("-of-redis") && !arguments.contains("@{"), "{arguments}");
    }
    let acl = std::fs::read_to_string(stage.paths.config(Redis).join("users.acl")).unwrap();
    assert!(!acl.contains("-of-redis"), "the access list holds digests only: {acl}");
}

#[test]
fn the_exporter_logs_in_by_its_password_file() {
    let stage = Stage::new(&[Redis, RedisExporter]);
    let _redis = stage.start(Redis);
    Talk::as_user(&stage, "metrics");
    let exporter = stage.start(RedisExporter);
    let port = stage.port(RedisExporter, "http");
    let figures = eventually("the exporter answers", || get(port, "/metrics")).1;
    for series in ["redis_up 1\n", "redis_exporter_last_scrape_error{err=\"\"} 0\n", "redis_aof_enabled 1\n"] {
        assert!(figures.contains(series), "{series} is not in:\n{figures}");
    }
    for series in ["redis_memory_max_bytes", "redis_memory_used_bytes", "redis_aof_last_write_status"] {
        assert!(figures.contains(series), "{series}");
    }
    assert!(!exporter.said().contains("NOPERM"), "{}", exporter.said());
    // It is refused nothing, so that the access log shows only what matters.
    let mut admin = Talk::as_user(&stage, "admin");
    assert_eq!(admin.say("ACL LOG"), "[]");
    assert!(!admin.say("INFO errorstats").contains("errorstat_"));
}

#[test]
fn an_exporter_with_the_wrong_address_in_its_password_file_says_only_that_redis_is_down() {
    let stage = Stage::new(&[Redis, RedisExporter]);
    let _redis = stage.start(Redis);
    Talk::as_user(&stage, "metrics");
    let _exporter = {
        let native = stage.native(RedisExporter);
        stage.write(&native);
        std::fs::write(&native.files[0].path, "{\"redis://127.0.0.1:1\": \"x\"}").unwrap();
        let child = std::process::Command::new(&native.service.argv[0])
            .args(&native.service.argv[1..])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Running { child, log: native.service.log }
    };
    let (status, figures) = eventually("it answers", || get(stage.port(RedisExporter, "http"), "/metrics"));
    assert_eq!(status, 200);
    assert!(figures.contains("redis_up 0\n"));
}
