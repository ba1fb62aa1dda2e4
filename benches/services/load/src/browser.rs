//! People, as the requestor sees them: each has a session and a websocket.

use super::Bad;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// An answer or a frame that takes longer does not come.
const BOUND: Duration = Duration::from_secs(60);

/// The requestor's door, and what opens it.
#[derive(Clone)]
pub struct Door {
    base: String,
    token: String,
    client: reqwest::Client,
}

impl Door {
    /// The door at the address `base`; the administrator's token stands in the file `admin`.
    pub fn of(base: &str, admin: &str) -> Result<Self, Bad> {
        let token = std::fs::read_to_string(admin)?.trim().to_owned();
        // A link answers with a redirection, and the cookie is in that answer.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { base: base.to_owned(), token, client })
    }

    /// Signs `user` in.
    pub async fn sign_in(&self, user: &str) -> Result<Browser, Bad> {
        let asked = self.client.post(format!("{}/admin/links", self.base)).bearer_auth(&self.token);
        let asked = asked.json(&json!({"user": user})).timeout(BOUND);
        let link: Value = asked.send().await?.error_for_status()?.json().await?;
        let url = link["url"].as_str().ok_or("the answer to /admin/links has no url")?;
        let answer = self.client.get(url).timeout(BOUND).send().await?;
        let set = answer.headers().get("set-cookie").ok_or("the link set no cookie")?.to_str()?;
        let cookie = set.split(';').next().unwrap_or_default().to_owned();
        Ok(Browser { user: user.to_owned(), base: self.base.clone(), cookie, client: self.client.clone() })
    }
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Browser {
    pub user: String,
    base: String,
    cookie: String,
    client: reqwest::Client,
}

impl Browser {
    /// Asks for a report; returns its id.
    pub async fn click(&self, report: &str, parameters: &Value, key: &str) -> Result<String, Bad> {
        let body = json!({"type": report, "parameters": parameters});
        let request = self.client.post(format!("{}/api/reports", self.base)).json(&body);
        let request =
            request.header("cookie", &self.cookie).header("origin", &self.base).header("idempotency-key", key);
        let answer = request.timeout(BOUND).send().await?;
        if !answer.status().is_success() {
            return Err(format!("{}: {}", answer.status(), answer.text().await?).into());
        }
        let answer: Value = answer.json().await?;
        Ok(answer["id"].as_str().ok_or("the answer has no id")?.to_owned())
    }

    /// Opens a websocket.
    pub async fn listen(&self) -> Result<Socket, Bad> {
        let mut request = format!("{}/api/socket", self.base.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert("cookie", self.cookie.parse()?);
        request.headers_mut().insert("origin", self.base.parse()?);
        let (stream, _) = timeout(BOUND, connect_async(request)).await??;
        Ok(Socket(stream))
    }
}

/// A websocket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// The next event; none when the socket ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return serde_json::from_str(text.as_str()).ok(),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}
