//! Listens for notifications of Alertmanager, as a receiver of its webhooks does.
//!
//! It answers as much of HTTP/1.1 as Alertmanager's client needs, on the loopback address only, and takes nothing from
//! whoever does not show the token.

use crate::model::secret::SecretValue;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of a request's head.
const HEAD: usize = 16 << 10;
/// The most bytes of a request's body.
const BODY: usize = 1 << 20;
/// The most requests at the same time.
const CALLERS: usize = 16;
/// The most notices that nobody has read yet; later ones are refused, and Alertmanager sends them again.
const WAITING: usize = 64;

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A notification.
    Notified(Notification),
    /// Something that was refused, and why.
    Refused(String),
}

/// A notification of Alertmanager, version 4. What we do not read is not looked at, and what is missing is empty, so that
/// a later release may add and leave out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Notification {
    version: String,
    /// The receiver's name in Alertmanager's configuration.
    #[serde(default)]
    pub receiver: String,
    /// Its alerts.
    #[serde(default)]
    pub alerts: Vec<Alert>,
}

/// One alert of a notification.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Alert {
    /// `firing` or `resolved`.
    #[serde(default)]
    pub status: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A listener for notifications; it ends when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    notices: mpsc::Receiver<Notice>,
    listening: JoinHandle<()>,
}

impl Receiver {
    /// Listens on that port of the loopback address for whoever shows `token`.
    ///
    /// Errors: somebody else listens there.
    pub async fn listen(port: u16, token: &SecretValue) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let (sender, notices) = mpsc::channel(WAITING);
        let token = token.clone();
        let listening = tokio::spawn(async move {
            let turns = Arc::new(Semaphore::new(CALLERS));
            while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let (sender, token) = (sender.clone(), token.clone());
                        tokio::spawn(async move {
                            // Whoever is too slow, or goes away, has said nothing.
                            let _ = tokio::time::timeout(PATIENCE, serve(stream, &token, &sender)).await;
                            drop(turn);
                        });
                    }
                    // No file handle is left for the moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        Ok(Self { notices, listening })
    }

    /// The next notice.
    pub async fn next(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Why a request is refused: the status, and the words for the check.
type Refusal = (&'static str, String);

async fn serve(mut stream: TcpStream, token: &SecretValue, notices: &mpsc::Sender<Notice>) -> io::Result<()> {
    let status = match read(&mut stream, token).await? {
        Ok(notification) => match notices.try_send(Notice::Notified(notification)) {
            Ok(()) => "200 OK",
            Err(_) => "503 Service Unavailable",
        },
        Err((status, why)) => {
            // Only words for a failure: it does not matter when nobody has room for them.
            let _ = notices.try_send(Notice::Refused(why));
            status
        }
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    stream.shutdown().await
}

/// Reads one request and judges it.
async fn read(stream: &mut TcpStream, token: &SecretValue) -> io::Result<Result<Notification, Refusal>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD {
            return Ok(Err(("431 Request Header Fields Too Large", "a request with too long a head".to_owned())));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = Head::parse(&String::from_utf8_lossy(&bytes[..end]));
    let length = match head.judge(token) {
        Ok(length) => length,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(notification(&body[..length]))
}

/// The head of a request.
struct Head {
    line: String,
    headers: BTreeMap<String, String>,
}

impl Head {
    fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Self { line, headers }
    }

    /// The length of the body, if the request may be read.
    fn judge(&self, token: &SecretValue) -> Result<usize, Refusal> {
        if !self.line.starts_with("POST ") {
            return Err(("405 Method Not Allowed", format!("`{}` instead of a POST", self.line)));
        }
        match self.headers.get("authorization") {
            None => return Err(("401 Unauthorized", "a notification without a token".to_owned())),
            Some(shown) if *shown != format!("Bearer {}", token.expose()) => {
                return Err(("401 Unauthorized", "a notification with a wrong token".to_owned()));
            }
            Some(_) => {}
        }
        match self.headers.get("content-length").map(|length| length.parse::<usize>()) {
            Some(Ok(length)) if length <= BODY => Ok(length),
            Some(Ok(_)) => Err(("413 Content Too Large", "a notification of more than 1 MiB".to_owned())),
            Some(Err(_)) | None => Err(("411 Length Required", "a notification without a length".to_owned())),
        }
    }
}

/// The notification in a body. Another version than 4 is refused: nobody knows what it means.
fn notification(body: &[u8]) -> Result<Notification, Refusal> {
    match serde_json::from_slice::<Notification>(body) {
        Ok(notification) if notification.version == "4" => Ok(notification),
        Ok(notification) => {
            Err(("400 Bad Request", format!("a notification of version `{}`, not 4", notification.version)))
        }
        Err(error) => Err(("400 Bad Request", format!("a notification that cannot be read: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    /// What Alertmanager 0.34 sends, with keys that 0.25 does not send.
    const NOW: &str = r#"{"version":"4","groupKey":"{}/{alertname=\"ReportctlSmoke\"}:{run=\"a\"}","truncatedAlerts":0,
        "status":"firing","receiver":"smoke","groupLabels":{"run":"a"},"commonLabels":{},"commonAnnotations":{},
        "routeLabels":{},"externalURL":"http://127.0.0.1:9093","notification_reason":"new",
        "alerts":[{"status":"firing","labels":{"run":"a"},"annotations":{},"startsAt":"2026-01-01T00:00:00Z",
        "endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"0123456789abcdef"}]}"#;

    async fn say(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn post(authorization: &str, body: &str) -> String {
        format!("POST /alerts HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn a_notification_with_the_token_is_taken_and_others_are_refused() {
        let (port, token) = (free_port(), SecretValue::parse("right-token").unwrap());
        let mut receiver = Receiver::listen(port, &token).await.unwrap();
        let right = "authorization: Bearer right-token\r\n";
        assert!(say(port, &post(right, NOW)).await.starts_with("HTTP/1.1 200 "));
        let taken = match receiver.next().await.unwrap() {
            Notice::Notified(taken) => taken,
            Notice::Refused(why) => unreachable!("{why}"),
        };
        assert_eq!((taken.receiver.as_str(), taken.alerts[0].status.as_str()), ("smoke", "firing"));
        assert_eq!(taken.alerts[0].labels["run"], "a");
        let cases = [
            (post("", NOW), "401", "a notification without a token"),
            (post("Authorization: Bearer wrong-token\r\n", NOW), "401", "a notification with a wrong token"),
            (post("Authorization: right-token\r\n", NOW), "401", "a notification with a wrong token"),
            (post(right, &NOW.replace("\"4\"", "\"5\"")), "400", "a notification of version `5`, not 4"),
            (post(right, "hello"), "400", "a notification that cannot be read: expected value at line 1 column 1"),
            (format!("GET /alerts HTTP/1.1\r\n{right}\r\n"), "405", "`GET /alerts HTTP/1.1` instead of a POST"),
            (format!("POST / HTTP/1.1\r\n{right}\r\n"), "411", "a notification without a length"),
            (
                format!("POST / HTTP/1.1\r\n{right}Content-Length: 9999999\r\n\r\n"),
                "413",
                "a notification of more than 1 MiB",
            ),
        ];
        for (request, status, why) in cases {
            let answer = say(port, &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert_eq!(receiver.next().await, Some(Notice::Refused(why.to_owned())));
        }
    }

    #[tokio::test]
    async fn a_dropped_receiver_gives_its_port_back() {
        let (port, token) = (free_port(), SecretValue::parse("right-token").unwrap());
        drop(Receiver::listen(port, &token).await.unwrap());
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while Receiver::listen(port, &token).await.is_err() {
            assert!(std::time::Instant::now() < until, "the port is still taken");
            tokio::task::yield_now().await;
        }
    }
}
