//! What other programs tell.

use super::problem::Problem;
use crate::app::App;
use crate::hooks::{HookError, Received};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

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
