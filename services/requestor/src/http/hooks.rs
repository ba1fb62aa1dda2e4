//! What other programs tell.

use super::guard::{Caller, shows};
use super::problem::Problem;
use crate::app::App;
use crate::hooks::{HookError, Received};
use crate::notify::Alert;
use crate::trace;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;

/// `POST /hooks/reports`
pub async fn reports(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<StatusCode, Problem> {
    let received = app.receiver.receive(&headers, &body).await;
    app.figures.received(match &received {
        Ok(Received::New) => "new",
        Ok(Received::Repeated) => "repeated",
        Ok(Received::Late) => "late",
        Err(error) => error.as_str(),
    });
    if let Err(error @ (HookError::NotGenuine(_) | HookError::Body(_) | HookError::NoReport)) = &received {
        tracing::warn!(%error, "a webhook was refused");
    }
    received?;
    Ok(StatusCode::OK)
}

/// The alerts of the last day.
#[derive(Serialize)]
pub struct Alerts {
    alerts: Vec<Alert>,
}

/// `POST /hooks/alerts`
pub async fn take_alerts(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<StatusCode, Problem> {
    shows(&headers, app.settings.alerts_token.as_ref())?;
    app.notifications.take_alerts(&body, &trace::current()).await?;
    Ok(StatusCode::OK)
}

/// `GET /api/alerts`
pub async fn alerts(State(app): State<App>, _: Caller) -> Result<Json<Alerts>, Problem> {
    Ok(Json(Alerts { alerts: app.notifications.alerts().await? }))
}
