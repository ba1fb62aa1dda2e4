//! Redis: the queue of reports and their results. It must lose nothing and evict nothing.

use super::{Native, RenderError, View, file, hashed, secret, text};
use crate::model::component::ComponentName::Redis;
use crate::model::environment::{Fsync, Options};
use crate::model::paths::Layout;
use crate::model::probe::Probe;
use crate::model::quantity::Span;

/// A user of Redis and what it may do.
struct Right {
    /// The user, which is also the name of its secret.
    user: &'static str,
    /// What it may do, in the words of Redis's access lists.
    rules: &'static str,
}

/// What each user may do.
///
/// `admin`: everything; used by the smoke test and by people.
///
/// `requestor`: puts requests into the queue, by single commands and by scripts, and reads what came of them; keeps
/// sessions, links, profiles, and what people are to be told (`user:/…`); writes and reads the log of each user
/// (`user:ID:ev`) and wakes that user's sessions through the channel of the same beginning. It takes work out of one queue
/// alone, that of notifications: what reads for a consumer group or acknowledges stands in a selector of its own, for the
/// keys of that queue.
///
/// `runner`: takes work, keeps its lease, finishes, retries and buries it, by single commands and by scripts. It sees no
/// user's log and has no channel at all: results reach users through the requestor's webhook.
///
/// `metrics`: the exporter. No key, no channel, no command that shows data: the configuration holds no secret, and the log
/// of slow commands, which would show their arguments, is off. A command that it is refused would stand in the access log
/// at each scrape and hide what matters there.
///
/// `uptrace`: its cache. Every key but those of the report system: the patterns are the complement of `report:*` and
/// `user:*`, since access lists have no exceptions and know nothing of Redis's numbered databases.
const RIGHTS: [Right; 5] = [
    Right { user: "admin", rules: "~* &* +@all" },
    Right {
        user: "requestor",
        rules: "~report:* ~user:* &user:* -@all +@connection +@string +@hash +@set +@sortedset +@transaction \
                +xadd +xlen +xrange +xrevrange +xread +xdel +xtrim +xpending +xinfo|stream +xinfo|groups \
                +rpush +llen +lrange +del +unlink +exists +expire +pexpire +expireat +pexpireat +persist +ttl +pttl +type +time \
                +eval +evalsha +script|load +script|exists +publish +subscribe +unsubscribe -@admin -@dangerous \
                (~report:q:notifications:* -@all +xreadgroup +xack +xclaim +xautoclaim \
                +xgroup|create +xgroup|createconsumer +xgroup|delconsumer +xinfo|consumers)",
    },
    Right {
        user: "runner",
        rules: "~report:* -@all +@connection +@string +@hash +@set +@sortedset +@transaction +@stream \
                +del +unlink +exists +expire +pexpire +expireat +pexpireat +persist +ttl +pttl +type +time \
                +eval +evalsha +script|load +script|exists -@admin -@dangerous",
    },
    Right {
        user: "metrics",
        rules: "-@all +ping +hello +info +client|setname +config|get +latency|latest +slowlog|get +slowlog|len",
    },
    Right {
        user: "uptrace",
        rules: "~[^ru]* ~r[^e]* ~re[^p]* ~rep[^o]* ~repo[^r]* ~repor[^t]* ~report[^:]* \
                ~u[^s]* ~us[^e]* ~use[^r]* ~user[^:]* \
                -@all +@connection +@read +@write +@transaction \
                +time +eval +evalsha +script|load +script|exists -@admin -@dangerous",
    },
];

/// What Redis needs in order to run.
pub fn native(view: &View<'_>) -> Result<Native, RenderError> {
    let config = view.paths.config(Redis);
    let port = view.port(Redis, "redis")?;
    let acl = file(config.join("users.acl"), users()?);
    let conf = file(config.join("redis.conf"), conf(view, port, &text(&acl.path)?)?);
    let argv = vec![view.program(Redis)?, text(&conf.path)?];
    let files = vec![conf, acl];
    let mut service = view.service(Redis, argv, &files)?;
    // It writes out what it holds before it ends, which takes as long as the disk takes.
    service.stop_timeout = Span::seconds(30);
    Ok(Native {
        folders: view.folders(Redis),
        files,
        prepare: None,
        service,
        ready: vec![Probe::Redis { port, user: "admin".to_owned(), password: secret(Redis, "admin")? }],
        address: format!("redis://127.0.0.1:{port}"),
        page: None,
    })
}

/// The access list. Redis takes no comments in this file.
///
/// `default` is switched off and has no password, so nobody can be it; but it may do everything, since Redis reads its
/// append-only file as this user (up to 7.0 at least). Were it allowed nothing, each transaction in that file, which is what
/// becomes of a script, would be refused at the next start with a line in the log, and so be lost.
fn users() -> Result<String, RenderError> {
    let mut text = "user default off resetpass sanitize-payload ~* &* +@all\n".to_owned();
    for Right { user, rules } in RIGHTS {
        let hash = hashed(Redis, user)?;
        let rules = rules.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!("user {user} on sanitize-payload #{hash} resetkeys resetchannels {rules}\n"));
    }
    Ok(text)
}

/// `redis.conf`.
fn conf(view: &View<'_>, port: u16, acl: &str) -> Result<String, RenderError> {
    let component = view.active(Redis)?.component;
    let Options::Redis { fsync } = component.options else { return Err(RenderError::Options(Redis)) };
    let (policy, promise) = match fsync {
        Fsync::Everysec => ("everysec", "once a second: a power cut loses at most about the last second."),
        Fsync::Always => ("always", "at each write: a power cut loses nothing that was answered."),
    };
    Ok(format!(
        "\
# Made by reportctl for environment {env}. Changes here are overwritten by the next `reportctl up`.

# Only programs of this host reach it, and only as one of the users in the access list.
bind 127.0.0.1
port {port}
protected-mode yes
aclfile \"{acl}\"

# It runs under {keeper}, which keeps its log.
daemonize no
supervised no
# The name that `ps` shows is left alone: changing it overwrites the mark by which reportctl finds its processes.
set-proc-title no
logfile \"\"
loglevel notice
always-show-logo no

# Nothing is lost: every write goes to an append-only file, which reaches the disk
# {promise}
# Snapshots are off, since they would only repeat what that file holds.
dir \"{dir}\"
appendonly yes
appendfsync {policy}
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
save \"\"

# Nothing is thrown away: a queue that is full refuses writes ({size}).
maxmemory {bytes}
maxmemory-policy noeviction

# Sessions that do not read their messages are cut off; they read the log again when they come back.
client-output-buffer-limit pubsub 32mb 8mb 60
maxclients 1000
tcp-keepalive 60

# What takes longer than so many milliseconds is counted.
# The log of slow commands is off: it would show what reports hold.
latency-monitor-threshold 100
slowlog-log-slower-than -1
",
        env = view.env.name,
        keeper = match view.paths.layout {
            Layout::Folder => "reportctl's agent",
            Layout::System => "systemd",
        },
        dir = text(&view.paths.data(Redis))?,
        size = component.memory,
        bytes = component.memory.bytes(),
    ))
}
