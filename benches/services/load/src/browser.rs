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

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Browser {
    pub user: String,
    base: String,
    cookie: String,
    client: reqwest::Client,
}

impl Browser {
    /// Signs `user` in, with a link that the administrator's token makes.
    pub async fn sign_in(client: &reqwest::Client, base: &str, token: &str, user: &str) -> Result<Self, Bad> {
        let asked = client.post(format!("{base}/admin/links")).bearer_auth(token).json(&json!({"user": user}));
        let link: Value = asked.timeout(BOUND).send().await?.error_for_status()?.json().await?;
        let url = link["url"].as_str().ok_or("the answer to /admin/links has no url")?;
        let path = url.splitn(4, '/').nth(3).ok_or("the url of the link has no path")?;
        let answer = client.get(format!("{base}/{path}")).timeout(BOUND).send().await?;
        let set = answer.headers().get("set-cookie").ok_or("the link set no cookie")?.to_str()?;
        let cookie = set.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { user: user.to_owned(), base: base.to_owned(), cookie, client: client.clone() })
    }

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

    /// What the service answers to a question.
    pub async fn get(&self, path: &str) -> Result<Value, Bad> {
        let request = self.client.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        Ok(request.timeout(BOUND).send().await?.error_for_status()?.json().await?)
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
