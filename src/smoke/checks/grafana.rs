//! Grafana: it runs, is closed to strangers, reaches Prometheus, and each panel of our dashboard has an answer.

use super::prometheus::{list, text};
use crate::model::component::ComponentName::{Grafana, Prometheus};
use crate::reach::wait::Verdict as Look;
use crate::reach::{Query, begin};
use crate::render::dashboard::{Dashboard, PROMETHEUS_UID, UID, grafana};
use crate::render::rules::Watched;
use crate::smoke::lab::{Fault, Lab, Verdict, answered, parsed};
use serde_json::{Value, json};

/// The login that every Grafana is delivered with, `admin:admin`, as HTTP shows it.
const DELIVERED: &str = "Basic YWRtaW46YWRtaW4=";

/// Its own database answers, and it is the program that is installed.
pub async fn answers(lab: &Lab) -> Verdict {
    let port = lab.port(Grafana, "http")?;
    let query = Query::get(port, "/api/health");
    let reply = lab.ask(&query).await?;
    let health = parsed(&query, &reply)?;
    let database = text(&health, "/database");
    if reply.status != 200 || database != "ok" {
        return Err(Fault::new(answered(&query, &reply), "status 200 and the database `ok`"));
    }
    let version = lab.same_version(Grafana, text(&health, "/version"))?;
    lab.json(&own(lab, Query::get(port, "/api/org"))?).await.map_err(|fault| {
        fault.expected("the password that `up` stored is accepted").advice(
            "Grafana stores its password at its first start; `grafana cli admin reset-admin-password --password-from-stdin` \
             changes it later",
        )
    })?;
    Ok(format!("Grafana {version} at 127.0.0.1:{port} answers, and so does its database"))
}

/// Nobody comes in without a password, and not with the one that Grafana is delivered with.
pub async fn refuses_strangers(lab: &Lab) -> Verdict {
    let query = Query::get(lab.port(Grafana, "http")?, "/api/org");
    for (who, query) in [
        ("somebody without a password", query.clone()),
        ("admin with the password `admin`", query.header("authorization", DELIVERED)),
    ] {
        let reply = lab.ask(&query).await?;
        if reply.status != 401 {
            let seen = format!("{who} is answered with {}: {}", reply.status, begin(&reply.body));
            return Err(Fault::new(seen, "status 401: it is refused")
                .advice(format!("close this Grafana before others can reach it; {}", lab.up())));
        }
        parsed(&query, &reply)?;
    }
    Ok("401 without a password, and 401 to the one that Grafana is delivered with".to_owned())
}

/// The data source is ours, and Grafana gets an answer through it.
pub async fn datasource(lab: &Lab) -> Verdict {
    let port = lab.port(Grafana, "http")?;
    let path = format!("/api/datasources/uid/{PROMETHEUS_UID}");
    let source = lab.json(&own(lab, Query::get(port, &path))?).await?;
    let wanted = format!("http://127.0.0.1:{}", lab.port(Prometheus, "http")?);
    let (kind, url) = (text(&source, "/type"), text(&source, "/url"));
    if kind != "prometheus" || url.trim_end_matches('/') != wanted {
        let seen = format!("the data source `{PROMETHEUS_UID}` is of type `{kind}` at {url}");
        return Err(Fault::new(seen, format!("type `prometheus` at {wanted}")).advice(lab.up()));
    }
    let query = own(lab, Query::get(port, format!("{path}/health")))?;
    let reply = lab.ask(&query).await?;
    let health = parsed(&query, &reply)?;
    if reply.status != 200 || text(&health, "/status") != "OK" {
        return Err(Fault::new(answered(&query, &reply), "status `OK`: Grafana reaches Prometheus"));
    }
    let found = lab
        .wait(
            "Grafana gets figures",
            "at least one figure of `up`",
            2,
            || async {
                let asked =
                    [json!({"refId": "A", "datasource": {"uid": PROMETHEUS_UID}, "expr": "up", "instant": true})];
                let answer = ask(lab, &asked).await.map_err(|fault| fault.seen)?;
                frames(&answer, "A").map(|frames| frames.iter().filter(|frame| has_value(frame)).count())
            },
            |found| if *found > 0 { Look::Good } else { Look::NotYet("the answer to `up` has no figure".to_owned()) },
        )
        .await?;
    Ok(format!("Grafana reaches Prometheus at {wanted}, and shows {found} series of `up`"))
}

/// The dashboard is ours, provisioned, and each of its panels gets an answer.
pub async fn dashboard(lab: &Lab) -> Verdict {
    let port = lab.port(Grafana, "http")?;
    let found = lab.json(&own(lab, Query::get(port, "/api/search?type=dash-db"))?).await?;
    if !list(&found, "")?.iter().any(|dashboard| text(dashboard, "/uid") == UID) {
        let seen = format!("no dashboard with the uid `{UID}`: {}", begin(&found.to_string()));
        return Err(Fault::new(seen, "our dashboard").advice(lab.logs(Grafana)));
    }
    let shown = lab.json(&own(lab, Query::get(port, format!("/api/dashboards/uid/{UID}")))?).await?;
    if shown.pointer("/meta/provisioned") != Some(&Value::Bool(true)) {
        let seen = "the dashboard was made by hand: it is not marked as provisioned";
        return Err(Fault::new(seen, "the dashboard that `up` wrote").advice(lab.up()));
    }
    let ours = ours(lab)?;
    let (title, wanted) = (text(&shown, "/dashboard/title"), text(&ours, "/title"));
    if title != wanted {
        return Err(Fault::new(format!("its title is `{title}`"), format!("the title `{wanted}`")).advice(lab.up()));
    }
    let (panels, wanted) = (asking(&shown, "/dashboard/panels")?, asking(&ours, "/panels")?);
    if panels.len() != wanted.len() || panels.is_empty() {
        let seen = format!("it has {} panels that ask something", panels.len());
        return Err(Fault::new(seen, format!("{} panels", wanted.len())).advice(lab.up()));
    }
    let mut asked = 0;
    for panel in &panels {
        asked += judge(lab, panel).await?;
    }
    Ok(format!("`{title}`: {} panels, and an answer to each of their {asked} questions", panels.len()))
}

/// The dashboard as we render it.
fn ours(lab: &Lab) -> Result<Value, Fault> {
    let components = lab.target.active.keys().copied().collect();
    let watched =
        Watched::new(&lab.target.env, components).map_err(|error| Fault::new(error.to_string(), "our rules"))?;
    Ok(grafana(&Dashboard::new(&watched, lab.target.scrape_interval())))
}

/// The panels that ask something: a row does not.
fn asking(dashboard: &Value, pointer: &str) -> Result<Vec<Value>, Fault> {
    let asks =
        |panel: &&Value| panel.pointer("/targets").and_then(Value::as_array).is_some_and(|asks| !asks.is_empty());
    Ok(list(dashboard, pointer)?.iter().filter(asks).cloned().collect())
}

/// Asks what the panel asks; returns the number of questions.
async fn judge(lab: &Lab, panel: &Value) -> Result<usize, Fault> {
    let title = text(panel, "/title");
    let mut asked = list(panel, "/targets")?.clone();
    for question in &mut asked {
        question["intervalMs"] = json!(lab.target.scrape_interval().0.max(1000));
        question["maxDataPoints"] = json!(500);
    }
    let wrong = |why: String| {
        Fault::new(format!("panel `{title}`: {why}"), "an answer without an error").advice(lab.logs(Grafana))
    };
    let answer = ask(lab, &asked).await.map_err(|fault| wrong(fault.seen))?;
    for question in &asked {
        if frames(&answer, text(question, "/refId")).map_err(wrong)?.is_empty() {
            return Err(wrong(format!("no frame for `{}`", text(question, "/expr"))));
        }
    }
    Ok(asked.len())
}

/// Asks through Grafana; an error of one question has status 400 and is an answer too.
async fn ask(lab: &Lab, questions: &[Value]) -> Result<Value, Fault> {
    let body = json!({"queries": questions, "from": "now-1h", "to": "now"}).to_string();
    let query = own(lab, Query::post(lab.port(Grafana, "http")?, "/api/ds/query", "application/json", body))?;
    let reply = lab.ask(&query).await?;
    let answer = parsed(&query, &reply)?;
    match answer.get("results") {
        Some(_) => Ok(answer),
        None => Err(Fault::new(answered(&query, &reply), "results")),
    }
}

/// The frames of one question. Errors: what Grafana says of it.
fn frames<'a>(answer: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    let result = answer.pointer(&format!("/results/{name}")).ok_or_else(|| format!("no result {name}"))?;
    match result.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None => result.get("frames").and_then(Value::as_array).ok_or_else(|| format!("result {name} has no frames")),
    }
}

fn has_value(frame: &Value) -> bool {
    let columns = frame.pointer("/data/values").and_then(Value::as_array);
    columns.is_some_and(|columns| {
        columns.len() > 1 && columns.iter().all(|column| column.as_array().is_some_and(|rows| !rows.is_empty()))
    })
}

/// The question with our own login.
fn own(lab: &Lab, query: Query) -> Result<Query, Fault> {
    Ok(query.user("admin", lab.secret(Grafana, "admin")?))
}
