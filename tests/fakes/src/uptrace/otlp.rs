//! Spans as OTLP/HTTP in JSON brings them.

use serde_json::{Map, Value, json};

/// A span.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) trace_id: String,
    pub(super) id: String,
    pub(super) parent_id: String,
    pub(super) name: String,
    pub(super) kind: String,
    /// Nanoseconds since 1970.
    pub(super) start: u64,
    /// Nanoseconds since 1970.
    pub(super) end: u64,
    pub(super) status: &'static str,
    /// Of the resource and of the span, names with underscores: the name, the type, the value.
    pub(super) attributes: Vec<(String, &'static str, Value)>,
}

/// The spans of a request.
///
/// Errors: it is not what OTLP says.
pub(super) fn spans(request: &Value) -> Result<Vec<Span>, String> {
    let mut found = Vec::new();
    for resource in list(request, "resourceSpans")? {
        let own = match resource.get("resource") {
            Some(resource) => attributes(resource)?,
            None => Vec::new(),
        };
        for scope in list(resource, "scopeSpans")? {
            for one in list(scope, "spans")? {
                let mut span = span(one)?;
                span.attributes.splice(0..0, own.clone());
                found.push(span);
            }
        }
    }
    Ok(found)
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    value.get(name).and_then(Value::as_array).ok_or_else(|| format!("{name} is no list"))
}

fn span(value: &Value) -> Result<Span, String> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = |name: &str, length: usize| {
        let id = text(name).to_lowercase();
        let valid =
            id.len() == length && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0');
        if valid { Ok(id) } else { Err(format!("{name} is not {length} hexadecimal digits")) }
    };
    let time = |name: &str| {
        let value = value.get(name);
        let number = value.and_then(Value::as_u64).or_else(|| value.and_then(Value::as_str)?.parse().ok());
        number.filter(|time| *time > 0).ok_or_else(|| format!("{name} is no time in nanoseconds"))
    };
    let name = text("name");
    if name.is_empty() {
        return Err("a span has no name".to_owned());
    }
    let parent_id = if text("parentSpanId").is_empty() { String::new() } else { id("parentSpanId", 16)? };
    let kind = match value.get("kind").and_then(Value::as_u64).unwrap_or_default() {
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        0 | 1 => "internal",
        other => return Err(format!("kind {other} is unknown")),
    };
    let status = match value.pointer("/status/code").and_then(Value::as_u64).unwrap_or_default() {
        1 => "ok",
        2 => "error",
        _ => "unset",
    };
    let (start, end) = (time("startTimeUnixNano")?, time("endTimeUnixNano")?);
    if end < start {
        return Err("a span ends before it starts".to_owned());
    }
    Ok(Span {
        trace_id: id("traceId", 32)?,
        id: id("spanId", 16)?,
        parent_id,
        name,
        kind: kind.to_owned(),
        start,
        end,
        status,
        attributes: attributes(value)?,
    })
}

/// The attributes of something. Uptrace writes their names with underscores.
fn attributes(value: &Value) -> Result<Vec<(String, &'static str, Value)>, String> {
    let Some(list) = value.get("attributes") else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or("attributes is no list")?;
    let one = |attribute: &Value| {
        let key = attribute.get("key")?.as_str()?.replace(['.', '-'], "_");
        let value = attribute.get("value")?.as_object()?;
        let (kind, value) = value.iter().next()?;
        match kind.as_str() {
            "stringValue" => Some((key, "str", json!(value.as_str()?))),
            "boolValue" => Some((key, "bool", json!(value.as_bool()?))),
            "doubleValue" => Some((key, "float", json!(value.as_f64()?))),
            "intValue" => {
                let number = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
                Some((key, "int", json!(number)))
            }
            "arrayValue" | "kvlistValue" | "bytesValue" => Some((key, "str", json!(value.to_string()))),
            _ => None,
        }
    };
    list.iter().map(|attribute| one(attribute).ok_or_else(|| format!("no attribute: {attribute}"))).collect()
}

impl Span {
    /// The value of a text attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _, _)| key == name).and_then(|(_, _, value)| value.as_str())
    }

    /// The span as the query API shows it; `typed`: with types in the names of attributes, as 2.1 does.
    pub(super) fn shown(&self, project: u64, typed: bool) -> Value {
        let attributes: Map<String, Value> = self
            .attributes
            .iter()
            .map(|(key, kind, value)| (if typed { format!("{key}::{kind}") } else { key.clone() }, value.clone()))
            .collect();
        let milliseconds = |nanoseconds: u64| {
            let (whole, rest) = (nanoseconds / 1_000_000, nanoseconds % 1_000_000);
            format!("{whole}.{rest:06}").parse::<f64>().unwrap_or_default()
        };
        let mut span = json!({
            "id": self.id, "traceId": self.trace_id, "projectId": project, "type": "", "system": "funcs",
            "kind": self.kind, "name": self.name, "displayName": self.name, "time": milliseconds(self.start),
            "duration": milliseconds(self.end - self.start), "statusCode": self.status, "attrs": attributes,
            "events": [], "links": [],
        });
        if !self.parent_id.is_empty() {
            span["parentId"] = json!(self.parent_id);
        }
        span
    }
}
