//! The fake Uptrace: `uptrace --config=C COMMAND`, in the dialects 2.0 and 2.1.
//!
//! Like the real one it needs PostgreSQL, ClickHouse and Redis, and logs in to each. What was migrated and seeded is
//! kept in PostgreSQL, so it goes where the databases go. Spans are kept in memory: they are gone after a restart.
//!
//! Stricter than the real one: keys that are not known, variables that are not set and placeholders are refused.

mod api;
mod config;
mod otlp;
mod pg;
mod redis;
mod seed;

use crate::clickhouse::Client;
use crate::door;
use crate::fault::Faults;
use crate::{Refusal, flags, log, variable};
use config::Config;
use pg::Pg;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Its name.
const PROGRAM: &str = "uptrace";
/// How often and how many times `pg wait` and `ch wait` try.
const WAIT: (Duration, u32) = (Duration::from_millis(250), 120);

/// The version it says it has.
fn version() -> String {
    variable("FAKE_UPTRACE_VERSION").unwrap_or_else(|| "2.1.0".to_owned())
}

/// The query API it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    V20,
    V21,
}

impl Dialect {
    /// The oldest ClickHouse that it works with: major and minor version.
    fn clickhouse(self) -> (u64, u64) {
        match self {
            Self::V20 => (25, 3),
            Self::V21 => (25, 8),
        }
    }
}

fn dialect() -> Result<Dialect, Refusal> {
    match version() {
        version if version.starts_with("2.0") => Ok(Dialect::V20),
        version if version.starts_with("2.1") => Ok(Dialect::V21),
        other => Err(Refusal::new(format!("FAKE_UPTRACE_VERSION: the fake is 2.0 or 2.1, not {other}"))),
    }
}

/// Runs it.
pub(crate) async fn run(args: Vec<String>) -> Result<(), Refusal> {
    let dialect = dialect()?;
    let mut args = VecDeque::from(args);
    let found = flags::take(&mut args, &["config"], &["version", "v", "help", "h"])
        .map_err(|error| Refusal::new(format!("Incorrect Usage: {error}")))?;
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if flags::value(&found, &["version", "v"]).is_some() || words == ["version"] {
        println!("uptrace version v{} (fake)", version());
        return Ok(());
    }
    let file = flags::value(&found, &["config"])
        .map(PathBuf::from)
        .or_else(|| variable("UPTRACE_CONFIG").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("/etc/uptrace/config.yml"));
    let config = || Config::read(&file).map_err(|error| Refusal::new(format!("{}: {error}", file.display())));
    match (words.as_slice(), dialect) {
        ([], _) => Err(Refusal::new("uptrace (fake): ch, config, db, pg, serve, version")),
        (["config", "validate"], Dialect::V21) => config().map(|_| println!("config is valid (fake)")),
        (["pg", "wait"], _) => wait(&config()?, &Pg::check).await,
        (["ch", "wait"], _) => wait(&config()?, &async |config: &Config| clickhouse(config).await.map(|_| ())).await,
        (["pg", "init"], _) => Ok(Pg::check(&config()?).await?),
        (["ch", "init"], _) => Ok(clickhouse(&config()?).await.map(|_| ())?),
        (["pg" | "ch", "migrate"], _) => migrate(&config()?, words[0], dialect).await,
        (["db", "seed"], Dialect::V21) => seed(&config()?).await,
        (["serve"], _) => serve(config()?, dialect).await,
        (words, _) => Err(Refusal { code: 3, text: format!("No help topic for '{}'", words.join(" ")) }),
    }
}

/// Tries until it works, thirty seconds at most.
async fn wait(config: &Config, check: &impl AsyncFn(&Config) -> Result<(), String>) -> Result<(), Refusal> {
    let mut last = String::new();
    for _ in 0..WAIT.1 {
        match check(config).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
        tokio::time::sleep(WAIT.0).await;
    }
    Err(Refusal::new(format!("gave up waiting: {last}")))
}

/// Greets every replica of ClickHouse: the lowest version among them.
async fn clickhouse(config: &Config) -> Result<(u64, u64), String> {
    let mut lowest = (u64::MAX, 0);
    for replica in config.replicas() {
        let login = Client::connect(&replica.addr, &replica.database, &replica.user, &replica.password);
        let mut client = login.await?;
        client.ping().await?;
        lowest = lowest.min(client.version);
    }
    Ok(lowest)
}

async fn migrate(config: &Config, which: &str, dialect: Dialect) -> Result<(), Refusal> {
    let mut pg = Pg::of(config).await?;
    if which == "ch" {
        let (oldest, needed) = (clickhouse(config).await?, dialect.clickhouse());
        if oldest < needed {
            return Err(Refusal::new(format!(
                "ch: migration failed: ClickHouse is {}.{}, Uptrace {} needs {}.{}",
                oldest.0,
                oldest.1,
                version(),
                needed.0,
                needed.1
            )));
        }
    }
    pg.put(&format!("{which} migrate"), "done").await?;
    log(PROGRAM, "info", &format!("{which}: migrated (fake)"));
    Ok(())
}

async fn seed(config: &Config) -> Result<(), Refusal> {
    let mut pg = Pg::of(config).await?;
    migrated(&mut pg).await?;
    let old = pg.get("db seed").await?.unwrap_or_else(|| "{}".to_owned());
    let new = seed::merge(&old, &config.seed_data)?;
    pg.put("db seed", &new).await?;
    log(PROGRAM, "info", "db: seeded (fake)");
    Ok(())
}

/// Refuses databases that were not migrated.
async fn migrated(pg: &mut Pg) -> Result<(), Refusal> {
    for which in ["pg", "ch"] {
        if pg.get(&format!("{which} migrate")).await?.is_none() {
            return Err(Refusal::new(format!(
                "{which}: there are unapplied migrations: run `uptrace {which} migrate`"
            )));
        }
    }
    Ok(())
}

async fn serve(config: Config, dialect: Dialect) -> Result<(), Refusal> {
    let faults = Faults::from_environment(PROGRAM)?;
    let mut pg = Pg::of(&config).await?;
    clickhouse(&config).await?;
    redis::check(&config.redis_cache).await?;
    if dialect == Dialect::V20 {
        migrate(&config, "pg", dialect).await?;
        migrate(&config, "ch", dialect).await?;
        seed(&config).await?;
    }
    migrated(&mut pg).await?;
    let seeded = pg.get("db seed").await?.ok_or_else(|| Refusal::new("nothing was seeded: run `uptrace db seed`"))?;
    let seeded = seed::Seeded::parse(&seeded)?;
    let http = door::listen(&config.listen.http.addr).await?;
    let grpc = door::listen(&config.listen.grpc.addr).await?;
    let ending = door::Ending::watch(PROGRAM)?;
    log(PROGRAM, "info", &format!("serving (fake) on {} version={}", config.listen.http.addr, version()));
    let site = Arc::new(api::Api::new(dialect, faults, seeded));
    tokio::select! {
        served = door::serve(http, site) => served,
        taken = take(grpc) => taken,
        ended = ending.told() => ended,
    }
}

/// The gRPC port takes connections and ends them: the fake has no gRPC.
async fn take(listener: tokio::net::TcpListener) -> Result<(), Refusal> {
    loop {
        listener.accept().await.map_err(|error| Refusal::new(error.to_string()))?;
    }
}
