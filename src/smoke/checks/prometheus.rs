//! Prometheus: it runs with our configuration, sees all that it shall see, and knows where to send alerts.

use crate::model::component::ComponentName::{self, Alertmanager, Prometheus};
use crate::reach::wait::Verdict as Look;
use crate::reach::{Query, begin};
use crate::render::native::metrics_port;
use crate::render::rules::{Watched, alerts, recordings};
use crate::smoke::exposition::value;
use crate::smoke::lab::{Fault, Lab, Verdict, and};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// It is the program that is installed, its configuration is ours and was read without an error.
pub async fn answers(lab: &Lab) -> Verdict {
    let port = lab.port(Prometheus, "http")?;
    let build = api(lab, "/api/v1/status/buildinfo").await?;
    let version = lab.same_version(Prometheus, text(&build, "/version"))?;
    // An answer of the interface would be an old one: the series is scraped only now and then.
    let body = lab.body(&Query::get(port, "/metrics")).await?;
    match value(&body, "prometheus_config_last_reload_successful") {
        Some(1.0) => {}
        seen => {
            let seen =
                seen.map_or_else(|| format!("not told; the page begins: {}", begin(&body)), |seen| seen.to_string());
            let seen = format!("prometheus_config_last_reload_successful is {seen}");
            return Err(Fault::new(seen, "prometheus_config_last_reload_successful is 1"));
        }
    }
    let config = api(lab, "/api/v1/status/config").await?;
    let ours = format!("env: {}", lab.target.env.name);
    if !text(&config, "/yaml").lines().any(|line| line.trim() == ours) {
        let seen = format!("its configuration is another one: {}", begin(text(&config, "/yaml")));
        return Err(Fault::new(seen, format!("the external label `{ours}`")).advice(lab.up()));
    }
    Ok(format!("Prometheus {version} at 127.0.0.1:{port} runs with the configuration of {}", lab.target.env.name))
}

/// One target as Prometheus sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scraped {
    job: String,
    address: String,
    health: String,
    error: String,
}

/// Every component that tells figures is a target, and every target is up. Prometheus says that it is ready seconds
/// before it has its first target, so it is waited for them.
pub async fn targets(lab: &Lab) -> Verdict {
    let mut wanted = BTreeMap::new();
    for name in lab.target.active.keys().copied() {
        if let Some(port) = metrics_port(name) {
            wanted.insert(name.to_string(), format!("127.0.0.1:{}", lab.port(name, port)?));
        }
    }
    let jobs: Vec<&String> = wanted.keys().collect();
    let expected = format!("the targets {}, each up", and(&jobs));
    let look = || async { scraped(lab).await.map_err(|fault| fault.seen) };
    let found = lab.wait("the targets are up", &expected, 2, look, |found| judge_targets(&wanted, found)).await?;
    Ok(format!("{} of {} targets are up: {}", found.len(), found.len(), and(&jobs)))
}

async fn scraped(lab: &Lab) -> Result<Vec<Scraped>, Fault> {
    let targets = api(lab, "/api/v1/targets?state=active").await?;
    let targets = list(&targets, "/activeTargets")?;
    Ok(targets
        .iter()
        .map(|target| Scraped {
            job: text(target, "/labels/job").to_owned(),
            address: text(target, "/labels/instance").to_owned(),
            health: text(target, "/health").to_owned(),
            error: text(target, "/lastError").to_owned(),
        })
        .collect())
}

fn judge_targets(wanted: &BTreeMap<String, String>, found: &[Scraped]) -> Look {
    let missing = wanted
        .iter()
        .filter(|(job, address)| !found.iter().any(|target| target.job == **job && target.address == **address));
    let missing = missing.map(|(job, address)| format!("{job} ({address}) is no target"));
    let unwell = found.iter().filter(|target| target.health != "up").map(|target| match target.error.as_str() {
        "" => format!("{} is {}", target.job, target.health),
        error => format!("{} is {}: {error}", target.job, target.health),
    });
    let wrong: Vec<String> = missing.chain(unwell).collect();
    if wrong.is_empty() { Look::Good } else { Look::NotYet(wrong.join("; ")) }
}

/// Every rule that we wrote is loaded, and was evaluated without an error.
pub async fn rules(lab: &Lab) -> Verdict {
    let watched = watched(lab)?;
    let alerts: Vec<String> = alerts(&watched).iter().map(|alert| alert.name.to_owned()).collect();
    let recordings: Vec<String> = recordings(&watched).iter().map(|recording| recording.name.to_owned()).collect();
    let wanted: BTreeSet<&str> = alerts.iter().chain(&recordings).map(String::as_str).collect();
    let expected = format!("{} rules, each evaluated without an error", wanted.len());
    let look = || async {
        let answer = api(lab, "/api/v1/rules").await.map_err(|fault| fault.seen)?;
        Ok(states(&answer))
    };
    lab.wait("every rule is evaluated", &expected, 2, look, |states| judge_rules(&wanted, states)).await?;
    Ok(format!("{} alert rules and {} recording rules are evaluated without an error", alerts.len(), recordings.len()))
}

/// The name, health and last error of each rule.
fn states(answer: &Value) -> Vec<(String, String, String)> {
    let groups = answer.pointer("/groups").and_then(Value::as_array).into_iter().flatten();
    let rules = groups.filter_map(|group| group.pointer("/rules").and_then(Value::as_array)).flatten();
    let part = |rule: &Value, name: &str| text(rule, name).to_owned();
    rules.map(|rule| (part(rule, "/name"), part(rule, "/health"), part(rule, "/lastError"))).collect()
}

fn judge_rules(wanted: &BTreeSet<&str>, states: &[(String, String, String)]) -> Look {
    let known: BTreeSet<&str> = states.iter().map(|(name, ..)| name.as_str()).collect();
    let missing: Vec<&str> = wanted.difference(&known).copied().collect();
    if !missing.is_empty() {
        // Rules are read with the configuration: what is not there will not come.
        return Look::Broken(format!("Prometheus has no rule {}", and(&missing)));
    }
    let unwell = states.iter().filter(|(_, health, _)| health != "ok").map(|(name, health, error)| {
        if error.is_empty() { format!("{name} is {health}") } else { format!("{name} is {health}: {error}") }
    });
    let unwell: Vec<String> = unwell.collect();
    if unwell.is_empty() { Look::Good } else { Look::NotYet(unwell.join("; ")) }
}

/// The series that a component is watched by; those that our rules compute come on top.
const fn own_series(name: ComponentName) -> &'static [&'static str] {
    match name {
        ComponentName::RedisExporter => &[
            "redis_up",
            "redis_aof_enabled",
            "redis_aof_last_write_status",
            "redis_commands_processed_total",
            "redis_evicted_keys_total",
            "redis_memory_max_bytes",
            "redis_memory_used_bytes",
            "redis_rejected_connections_total",
            "redis_uptime_in_seconds",
        ],
        ComponentName::NodeExporter => &[
            "node_cpu_seconds_total",
            "node_filesystem_avail_bytes",
            "node_memory_MemAvailable_bytes",
            "node_textfile_scrape_error",
        ],
        Prometheus => &["prometheus_build_info", "prometheus_config_last_reload_successful"],
        Alertmanager => &["alertmanager_build_info", "alertmanager_config_last_reload_successful"],
        ComponentName::Grafana => &["grafana_build_info"],
        ComponentName::Clickhouse => &["ClickHouseMetrics_Query"],
        ComponentName::Requestor => &["ws_connections"],
        ComponentName::Runner => &[
            "report_jobs_dead",
            "report_jobs_running",
            "report_queue_waiting",
            "report_workers",
            "report_workers_wanted",
        ],
        ComponentName::Redis | ComponentName::Postgresql | ComponentName::Uptrace => &[],
    }
}

/// Every series that our panels and alerts stand on has a fresh sample.
pub async fn series(lab: &Lab) -> Verdict {
    let mut wanted: BTreeSet<&str> = lab.target.active.keys().flat_map(|name| own_series(*name)).copied().collect();
    wanted.extend(recordings(&watched(lab)?).iter().map(|recording| recording.name));
    let fresh = lab.target.scrape_interval().duration() * 3 + std::time::Duration::from_secs(5);
    let names = wanted.iter().copied().collect::<Vec<_>>().join("|");
    let asked = format!("count by (__name__) (last_over_time({{__name__=~\"{names}\"}}[{}s]))", fresh.as_secs().max(1));
    let look = || async {
        let found = query(lab, &asked).await.map_err(|fault| fault.seen)?;
        Ok(found.into_iter().filter_map(|sample| sample.labels.get("__name__").cloned()).collect::<BTreeSet<String>>())
    };
    let missing = |found: &BTreeSet<String>| {
        let missing: Vec<&str> = wanted.iter().copied().filter(|name| !found.contains(*name)).collect();
        if missing.is_empty() { Look::Good } else { Look::NotYet(format!("no fresh sample of {}", and(&missing))) }
    };
    let expected = format!("a sample of each of {} series, at most {} s old", wanted.len(), fresh.as_secs());
    // A rate needs two scrapes, and what a rule computes comes one evaluation later.
    let found = lab.wait("our series arrive", &expected, 4, look, missing).await?;
    Ok(format!("{} series have a sample that is at most {} s old", found.len(), fresh.as_secs()))
}

/// Prometheus knows our Alertmanager. It learns of it some seconds after its start.
pub async fn knows_alertmanager(lab: &Lab) -> Verdict {
    let address = format!("127.0.0.1:{}", lab.port(Alertmanager, "http")?);
    let expected = format!("Alertmanager at {address}");
    let look = || async {
        let answer = api(lab, "/api/v1/alertmanagers").await.map_err(|fault| fault.seen)?;
        let known = list(&answer, "/activeAlertmanagers").map_err(|fault| fault.seen)?;
        Ok(known.iter().map(|manager| text(manager, "/url").to_owned()).collect::<Vec<_>>())
    };
    let judge = |urls: &Vec<String>| {
        let known = urls.iter().any(|url| url.starts_with(&format!("http://{address}/")));
        if known { Look::Good } else { Look::NotYet(format!("Prometheus sends alerts to {}", and(urls))) }
    };
    lab.wait("Prometheus knows Alertmanager", &expected, 0, look, judge).await?;
    Ok(format!("Prometheus sends alerts to {address}"))
}

/// What our rules depend on.
fn watched(lab: &Lab) -> Result<Watched, Fault> {
    let components = lab.target.active.keys().copied().collect();
    Watched::new(&lab.target.env, components).map_err(|error| Fault::new(error.to_string(), "our rules"))
}

/// The data of an answer of Prometheus's interface.
async fn api(lab: &Lab, path: &str) -> Result<Value, Fault> {
    let question = Query::get(lab.port(Prometheus, "http")?, path);
    data(&question, lab.json(&question).await?)
}

fn data(question: &Query, mut answer: Value) -> Result<Value, Fault> {
    if text(&answer, "/status") != "success" {
        let error = format!("{question} answers {}", begin(&answer.to_string()));
        return Err(Fault::new(error, "an answer with the status `success`"));
    }
    Ok(answer.get_mut("data").map(Value::take).unwrap_or_default())
}

/// One sample of an answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The labels, its name among them.
    pub labels: BTreeMap<String, String>,
    /// The value, as Prometheus writes it.
    pub value: String,
}

/// The samples that a PromQL expression has now.
pub async fn query(lab: &Lab, expression: &str) -> Result<Vec<Sample>, Fault> {
    let form = format!("query={}", form_encoded(expression));
    let question =
        Query::post(lab.port(Prometheus, "http")?, "/api/v1/query", "application/x-www-form-urlencoded", form);
    let answer = data(&question, lab.json(&question).await?)?;
    let samples = list(&answer, "/result")?.iter().map(|sample| {
        let labels = sample.pointer("/metric").and_then(Value::as_object).into_iter().flatten();
        let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
        Sample { labels: labels.collect(), value: text(sample, "/value/1").to_owned() }
    });
    Ok(samples.collect())
}

/// A text as a form holds it: all but letters and digits as bytes in hexadecimal.
fn form_encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The text at a pointer, or an empty one.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a pointer.
pub fn list<'a>(value: &'a Value, pointer: &str) -> Result<&'a Vec<Value>, Fault> {
    value.pointer(pointer).and_then(Value::as_array).ok_or_else(|| {
        Fault::new(format!("the answer has no list at {pointer}: {}", begin(&value.to_string())), "a list")
    })
}
