//! Errors as the API tells them: `application/problem+json`, as RFC 9457 says.

use crate::fanout::Full;
use crate::hooks::HookError;
use crate::notify::AlertError;
use crate::reports::ReportError;
use crate::results::ResultError;
use crate::sessions::SessionError;
use crate::store::StoreError;
use crate::trace;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use report_queue::QueueError;
use serde::Serialize;
use std::time::Duration;

/// After so many seconds it is worth trying again when Redis is away.
const AWAY: Duration = Duration::from_secs(2);

/// Something that could not be done, as the one who asked is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    field: Option<String>,
    retry_after: Option<Duration>,
    /// What is to be shown instead, when the one who asked has shown nothing that counts.
    proof: &'static str,
}

#[derive(Serialize)]
struct Told<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    trace_id: String,
}

impl Problem {
    /// A problem with this status; `detail` says in a sentence what to do.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: sentence(&detail.into()), field: None, retry_after: None, proof: "Cookie" }
    }

    /// The same, and it is worth trying again after a while.
    pub fn later(status: StatusCode, detail: impl Into<String>, after: Duration) -> Self {
        Self { retry_after: Some(after), ..Self::new(status, detail) }
    }

    /// Something in a field of what was sent is wrong.
    pub fn of_field(field: &str, detail: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }

    /// A program has not shown the right token.
    pub fn unproven(detail: impl Into<String>) -> Self {
        Self { proof: "Bearer", ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// Redis, or the way to it, is away. Why stands in the log and not in the answer.
    fn away(error: &dyn std::error::Error) -> Self {
        tracing::warn!(%error, "a request could not be served");
        Self::later(StatusCode::SERVICE_UNAVAILABLE, "The service cannot reach its data right now. Try again.", AWAY)
    }

    /// Something is broken with us. What stands in the log and not in the answer.
    fn broken(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a request could not be served");
        let detail = "Something is broken in the service. Give the trace id to those who run it.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

/// An error's words as a sentence for people.
fn sentence(words: &str) -> String {
    let mut rest = words.chars();
    let first = rest.next().map(|first| first.to_ascii_uppercase());
    let end = if words.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    first.into_iter().chain(rest).chain(end.chars()).collect()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let told = Told {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            field: self.field.as_deref(),
            trace_id: trace::id_of(&trace::current()),
        };
        let body = serde_json::to_string(&told).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs_f64().ceil().max(1.0) as u64;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(self.proof));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(_) => Self::away(&error),
            StoreError::Refused(_) => Self::broken(&error),
        }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Away(_) => Self::away(&error),
            QueueError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            _ => Self::broken(&error),
        }
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => error.into(),
            SessionError::Token(error) => Self::broken(&error),
        }
    }
}

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        Self::later(StatusCode::TOO_MANY_REQUESTS, full.to_string(), Duration::from_secs(30))
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        let detail = error.to_string();
        match error {
            ReportError::UnknownType(_) => Self::of_field("type", detail),
            ReportError::Parameters(errors) => {
                // The field stands apart, so the sentence need not name it; the first is what a form jumps to.
                let first = errors.first();
                let detail = first.map_or(detail, |error| error.problem.clone());
                match first.map_or("", |error| error.field.as_str()) {
                    "" => Self::of_field("parameters", detail),
                    field => Self::of_field(&format!("parameters.{field}"), detail),
                }
            }
            ReportError::Key => Self::new(StatusCode::BAD_REQUEST, detail),
            ReportError::OtherContent => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            ReportError::NotFound => Self::new(StatusCode::NOT_FOUND, detail),
            ReportError::Ended => Self::new(StatusCode::CONFLICT, detail),
            ReportError::Sources(_) => Self::broken(&error),
            ReportError::Queue(error) => error.into(),
            ReportError::Store(error) => error.into(),
        }
    }
}

impl From<ResultError> for Problem {
    fn from(error: ResultError) -> Self {
        let detail = error.to_string();
        match error {
            ResultError::NotYet(_) => Self::new(StatusCode::NOT_FOUND, detail),
            ResultError::Gone => Self::new(StatusCode::GONE, detail),
            ResultError::TooLarge { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            ResultError::Runner(ref reason) => {
                tracing::warn!(%reason, "a large result cannot be fetched from the runner");
                Self::later(StatusCode::BAD_GATEWAY, detail, Duration::from_secs(10))
            }
            ResultError::Damaged(_) => Self::broken(&error),
            ResultError::Report(error) => error.into(),
            ResultError::Queue(error) => error.into(),
        }
    }
}

impl From<AlertError> for Problem {
    fn from(error: AlertError) -> Self {
        match error {
            AlertError::Payload(error) => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            AlertError::Store(error) => error.into(),
        }
    }
}

impl From<HookError> for Problem {
    fn from(error: HookError) -> Self {
        let detail = error.to_string();
        match error {
            HookError::NotGenuine(error) => match error {
                report_webhook::VerifyError::Header(_) => Self::new(StatusCode::BAD_REQUEST, detail),
                _ => Self::unproven(detail),
            },
            HookError::Body(_) => Self::new(StatusCode::BAD_REQUEST, detail),
            HookError::NoReport => Self::new(StatusCode::NOT_FOUND, detail),
            HookError::Queue(error) => error.into(),
            HookError::Store(error) => error.into(),
        }
    }
}
