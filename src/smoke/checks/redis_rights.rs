//! Redis: each user may do what its program needs, and nothing else.

use crate::smoke::lab::{Fault, Lab, Verdict};
use redis::RedisResult;

/// What a user must be able to do, and what it must not. Words are separated by single blanks.
struct Rights {
    user: &'static str,
    may: &'static [&'static str],
    may_not: &'static [&'static str],
    /// Harmless even if it were allowed: it is really done, and must be refused.
    refused: &'static str,
}

const RIGHTS: [Rights; 4] = [
    Rights {
        user: "requestor",
        may: &[
            "XADD report:q:reports:normal * job 1",
            "HSET report:q:reports:job:1 state queued",
            "SET user:/link:1 anna EX 60",
            "XADD user:anna:ev * event done",
            "XRANGE user:anna:ev - +",
            "PUBLISH user:anna done",
            "EVALSHA 0000000000000000000000000000000000000000 1 user:anna:ev",
            "XREADGROUP GROUP workers w STREAMS report:q:notifications:normal >",
            "XACK report:q:notifications:normal workers 1-1",
        ],
        may_not: &[
            "XREADGROUP GROUP workers w STREAMS report:q:reports:normal >",
            "XACK report:q:reports:normal workers 1-1",
            "XACK report:q:webhooks:normal workers 1-1",
            "GET other:1",
            "PUBLISH other done",
            "KEYS *",
            "FLUSHALL",
            "SHUTDOWN",
            "CONFIG SET appendonly no",
            "ACL LIST",
            "MONITOR",
        ],
        refused: "CONFIG GET dir",
    },
    Rights {
        user: "runner",
        may: &[
            "XREADGROUP GROUP workers w STREAMS report:q:reports:normal >",
            "XACK report:q:webhooks:normal workers 1-1",
            "HSET report:q:reports:job:1 state done",
            "HSET report:sources samples offered",
            "EVALSHA 0000000000000000000000000000000000000000 1 report:q:reports:job:1",
        ],
        may_not: &[
            "XADD user:anna:ev * event done",
            "XRANGE user:anna:ev - +",
            "GET user:/link:1",
            "PUBLISH user:anna done",
            "GET other:1",
            "KEYS *",
            "FLUSHALL",
            "SHUTDOWN",
            "CONFIG SET appendonly no",
            "ACL LIST",
            "MONITOR",
        ],
        refused: "GET user:smoke",
    },
    Rights {
        user: "metrics",
        may: &["PING", "INFO all", "CONFIG GET maxmemory"],
        may_not: &[
            "XRANGE report:q:reports:normal - +",
            "KEYS *",
            "SCAN 0",
            "SET report:q:reports:job:1 x",
            "PUBLISH user:anna done",
            "FLUSHALL",
            "SHUTDOWN",
            "CONFIG SET appendonly no",
            "ACL LIST",
            "MONITOR",
        ],
        refused: "GET report:smoke",
    },
    Rights {
        user: "uptrace",
        may: &["SET cache:1 x", "GET spans:1", "DEL r:1", "GET uptrace:1"],
        may_not: &[
            "XRANGE report:q:reports:normal - +",
            "DEL report:q:reports:job:1",
            "XRANGE user:anna:ev - +",
            "GET user:/session:1",
            "KEYS *",
            "FLUSHALL",
            "SHUTDOWN",
            "CONFIG SET appendonly no",
            "ACL LIST",
            "MONITOR",
        ],
        refused: "GET report:smoke",
    },
];

/// Redis's own judgement of each command (`ACL DRYRUN`, nothing is done), and one real refusal for each user.
pub async fn least_privilege(lab: &Lab) -> Verdict {
    let judged = lab
        .redis("admin", |redis| {
            let mut wrong = Vec::new();
            for rights in &RIGHTS {
                for command in rights.may {
                    if let Some(refusal) = judge(redis, rights.user, command)? {
                        wrong.push(format!("{} may not `{command}` ({refusal})", rights.user));
                    }
                }
                for command in rights.may_not {
                    if judge(redis, rights.user, command)?.is_none() {
                        wrong.push(format!("{} may `{command}`", rights.user));
                    }
                }
            }
            Ok(wrong)
        })
        .await?;
    let mut wrong = judged;
    for rights in &RIGHTS {
        let words: Vec<&str> = rights.refused.split(' ').collect();
        let refused =
            lab.redis(rights.user, move |redis| Ok(code(command(&words).query::<redis::Value>(redis)))).await?;
        if refused != "NOPERM" {
            wrong.push(format!("{} does `{}` and is answered with {refused}", rights.user, rights.refused));
        }
    }
    if !wrong.is_empty() {
        let expected = "each user may do what its program needs and nothing else";
        return Err(Fault::new(wrong.join("; "), expected).advice(lab.up()));
    }
    let judged: usize = RIGHTS.iter().map(|rights| rights.may.len() + rights.may_not.len()).sum();
    Ok(format!(
        "{judged} commands judged as they must be for {} users, and NOPERM to each that tried one",
        RIGHTS.len()
    ))
}

/// Why the user may not give that command; nothing when it may.
fn judge(redis: &mut redis::Connection, user: &str, words: &str) -> RedisResult<Option<String>> {
    let mut dry = redis::cmd("ACL");
    dry.arg("DRYRUN").arg(user);
    words.split(' ').for_each(|word| {
        dry.arg(word);
    });
    let answer: String = dry.query(redis)?;
    Ok((answer != "OK").then_some(answer))
}

fn command(words: &[&str]) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| {
        command.arg(*word);
    });
    command
}

fn code(answer: RedisResult<redis::Value>) -> String {
    match answer {
        Ok(_) => "what it asked for".to_owned(),
        Err(error) => error.code().map_or_else(|| error.to_string(), str::to_owned),
    }
}
