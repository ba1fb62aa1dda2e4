//! The service from its beginning to its end.

use crate::app::App;
use crate::http;
use crate::listener::Door;
use axum::Router;
use report_queue::Workers;
use report_telemetry::{HttpMetrics, Metrics, Readiness};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// So many notices are sent at once.
const NOTICES: usize = 4;

/// So many connections are taken beside those of open pages.
const OTHERS: usize = 1024;

/// How long requests that are under way may take when the service ends.
const DRAIN: Duration = Duration::from_secs(10);

/// How long open pages may take to be sent away when the service ends.
const GOODBYES: Duration = Duration::from_secs(5);

/// How often it is looked whether Redis answers.
const LOOK: Duration = Duration::from_secs(5);

/// The service, which listens already.
pub struct Server {
    app: App,
    door: Door,
    router: Router,
    readiness: Readiness,
}

impl Server {
    /// Opens the door at which `app` listens.
    ///
    /// Errors: its address is taken, or not to be had.
    pub fn open(app: App, metrics: Metrics) -> io::Result<Self> {
        raise_limit();
        let door = Door::open(app.settings.listen, app.settings.sockets.1.saturating_add(OTHERS))?;
        let readiness = readiness(&app);
        let http_metrics = HttpMetrics::register(&metrics);
        let router = http::router(&app).merge(report_telemetry::routes(metrics, readiness.clone()));
        Ok(Self { router: report_telemetry::observe(router, http_metrics), app, door, readiness })
    }

    /// Where it listens.
    ///
    /// Errors: the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        axum::serve::Listener::local_addr(&self.door)
    }

    /// Serves until `stop` is cancelled, and then until everything is in order: requests under way are answered, pages are
    /// told to come back, notices under way are sent or given back. At most 30 s.
    ///
    /// Errors: the door broke, or there is no thread for sending notices.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let Self { app, door, router, readiness } = self;
        let telling = Workers::start(&app.notices, Arc::new(app.notifications.clone()), NOTICES, Arc::new(()))
            .map_err(io::Error::other)?;
        let behind = [tokio::spawn(listen(app.clone())), tokio::spawn(look(app.clone()))];
        let serving = axum::serve(door, router).with_graceful_shutdown(app.ends.clone().cancelled_owned());
        let mut serving = tokio::spawn(serving.into_future());
        let ended = tokio::select! {
            () = stop.cancelled() => Ok(()),
            why = telling.stuck() => Err(io::Error::other(format!("sending notices is stuck: {why}"))),
            broke = &mut serving => return broke.unwrap_or_else(|error| Err(io::Error::other(error))),
        };
        readiness.drain();
        app.ends.cancel();
        let telling = tokio::spawn(telling.drain(DRAIN));
        if tokio::time::timeout(DRAIN, serving).await.is_err() {
            tracing::warn!("some requests were not answered in time");
        }
        if tokio::time::timeout(GOODBYES, app.fanout.empty()).await.is_err() {
            tracing::warn!(pages = app.fanout.places(), "some pages were not sent away in time");
        }
        if let Err(error) = telling.await {
            tracing::error!(%error, "sending notices did not end in order");
        }
        behind.iter().for_each(JoinHandle::abort);
        ended
    }
}

/// Keeps listening to Redis for those who have a page open.
async fn listen(app: App) {
    app.fanout.listen(&app.store, &app.ends).await;
}

/// What must hold before browsers are sent here.
fn readiness(app: &App) -> Readiness {
    let (asked, listens) = (app.clone(), app.clone());
    Readiness::new()
        .with("redis", move || {
            let app = asked.clone();
            async move { if app.store.answers().await { Ok(()) } else { Err("does not answer".to_owned()) } }
        })
        .with("wake-ups", move || {
            let listens = listens.fanout.listens();
            async move { if listens { Ok(()) } else { Err("the connection that listens to Redis is away".to_owned()) } }
        })
}

/// Looks now and then whether Redis answers, for the figure.
async fn look(app: App) {
    loop {
        app.figures.redis.set(app.store.answers().await);
        tokio::time::sleep(LOOK).await;
    }
}

/// Lets the process have as many files as it may: each open page is one.
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
