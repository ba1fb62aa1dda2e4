//! A person at the page of reports, as far as a check needs one.

use super::lab::{Fault, Lab, answered};
use crate::model::component::ComponentName::Requestor;
use crate::reach::{Query, Socket, SocketError, begin, link};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The name of the cookie that a session is known by.
const COOKIE: &str = "report_session";

/// Somebody who is signed in.
pub struct Visitor<'a> {
    lab: &'a Lab,
    port: u16,
    /// `NAME=VALUE` of the cookie.
    cookie: String,
}

/// Something that the page was told of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The entry's id, from which the log can be read on.
    pub entry: String,
    /// What happened, such as `report.finished`.
    pub kind: String,
    /// Which attempt it was.
    pub attempt: u64,
    /// What went wrong, where something did.
    pub error: String,
}

impl Told {
    /// Whether nothing comes after it.
    pub fn is_end(&self) -> bool {
        matches!(self.kind.as_str(), "report.finished" | "report.failed" | "report.cancelled")
    }
}

/// A report that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: String,
    /// The trace from the click on; empty when nothing is traced.
    pub trace: String,
}

impl<'a> Visitor<'a> {
    /// Has an address made for `user` and enters by it.
    ///
    /// Errors: no address, or it lets nobody in, or it lets in twice.
    pub async fn enter(lab: &'a Lab, user: &str) -> Result<Self, Fault> {
        let port = lab.port(Requestor, "http")?;
        let made = link(&lab.direct, port, lab.secret(Requestor, "admin")?, user, None).await;
        let made = made.map_err(|error| Fault::new(error.to_string(), format!("an address that lets {user} in")))?;
        // The address is a secret: no message holds it.
        let Some(at) = made.url.find("/link/") else {
            return Err(Fault::new("the address that the requestor makes has no /link/ in it", "…/link/TOKEN"));
        };
        let enter = Query::get(port, &made.url[at..]);
        let reply = lab.ask(&enter).await?;
        let cookie = reply.cookies.iter().find(|cookie| cookie.starts_with(COOKIE) && cookie.contains("HttpOnly"));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        let (Some(cookie), 303) = (cookie, reply.status) else {
            let seen = format!("entering by an address answers {}: {}", reply.status, begin(&reply.body));
            return Err(Fault::new(seen, format!("status 303 and the cookie {COOKIE}, which no script can read")));
        };
        let again = lab.ask(&enter).await?;
        if again.status != 410 {
            return Err(Fault::new(
                format!("an address that was used answers {}", again.status),
                "status 410: it is used up",
            ));
        }
        Ok(Self { lab, port, cookie })
    }

    /// A question with the session's cookie.
    pub fn get(&self, path: &str) -> Query {
        Query::get(self.port, path).header("cookie", &self.cookie)
    }

    /// Something handed in with the session's cookie.
    fn post(&self, path: &str, body: &Value) -> Query {
        let origin = format!("http://127.0.0.1:{}", self.port);
        Query::post(self.port, path, "application/json", body.to_string())
            .header("cookie", &self.cookie)
            .header("origin", &origin)
    }

    /// The JSON of an answer of status 200.
    ///
    /// Errors: another answer.
    pub async fn json(&self, path: &str) -> Result<Value, Fault> {
        self.lab.json(&self.get(path)).await
    }

    /// Asks for a report; with the same key again, it is the same report.
    ///
    /// Errors: it is not accepted.
    pub async fn request(&self, report: &str, parameters: &Value, key: &str) -> Result<(u16, Asked), Fault> {
        let body = json!({ "type": report, "parameters": parameters });
        let query = self.post("/api/reports", &body).header("idempotency-key", key);
        let reply = self.lab.ask(&query).await?;
        let answer: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let part = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let asked = Asked { id: part("id"), trace: part("trace_id") };
        if !matches!(reply.status, 200 | 202) || asked.id.is_empty() {
            return Err(Fault::new(answered(&query, &reply), format!("the report {report} is accepted")));
        }
        Ok((reply.status, asked))
    }

    /// Opens the page's websocket, from after the entry `last` on.
    ///
    /// Errors: it is refused, or nobody answers.
    pub async fn socket(&self, last: Option<&str>, origin: Option<&str>) -> Result<Socket, SocketError> {
        let own = format!("http://127.0.0.1:{}", self.port);
        let path = last.map_or_else(|| "/api/socket".to_owned(), |last| format!("/api/socket?last_id={last}"));
        Socket::open(
            &self.lab.direct,
            self.port,
            &path,
            &[("cookie", &self.cookie), ("origin", origin.unwrap_or(&own))],
        )
        .await
    }

    /// What the page is told of a report, until its end comes. When the socket ends, or cannot be opened, it is opened again
    /// from the last entry on, as the page does; the services may be away for a while.
    ///
    /// Errors: the end did not come for so long.
    pub async fn follow(&self, mut socket: Option<Socket>, id: &str, longest: Duration) -> Result<Vec<Told>, Fault> {
        let begun = Instant::now();
        let (mut told, mut last): (Vec<Told>, Option<String>) = (Vec::new(), None);
        let mut trouble = "the websocket was silent".to_owned();
        while let Some(rest) = longest.checked_sub(begun.elapsed()) {
            let Some(open) = &mut socket else {
                match self.socket(last.as_deref(), None).await {
                    Ok(open) => socket = Some(open),
                    Err(error) => {
                        trouble = error.to_string();
                        tokio::time::sleep(Duration::from_millis(200).min(rest)).await;
                    }
                }
                continue;
            };
            match open.next(rest).await {
                Ok(frame) => {
                    if let Some((of, entry)) = read(&frame) {
                        last = Some(entry.entry.clone());
                        if of == id {
                            told.push(entry);
                        }
                    }
                    if told.last().is_some_and(Told::is_end) {
                        return Ok(told);
                    }
                }
                Err(error) => {
                    trouble = error.to_string();
                    socket = None;
                }
            }
        }
        let kinds: Vec<&str> = told.iter().map(|told| told.kind.as_str()).collect();
        let so_far = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") };
        let longest = humantime::format_duration(longest);
        let seen = format!("of report {id} the page was told within {longest}: {so_far}; {trouble}");
        Err(Fault::new(seen, "report.finished over the websocket"))
    }

    /// Signs out, so that the session is not left behind.
    ///
    /// Errors: the requestor does not do it.
    pub async fn leave(self) -> Result<(), Fault> {
        let query = self.post("/api/logout", &json!({}));
        let reply = self.lab.ask(&query).await?;
        if reply.status == 204 { Ok(()) } else { Err(Fault::new(answered(&query, &reply), "status 204: signed out")) }
    }
}

/// A frame that tells of a report: of which, and what.
fn read(frame: &str) -> Option<(String, Told)> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let entry = text(&frame["id"]).filter(|id| !id.is_empty())?;
    let told = Told {
        entry,
        kind: text(&frame["type"])?,
        attempt: frame["data"]["attempt"].as_u64().unwrap_or_default(),
        error: text(&frame["data"]["error"]).unwrap_or_default(),
    };
    Some((text(&frame["data"]["id"])?, told))
}
