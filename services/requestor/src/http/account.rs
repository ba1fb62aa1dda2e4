//! Links and sessions.

use super::body::Body;
use super::guard::{COOKIE, Caller, cookie, shows};
use super::problem::Problem;
use crate::app::App;
use crate::assets;
use crate::token::Token;
use crate::user::UserId;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// For whom a link is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    user: String,
    #[serde(default)]
    mail: Option<String>,
}

/// A link that was made.
#[derive(Serialize)]
pub struct Link {
    url: String,
    expires_at: Timestamp,
}

/// Who is signed in.
#[derive(Serialize)]
pub struct Me {
    user: UserId,
    expires_at: Timestamp,
}

/// `POST /admin/links`
pub async fn make_link(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Body<NewLink>, Problem>,
) -> Result<Response, Problem> {
    shows(&headers, app.settings.admin_token.as_ref())?;
    let Body(wanted) = body?;
    let user = UserId::parse(&wanted.user).map_err(|error| Problem::of_field("user", error.to_string()))?;
    if let Some(mail) = &wanted.mail
        && mail.parse::<lettre::Address>().is_err()
    {
        return Err(Problem::of_field("mail", "this is no mail address"));
    }
    let (token, expires_at) = app.sessions.make_link(&user, wanted.mail.as_deref()).await?;
    let url = format!("{}/link/{}", app.settings.public_url, token.reveal());
    Ok((StatusCode::CREATED, Json(Link { url, expires_at })).into_response())
}

/// `GET /link/{token}`
pub async fn open(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let Some(token) = Token::parse(&token) else { return Ok(assets::link_gone()) };
    match app.sessions.open(&token, cookie(&headers).as_ref()).await? {
        Some(session) => {
            let set = set_cookie(&app, session.reveal());
            Ok((StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static("/")), (header::SET_COOKIE, set)])
                .into_response())
        }
        None => Ok(assets::link_gone()),
    }
}

/// `GET /api/me`
pub async fn me(Caller(session): Caller) -> Json<Me> {
    Json(Me { user: session.user, expires_at: session.ends })
}

/// `POST /api/logout`
pub async fn logout(State(app): State<App>, Caller(session): Caller) -> Result<Response, Problem> {
    app.sessions.end(&session).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie(&app, ""))]).into_response())
}

/// Moves the session of a browser that opens the page to another token, when it is no longer fresh. A page is shown even
/// when that cannot be done.
pub async fn refresh(State(app): State<App>, request: Request, next: Next) -> Response {
    let opens = request.uri().path() == "/" && request.method() == Method::GET;
    let token = cookie(request.headers()).filter(|_| opens);
    let mut response = next.run(request).await;
    let Some(token) = token else { return response };
    let moved = match app.sessions.find(&token).await {
        Ok(Some(session)) => app.sessions.refresh(&session).await,
        Ok(None) => Ok(None),
        Err(error) => Err(error.into()),
    };
    match moved {
        Ok(Some(token)) => _ = response.headers_mut().insert(header::SET_COOKIE, set_cookie(&app, token.reveal())),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "a session could not be moved to another token"),
    }
    response
}

/// The cookie of a session; an empty one is taken away.
fn set_cookie(app: &App, token: &str) -> HeaderValue {
    let age = if token.is_empty() { 0 } else { app.sessions.lifetime().as_secs() };
    let secure = if app.settings.secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
