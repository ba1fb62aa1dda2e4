//! The HTTP side that all fakes share: questions, answers, listening, and the end on a signal.

use crate::fault::{Active, Faults};
use crate::{Refusal, log};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The longest body that is read, in bytes.
const BODY_LIMIT: usize = 8 << 20;

/// One request.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The faults that hold for it.
    pub(crate) faults: Active,
    /// The address that asks.
    pub(crate) peer: String,
}

impl Asked {
    /// The parts of the path.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.split('/').skip(1).collect()
    }

    /// A parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// User and password by basic authentication.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let encoded = self.header("authorization")?.strip_prefix("Basic ")?;
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    /// JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json; charset=utf-8", body.to_string())
    }

    /// Plain text.
    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self::of(status, "text/plain; charset=utf-8", body.into())
    }

    /// A page.
    pub(crate) fn page(status: u16, title: &str) -> Self {
        let page = format!("<!doctype html>\n<html><head><title>{title} (fake)</title></head><body></body></html>\n");
        Self::of(status, "text/html; charset=utf-8", page)
    }

    /// One more header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn of(status: u16, kind: &str, body: String) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body }
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        let mut builder = Response::builder().status(answer.status).header("x-fake", "true");
        for (name, value) in answer.headers {
            builder = builder.header(name, value);
        }
        builder.body(Body::from(answer.body)).unwrap_or_default()
    }
}

/// What answers requests.
pub(crate) trait Site: Send + Sync + 'static {
    /// The name of the program.
    const PROGRAM: &'static str;
    /// Its faults.
    fn faults(&self) -> &Faults;
    /// The answer.
    fn answer(&self, asked: Asked) -> impl Future<Output = Answer> + Send;
}

/// Listens.
///
/// Errors: it cannot, in the words of a program written in Go.
pub(crate) async fn listen(address: &str) -> Result<TcpListener, Refusal> {
    let bound = if let Some(port) = address.strip_prefix(':') {
        TcpListener::bind(format!("0.0.0.0:{port}")).await
    } else {
        TcpListener::bind(address).await
    };
    bound.map_err(|error| {
        let what = match error.kind() {
            std::io::ErrorKind::AddrInUse => "address already in use".to_owned(),
            _ => error.to_string(),
        };
        Refusal::new(format!("listen tcp {address}: bind: {what}"))
    })
}

/// Answers on a listener, for ever.
pub(crate) async fn serve<S: Site>(listener: TcpListener, site: Arc<S>) -> Result<(), Refusal> {
    let router = Router::new().fallback(handle::<S>).with_state(site);
    let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
    axum::serve(listener, service).await.map_err(|error| Refusal::new(error.to_string()))
}

/// The signals that end a program: SIGTERM and SIGINT.
pub(crate) struct Ending {
    program: &'static str,
    signals: [Signal; 2],
}

impl Ending {
    /// From now on a signal is a request and no death. Call it before saying that the program is ready.
    ///
    /// Errors: the signals cannot be watched.
    pub(crate) fn watch(program: &'static str) -> Result<Self, Refusal> {
        let on = |kind| signal(kind).map_err(|error| Refusal::new(format!("no signals: {error}")));
        Ok(Self { program, signals: [on(SignalKind::terminate())?, on(SignalKind::interrupt())?] })
    }

    /// Waits for one of them.
    pub(crate) async fn told(mut self) -> Result<(), Refusal> {
        let [term, int] = &mut self.signals;
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        log(self.program, "info", "shutting down (fake)");
        Ok(())
    }
}

async fn handle<S: Site>(State(site): State<Arc<S>>, request: Request) -> Response {
    let faults = match site.faults().now() {
        Ok(faults) => faults,
        Err(error) => {
            log(S::PROGRAM, "error", &error);
            return Answer::text(500, error).into();
        }
    };
    if faults.on("hang") {
        std::future::pending::<()>().await;
    }
    if faults.on("broken") {
        return Answer::text(500, "internal server error (fake)").into();
    }
    if faults.on("html") {
        return Answer::page(200, S::PROGRAM).into();
    }
    match asked(request, faults).await {
        Ok(asked) => site.answer(asked).await.into(),
        Err(error) => Answer::text(400, error).into(),
    }
}

async fn asked(request: Request, faults: Active) -> Result<Asked, String> {
    let (parts, body) = request.into_parts();
    let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|error| error.to_string())?;
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|error| error.to_string())?;
    let peer = parts
        .extensions
        .get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()
        .map(|info| info.0.ip().to_string())
        .unwrap_or_default();
    Ok(Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query,
        headers: parts.headers,
        body,
        faults,
        peer,
    })
}
