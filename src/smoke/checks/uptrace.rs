//! Uptrace: it runs with our account and project, finds a trace that was sent, and takes none of strangers.
//!
//! It answers 200 with its page to whatever it does not know, so only JSON is an answer. Its interface has two dialects;
//! which one it speaks is found out by asking.

use super::prometheus::{list, text};
use super::reports::SYSTEM_CHECK;
use super::requestor::USER;
use crate::model::component::ComponentName::Uptrace;
use crate::model::digest::sha256_hex;
use crate::model::secret::SecretValue;
use crate::reach::{Query, Reply, begin};
use crate::render::native::{UPTRACE_PROJECT, uptrace_admin_email};
use crate::smoke::lab::{Fault, Lab, Verdict, and, answered, parsed};
use crate::smoke::visitor::Visitor;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};

/// How the interface is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Of release 2.0.
    V20,
    /// From release 2.1 on.
    V21,
}

impl Dialect {
    /// Where a span says which service it is of.
    const fn service(self) -> &'static str {
        match self {
            Self::V20 => "/attrs/service_name",
            Self::V21 => "/attrs/service_name::str",
        }
    }
}

/// The account and the project that we seeded are there: it runs, with our configuration and its database.
pub async fn answers(lab: &Lab) -> Verdict {
    let port = lab.port(Uptrace, "http")?;
    let project = project(lab).await?;
    let dialect = match dialect(lab, project).await? {
        Dialect::V20 => "2.0",
        Dialect::V21 => "2.1",
    };
    let email = uptrace_admin_email(&lab.target.env.name);
    Ok(format!(
        "Uptrace at 127.0.0.1:{port} knows {email} and project `{UPTRACE_PROJECT}`; it speaks as {dialect} does"
    ))
}

/// A span that was sent is found again, whole; one that was not sent is not.
pub async fn finds_trace(lab: &Lab) -> Verdict {
    let project = project(lab).await?;
    let dialect = dialect(lab, project).await?;
    let sent = Sent::new(lab)?;
    if let Some(found) = search(lab, dialect, project, &sent.trace).await? {
        let seen = format!("a trace that nobody sent is found: {}", begin(&found.to_string()));
        return Err(Fault::new(seen, "no such trace yet"));
    }
    let query = sent.query(lab, Some(lab.secret(Uptrace, "project-token")?))?;
    let reply = lab.ask(&query).await?;
    if reply.status != 200 {
        return Err(Fault::new(answered(&query, &reply), "the span is taken"));
    }
    parsed(&query, &reply)?;
    // On a first start it may take Uptrace half a minute.
    let (begun, longest) = (Instant::now(), lab.patience * 3);
    let found = loop {
        match search(lab, dialect, project, &sent.trace).await? {
            Some(found) => break found,
            None if begun.elapsed() < longest => sleep(Duration::from_millis(250)).await,
            None => {
                let seen = format!("trace {} is not found within {}", sent.trace, humantime::format_duration(longest));
                return Err(Fault::new(seen, "the trace that was sent").advice(format!(
                    "`reportctl smoke clickhouse -e {}` shows whether its database answers; {}",
                    lab.target.env.name,
                    lab.logs(Uptrace)
                )));
            }
        }
    };
    sent.compare(dialect, &found)?;
    Ok(format!("trace {} was found {:.1} s after it was sent", sent.trace, begun.elapsed().as_secs_f64()))
}

/// Both services tell their part of a report under one trace.
pub async fn follows_report(lab: &Lab) -> Verdict {
    let project = project(lab).await?;
    let dialect = dialect(lab, project).await?;
    let visitor = Visitor::enter(lab, USER).await?;
    let (_, asked) = visitor.request(SYSTEM_CHECK, &json!({ "seconds": 0 }), &lab.random(16)?).await?;
    visitor.follow(None, &asked.id, lab.patience).await?;
    visitor.leave().await?;
    if asked.trace.is_empty() {
        return Err(Fault::new("the report has no trace", "the number that is given to support").advice(lab.up()));
    }
    // Spans are sent in batches, and Uptrace takes its time on a first start.
    let (begun, longest) = (Instant::now(), lab.patience * 3);
    let wanted = ["report-requestor", "report-runner"];
    let mut seen: Vec<String> = Vec::new();
    while begun.elapsed() < longest {
        if let Some(spans) = search(lab, dialect, project, &asked.trace).await? {
            seen = list(&spans, "")?.iter().map(|span| text(span, dialect.service()).to_owned()).collect();
            if wanted.iter().all(|service| seen.iter().any(|seen| seen == service)) {
                return Ok(format!("trace {} has {} spans of both services", asked.trace, seen.len()));
            }
        }
        sleep(Duration::from_millis(250)).await;
    }
    seen.sort();
    seen.dedup();
    let expected = format!("spans of {}", and(&wanted));
    Err(Fault::new(format!("trace {} has spans of {}", asked.trace, and(&seen)), expected))
}

/// Spans with a wrong token or none are refused, and so are questions.
pub async fn refuses_strangers(lab: &Lab) -> Verdict {
    let (sent, wrong) = (Sent::new(lab)?, lab.wrong_password()?);
    let project = project(lab).await?;
    let dialect = dialect(lab, project).await?;
    let trace = Query::get(lab.port(Uptrace, "http")?, trace_path(dialect, project, &sent.trace));
    for (what, query) in [
        ("a span with a wrong token", sent.query(lab, Some(&wrong))?),
        ("a span without a token", sent.query(lab, None)?),
        ("a question with a wrong token", trace.clone().bearer(&wrong)),
        ("a question without a token", trace),
    ] {
        let reply = lab.ask(&query).await?;
        if !matches!(reply.status, 401 | 403) {
            let seen = format!("{what}: {}", answered(&query, &reply));
            return Err(Fault::new(seen, "status 401 or 403: it is refused").advice(lab.up()));
        }
    }
    Ok("spans and questions with a wrong token or none are refused".to_owned())
}

/// The number of our project. Without a valid token Uptrace answers too: with a guest, who has no project.
async fn project(lab: &Lab) -> Result<u64, Fault> {
    let query =
        Query::get(lab.port(Uptrace, "http")?, "/internal/v1/users/current").bearer(lab.secret(Uptrace, "user-token")?);
    let answer = lab.json(&query).await?;
    let (email, ours) = (text(&answer, "/user/email"), uptrace_admin_email(&lab.target.env.name));
    if email != ours {
        let who = if email.is_empty() { "a guest".to_owned() } else { format!("`{email}`") };
        let seen = format!("to Uptrace we are {who}: {}", begin(&answer.to_string()));
        return Err(Fault::new(seen, format!("{ours}, whom `up` wrote into its configuration")).advice(lab.up()));
    }
    let projects = list(&answer, "/projects")?;
    let ours = projects.iter().find(|project| text(project, "/name") == UPTRACE_PROJECT);
    ours.and_then(|project| project.pointer("/id")?.as_u64()).ok_or_else(|| {
        let seen =
            format!("no project `{UPTRACE_PROJECT}` among {}", begin(&Value::from(projects.clone()).to_string()));
        Fault::new(seen, format!("the project `{UPTRACE_PROJECT}`")).advice(lab.up())
    })
}

/// Which dialect it speaks: release 2.0 knows no such page and answers with its own.
async fn dialect(lab: &Lab, project: u64) -> Result<Dialect, Fault> {
    let now = milliseconds(lab.context.now());
    let path =
        format!("/internal/v1/logs/{project}/systems?time_start={}&time_end={now}", now.saturating_sub(3_600_000));
    let query = Query::get(lab.port(Uptrace, "http")?, path).bearer(lab.secret(Uptrace, "user-token")?);
    let reply = lab.ask(&query).await?;
    match (is_page(&reply), reply.status) {
        (true, _) => Ok(Dialect::V20),
        (false, 200) => parsed(&query, &reply).map(|_| Dialect::V21),
        (false, _) => Err(Fault::new(answered(&query, &reply), "an answer that its database gives")),
    }
}

fn is_page(reply: &Reply) -> bool {
    reply.status == 200 && reply.content_type.starts_with("text/html")
}

fn trace_path(dialect: Dialect, project: u64, trace: &str) -> String {
    match dialect {
        Dialect::V20 => format!("/internal/v1/tracing/{project}/traces/{trace}/spans"),
        Dialect::V21 => format!("/internal/v1/traces/{project}/{trace}"),
    }
}

/// The spans of a trace; nothing while there are none.
async fn search(lab: &Lab, dialect: Dialect, project: u64, trace: &str) -> Result<Option<Value>, Fault> {
    let query = Query::get(lab.port(Uptrace, "http")?, trace_path(dialect, project, trace));
    let query = query.bearer(lab.secret(Uptrace, "user-token")?);
    let reply = lab.ask(&query).await?;
    let answer = parsed(&query, &reply)?;
    match reply.status {
        404 => Ok(None),
        200 => Ok(answer.get("spans").filter(|spans| spans.as_array().is_some_and(|spans| !spans.is_empty())).cloned()),
        _ => Err(Fault::new(answered(&query, &reply), "the spans of a trace, or that there is none")),
    }
}

/// A span that is sent.
struct Sent {
    trace: String,
    span: String,
    service: String,
    start: u128,
}

impl Sent {
    const NAME: &'static str = "reportctl smoke";

    fn new(lab: &Lab) -> Result<Self, Fault> {
        let random = sha256_hex(lab.random(32)?.as_bytes());
        let start = lab.context.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let service = format!("smoke-{}", lab.random(8)?);
        Ok(Self { trace: random[..32].to_owned(), span: random[32..48].to_owned(), service, start })
    }

    /// Hands it in, as OTLP over HTTP in JSON.
    fn query(&self, lab: &Lab, token: Option<&SecretValue>) -> Result<Query, Fault> {
        let port = lab.port(Uptrace, "http")?;
        let attribute = json!({"key": "service.name", "value": {"stringValue": self.service}});
        let span = json!({
            "traceId": self.trace, "spanId": self.span, "name": Self::NAME, "kind": 1,
            "startTimeUnixNano": self.start.to_string(), "endTimeUnixNano": (self.start + 1_000_000).to_string(),
            "attributes": [], "status": {"code": 1},
        });
        let body = json!({"resourceSpans": [{
            "resource": {"attributes": [attribute]},
            "scopeSpans": [{"scope": {"name": "reportctl"}, "spans": [span]}],
        }]});
        let query = Query::post(port, "/v1/traces", "application/json", body.to_string());
        Ok(match token {
            Some(token) => query.secret_header("uptrace-dsn", "http://", token, &format!("@127.0.0.1:{port}")),
            None => query,
        })
    }

    /// What was found must be what was sent.
    fn compare(&self, dialect: Dialect, spans: &Value) -> Result<(), Fault> {
        let service = dialect.service();
        let whole = |span: &&Value| {
            text(span, "/traceId") == self.trace
                && text(span, "/name") == Self::NAME
                && text(span, service) == self.service
        };
        match list(spans, "")?.iter().find(whole) {
            Some(_) => Ok(()),
            None => Err(Fault::new(
                format!("another span than was sent: {}", begin(&spans.to_string())),
                format!("trace {}, name `{}`, service {}", self.trace, Self::NAME, self.service),
            )),
        }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().try_into().unwrap_or(u64::MAX)
}
