//! Reports.

use super::body::Body;
use super::guard::Caller;
use super::problem::Problem;
use crate::app::App;
use crate::reports::{self, Page, Report, Request};
use crate::results::{self, Delivery, Form};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use report_model::catalog::Catalog;
use report_queue::State as JobState;
use serde::Deserialize;

/// The header that makes one report of requests that are sent again.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// So many reports are listed at most.
const MOST: usize = 100;

/// Which part of the list is wanted.
#[derive(Deserialize)]
pub struct Part {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    before: Option<String>,
}

/// `GET /api/catalog`
pub async fn catalog(State(app): State<App>, _: Caller) -> Result<Json<Catalog>, Problem> {
    Ok(Json(reports::offered(&app.store).await?))
}

/// `POST /api/reports`
pub async fn create(
    State(app): State<App>,
    Caller(session): Caller,
    headers: HeaderMap,
    Body(request): Body<Request>,
) -> Result<Response, Problem> {
    // A key that cannot be read as text must not pass for none.
    let key = headers.get(KEY).map(|key| key.to_str().unwrap_or_default());
    let accepted = reports::accept(&app.queue, &app.store, &session.user, key, request).await?;
    let status = if accepted.new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let place = format!("/api/reports/{}", accepted.id);
    Ok((status, [(header::LOCATION, place)], Json(accepted)).into_response())
}

/// `GET /api/reports`
pub async fn list(
    State(app): State<App>,
    Caller(session): Caller,
    Query(part): Query<Part>,
) -> Result<Json<Page>, Problem> {
    let limit = part.limit.unwrap_or(50).clamp(1, MOST);
    Ok(Json(reports::list(&app.queue, &session.user, part.before.as_deref(), limit).await?))
}

/// `GET /api/reports/{id}`
pub async fn show(
    State(app): State<App>,
    Caller(session): Caller,
    Path(id): Path<String>,
) -> Result<Json<Report>, Problem> {
    let job = reports::find(&app.queue, &session.user, &id).await?;
    let size = if job.state == JobState::Done { results::size(&app.queue, &job).await? } else { None };
    let mut report = Report::from(job);
    report.result = report.result.map(|_| reports::ResultInfo { size });
    Ok(Json(report))
}

/// `POST /api/reports/{id}/cancel`
pub async fn cancel(
    State(app): State<App>,
    Caller(session): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    reports::cancel(&app.queue, &app.logs, &session.user, &id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `GET /api/reports/{id}/result.json`
pub async fn json(
    State(app): State<App>,
    Caller(session): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let result = results::deliver(&app.queue, app.runner.as_ref(), &session.user, &id, Form::Json).await?;
    Ok(answer(result, "application/json", None))
}

/// `GET /api/reports/{id}/result.csv`
pub async fn csv(State(app): State<App>, Caller(session): Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let result = results::deliver(&app.queue, app.runner.as_ref(), &session.user, &id, Form::Csv).await?;
    Ok(answer(result, "text/csv; charset=utf-8", Some("csv")))
}

/// `GET /api/reports/{id}/result.html`
pub async fn html(
    State(app): State<App>,
    Caller(session): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let result = results::deliver(&app.queue, app.runner.as_ref(), &session.user, &id, Form::Html).await?;
    let mut response = answer(result, "text/html; charset=utf-8", None);
    // It styles itself and does nothing else.
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(response)
}

/// A result as an answer; with an ending it is a file to be saved. Names hold only letters, digits and dashes.
fn answer(result: Delivery, kind: &'static str, ending: Option<&str>) -> Response {
    let mut response = result.body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(size) = result.size {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    let disposition = ending.map(|ending| format!("attachment; filename=\"{}.{ending}\"", result.name));
    if let Some(disposition) = disposition.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}
