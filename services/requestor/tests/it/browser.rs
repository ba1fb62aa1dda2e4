//! A browser, as far as the service can see.

use crate::service::soon;
use futures_util::{SinkExt, StreamExt};
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A browser with at most one session.
#[derive(Clone)]
pub struct Browser {
    pub base: String,
    pub token: String,
    client: Client,
}

impl Browser {
    pub fn new(base: &str) -> Self {
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { base: base.to_owned(), token: String::new(), client }
    }

    /// Opens an address as a person does, and keeps the cookie that is set.
    pub async fn open(&mut self, url: &str) -> Response {
        let answer = self.with_cookie(self.client.get(url)).send().await.unwrap();
        if let Some(set) = answer.headers().get(SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            self.token = pair.strip_prefix("report_session=").unwrap().to_owned();
        }
        answer
    }

    pub async fn get(&self, path: &str) -> Response {
        self.with_cookie(self.client.get(self.url(path))).send().await.unwrap()
    }

    /// What is answered as JSON, with its status.
    pub async fn read(&self, path: &str) -> (u16, Value) {
        let answer = self.get(path).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Response {
        self.posting(path, body, key).send().await.unwrap()
    }

    pub fn posting(&self, path: &str, body: &Value, key: Option<&str>) -> RequestBuilder {
        let request = self.with_cookie(self.client.post(self.url(path))).header(ORIGIN, &self.base).json(body);
        match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    /// Asks for a report and gives its id.
    pub async fn submit(&self) -> String {
        let body = json!({"type": "system-check", "parameters": {"seconds": 0}});
        let answer = self.post("/api/reports", &body, None).await;
        assert_eq!(answer.status(), 202);
        answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Opens a websocket, from `last_id` on.
    pub async fn socket(&self, last_id: &str) -> Socket {
        self.try_socket(last_id, Some(&self.base)).await.unwrap()
    }

    /// Opens a websocket as a page of `origin` does, or says with which status it is refused.
    pub async fn try_socket(&self, last_id: &str, origin: Option<&str>) -> Result<Socket, u16> {
        let url = format!("{}/api/socket?last_id={last_id}", self.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        if !self.token.is_empty() {
            request.headers_mut().insert("cookie", value(&format!("report_session={}", self.token)));
        }
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", value(origin));
        }
        match soon("the websocket opens", connect_async(request)).await {
            Ok((stream, _)) => Ok(Socket { stream }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    fn with_cookie(&self, request: RequestBuilder) -> RequestBuilder {
        if self.token.is_empty() { request } else { request.header(COOKIE, format!("report_session={}", self.token)) }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// A websocket, as a page has it.
pub struct Socket {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// The next event. That alerts changed is passed over: it may be said at any time.
    pub async fn next(&mut self) -> Value {
        loop {
            match soon("an event comes", self.stream.next()).await {
                Some(Ok(Message::Text(text))) if text.contains("alerts.changed") => {}
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no event but {other:?}"),
            }
        }
    }

    /// The next thing that is told, whatever it is.
    pub async fn any(&mut self) -> Value {
        loop {
            match soon("something is told", self.stream.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("nothing but {other:?}"),
            }
        }
    }

    /// The next events: their types and their reports.
    pub async fn take(&mut self, count: usize) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for _ in 0..count {
            let event = self.next().await;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            all.push((text(&event["type"]), text(&event["data"]["id"])));
        }
        all
    }

    /// Reads what comes until the socket is closed, and gives the code.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match soon("the socket is closed", self.stream.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(Message::Close(None))) | Some(Err(_)) | None => return 0,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Shows that nothing has come: what is sent next closes the socket, and nothing came before that.
    pub async fn nothing_came(mut self) {
        self.stream.send(Message::text("hello")).await.unwrap();
        loop {
            match soon("the socket is closed", self.stream.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return assert_eq!(u16::from(frame.code), 1008),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(text))) if text.contains("alerts.changed") => {}
                other => panic!("{other:?} came"),
            }
        }
    }
}
