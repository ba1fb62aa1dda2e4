//! One-time addresses that let a person in at the requestor.

use super::direct::{Direct, ReachError};
use super::query::{Query, begin};
use crate::model::secret::SecretValue;
use serde::Deserialize;

/// Where a person enters, once.
#[derive(Clone, Deserialize)]
pub struct Link {
    /// The address. Whoever has it may enter: it is shown to the one person who asked for it, and kept nowhere.
    pub url: String,
    /// When it can be used no longer, in RFC 3339.
    pub expires_at: String,
}

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The requestor was not reached.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// The name of the user, or the mail address, is none.
    #[error("{0}")]
    Refused(String),
    /// It answered something else than an address.
    #[error("the requestor answers {status} instead of an address: {body}")]
    Other {
        /// The status.
        status: u16,
        /// The begin of what it said.
        body: String,
    },
}

/// Has the requestor behind `port` make an address for `user`, whose mail address is remembered where one is given.
///
/// Errors: the requestor is away, or refuses the token, the name or the mail address.
pub async fn link(
    direct: &Direct,
    port: u16,
    admin: &SecretValue,
    user: &str,
    mail: Option<&str>,
) -> Result<Link, LinkError> {
    let mut body = serde_json::json!({ "user": user });
    if let Some(mail) = mail {
        body["mail"] = mail.into();
    }
    let query = Query::post(port, "/admin/links", "application/json", body.to_string()).bearer(admin);
    let reply = direct.ask(&query).await?;
    if matches!(reply.status, 400 | 422) {
        let problem: serde_json::Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let said = problem["detail"].as_str().or(problem["title"].as_str());
        return Err(LinkError::Refused(said.map_or_else(|| begin(&reply.body), str::to_owned)));
    }
    match serde_json::from_str(&reply.body) {
        Ok(link) if reply.status == 201 => Ok(link),
        // A body that is nearly an address must not get into a message.
        Ok(_) | Err(_) if reply.status == 201 => {
            Err(LinkError::Other { status: 201, body: "it is in no form that is known".to_owned() })
        }
        _ => Err(LinkError::Other { status: reply.status, body: begin(&reply.body) }),
    }
}
