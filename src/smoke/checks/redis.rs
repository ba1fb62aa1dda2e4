//! Redis: it answers those whom it must, refuses everybody else, and loses nothing.

use crate::model::component::ComponentName::Redis;
use crate::model::environment::{Fsync, Options};
use crate::smoke::lab::{Fault, Lab, Verdict, and};
use redis::RedisResult;

/// `PING` is answered to each user that programs log in as.
pub async fn answers(lab: &Lab) -> Verdict {
    let users = Redis.secrets();
    let expected = format!("PONG to each of {}", and(users));
    for user in users.iter().copied() {
        let pong = lab.redis(user, |redis| redis::cmd("PING").query::<String>(redis)).await;
        match pong.map_err(|fault| fault.expected(&expected))?.as_str() {
            "PONG" => {}
            other => return Err(Fault::new(format!("{other:?} to PING as {user}"), expected)),
        }
    }
    let says = info(lab, "server").await?.get("redis_version").unwrap_or_default().to_owned();
    let version = lab.same_version(Redis, &says)?;
    Ok(format!("Redis {version} at 127.0.0.1:{} answers {}", lab.port(Redis, "redis")?, and(users)))
}

/// Without a login nothing is answered, and a wrong password is none.
pub async fn refuses_strangers(lab: &Lab) -> Verdict {
    let wrong = lab.random(24)?;
    let (ping, admin, default) = lab
        .direct
        .redis_without_login(lab.port(Redis, "redis")?, move |redis| {
            let ping = answer(redis::cmd("PING").query(redis));
            let mut login = |user: &str| answer(redis::cmd("AUTH").arg(user).arg(&wrong).query(redis));
            Ok((ping, login("admin"), login("default")))
        })
        .await
        .map_err(|error| lab.unreached(&error))?;
    for (what, seen, expected) in [
        ("PING without a login", ping, "NOAUTH"),
        ("a wrong password for admin", admin, "WRONGPASS"),
        ("any password for the default user", default, "WRONGPASS"),
    ] {
        if seen != expected {
            return Err(Fault::new(format!("{what} is answered with {seen}"), format!("{expected}: it is refused"))
                .advice(format!("do not use this Redis until it is closed; {}", lab.up())));
        }
    }
    Ok("no answer without a login (NOAUTH) and none to a wrong password (WRONGPASS)".to_owned())
}

/// The word that an answer begins with: the code of an error, or what came instead of one.
fn answer(answer: RedisResult<String>) -> String {
    match answer {
        Ok(text) => text,
        Err(error) => error.code().map_or_else(|| error.to_string(), str::to_owned),
    }
}

/// Every write goes to the append-only file, and the last ones got there.
pub async fn saves(lab: &Lab) -> Verdict {
    let info = info(lab, "persistence").await?;
    for (key, expected) in [
        ("loading", "0"),
        ("aof_enabled", "1"),
        ("aof_last_write_status", "ok"),
        ("aof_last_bgrewrite_status", "ok"),
        ("rdb_last_bgsave_status", "ok"),
    ] {
        let seen = info.get(key).unwrap_or("not told");
        if seen != expected {
            return Err(Fault::new(format!("{key} is {seen}"), format!("{key} is {expected}")).advice(format!(
                "look for a full or read-only disk: `df -h {}`; {}",
                lab.target.paths.data(Redis).display(),
                lab.logs(Redis)
            )));
        }
    }
    let seen = setting(lab, "appendfsync").await?;
    let (expected, loss) = match lab.target.env.stack.components.get(&Redis).map(|component| &component.options) {
        Some(Options::Redis { fsync: Fsync::Always }) => ("always", "a power cut loses nothing that was answered"),
        _ => ("everysec", "a power cut loses about the last second"),
    };
    if seen != expected {
        return Err(Fault::new(format!("appendfsync is {seen}"), format!("appendfsync is {expected}")).advice(lab.up()));
    }
    Ok(format!("the append-only file is written and sound; appendfsync {expected}: {loss}"))
}

/// Nothing is evicted: neither may it be, nor was it.
pub async fn keeps_all(lab: &Lab) -> Verdict {
    let policy = setting(lab, "maxmemory-policy").await?;
    if policy != "noeviction" {
        let seen = format!("maxmemory-policy is {policy}: a full Redis throws data away");
        return Err(Fault::new(seen, "maxmemory-policy is noeviction").advice(lab.up()));
    }
    let limit = setting(lab, "maxmemory").await?;
    let memory = lab.target.env.stack.components.get(&Redis).map_or(0, |component| component.memory.bytes());
    if limit != memory.to_string() {
        let expected = format!("maxmemory is {memory}, as the environment says");
        return Err(Fault::new(format!("maxmemory is {limit}"), expected).advice(lab.up()));
    }
    let evicted = info(lab, "stats").await?.get("evicted_keys").unwrap_or("not told").to_owned();
    if evicted != "0" {
        return Err(Fault::new(format!("{evicted} keys were evicted since the start"), "none").advice(
            "data was thrown away before the policy was set: ask those who used reports to request them again, then \
             restart Redis",
        ));
    }
    Ok(format!("maxmemory {memory} bytes, noeviction, no key evicted since the start"))
}

/// One section of `INFO`.
pub struct Info(String);

impl Info {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
    }
}

/// One section of `INFO`, as admin.
pub async fn info(lab: &Lab, section: &'static str) -> Result<Info, Fault> {
    Ok(Info(lab.redis("admin", move |redis| redis::cmd("INFO").arg(section).query(redis)).await?))
}

/// The value of one setting, as admin.
async fn setting(lab: &Lab, name: &'static str) -> Result<String, Fault> {
    let pair: Vec<String> =
        lab.redis("admin", move |redis| redis::cmd("CONFIG").arg("GET").arg(name).query(redis)).await?;
    pair.into_iter().nth(1).ok_or_else(|| Fault::new(format!("Redis knows no setting {name}"), "its value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_info_is_found_by_its_whole_name() {
        let info = Info("# Persistence\r\nloading:0\r\nasync_loading:1\r\naof_enabled:1\r\n".to_owned());
        assert_eq!((info.get("loading"), info.get("aof_enabled"), info.get("aof")), (Some("0"), Some("1"), None));
    }
}
