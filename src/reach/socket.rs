//! A websocket to the requestor, as a page in a browser has it.

use super::direct::{Direct, ReachError};
use super::query::begin;
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long it may take to open one.
const OPENING: Duration = Duration::from_secs(5);
/// The most bytes of one message.
const LIMIT: usize = 1 << 20;

/// A websocket that is open. It ends when it is dropped.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    what: String,
}

/// Why a websocket does not open.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nobody answers, or not as the protocol demands.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// It is refused with that status.
    #[error("{what} answers {status}")]
    Refused {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
    },
}

impl Socket {
    /// Opens the one at `path` behind a port of the loopback address, with headers that a browser would send.
    ///
    /// Errors: it is refused, or nobody answers in time.
    pub async fn open(
        direct: &Direct,
        port: u16,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, SocketError> {
        let what = format!("GET ws://127.0.0.1:{port}{}", path.split('?').next().unwrap_or(path));
        let broken = |cause: String| ReachError::Broken { what: what.clone(), cause };
        let mut request =
            format!("ws://127.0.0.1:{port}{path}").into_client_request().map_err(|error| broken(error.to_string()))?;
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).map_err(|error| broken(error.to_string()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(*name, value);
        }
        let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
        let local = direct.local(port)?;
        let opening = async {
            let stream = TcpStream::connect(("127.0.0.1", local)).await.map_err(Error::Io)?;
            client_async_with_config(request, stream, Some(config)).await
        };
        match timeout(OPENING, opening).await {
            Ok(Ok((stream, _))) => Ok(Self { stream, what }),
            Ok(Err(Error::Http(response))) => Err(SocketError::Refused { what, status: response.status().as_u16() }),
            Ok(Err(Error::Io(error))) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Err(ReachError::Refused { port }.into())
            }
            Ok(Err(error)) => {
                let cause = error.to_string();
                Err(direct.closed(port, &cause).unwrap_or_else(|| broken(cause)).into())
            }
            Err(_) => Err(ReachError::Late { what, after: OPENING }.into()),
        }
    }

    /// The next message that is a text, for so long. What else comes is answered as the protocol demands.
    ///
    /// Errors: none came in time, or the other side closed it.
    pub async fn next(&mut self, longest: Duration) -> Result<String, ReachError> {
        let broken = |what: &str, cause: String| ReachError::Broken { what: what.to_owned(), cause };
        let read = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                    Some(Ok(Message::Close(frame))) => {
                        let why = frame.map_or_else(|| "no reason".to_owned(), |frame| frame.to_string());
                        return Err(broken(&self.what, format!("closed by the other side: {}", begin(&why))));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(broken(&self.what, error.to_string())),
                    None => return Err(broken(&self.what, "it ended without a word".to_owned())),
                }
            }
        };
        match timeout(longest, read).await {
            Ok(read) => read,
            Err(_) => Err(ReachError::Late { what: self.what.clone(), after: longest }),
        }
    }
}
