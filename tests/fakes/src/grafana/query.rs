//! `/api/ds/query`: it asks the Prometheus behind the data source and gives frames.

use super::api::message;
use super::provisioning::Datasource;
use crate::client;
use crate::door::{Answer, Asked};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Answers the queries of one request. One that fails makes the whole answer status 400, as the real one does.
pub(super) async fn answer(sources: &[Datasource], asked: &Asked) -> Result<Answer, Answer> {
    let body = asked.json().map_err(|_| message(400, "bad request data"))?;
    let queries = body.get("queries").and_then(Value::as_array).filter(|queries| !queries.is_empty());
    let queries = queries.ok_or_else(|| message(400, "no queries found"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|now| now.as_millis()).unwrap_or_default();
    let now = i64::try_from(now).unwrap_or_default();
    let at = |key: &str| {
        let text = match body.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        time(&text, now).ok_or_else(|| message(400, &format!("invalid time range: {key} `{text}`")))
    };
    let (from, to) = (at("from")?, at("to")?);
    let (mut results, mut status) = (Map::new(), 200);
    for query in queries {
        let name = query.get("refId").and_then(Value::as_str).unwrap_or("A").to_owned();
        let uid = query.pointer("/datasource/uid").and_then(Value::as_str).unwrap_or_default();
        let source = sources.iter().find(|source| source.uid == uid);
        let source = source.ok_or_else(|| message(404, "data source not found"))?;
        let result = if asked.faults.on("query-error") {
            json!({"error": "broken on purpose (fake)", "errorSource": "downstream", "status": 500, "frames": []})
        } else if asked.faults.on("frames-missing") {
            json!({"status": 200, "frames": []})
        } else if asked.faults.on("frames-empty") {
            json!({"status": 200, "frames": [empty_frame(&name)]})
        } else {
            match one(source, query, &name, (from, to)).await {
                Ok(frames) => json!({"status": 200, "frames": frames}),
                Err(error) => {
                    status = 400;
                    json!({"error": error, "errorSource": "downstream", "status": 400})
                }
            }
        };
        results.insert(name, result);
    }
    Ok(Answer::json(status, &json!({"results": results})))
}

/// Asks Prometheus as the data source says: the value of `data`.
///
/// Errors: no connection, another status than 200, or no success, in words.
pub(super) async fn prometheus(source: &Datasource, path: &str, fields: &[(&str, String)]) -> Result<Value, String> {
    let (url, form) = (format!("{}{path}", source.url.trim_end_matches('/')), client::form(fields));
    let mut headers = headers(source);
    let answer = if source.json_data.get("httpMethod").and_then(Value::as_str) == Some("GET") {
        client::ask("GET", &format!("{url}?{form}"), &headers, "").await
    } else {
        headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        client::ask("POST", &url, &headers, &form).await
    };
    let (status, body) = answer?;
    let parsed: Value = serde_json::from_str(&body)
        .map_err(|_| format!("status {status}: there was an error returned querying the Prometheus API"))?;
    match (status, parsed.get("status").and_then(Value::as_str), parsed.get("data")) {
        (200, Some("success"), Some(data)) => Ok(data.clone()),
        _ => Err(parsed.get("error").and_then(Value::as_str).unwrap_or("not a Prometheus").to_owned()),
    }
}

/// The headers that the data source adds (`httpHeaderName1` with `httpHeaderValue1`, and so on).
pub(super) fn headers(source: &Datasource) -> Vec<(String, String)> {
    let named = source.json_data.iter().filter_map(|(key, name)| {
        let number = key.strip_prefix("httpHeaderName")?;
        let value = source.secure_json_data.get(&format!("httpHeaderValue{number}"))?;
        Some((name.as_str()?.to_owned(), value.clone()))
    });
    named.collect()
}

/// The frames of one query.
async fn one(source: &Datasource, query: &Value, name: &str, (from, to): (i64, i64)) -> Result<Vec<Value>, String> {
    if source.kind != "prometheus" {
        return Err(format!("the fake answers queries of Prometheus only, not of {}", source.kind));
    }
    let expression = query.get("expr").and_then(Value::as_str).filter(|text| !text.is_empty());
    let expression = expression.ok_or("expression is empty")?;
    let interval = query.get("intervalMs").and_then(Value::as_i64).unwrap_or(15_000).max(1000) / 1000;
    let range = to.saturating_sub(from) / 1000;
    let text = expression
        .replace("$__rate_interval", &format!("{}s", interval * 4))
        .replace("$__interval", &format!("{interval}s"))
        .replace("$__range", &format!("{range}s"));
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let instant = query.get("instant").and_then(Value::as_bool).unwrap_or(false);
    let data = if instant {
        prometheus(source, "/api/v1/query", &[("query", text.clone()), ("time", seconds(to))]).await?
    } else {
        let step = interval.max(range / 11_000 + 1);
        let fields =
            [("query", text.clone()), ("start", seconds(from)), ("end", seconds(to)), ("step", step.to_string())];
        prometheus(source, "/api/v1/query_range", &fields).await?
    };
    let frames = frames(&data, name, &text)?;
    Ok(if frames.is_empty() { vec![empty_frame(name)] } else { frames })
}

fn empty_frame(name: &str) -> Value {
    json!({"schema": {"refId": name, "meta": {"custom": {"resultType": "vector"}}, "fields": []}, "data": {"values": []}})
}

/// The frames of Prometheus's `data`: one a series, times in milliseconds.
fn frames(data: &Value, name: &str, expression: &str) -> Result<Vec<Value>, String> {
    let kind = data.get("resultType").and_then(Value::as_str).unwrap_or_default();
    let rows = data.get("result").and_then(Value::as_array).cloned().unwrap_or_default();
    let rows = if kind == "scalar" { vec![json!({"metric": {}, "value": rows})] } else { rows };
    let mut frames = Vec::new();
    for row in rows {
        let points = match (row.get("values"), row.get("value")) {
            (Some(Value::Array(points)), _) => points.clone(),
            (_, Some(point)) => vec![point.clone()],
            _ => return Err(format!("result type {kind} is not understood")),
        };
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for point in points {
            let number = point.get(1).and_then(Value::as_str).and_then(|text| text.parse::<f64>().ok());
            let (Some(time), Some(number)) = (point.get(0).and_then(Value::as_f64), number) else {
                return Err("a point is no pair of time and value".to_owned());
            };
            // Written as text first: a float has no cast to an integer that cannot surprise.
            times.push(format!("{:.0}", time * 1000.0).parse::<i64>().unwrap_or_default());
            values.push(number);
        }
        frames.push(json!({
            "schema": {
                "refId": name,
                "meta": {
                    "type": if kind == "matrix" { "timeseries-multi" } else { "numeric-multi" },
                    "custom": {"resultType": kind}, "executedQueryString": format!("Expr: {expression}"),
                },
                "fields": [
                    {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}},
                    {"name": "Value", "type": "number", "typeInfo": {"frame": "float64"}, "labels": row.get("metric")},
                ],
            },
            "data": {"values": [times, values]},
        }));
    }
    Ok(frames)
}

/// Milliseconds since 1970 of `now`, `now-5m` or a number of milliseconds.
fn time(text: &str, now: i64) -> Option<i64> {
    let Some(rest) = text.strip_prefix("now") else { return text.parse().ok() };
    let Some(back) = rest.strip_prefix('-') else { return rest.is_empty().then_some(now) };
    let (number, unit) = back.split_at_checked(back.len().checked_sub(1)?)?;
    let factor = match unit {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(factor).map(|back| now - back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_to_now() {
        assert_eq!(time("now", 1_000_000), Some(1_000_000));
        assert_eq!(time("now-5m", 1_000_000), Some(700_000));
        assert_eq!(time("1234", 0), Some(1234));
        for wrong in ["", "now-", "now-5", "now-5y", "now+5m", "yesterday"] {
            assert_eq!(time(wrong, 0), None, "{wrong}");
        }
    }

    #[test]
    fn a_vector_becomes_one_frame_a_series() {
        let data = json!({"resultType": "vector", "result": [{"metric": {"job": "a"}, "value": [1.5, "2"]}]});
        let frames = frames(&data, "A", "up").unwrap();
        assert_eq!(frames[0].pointer("/data/values"), Some(&json!([[1500], [2.0]])));
        assert_eq!(frames[0].pointer("/schema/fields/1/labels/job"), Some(&json!("a")));
    }
}
