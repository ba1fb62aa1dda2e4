//! A user with a page: asks, listens, and comes back after each cut, as the page does.

use crate::books::Books;
use crate::stack::Stack;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// The server pings each 25 s; a socket that says nothing for so long is dead.
const DEAF: Duration = Duration::from_secs(60);

/// A user.
#[derive(Clone)]
pub struct User {
    name: String,
    cookie: String,
    stack: Arc<Stack>,
    books: Arc<Books>,
    last: Arc<Mutex<String>>,
}

/// Signs a user in. Nothing has happened before: the page would begin with the first entry.
pub async fn sign_in(stack: Arc<Stack>, books: Arc<Books>, name: &str) -> User {
    let cookie = stack.session(name).await;
    User { name: name.to_owned(), cookie, stack, books, last: Arc::default() }
}

impl User {
    /// Asks for so many reports, one each `pause`, each again and again until it is accepted.
    pub async fn ask(self, reports: usize, pause: Duration) {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let begun = Instant::now();
        for number in 0..reports {
            sleep_until(begun + pause.mul_f64(number as f64)).await;
            // Every twentieth takes a second, so that there is always one in the middle.
            let seconds = u32::from(number % 20 == 7);
            let report = json!({"type": "system-check", "parameters": {"seconds": seconds}});
            let key = format!("{}-{number}", self.name);
            loop {
                if let Some(id) = self.post(&client, &report, &key).await {
                    self.books.accepted(&id, &self.name);
                    break;
                }
                self.books.again();
                sleep(Duration::from_millis(200)).await;
            }
        }
    }

    async fn post(&self, client: &reqwest::Client, report: &Value, key: &str) -> Option<String> {
        let ask = client.post(format!("{}/api/reports", self.stack.requestor));
        let ask = ask.header("cookie", &self.cookie).header("origin", &self.stack.requestor);
        let answer = ask.header("idempotency-key", key).json(report).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let body: Value = answer.json().await.ok()?;
        Some(body["id"].as_str()?.to_owned())
    }

    /// Listens for ever, with a new socket after each that ends.
    pub async fn listen(self) {
        loop {
            self.one_socket().await;
            sleep(Duration::from_millis(fastrand::u64(50..500))).await;
        }
    }

    async fn one_socket(&self) -> Option<()> {
        let last = self.last.lock().unwrap().clone();
        let from = if last.is_empty() { "0-0".to_owned() } else { last };
        let address = self.stack.requestor.replacen("http", "ws", 1);
        let mut request = format!("{address}/api/socket?last_id={from}").into_client_request().ok()?;
        request.headers_mut().insert("cookie", self.cookie.parse().ok()?);
        request.headers_mut().insert("origin", self.stack.requestor.parse().ok()?);
        let open = tokio_tungstenite::connect_async(request);
        let (mut socket, _) = timeout(Duration::from_secs(10), open).await.ok()?.ok()?;
        self.books.socket();
        loop {
            let message = timeout(DEAF, socket.next()).await.ok()??.ok()?;
            if let Message::Text(text) = message {
                self.note(&serde_json::from_str(&text).ok()?)?;
            }
        }
    }

    fn note(&self, frame: &Value) -> Option<()> {
        let entry = frame["id"].as_str()?;
        if entry.is_empty() {
            return Some(());
        }
        self.books.frame(&self.name, entry, frame["type"].as_str()?, frame["data"]["id"].as_str()?);
        entry.clone_into(&mut self.last.lock().unwrap());
        Some(())
    }
}
