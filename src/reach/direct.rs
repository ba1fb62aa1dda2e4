//! The way to a component that listens on the loopback address, of this host or of a machine.

use super::guest::Inside;
use super::query::{Method, Query, Reply, TIMEOUT};
use super::tunnel::{Tunnel, TunnelError};
use crate::model::secret::SecretValue;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
    /// The way into the machine lets nobody through to it: mostly because nobody listens there.
    #[error("nobody answers on 127.0.0.1:{port} in the machine")]
    Closed {
        /// The port, in the machine.
        port: u16,
    },
    /// There is no way into the machine, or none to that port.
    #[error("no way to 127.0.0.1:{port} in the machine: {cause}")]
    NoWay {
        /// The port, in the machine.
        port: u16,
        /// The cause.
        cause: String,
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

/// The way to what listens on the loopback address. No proxy is used, whatever the environment says, and no redirect
/// is followed, since it could lead elsewhere.
///
/// Ports are those of the place where the components are: only here they become those of a tunnel's near end.
#[derive(Clone)]
pub struct Direct {
    http: reqwest::Client,
    machine: Option<(Arc<Tunnel>, Inside)>,
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
        Ok(Self { http, machine: None })
    }

    /// The way to what listens in a machine: through its tunnel, and for commands the way inside.
    #[must_use]
    pub fn through(self, tunnel: Arc<Tunnel>, inside: &Inside) -> Self {
        Self { machine: Some((tunnel, inside.clone())), ..self }
    }

    /// The way into the machine; none where the components are on this host.
    pub fn inside(&self) -> Option<&Inside> {
        self.machine.as_ref().map(|(_, inside)| inside)
    }

    /// The port of this host that leads to `port` of where the components are.
    ///
    /// Errors: no way leads there.
    pub fn local(&self, port: u16) -> Result<u16, ReachError> {
        let Some((tunnel, _)) = &self.machine else { return Ok(port) };
        if let Some(cause) = tunnel.trouble() {
            return Err(ReachError::NoWay { port, cause: format!("the tunnel broke: {cause}") });
        }
        let none = || ReachError::NoWay { port, cause: "the tunnel was not opened for it".to_owned() };
        tunnel.local(port).ok_or_else(none)
    }

    /// Makes a port of this host be found at the same port of where the components are. None where that is this host. It is so for
    /// as long as what is returned is held.
    ///
    /// Errors: somebody listens on the port there, or no tunnel can be opened.
    pub async fn back(&self, port: u16) -> Result<Option<Tunnel>, TunnelError> {
        match &self.machine {
            Some((tunnel, _)) => tunnel.back(port).await.map(Some),
            None => Ok(None),
        }
    }

    /// What it means that a connection to `port` was closed before anybody said anything, if it was: a tunnel takes everybody in.
    pub(super) fn closed(&self, port: u16, cause: &str) -> Option<ReachError> {
        const CLOSED: [&str; 6] = [
            "before message completed",
            "reset by peer",
            "Broken pipe",
            "end of file",
            "Handshake not finished",
            "without closing handshake",
        ];
        let machine = self.machine.as_ref()?;
        let cause_fits = CLOSED.iter().any(|text| cause.contains(text));
        match machine.0.trouble() {
            Some(trouble) => Some(ReachError::NoWay { port, cause: format!("the tunnel broke: {trouble}") }),
            None if cause_fits => Some(ReachError::Closed { port }),
            None => None,
        }
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
            let cause = causes(&error);
            let closed = self.closed(query.port, &cause);
            closed.unwrap_or_else(|| ReachError::Broken { what: query.to_string(), cause })
        };
        let local = self.local(query.port)?;
        let method = match query.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        // Who answers is asked for by the name that it knows itself by, whatever leads there.
        let mut request = self.http.request(method, format!("http://127.0.0.1:{local}{}", query.path));
        request = request.header("host", format!("127.0.0.1:{}", query.port));
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
        self.redis_session(port, format!("redis at 127.0.0.1:{port} as {user}"), login, work).await
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
        self.redis_session(port, what, RedisConnectionInfo::default(), work).await
    }

    async fn redis_session<T: Send + 'static>(
        &self,
        port: u16,
        what: String,
        login: RedisConnectionInfo,
        work: impl FnOnce(&mut redis::Connection) -> redis::RedisResult<T> + Send + 'static,
    ) -> Result<T, ReachError> {
        let broken = |error: redis::RedisError| {
            let error = redis_error(port, &what, &error);
            match &error {
                ReachError::Broken { cause, .. } => self.closed(port, cause).unwrap_or(error),
                _ => error,
            }
        };
        let address = ConnectionAddr::Tcp("127.0.0.1".to_owned(), self.local(port)?);
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
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.machine.as_ref().map(|(tunnel, _)| tunnel);
        f.debug_struct("Direct").field("machine", &machine).finish_non_exhaustive()
    }
}

/// We speak no TLS. But Cargo gives all that it builds together one reqwest, and that of the services has TLS without
/// ciphers, of which each program says which it takes (<https://github.com/rust-lang/cargo/issues/10489>): a client could not
/// be made at all. Whoever came first has chosen.
fn workaround_tls_of_others() {
    let _ = rustls::crypto::ring::default_provider().install_default();
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
