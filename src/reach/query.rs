//! Questions over HTTP, and their answers.

use crate::model::secret::SecretValue;
use std::fmt;
use std::time::Duration;

/// The longest that a question may take unless it says otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// What is done to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read it.
    Get,
    /// Hand something in.
    Post,
    /// Put something in its place.
    Put,
    /// Remove it.
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        })
    }
}

/// One question over HTTP.
#[derive(Clone)]
pub struct Query {
    pub(super) method: Method,
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) user: Option<(String, SecretValue)>,
    pub(super) bearer: Option<SecretValue>,
    pub(super) body: Option<(String, Vec<u8>)>,
    pub(super) timeout: Duration,
}

impl Query {
    /// Reads the page at `path`, from the slash on, behind a port of the loopback address.
    pub fn get(port: u16, path: impl Into<String>) -> Self {
        Self::new(Method::Get, port, path)
    }

    /// Hands `body` in at `path`.
    pub fn post(port: u16, path: impl Into<String>, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some((content_type.to_owned(), body.into())), ..Self::new(Method::Post, port, path) }
    }

    /// Does something else.
    pub fn new(method: Method, port: u16, path: impl Into<String>) -> Self {
        Self {
            method,
            port,
            path: path.into(),
            headers: Vec::new(),
            user: None,
            bearer: None,
            body: None,
            timeout: TIMEOUT,
        }
    }

    /// Adds a header, which must not hold a secret.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header that holds a secret between two texts.
    #[must_use]
    pub fn secret_header(mut self, name: &str, before: &str, secret: &SecretValue, after: &str) -> Self {
        self.headers.push((name.to_owned(), format!("{before}{}{after}", secret.expose())));
        self
    }

    /// Adds what is handed in.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some((content_type.to_owned(), body.into()));
        self
    }

    /// Logs in with a name and a password.
    #[must_use]
    pub fn user(mut self, name: &str, password: &SecretValue) -> Self {
        self.user = Some((name.to_owned(), password.clone()));
        self
    }

    /// Logs in with a bearer token.
    #[must_use]
    pub fn bearer(mut self, token: &SecretValue) -> Self {
        self.bearer = Some(token.clone());
        self
    }

    /// Sets the longest that it may take.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} http://127.0.0.1:{}{}", self.method, self.port, self.path)
    }
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The type that the answer says its body has; empty when it says none.
    pub content_type: String,
    /// The body; bytes that are no UTF-8 are replaced.
    pub body: String,
    /// The cookies that are set, each as `NAME=VALUE; …`.
    pub cookies: Vec<String>,
}

impl Reply {
    /// The body, if the status says that all is well.
    ///
    /// Errors: the status and the begin of the body.
    pub fn ok(self) -> Result<String, String> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        Err(format!("status {}: {}", self.status, begin(&self.body)))
    }

    /// The body as JSON, if the status says that all is well.
    ///
    /// Errors: the status or what is wrong with the body, and its begin.
    pub fn json(self) -> Result<serde_json::Value, String> {
        let body = self.ok()?;
        serde_json::from_str(&body).map_err(|error| format!("the body is no JSON ({error}): {}", begin(&body)))
    }
}

/// The first characters of a text, on one line: enough to show what a body is.
pub fn begin(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.is_empty() => "an empty body".to_owned(),
        None => line,
    }
}
