//! What all endpoints share: one client, the origins that may be spoken to, and who wants to know.

use super::attempt::Observer;
use super::client::client;
use super::endpoint::{Door, Endpoint};
use super::secret::Secrets;
use reqwest::Client;
use std::sync::Arc;
use std::time::Duration;
use url::{Origin, Url};

/// A webhook's body is smaller than this, in bytes. What is larger is told of by reference.
pub const MOST_BODY: usize = 20_000;

/// How a sender behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long it may take until a connection stands.
    pub connect_timeout: Duration,
    /// How long an attempt may take in all.
    pub timeout: Duration,
    /// How many attempts may be under way at one endpoint; at least one. Others are postponed.
    pub concurrency: usize,
    /// Certificates (PEM) of the only authorities that are trusted; none for those of the system.
    pub authorities: Option<Vec<u8>>,
}

impl Default for Options {
    /// 3 s, 15 s, 64 attempts, the system's authorities.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(15),
            concurrency: 64,
            authorities: None,
        }
    }
}

/// Sends to the origins that the configuration names, and to no others. It follows no redirects, takes no proxy from the
/// environment, and verifies certificates.
#[derive(Clone)]
pub struct Sender {
    client: Client,
    allowed: Arc<[Origin]>,
    concurrency: usize,
    observer: Arc<dyn Observer>,
}

/// Why nothing can be sent. It names origins, never whole addresses, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    /// The client cannot be made: the authorities cannot be read.
    #[error("webhooks cannot be sent: {0}")]
    Client(String),
    /// An address is none.
    #[error("the address of a webhook must be a whole one, such as http://127.0.0.1:8080/hooks/reports: {0}")]
    Address(String),
    /// An address is not of an allowed origin.
    #[error("webhooks to {0} are not allowed: its origin is not in the configuration")]
    NotAllowed(String),
}

impl Sender {
    /// A sender that may speak to the origins (scheme, host and port) of `allowed`.
    ///
    /// # Errors
    /// The authorities cannot be read.
    pub fn new(allowed: &[Url], options: &Options, observer: Arc<dyn Observer>) -> Result<Self, SenderError> {
        Ok(Self {
            client: client(options)?,
            allowed: allowed.iter().map(Url::origin).collect(),
            concurrency: options.concurrency.max(1),
            observer,
        })
    }

    /// An endpoint that gets signed webhooks with bodies smaller than [`MOST_BODY`].
    ///
    /// # Errors
    /// `url` is no address of HTTP, holds a user or password, or is not of an allowed origin.
    pub fn endpoint(&self, url: &str, secrets: Secrets) -> Result<Endpoint, SenderError> {
        Ok(Endpoint::new(self.door(url, MOST_BODY - 1)?, secrets))
    }

    /// A door that gets JSON without a signature, with bodies of at most `most` bytes: for services that know callers by
    /// a secret address.
    ///
    /// # Errors
    /// As for [`Self::endpoint`].
    pub fn door(&self, url: &str, most: usize) -> Result<Door, SenderError> {
        let url = read_url(url)?;
        let origin = url.origin();
        if !self.allowed.contains(&origin) {
            return Err(SenderError::NotAllowed(origin.ascii_serialization()));
        }
        Ok(Door::new(self.client.clone(), url, most, self.concurrency, Arc::clone(&self.observer)))
    }
}

/// An address is not shown in errors: what is wrong with it is.
fn read_url(text: &str) -> Result<Url, SenderError> {
    let url = Url::parse(text).map_err(|error| SenderError::Address(error.to_string()))?;
    let problem = match url.scheme() {
        "http" | "https" if url.username().is_empty() && url.password().is_none() => return Ok(url),
        "http" | "https" => "it must hold no user and no password",
        _ => "it must begin with http:// or https://",
    };
    Err(SenderError::Address(problem.to_owned()))
}
