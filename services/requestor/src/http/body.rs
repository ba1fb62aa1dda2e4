//! Bodies: JSON in, and errors of the frame as problems out.

use super::problem::Problem;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

/// A body of JSON.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                let detail = "Send JSON, with the header `Content-Type: application/json`.";
                Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
            }
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// Makes problems of the errors that come from the frame around the doors, such as a body that is too large.
pub async fn problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let ours = !status.is_client_error() && !status.is_server_error()
        || response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain"));
    let detail = match status {
        _ if ours => return response,
        StatusCode::PAYLOAD_TOO_LARGE => "What was sent is too large for this address.",
        StatusCode::SERVICE_UNAVAILABLE => "This took too long and was given up. Try again.",
        StatusCode::BAD_REQUEST => "Something in the address or the headers cannot be read.",
        _ => "This cannot be done.",
    };
    Problem::new(status, detail).into_response()
}
