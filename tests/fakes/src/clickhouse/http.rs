//! The HTTP doors: queries, and figures for Prometheus.

use super::{Exception, PROGRAM, Server, version};
use crate::door::{Answer, Asked, Site};
use crate::fault::Faults;
use std::sync::Arc;

/// Queries.
pub(super) struct Http(pub(super) Arc<Server>);

/// Figures for Prometheus.
pub(super) struct Metrics {
    pub(super) server: Arc<Server>,
    pub(super) path: String,
}

impl Site for Http {
    const PROGRAM: &'static str = PROGRAM;

    fn faults(&self) -> &Faults {
        &self.0.faults
    }

    async fn answer(&self, asked: Asked) -> Answer {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET" | "HEAD", "/ping") if asked.faults.on("ping-other") => Answer::text(200, "pong\n"),
            ("GET" | "HEAD", "/ping" | "/replicas_status") => Answer::text(200, "Ok.\n"),
            ("GET", "/") if asked.query("query").is_none() => Answer::text(200, "Ok.\n"),
            ("GET" | "POST", "/") => self.query(&asked).unwrap_or_else(|error| refused(&error)),
            (_, path) => Answer::text(
                404,
                format!(
                    "There is no handle {path}\n\nUse / or /ping for health checks.\nOr /replicas_status for more \
                     sophisticated health checks.\n\nSend queries from your program with POST method or GET \
                     /?query=... (fake)\n"
                ),
            ),
        }
    }
}

impl Http {
    fn query(&self, asked: &Asked) -> Result<Answer, Exception> {
        let faults = &asked.faults;
        let (user, password) = credentials(asked)?;
        let database = asked.query("database").or_else(|| asked.header("x-clickhouse-database")).unwrap_or_default();
        if faults.on("user-refused") {
            return Err(Exception::new(516, "AUTHENTICATION_FAILED", format!("{user}: Authentication failed (fake)")));
        }
        let database = self.0.login(&user, &password, database, &asked.peer, faults.on("user-unchecked"))?;
        let mut query = asked.query("query").unwrap_or_default().to_owned();
        if !asked.body.is_empty() {
            query = format!("{query} {}", String::from_utf8_lossy(&asked.body));
        }
        let mut text = self.0.query(&query, &user, &database, asked.method == "GET")?;
        if faults.on("select-wrong") && text == "1\n" {
            "2\n".clone_into(&mut text);
        }
        if faults.on("version-other") && text.trim() == version() {
            "18.16.1\n".clone_into(&mut text);
        }
        if faults.on("select-empty") {
            text.clear();
        }
        Ok(Answer::text(200, text)
            .with("x-clickhouse-format", "TabSeparated")
            .with("x-clickhouse-server-display-name", "fake"))
    }
}

/// User and password: by headers, by basic authentication, or as parameters, and only one of them.
fn credentials(asked: &Asked) -> Result<(String, String), Exception> {
    let header = asked.header("x-clickhouse-user").or_else(|| asked.header("x-clickhouse-key")).is_some();
    let parameter = asked.query("user").or_else(|| asked.query("password")).is_some();
    let basic = asked.header("authorization").is_some();
    if u8::from(header) + u8::from(parameter) + u8::from(basic) > 1 {
        return Err(Exception::new(
            516,
            "AUTHENTICATION_FAILED",
            "Invalid authentication: it is not allowed to use more than one of X-ClickHouse HTTP headers, Authorization \
             HTTP header and authentication via parameters simultaneously",
        ));
    }
    let or = |user: Option<&str>, password: Option<&str>| {
        (user.unwrap_or("default").to_owned(), password.unwrap_or_default().to_owned())
    };
    if basic {
        let error = || Exception::new(516, "AUTHENTICATION_FAILED", "Invalid authentication: not basic");
        return asked.basic().ok_or_else(error);
    }
    Ok(if header {
        or(asked.header("x-clickhouse-user"), asked.header("x-clickhouse-key"))
    } else {
        or(asked.query("user"), asked.query("password"))
    })
}

fn refused(error: &Exception) -> Answer {
    let status = match error.name {
        "AUTHENTICATION_FAILED" | "ACCESS_DENIED" => 403,
        "SYNTAX_ERROR" => 400,
        "UNKNOWN_DATABASE" => 404,
        "NOT_IMPLEMENTED" => 501,
        _ => 500,
    };
    Answer::text(status, format!("{}\n", error.line())).with("x-clickhouse-exception-code", error.code.to_string())
}

impl Site for Metrics {
    const PROGRAM: &'static str = PROGRAM;

    fn faults(&self) -> &Faults {
        &self.server.faults
    }

    async fn answer(&self, asked: Asked) -> Answer {
        if asked.path != self.path {
            return Answer::text(404, "There is no handle (fake)\n");
        }
        if asked.faults.on("metrics-html") {
            return Answer::page(200, PROGRAM);
        }
        if asked.faults.on("metrics-empty") {
            return Answer::text(200, "");
        }
        let databases = self.server.databases().len();
        let version = version();
        Answer::text(
            200,
            format!(
                "# HELP ClickHouseMetrics_Query Number of executing queries (fake)\n\
                 # TYPE ClickHouseMetrics_Query gauge\nClickHouseMetrics_Query 0\n\
                 # TYPE ClickHouseAsyncMetrics_NumberOfDatabases gauge\n\
                 ClickHouseAsyncMetrics_NumberOfDatabases {databases}\n\
                 # TYPE ClickHouse_Info gauge\nClickHouse_Info{{version=\"{version}\"}} 1\n"
            ),
        )
    }
}
