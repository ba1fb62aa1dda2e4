//! Doors for supervisors and Prometheus: `/healthz`, `/readyz`, `/metrics`.

use super::metrics::Metrics;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A check that takes longer has failed.
const BOUND: Duration = Duration::from_secs(2);

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> Answer + Send + Sync>;

/// What must hold before a service is sent work. Clones are the same.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
    draining: Arc<AtomicBool>,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|(name, _)| name)).finish()
    }
}

impl Readiness {
    /// Nothing has to hold.
    pub fn new() -> Self {
        Self::default()
    }

    /// `check` has to hold too. It has 2 s; all checks run at once at every question. What it says when it does not hold
    /// is shown to everybody: no secret, no address with a password.
    #[must_use]
    pub fn with<F, A>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// The service ends: from now on it is not ready, whatever the checks say.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Asks all checks. True when all hold; and what each said, `ok` or what is wrong, by its name.
    pub async fn ask(&self) -> (bool, Map<String, Value>) {
        let mut running = JoinSet::new();
        for (index, (_, check)) in self.checks.iter().enumerate() {
            let answer = check();
            running.spawn(async move {
                (index, timeout(BOUND, answer).await.unwrap_or_else(|_| Err("no answer within 2 s".to_owned())))
            });
        }
        let mut said = vec![Err("the check itself went wrong".to_owned()); self.checks.len()];
        while let Some(end) = running.join_next().await {
            if let Ok((index, answer)) = end {
                said[index] = answer;
            }
        }
        let mut ready = said.iter().all(Result::is_ok);
        let words = said.into_iter().map(|answer| Value::from(answer.err().unwrap_or_else(|| "ok".to_owned())));
        let mut all: Map<_, _> = self.checks.iter().map(|(name, _)| (*name).to_owned()).zip(words).collect();
        if self.draining.load(Ordering::Relaxed) {
            ready = false;
            all.insert("draining".to_owned(), "the service ends: it takes no new work".into());
        }
        (ready, all)
    }
}

/// The three doors: `/healthz` says that the process answers, `/readyz` whether it can work (503 when it cannot),
/// `/metrics` its figures.
pub fn routes<S: Clone + Send + Sync + 'static>(metrics: Metrics, readiness: Readiness) -> Router<S> {
    Router::new()
        .route("/healthz", get(async || Json(json!({"alive": true}))))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(figures).with_state(metrics))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let (ready, checks) = readiness.ask().await;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(json!({"ready": ready, "checks": checks}))).into_response()
}

async fn figures(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Some(text) => ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
