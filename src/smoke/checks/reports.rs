//! A report from click to result.

use super::requestor::USER;
use crate::model::component::ComponentName::Runner;
use crate::reach::begin;
use crate::smoke::lab::{Fault, Lab, Verdict, answered};
use crate::smoke::visitor::{Asked, Told, Visitor};
use serde_json::{Value, json};
use std::time::Instant;

/// The report that goes the whole way and needs no data.
pub const SYSTEM_CHECK: &str = "system-check";

/// Asks as a page does, is told of the result over the websocket, and finds it as JSON, CSV and HTML; asked twice with one
/// key it is made once, and another user finds nothing.
pub async fn arrives(lab: &Lab) -> Verdict {
    let visitor = Visitor::enter(lab, USER).await?;
    let came = through(lab, &visitor).await;
    visitor.leave().await?;
    came
}

async fn through(lab: &Lab, visitor: &Visitor<'_>) -> Verdict {
    let socket = visitor.socket(None, None).await.map_err(|error| Fault::new(error.to_string(), "a websocket"))?;
    let (key, parameters, begun) = (lab.random(16)?, json!({ "seconds": 0 }), Instant::now());
    let (status, asked) = visitor.request(SYSTEM_CHECK, &parameters, &key).await?;
    if status != 202 {
        return Err(Fault::new(format!("a new report is answered with {status}"), "status 202"));
    }
    let told = visitor.follow(Some(socket), &asked.id, lab.patience).await?;
    let took = begun.elapsed();
    finished_once(&told)?;
    let document = document(lab, visitor, &asked).await?;
    let (again, same) = visitor.request(SYSTEM_CHECK, &parameters, &key).await?;
    if (again, &same.id) != (200, &asked.id) {
        let seen = format!("the same key again is answered with {again} and report {}", same.id);
        return Err(Fault::new(seen, format!("status 200 and report {}: it is made once", asked.id)));
    }
    hidden_from_others(lab, &asked.id).await?;
    let trace = if asked.trace.is_empty() { String::new() } else { format!("; its trace is {}", asked.trace) };
    Ok(format!(
        "`{}` came back over the websocket {:.0} ms after the click{trace}",
        document["title"].as_str().unwrap_or_default(),
        took.as_secs_f64() * 1000.0
    ))
}

/// The end was told, once, and it was a good one.
pub fn finished_once(told: &[Told]) -> Result<(), Fault> {
    let ends: Vec<&Told> = told.iter().filter(|told| told.is_end()).collect();
    match ends.as_slice() {
        [end] if end.kind == "report.finished" => Ok(()),
        ends => {
            let ends = ends.iter().map(|end| format!("{} {}", end.kind, end.error).trim_end().to_owned());
            let seen = format!("the page was told {}", ends.collect::<Vec<_>>().join(", "));
            Err(Fault::new(seen, "report.finished, once").advice(lab_advice()))
        }
    }
}

fn lab_advice() -> String {
    "`reportctl queue dead` shows what was given up, and why; `reportctl logs runner` what the runner says".to_owned()
}

/// The result in its three forms, which must be of one mind.
pub async fn document(lab: &Lab, visitor: &Visitor<'_>, asked: &Asked) -> Result<Value, Fault> {
    let path = |form: &str| format!("/api/reports/{}{form}", asked.id);
    let report = visitor.json(&path("")).await?;
    if report["state"] != "done" {
        return Err(Fault::new(format!("the report is {}", begin(&report.to_string())), "a report that is done"));
    }
    let document = visitor.json(&path("/result.json")).await?;
    let names = names_of_columns(&document)?;
    let rows = document["rows"].as_array().map_or(0, Vec::len);
    let csv = lab.body(&visitor.get(&path("/result.csv"))).await?;
    let head = csv.lines().next().unwrap_or_default();
    if names.iter().any(|name| !head.contains(name)) || csv.lines().count() < rows {
        let seen = format!("{} lines of CSV under `{}`", csv.lines().count(), begin(head));
        return Err(Fault::new(seen, format!("{rows} lines under {}", names.join(", "))));
    }
    let query = visitor.get(&path("/result.html"));
    let html = lab.ask(&query).await?;
    let title = document["title"].as_str().unwrap_or_default();
    if html.status != 200 || !html.content_type.starts_with("text/html") || !html.body.contains(title) {
        return Err(Fault::new(answered(&query, &html), format!("`{title}` in HTML")));
    }
    Ok(document)
}

/// The names of a document's columns. It has a title and a summary, and each of its rows a cell for each column.
fn names_of_columns(document: &Value) -> Result<Vec<&str>, Fault> {
    let wrong = |expected: &str| Fault::new(format!("the result is {}", begin(&document.to_string())), expected);
    let (Some(columns), Some(rows)) = (document["columns"].as_array(), document["rows"].as_array()) else {
        return Err(wrong("columns and rows"));
    };
    if rows.iter().any(|row| row.as_array().map(Vec::len) != Some(columns.len())) {
        return Err(wrong("a cell for each column in each row"));
    }
    let has_summary = document["summary"].as_array().is_some_and(|summary| !summary.is_empty());
    if !has_summary || document["title"].as_str().is_none_or(str::is_empty) {
        return Err(wrong("a title and a summary"));
    }
    Ok(columns.iter().filter_map(|column| column["name"].as_str()).collect())
}

/// Another user does not even learn that there is such a report.
async fn hidden_from_others(lab: &Lab, id: &str) -> Result<(), Fault> {
    let other = Visitor::enter(lab, "reportctl-smoke-other").await?;
    let query = other.get(&format!("/api/reports/{id}"));
    let reply = lab.ask(&query).await?;
    let seen = answered(&query, &reply);
    other.leave().await?;
    if reply.status == 404 { Ok(()) } else { Err(Fault::new(seen, "status 404: it is another user's")) }
}

/// Each report that the page offers is made of the first source that it offers for it.
pub async fn each(lab: &Lab) -> Verdict {
    let visitor = Visitor::enter(lab, USER).await?;
    let made = all(lab, &visitor).await;
    visitor.leave().await?;
    made
}

async fn all(lab: &Lab, visitor: &Visitor<'_>) -> Verdict {
    let catalog = visitor.json("/api/catalog").await?;
    let offered = catalog["reports"].as_array().cloned().unwrap_or_default();
    let mut made = Vec::new();
    for report in offered.iter().filter(|report| report["type"] != SYSTEM_CHECK) {
        let kind = report["type"].as_str().unwrap_or_default();
        let socket = visitor.socket(None, None).await.map_err(|error| Fault::new(error.to_string(), "a websocket"))?;
        let (_, asked) = visitor.request(kind, &usual(report), &lab.random(16)?).await?;
        let told = visitor.follow(Some(socket), &asked.id, lab.patience * 2).await?;
        finished_once(&told)?;
        let document = document(lab, visitor, &asked).await?;
        let rows = document["rows"].as_array().map_or(0, Vec::len);
        if rows == 0 {
            let seen = format!("{kind}: {}", begin(&document.to_string()));
            return Err(Fault::new(seen, "a table with rows").advice(lab.logs(Runner)));
        }
        made.push(format!("{kind} ({rows} rows)"));
    }
    if made.is_empty() {
        let seen = format!("the page offers {}", begin(&catalog.to_string()));
        return Err(Fault::new(seen, "reports beside the check of the system, with a source for them"));
    }
    Ok(made.join(", "))
}

/// What a form holds when nobody has touched it: the defaults, and the first choice where there is none.
fn usual(report: &Value) -> Value {
    let mut parameters = serde_json::Map::new();
    for spec in report["parameters"].as_array().into_iter().flatten() {
        let Some(name) = spec["name"].as_str() else { continue };
        let source = parameters.get("source").cloned().unwrap_or_default();
        let fits = |choice: &&Value| choice["sources"].as_array().is_none_or(|sources| sources.contains(&source));
        let first = spec["choices"].as_array().into_iter().flatten().find(fits).map(|choice| choice["value"].clone());
        let default = Some(spec["default"].clone()).filter(|value| !value.is_null());
        if let Some(value) = default.or(first.filter(|_| spec["required"] == true)) {
            parameters.insert(name.to_owned(), value);
        }
    }
    Value::Object(parameters)
}
