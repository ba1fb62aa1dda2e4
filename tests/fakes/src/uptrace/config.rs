//! The configuration, version 2.

use super::seed::SeedData;
use crate::{client, expand, read_configuration, variable};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What the server goes by. Fields with an underscore are only checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    service: Service,
    site: Site,
    pub(super) listen: Listen,
    #[serde(default, rename = "auth")]
    _auth: Auth,
    pub(super) seed_data: SeedData,
    ch_cluster: ChCluster,
    #[serde(default, rename = "ch_schema")]
    _ch_schema: ChSchema,
    pub(super) pg: PgConfig,
    pub(super) redis_cache: RedisCache,
    #[serde(default, rename = "mailer")]
    _mailer: Mailer,
    #[serde(default, rename = "sourcemaps")]
    _sourcemaps: Switch,
    #[serde(default, rename = "certmagic")]
    _certmagic: Enabled,
    #[serde(default, rename = "self_monitoring")]
    _self_monitoring: SelfMonitoring,
    #[serde(default)]
    logging: Logging,
    #[serde(default, rename = "license")]
    _license: License,
    #[serde(default, rename = "spans")]
    _spans: Tuning,
    #[serde(default, rename = "logs")]
    _logs: Tuning,
    #[serde(default, rename = "events")]
    _events: Tuning,
    #[serde(default, rename = "metrics")]
    _metrics: Tuning,
    #[serde(default, rename = "service_graph")]
    _service_graph: Switch,
    #[serde(default, rename = "alerting")]
    _alerting: Switch,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    #[serde(default, rename = "env")]
    _env: String,
    secret: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Site {
    url: String,
    #[serde(default)]
    ingest_url: Option<String>,
}

/// The doors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listen {
    pub(super) http: Addr,
    pub(super) grpc: Addr,
}

/// One door.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Addr {
    pub(super) addr: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    #[serde(default, rename = "disabled")]
    _disabled: bool,
    #[serde(default, rename = "sign_up_disabled")]
    _sign_up_disabled: bool,
    #[serde(default, rename = "sign_in_disabled")]
    _sign_in_disabled: bool,
    #[serde(default, rename = "email_regexp")]
    _email_regexp: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChCluster {
    cluster: String,
    #[serde(default)]
    replicated: bool,
    #[serde(default)]
    distributed: bool,
    shards: Vec<Shard>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shard {
    replicas: Vec<Replica>,
}

/// One ClickHouse.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replica {
    pub(super) addr: String,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: String,
    #[serde(default)]
    dial_timeout: Option<String>,
    #[serde(default)]
    write_timeout: Option<String>,
    #[serde(default, rename = "max_retries")]
    _max_retries: u32,
    #[serde(default)]
    max_execution_time: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChSchema {
    #[serde(default, rename = "compression")]
    _compression: String,
}

/// PostgreSQL.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PgConfig {
    pub(super) addr: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
}

/// Redis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedisCache {
    pub(super) addrs: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) password: String,
    #[serde(default)]
    pub(super) db: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mailer {
    #[serde(default, rename = "smtp")]
    _smtp: Enabled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Enabled {
    #[serde(default, rename = "enabled")]
    _enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    #[serde(default, rename = "disabled")]
    _disabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SelfMonitoring {
    #[serde(default, rename = "disabled")]
    _disabled: bool,
    #[serde(default, rename = "dsn")]
    _dsn: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logging {
    #[serde(default)]
    level: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct License {
    #[serde(default, rename = "key")]
    _key: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tuning {
    #[serde(default, rename = "max_threads")]
    _max_threads: u32,
    #[serde(default, rename = "max_insert_size")]
    _max_insert_size: u32,
    #[serde(default, rename = "max_buffered_records")]
    _max_buffered_records: u32,
    #[serde(default, rename = "max_cumulative_timeseries")]
    _max_cumulative_timeseries: u32,
}

impl Config {
    /// Reads the file. Variables are replaced before YAML is read, as the real one does.
    ///
    /// Errors: unknown or missing keys, wrong types, values that cannot work, a secret that was not filled in.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        Self::parse(&read_configuration(file)?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = expand::variables(text, true, variable)?;
        let config: Self = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    /// Every ClickHouse.
    pub(super) fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.ch_cluster.shards.iter().flat_map(|shard| &shard.replicas)
    }

    fn check(&self) -> Result<(), String> {
        let filled = |name: &str, value: &str| {
            if value.is_empty() || value == "FIXME" { Err(format!("{name} is empty")) } else { Ok(()) }
        };
        filled("service.secret", &self.service.secret)?;
        client::split(&self.site.url).map_err(|error| format!("site.url: {error}"))?;
        if let Some(url) = &self.site.ingest_url {
            let (url, query) = url.split_once('?').unwrap_or((url, ""));
            client::split(url).map_err(|error| format!("site.ingest_url: {error}"))?;
            if !query.is_empty() && query.strip_prefix("grpc=").is_none_or(|port| port.parse::<u16>().is_err()) {
                return Err(format!("site.ingest_url: `{query}` is not grpc=PORT"));
            }
        }
        addr("listen.http.addr", &self.listen.http.addr)?;
        addr("listen.grpc.addr", &self.listen.grpc.addr)?;
        filled("ch_cluster.cluster", &self.ch_cluster.cluster)?;
        if self.ch_cluster.replicated || self.ch_cluster.distributed {
            return Err(
                "ch_cluster: replicated needs a cluster in ClickHouse, distributed a premium licence".to_owned()
            );
        }
        if self.replicas().next().is_none() {
            return Err("ch_cluster.shards has no replica".to_owned());
        }
        for replica in self.replicas() {
            addr("ch_cluster: addr", &replica.addr)?;
            filled("ch_cluster: database", &replica.database)?;
            filled("ch_cluster: user", &replica.user)?;
            filled("ch_cluster: password", &replica.password)?;
            for time in
                [&replica.dial_timeout, &replica.write_timeout, &replica.max_execution_time].into_iter().flatten()
            {
                let digits = time.trim_end_matches("ms").trim_end_matches(['s', 'm', 'h']);
                if digits.parse::<f64>().is_err() || digits.len() == time.len() {
                    return Err(format!("ch_cluster: time: invalid duration {time:?}"));
                }
            }
        }
        addr("pg.addr", &self.pg.addr)?;
        filled("pg.user", &self.pg.user)?;
        filled("pg.password", &self.pg.password)?;
        filled("pg.database", &self.pg.database)?;
        if self.redis_cache.addrs.is_empty() {
            return Err("redis_cache.addrs is empty".to_owned());
        }
        self.redis_cache.addrs.values().try_for_each(|value| addr("redis_cache.addrs", value))?;
        if let Some(level) = &self.logging.level
            && !["DEBUG", "INFO", "WARN", "ERROR"].contains(&level.to_uppercase().as_str())
        {
            return Err(format!("logging.level: `{level}` is unknown"));
        }
        self.seed_data.check()
    }
}

/// `HOST:PORT` or `:PORT`.
fn addr(name: &str, value: &str) -> Result<(), String> {
    let port = value.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port > 0);
    port.map(|_| ()).ok_or_else(|| format!("{name}: `{value}` is not HOST:PORT"))
}
