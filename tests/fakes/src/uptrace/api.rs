//! The HTTP API: spans come in, and are asked for. Whatever it does not know is answered with the page, status 200.

use super::otlp::{self, Span};
use super::seed::Seeded;
use super::{Dialect, PROGRAM};
use crate::door::{Answer, Asked, Site};
use crate::fault::{Active, Faults};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many spans are kept; older ones are forgotten.
const SPANS: usize = 10_000;

/// The server.
pub(super) struct Api {
    dialect: Dialect,
    faults: Faults,
    seeded: Seeded,
    spans: Mutex<Vec<Stored>>,
}

struct Stored {
    project: u64,
    span: Span,
    /// From when on it is found.
    from: Instant,
}

impl Api {
    /// A server without spans.
    pub(super) fn new(dialect: Dialect, faults: Faults, seeded: Seeded) -> Self {
        Self { dialect, faults, seeded, spans: Mutex::default() }
    }

    fn route(&self, asked: &Asked) -> Result<Answer, Answer> {
        let parts = asked.parts();
        let method = asked.method.as_str();
        match (method, parts.as_slice(), self.dialect) {
            ("POST", ["v1", signal @ ("traces" | "logs" | "metrics")], _) => self.ingest(asked, signal),
            ("GET", ["internal", "v1", "users", "current"], _) => Ok(self.current(asked)),
            ("GET", ["internal", "v1", "logs", project, "systems"], Dialect::V21) => {
                self.project(asked, project)?;
                range(asked, ["time_start", "time_end"], true)?;
                Ok(Answer::json(200, &json!({"systems": []})))
            }
            ("GET", ["internal", "v1", "traces", project, trace], Dialect::V21)
            | ("GET", ["internal", "v1", "tracing", project, "traces", trace, "spans"], Dialect::V20) => {
                self.trace(asked, project, trace)
            }
            ("GET", ["internal", "v1", "spans", project], Dialect::V21) => {
                let range = range(asked, ["time_start", "time_end"], true)?;
                self.search(asked, project, range)
            }
            ("GET", ["internal", "v1", "tracing", project, "spans"], Dialect::V20) => {
                let range = range(asked, ["time_gte", "time_lt"], false)?;
                self.search(asked, project, range)
            }
            ("GET", ["api", "v1", "tracing", project, "spans"], dialect) => {
                let names = if dialect == Dialect::V21 { ["time_start", "time_end"] } else { ["time_gte", "time_lt"] };
                let range = range(asked, names, false)?;
                self.search(asked, project, range)
            }
            ("GET", ["api", "tempo", project, "api", "echo"], _) => {
                self.project(asked, project)?;
                Ok(Answer::text(200, "echo"))
            }
            _ => Ok(Answer::page(200, "Uptrace")),
        }
    }

    /// Takes spans, and logs and metrics, which are only looked at.
    fn ingest(&self, asked: &Asked, signal: &str) -> Result<Answer, Answer> {
        let faults = &asked.faults;
        let project = self.write_project(asked)?;
        let kind = asked.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Err(failure(
                415,
                "unsupported_media_type",
                &format!("the fake takes application/json, not {kind:?}"),
            ));
        }
        let bad = |error: String| failure(400, "bad_request", &error);
        let request = asked.json().map_err(bad)?;
        if faults.on("ingest-html") {
            return Ok(Answer::page(200, "Uptrace"));
        }
        if signal == "traces" {
            self.store(otlp::spans(&request).map_err(bad)?, project, faults);
        } else {
            let name = if signal == "logs" { "resourceLogs" } else { "resourceMetrics" };
            if !request.get(name).is_some_and(Value::is_array) {
                return Err(bad(format!("{name} is no list")));
            }
        }
        Ok(Answer::json(200, &json!({})))
    }

    /// The project that a request writes to.
    fn write_project(&self, asked: &Asked) -> Result<u64, Answer> {
        let faults = &asked.faults;
        if faults.on("ingest-refused") {
            return Err(failure(403, "forbidden", "broken on purpose (fake)"));
        }
        let dsn = asked.header("uptrace-dsn").or_else(|| asked.query("dsn")).unwrap_or_default();
        if dsn.is_empty() {
            if faults.on("dsn-unchecked") {
                return Ok(1);
            }
            return Err(failure(401, "unauthorized", "uptrace-dsn header is empty or missing"));
        }
        if faults.on("token-unchecked") {
            return Ok(1);
        }
        let rest = dsn.strip_prefix("http://").or_else(|| dsn.strip_prefix("https://"));
        let token = rest.and_then(|rest| rest.split_once('@')).map(|(token, _)| token);
        let token =
            token.ok_or_else(|| failure(401, "unauthorized", "can't parse DSN: it is not http://TOKEN@HOST"))?;
        let project = self.seeded.project_of(token);
        project.ok_or_else(|| failure(403, "forbidden", "project with such token does not exist"))
    }

    fn store(&self, spans: Vec<Span>, project: u64, faults: &Active) {
        if faults.on("span-lost") {
            return;
        }
        let late = faults.value("span-late").and_then(|seconds| seconds.parse::<f64>().ok()).unwrap_or_default();
        let from = Instant::now() + Duration::try_from_secs_f64(late).unwrap_or_default();
        let mut stored = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        for mut span in spans {
            if faults.on("span-name") {
                "another-name".clone_into(&mut span.name);
            }
            if faults.on("span-service") {
                for attribute in span.attributes.iter_mut().filter(|attribute| attribute.0 == "service_name") {
                    attribute.2 = json!("another-service");
                }
            }
            stored.push(Stored { project, span, from });
        }
        let many = stored.len().saturating_sub(SPANS);
        stored.drain(..many);
    }

    /// The user, by the token in `Authorization` (with or without `Bearer`).
    fn user(&self, asked: &Asked) -> Option<&Value> {
        let token = asked.header("authorization")?;
        self.seeded.user_of(token.strip_prefix("Bearer ").unwrap_or(token))
    }

    /// Who asks. Without a valid token that is a guest, with status 200.
    fn current(&self, asked: &Asked) -> Answer {
        let faults = &asked.faults;
        let Some(user) = self.user(asked).filter(|_| !faults.on("guest")) else {
            return Answer::json(200, &json!({"user": {"id": 0, "name": "Guest", "email": ""}, "projects": []}));
        };
        let email = if faults.on("other-user") { json!("another@uptrace.local") } else { user["email"].clone() };
        let projects = self.seeded.projects_of(user);
        let projects = projects.iter().filter(|_| !faults.on("project-missing")).map(|project| {
            let name = if faults.on("project-other") { json!("another") } else { project["name"].clone() };
            json!({"id": project["id"], "name": name, "orgId": 1})
        });
        let projects: Vec<Value> = projects.collect();
        Answer::json(
            200,
            &json!({"user": {"id": user["id"], "name": user["name"], "email": email}, "projects": projects}),
        )
    }

    /// The number of a project that the caller may read.
    fn project(&self, asked: &Asked, project: &str) -> Result<u64, Answer> {
        let Ok(number) = project.parse::<u64>() else {
            return Err(failure(400, "bad_request", "project id is no number"));
        };
        if asked.faults.on("query-unchecked") {
            return Ok(number);
        }
        let user = self.user(asked).ok_or_else(|| failure(401, "unauthorized", "authentication is required"))?;
        if self.seeded.projects_of(user).iter().any(|project| project["id"] == json!(number)) {
            Ok(number)
        } else {
            Err(failure(403, "forbidden", "you don't have access to this project"))
        }
    }

    /// The spans that satisfy a condition, as the API shows them.
    fn found(&self, project: u64, faults: &Active, matches: impl Fn(&Span) -> bool) -> Vec<Value> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let found =
            spans.iter().filter(|stored| stored.project == project && stored.from <= now && matches(&stored.span));
        found
            .map(|stored| {
                let mut shown = stored.span.shown(project, self.dialect == Dialect::V21);
                if faults.on("span-trace") {
                    shown["traceId"] = json!("f".repeat(32));
                }
                shown
            })
            .collect()
    }

    fn trace(&self, asked: &Asked, project: &str, trace: &str) -> Result<Answer, Answer> {
        let project = self.project(asked, project)?;
        if asked.faults.on("query-html") {
            return Ok(Answer::page(200, "Uptrace"));
        }
        if trace.len() != 32 || !trace.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(failure(400, "bad_request", "trace id is not 32 hexadecimal digits"));
        }
        let mut spans = self.found(project, &asked.faults, |span| span.trace_id.eq_ignore_ascii_case(trace));
        if spans.is_empty() && asked.faults.on("span-invented") {
            let invented = Span {
                trace_id: trace.to_owned(),
                id: "1".repeat(16),
                parent_id: String::new(),
                name: "invented".to_owned(),
                kind: "internal".to_owned(),
                start: 1,
                end: 2,
                status: "ok",
                attributes: Vec::new(),
            };
            spans.push(invented.shown(project, self.dialect == Dialect::V21));
        }
        if spans.is_empty() {
            return Err(failure(404, "not_found", &format!("trace {trace} not found")));
        }
        Ok(Answer::json(200, &json!({"id": trace, "spans": spans, "logs": []})))
    }

    fn search(&self, asked: &Asked, project: &str, range: Range<u64>) -> Result<Answer, Answer> {
        let project = self.project(asked, project)?;
        if asked.faults.on("query-html") {
            return Ok(Answer::page(200, "Uptrace"));
        }
        let trace = asked.query("trace_id");
        let mut wanted = Vec::new();
        for part in asked.query("query").unwrap_or_default().split('|').map(str::trim).filter(|part| !part.is_empty()) {
            wanted.push(
                condition(part).ok_or_else(|| failure(400, "bad_request", &format!("can't parse query {part:?}")))?,
            );
        }
        let spans = self.found(project, &asked.faults, |span| {
            range.contains(&(span.start / 1_000_000))
                && trace.is_none_or(|trace| span.trace_id.eq_ignore_ascii_case(trace))
                && wanted.iter().all(|(name, value)| match name.as_str() {
                    "_name" => span.name == *value,
                    name => span.attribute(name) == Some(value.as_str()),
                })
        });
        Ok(Answer::json(200, &json!({"count": spans.len(), "spans": spans})))
    }
}

impl Site for Api {
    const PROGRAM: &'static str = PROGRAM;

    fn faults(&self) -> &Faults {
        &self.faults
    }

    async fn answer(&self, asked: Asked) -> Answer {
        self.route(&asked).unwrap_or_else(|answer| answer)
    }
}

/// `where NAME = "VALUE"`.
fn condition(text: &str) -> Option<(String, String)> {
    let (name, value) = text.strip_prefix("where ")?.split_once('=')?;
    let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some((name.trim().to_owned(), value.to_owned()))
}

/// The time range of a question, in milliseconds since 1970.
///
/// Errors: it has none, or one that is not written in milliseconds or, where that may be, as RFC 3339 says.
fn range(asked: &Asked, names: [&str; 2], only_milliseconds: bool) -> Result<Range<u64>, Answer> {
    let time = |name: &str| {
        let text = asked.query(name).unwrap_or_default();
        let number = text.parse::<u64>().ok().filter(|time| *time > 1_000_000_000_000);
        let time = if only_milliseconds { number } else { number.or_else(|| rfc3339(text)) };
        time.ok_or_else(|| failure(400, "bad_request", &format!("{name} is missing or no time: {text:?}")))
    };
    Ok(time(names[0])?..time(names[1])?)
}

/// Milliseconds since 1970 of a time in UTC such as `2026-01-31T12:00:00Z`; parts of seconds are left out.
fn rfc3339(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by: char| -> Option<Vec<u64>> {
        text.split(by).map(|part| part.split('.').next()?.parse().ok()).collect()
    };
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month @ 1..=12, day @ 1..=31], [hour @ 0..24, minute @ 0..60, second @ 0..=60]) =
        (date.as_slice(), time.as_slice())
    else {
        return None;
    };
    // Years begin in March, so that the day that some have more is the last one.
    let year = if *month < 3 { year - 1 } else { *year };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + ((month + 9) % 12 * 153 + 2) / 5 + day;
    let since = days.checked_sub(719_469)?;
    Some((((since * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

fn failure(status: u16, code: &str, text: &str) -> Answer {
    Answer::json(status, &json!({"error": {"status": status, "code": code, "message": text}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_times_are_milliseconds_since_1970() {
        assert_eq!(rfc3339("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(rfc3339("2000-02-29T12:30:45.5Z"), Some(951_827_445_000));
        assert_eq!(rfc3339("2026-11-24T00:00:00Z"), Some(1_795_478_400_000));
        for wrong in ["", "2026-11-24", "2026-11-24T00:00:00", "2026-13-24T00:00:00Z", "1969-12-31T00:00:00Z"] {
            assert_eq!(rfc3339(wrong), None, "{wrong}");
        }
    }
}
