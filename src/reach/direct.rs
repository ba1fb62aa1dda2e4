//! The way to a component that listens on this host's loopback address.

use crate::model::secret::SecretValue;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};
use std::fmt;
use std::time::Duration;

/// The longest that a question may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const LIMIT: usize = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// Nobody listens.
    #[error("nobody listens on 127.0.0.1:{port}")]
    Refused {
        /// The port.
        port: u16,
    },
    /// It did not answer in time.
    #[error("{what} did not answer within {}", humantime::format_duration(*.after))]
    Late {
        /// What was asked.
        what: String,
        /// How long we waited.
        after: Duration,
    },
    /// The answer is too long.
    #[error("{what} answered more than {limit} bytes")]
    TooMuch {
        /// What was asked.
        what: String,
        /// The most bytes.
        limit: usize,
    },
    /// It answered an error, or not as its protocol demands.
    #[error("{what}: {cause}")]
    Broken {
        /// What was asked.
        what: String,
        /// The cause.
        cause: String,
    },
}

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
    method: Method,
    port: u16,
    path: String,
    headers: Vec<(String, String)>,
    user: Option<(String, SecretValue)>,
    bearer: Option<SecretValue>,
    body: Option<(String, Vec<u8>)>,
    timeout: Duration,
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

/// The way to what listens on the loopback address. No proxy is used, whatever the environment says, and no redirect
/// is followed, since it could lead elsewhere.
#[derive(Debug, Clone)]
pub struct Direct {
    http: reqwest::Client,
}

impl Direct {
    /// Makes ready to ask.
    ///
    /// Errors: the host has no means for it.
    pub fn new() -> Result<Self, ReachError> {
        workaround_tls_of_others();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(TIMEOUT)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| ReachError::Broken { what: "HTTP".to_owned(), cause: causes(&error) })?;
        Ok(Self { http })
    }

    /// Asks once over HTTP. Whatever status comes is an answer.
    ///
    /// Errors: no answer, too late, or too long.
    pub async fn ask(&self, query: &Query) -> Result<Reply, ReachError> {
        match tokio::time::timeout(query.timeout, self.ask_at_leisure(query)).await {
            Ok(reply) => reply,
            Err(_) => Err(ReachError::Late { what: query.to_string(), after: query.timeout }),
        }
    }

    async fn ask_at_leisure(&self, query: &Query) -> Result<Reply, ReachError> {
        let broken = |error: reqwest::Error| {
            if error.is_connect() && causes(&error).contains("refused") {
                return ReachError::Refused { port: query.port };
            }
            ReachError::Broken { what: query.to_string(), cause: causes(&error) }
        };
        let method = match query.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = self.http.request(method, format!("http://127.0.0.1:{}{}", query.port, query.path));
        for (name, value) in &query.headers {
            request = request.header(name, value);
        }
        if let Some((name, password)) = &query.user {
            request = request.basic_auth(name, Some(password.expose()));
        }
        if let Some(token) = &query.bearer {
            request = request.bearer_auth(token.expose());
        }
        if let Some((content_type, body)) = &query.body {
            request = request.header("content-type", content_type).body(body.clone());
        }
        let mut response = request.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let cookies = response.headers().get_all("set-cookie").iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok().map(str::to_owned)).collect();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LIMIT {
                return Err(ReachError::TooMuch { what: query.to_string(), limit: LIMIT });
            }
        }
        Ok(Reply { status, content_type, body: String::from_utf8_lossy(&bytes).into_owned(), cookies })
    }

    /// Logs in to Redis as `user` and does `work`, which must end by itself; each of its commands may take 5 s.
    ///
    /// Errors: nobody listens, the login or the work fails.
    pub async fn redis<T: Send + 'static>(
        &self,
        port: u16,
        user: &str,
        password: &SecretValue,
        work: impl FnOnce(&mut redis::Connection) -> redis::RedisResult<T> + Send + 'static,
    ) -> Result<T, ReachError> {
        let login = RedisConnectionInfo::default().set_username(user).set_password(password.expose());
        redis_session(port, format!("redis at 127.0.0.1:{port} as {user}"), login, work).await
    }

    /// Talks to Redis without logging in, to see what it refuses; `work` as for [`redis`](Self::redis).
    ///
    /// Errors: nobody listens, or the work fails.
    pub async fn redis_without_login<T: Send + 'static>(
        &self,
        port: u16,
        work: impl FnOnce(&mut redis::Connection) -> redis::RedisResult<T> + Send + 'static,
    ) -> Result<T, ReachError> {
        let what = format!("redis at 127.0.0.1:{port} without a login");
        redis_session(port, what, RedisConnectionInfo::default(), work).await
    }
}

/// We speak no TLS. But Cargo gives all that it builds together one reqwest, and that of the services has TLS without
/// ciphers, of which each program says which it takes (<https://github.com/rust-lang/cargo/issues/10489>): a client could not
/// be made at all. Whoever came first has chosen.
fn workaround_tls_of_others() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn redis_session<T: Send + 'static>(
    port: u16,
    what: String,
    login: RedisConnectionInfo,
    work: impl FnOnce(&mut redis::Connection) -> redis::RedisResult<T> + Send + 'static,
) -> Result<T, ReachError> {
    let broken = |error: redis::RedisError| redis_error(port, &what, &error);
    let address = ConnectionAddr::Tcp("127.0.0.1".to_owned(), port);
    let info: ConnectionInfo =
        address.into_connection_info().map_err(broken)?.set_redis_settings(login.set_skip_set_lib_name());
    let client = redis::Client::open(info).map_err(broken)?;
    let session = move || {
        let mut connection = client.get_connection_with_timeout(TIMEOUT)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.set_write_timeout(Some(TIMEOUT))?;
        work(&mut connection)
    };
    match tokio::task::spawn_blocking(session).await {
        Ok(done) => done.map_err(broken),
        Err(error) => Err(ReachError::Broken { what, cause: error.to_string() }),
    }
}

/// A Redis error in our words.
pub fn redis_error(port: u16, what: &str, error: &redis::RedisError) -> ReachError {
    if error.is_connection_refusal() {
        return ReachError::Refused { port };
    }
    if error.is_timeout() {
        return ReachError::Late { what: what.to_owned(), after: TIMEOUT };
    }
    ReachError::Broken { what: what.to_owned(), cause: error.to_string() }
}

/// An error with all its causes on one line: the first alone often says only that something failed.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
