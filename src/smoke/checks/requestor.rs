//! The requestor: it serves its page, and lets nobody in who has no business there.

use crate::model::component::ComponentName::Requestor;
use crate::reach::{Query, Socket, SocketError, begin};
use crate::smoke::exposition::value;
use crate::smoke::lab::{Fault, Lab, Verdict, answered};
use crate::smoke::visitor::Visitor;
use std::time::UNIX_EPOCH;

/// The user whom the checks are. One name for all, so that nothing piles up.
pub const USER: &str = "reportctl-smoke";

/// It is ready, reaches Redis by its own account, and the page is there with the rules that keep strange scripts out.
pub async fn answers(lab: &Lab) -> Verdict {
    let port = lab.port(Requestor, "http")?;
    let ready = lab.json(&Query::get(port, "/readyz")).await?;
    if ready["ready"] != true {
        return Err(Fault::new(format!("/readyz says {}", begin(&ready.to_string())), "`ready` is true"));
    }
    let figures = lab.body(&Query::get(port, "/metrics")).await?;
    if value(&figures, "redis_up") != Some(1.0) {
        let seen = format!("redis_up is {:?}; the figures begin: {}", value(&figures, "redis_up"), begin(&figures));
        return Err(Fault::new(seen, "redis_up is 1: it reaches Redis"));
    }
    let query = Query::get(port, "/");
    let page = lab.ask(&query).await?;
    if page.status != 200 || !page.content_type.starts_with("text/html") || !page.body.contains("</html>") {
        return Err(Fault::new(answered(&query, &page), "the page, as HTML"));
    }
    Ok(format!(
        "ready at 127.0.0.1:{port}, Redis answers it, and its page has {} characters",
        page.body.chars().count()
    ))
}

/// Every door is closed to whoever does not show what belongs to it.
pub async fn refuses_strangers(lab: &Lab) -> Verdict {
    let (port, wrong) = (lab.port(Requestor, "http")?, lab.wrong_password()?);
    let cookie = format!("report_session={}", wrong.expose());
    let hook = |path: &str| Query::post(port, path, "application/json", "{}");
    let person = r#"{"user":"stranger"}"#;
    for (what, query) in [
        ("who I am, without a session", Query::get(port, "/api/me")),
        ("who I am, with a session that nobody has", Query::get(port, "/api/me").header("cookie", &cookie)),
        ("the reports, without a session", Query::get(port, "/api/reports")),
        (
            "an address, with a wrong token",
            Query::post(port, "/admin/links", "application/json", person).bearer(&wrong),
        ),
        ("an address, without a token", Query::post(port, "/admin/links", "application/json", person)),
        ("an alert with a wrong token", hook("/hooks/alerts").bearer(&wrong)),
        ("a result with a wrong signature", forged(lab, hook("/hooks/reports"))?),
    ] {
        let reply = lab.ask(&query).await?;
        if !matches!(reply.status, 401 | 403) {
            let seen = format!("{what}: {}", answered(&query, &reply));
            return Err(Fault::new(seen, "status 401 or 403: it is refused"));
        }
    }
    let stranger =
        Socket::open(&lab.direct, port, "/api/socket", &[("origin", &format!("http://127.0.0.1:{port}"))]).await;
    refused(stranger, "a websocket without a session")?;
    let visitor = Visitor::enter(lab, USER).await?;
    // A page of somebody else in the browser of somebody who is signed in.
    let foreign = visitor.socket(None, Some("http://elsewhere.example")).await;
    visitor.leave().await?;
    refused(foreign, "a websocket from another page")?;
    Ok("people without a session, programs without their token or signature, and other pages' websockets are refused"
        .to_owned())
}

/// The same with everything that belongs to a webhook, but signed by nobody who knows the secret.
fn forged(lab: &Lab, query: Query) -> Result<Query, Fault> {
    let now = lab.context.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(query
        .header("webhook-id", &format!("smoke-{}", lab.random(16)?))
        .header("webhook-timestamp", &now.to_string())
        .header("webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
}

fn refused(socket: Result<Socket, SocketError>, what: &str) -> Result<(), Fault> {
    match socket {
        Err(SocketError::Refused { status: 401 | 403, .. }) => Ok(()),
        Ok(_) => Err(Fault::new(format!("{what} is opened"), "status 401 or 403: it is refused")),
        Err(error) => Err(Fault::new(format!("{what}: {error}"), "status 401 or 403: it is refused")),
    }
}
