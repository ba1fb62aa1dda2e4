//! Who comes in: sessions by their cookie, programs by their token, and no pages of other sites.

use super::problem::Problem;
use crate::app::App;
use crate::sessions::Session;
use crate::token::Token;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use report_secret::Secret;
use std::time::Instant;

/// The cookie of a session.
pub const COOKIE: &str = "report_session";

/// Somebody who has signed in and does not ask too fast.
pub struct Caller(pub Session);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let signed_out =
            || Problem::new(StatusCode::UNAUTHORIZED, "You are not signed in: open a personal link first.");
        let token = cookie(&parts.headers).ok_or_else(signed_out)?;
        let session = app.sessions.find(&token).await?.ok_or_else(signed_out)?;
        match app.rate.take(&session.user, Instant::now()) {
            Ok(()) => Ok(Self(session)),
            Err(wait) => Err(Problem::later(StatusCode::TOO_MANY_REQUESTS, "You ask too fast. Wait a moment.", wait)),
        }
    }
}

/// The token of the session that a browser says it has.
pub fn cookie(headers: &HeaderMap) -> Option<Token> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).and_then(|(_, value)| Token::parse(value))
}

/// Whether a program shows `token`. Without one the door is closed to all.
pub fn shows(headers: &HeaderMap, token: Option<&Secret>) -> Result<(), Problem> {
    let Some(token) = token else {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "This door is closed: the service was started without its token.",
        ));
    };
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = shown.and_then(|value| value.split_once(' '));
    match bearer {
        Some((scheme, shown)) if scheme.eq_ignore_ascii_case("bearer") && token.is(shown.trim()) => Ok(()),
        _ => Err(Problem::unproven("The right token must be shown as `Authorization: Bearer …`.")),
    }
}

/// Refuses what comes from pages of other sites. A browser says whose page it is, at each write and each websocket; what
/// is no browser has no cookie to be misused.
pub async fn origin(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let allowed = origins.all(|origin| app.settings.origins.iter().any(|good| good.as_bytes() == origin.as_bytes()));
    if allowed {
        Ok(next.run(request).await)
    } else {
        let detail = "Pages of other sites must not call this service; if this one is yours, start it with --public-url \
                      or --allow-origin as the browser's address bar shows it.";
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}
