//! `serve`: everything is put together, runs until somebody says stop, and ends in order.

use crate::http::{Doors, router};
use crate::presence::Presence;
use crate::results::{Results, ResultsError};
use crate::scale::{Control, Crew, Scaler};
use crate::settings::Settings;
use crate::work::{Deliveries, Maker, REPORTS, Reports, Runs, Told, WEBHOOKS};
use report_model::catalog::ReportType;
use report_model::source::SourceInfo;
use report_queue::{Drained, JobId, QueueError, QueueSettings, RedisQueue, Stats, Workers};
use report_telemetry::{JobMetrics, Metrics, Readiness, RedisMetrics, Service, WebhookMetrics, WorkerMetrics};
use report_webhook::{Options, Sender, SenderError, schedule};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a look at the queue may take, before Redis is said not to answer.
const LOOK: Duration = Duration::from_secs(1);
/// How often old results are looked for.
const SWEEP: Duration = Duration::from_secs(600);
/// How long requests that are being answered may go on at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// How long what runs may go on when the workers are stuck.
const STUCK_DRAIN: Duration = Duration::from_secs(2);
/// How long callbacks that are on their way may take at the end, at least.
const LAST_CALLBACKS: Duration = Duration::from_secs(2);

/// Why the service did not start, or ended though nobody said stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot listen.
    #[error("cannot listen at {address} (--listen): {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// The folder of large results cannot be used.
    #[error("the folder of large results (--results-dir) cannot be used: {0}")]
    Results(#[from] ResultsError),
    /// A queue cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Callbacks cannot be sent.
    #[error(transparent)]
    Sender(#[from] SenderError),
    /// The workers are stuck although Redis answers.
    #[error("the workers are stuck: {0}")]
    Stuck(String),
    /// The server of the doors ended.
    #[error("the doors closed: {0}")]
    Doors(String),
}

/// Runs until SIGTERM or SIGINT. Then it takes no more jobs, lets those that run end, and hands back the rest; a second
/// signal hands them back at once.
///
/// # Errors
/// It cannot start, or it has to end so that a supervisor starts it anew.
pub async fn serve(
    settings: Settings,
    service: Service,
    maker: impl Maker,
    sources: watch::Receiver<Vec<SourceInfo>>,
) -> Result<(), ServeError> {
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let metrics = Metrics::new(service);
    let offered = sources.borrow().len();
    let parts = Parts::new(&settings, &metrics, maker, sources)?;
    let doors = open_doors(&settings, &parts, metrics).await?;
    tracing::info!(
        listen = %doors.address,
        workers_min = settings.workers.min,
        workers_max = settings.workers.max,
        sources = offered,
        version = service.version,
        "the runner is here"
    );
    let end = tokio::select! {
        () = signals.next() => Ok(()),
        problem = parts.reports.stuck() => Err(ServeError::Stuck(problem)),
        problem = parts.callbacks.stuck() => Err(ServeError::Stuck(problem)),
        problem = doors.ended() => Err(ServeError::Doors(problem)),
        never = parts.tend() => match never {},
    };
    let within = if end.is_ok() { settings.drain } else { STUCK_DRAIN };
    parts.drain(within, &mut signals).await;
    doors.close().await;
    end
}

/// What works while the service runs.
struct Parts {
    reports: Workers,
    callbacks: Workers,
    /// The queue of reports, for looks that must be quick: that Redis is away is soon told.
    looks: RedisQueue,
    control: Arc<Control>,
    presence: Presence,
    runs: Arc<Runs>,
    results: Option<Results>,
    readiness: Readiness,
    redis: Redis,
}

/// Whether Redis answered last.
struct Redis {
    up: Arc<AtomicBool>,
    metrics: RedisMetrics,
}

impl Parts {
    fn new(
        settings: &Settings,
        metrics: &Metrics,
        maker: impl Maker,
        sources: watch::Receiver<Vec<SourceInfo>>,
    ) -> Result<Self, ServeError> {
        let connection = settings.redis.connection();
        let types = ReportType::ALL.map(ReportType::as_str);
        let control = Arc::new(Control::new(Scaler::new(settings.workers), WorkerMetrics::register(metrics)));
        let runs = Arc::new(Runs::new(REPORTS, JobMetrics::register(metrics, &types), Arc::clone(&control)));
        let told = Arc::new(Told::new(WebhookMetrics::register(metrics)));
        let up = Arc::new(AtomicBool::new(false));
        let redis = Redis { up: Arc::clone(&up), metrics: RedisMetrics::register(metrics) };

        let per_user = settings.per_user;
        let queue = RedisQueue::connect(&connection, QueueSettings { per_user, ..QueueSettings::new(REPORTS) })?;
        let looks = RedisQueue::connect(&connection, QueueSettings { patience: LOOK, ..QueueSettings::new(REPORTS) })?;
        let webhooks = RedisQueue::connect(&connection, webhook_settings())?;
        let results = settings.results_dir.as_deref().map(|folder| Results::open(folder, settings.advertise.clone()));
        let results = results.transpose()?;
        let places = settings.limits.iter().map(|(report, most)| (*report, Arc::new(Semaphore::new(*most as usize))));
        let handler = Reports {
            maker,
            runs: Arc::clone(&runs),
            places: places.collect(),
            results: results.clone(),
            webhooks: webhooks.clone(),
            run_timeout: settings.run_timeout,
        };
        let deliveries = deliveries(settings, Arc::clone(&told))?;
        let workers = settings.workers.min as usize;
        Ok(Self {
            reports: Workers::start(&queue, Arc::new(handler), workers, Arc::clone(&runs) as _)?,
            callbacks: Workers::start(&webhooks, Arc::new(deliveries), settings.deliveries as usize, told)?,
            looks,
            control,
            presence: Presence::new(&connection, JobId::fresh()?.to_string(), sources)?,
            runs,
            results,
            readiness: Readiness::new().with("redis", move || {
                let up = up.load(Ordering::Relaxed);
                async move { if up { Ok(()) } else { Err("redis does not answer".to_owned()) } }
            }),
            redis,
        })
    }

    /// Looks after everything, for ever.
    async fn tend(&self) -> Infallible {
        let (control, presence, sweeping) = (self.control.run(&self.looks, self), self.presence.run(), self.sweep());
        tokio::join!(control, presence, sweeping);
        std::future::pending().await
    }

    /// Removes large results whose time is over, now and then.
    async fn sweep(&self) {
        let Some(results) = &self.results else { return };
        let mut tick = interval(SWEEP);
        loop {
            tick.tick().await;
            let results = results.clone();
            match spawn_blocking(move || results.sweep(SystemTime::now())).await {
                Ok(Ok(0)) => {}
                Ok(Ok(files)) => tracing::info!(files, "large results whose seven days are over were removed"),
                Ok(Err(error)) => tracing::warn!(%error, "old results cannot be looked for"),
                Err(error) => tracing::warn!(%error, "old results were not looked for"),
            }
        }
    }

    /// Ends in order: no new jobs, the reports that run, then the callbacks that tell of them.
    async fn drain(self, within: Duration, signals: &mut Signals) {
        self.readiness.drain();
        tracing::info!(running = self.reports.running(), within_s = within.as_secs(), "the runner ends");
        let begun = tokio::time::Instant::now();
        self.presence.leave().await;
        let reports = drain(self.reports, within, signals).await;
        let left = within.saturating_sub(begun.elapsed()).max(LAST_CALLBACKS);
        let callbacks = drain(self.callbacks, left, signals).await;
        tracing::info!(
            reports_handed_back = reports.given_back,
            callbacks_handed_back = callbacks.given_back,
            untold = reports.untold + callbacks.untold,
            "the runner has ended"
        );
    }
}

impl Crew for Parts {
    fn run_time(&self) -> Duration {
        self.runs.run_time()
    }

    fn runners(&self) -> u32 {
        self.presence.runners()
    }

    fn measured(&self, stats: Result<&Stats, &str>) {
        let up = stats.is_ok();
        if self.redis.up.swap(up, Ordering::Relaxed) != up {
            match stats {
                Ok(_) => tracing::info!("redis answers"),
                Err(problem) => tracing::warn!(problem, "redis does not answer"),
            }
        }
        self.redis.metrics.set(up);
        if let Ok(Stats { waiting, oldest, dead, .. }) = stats {
            self.runs.metrics().queue(*waiting, *oldest, *dead);
        }
    }

    fn set_workers(&self, workers: u32) {
        self.reports.set_concurrency(workers as usize);
    }
}

/// Callbacks are tried for a day; it is their age that ends them.
fn webhook_settings() -> QueueSettings {
    QueueSettings {
        max_attempts: schedule::ATTEMPTS,
        retry_first: schedule::BASE,
        retry_most: schedule::CAP,
        ..QueueSettings::new(WEBHOOKS)
    }
}

fn deliveries(settings: &Settings, told: Arc<Told>) -> Result<Deliveries, ServeError> {
    let callback = &settings.callback;
    let options = Options { concurrency: settings.deliveries as usize, ..Options::default() };
    let sender = Sender::new(std::slice::from_ref(callback), &options, told)?;
    let endpoint = sender.endpoint(callback.as_str(), settings.webhook_secrets.clone())?;
    let host = callback.host_str().unwrap_or_default();
    let server = callback.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    Ok(Deliveries::new(endpoint, server, callback.path().to_owned()))
}

/// Takes no more jobs, waits for those that run, and hands back the rest: after `within`, or at the next signal.
async fn drain(workers: Workers, within: Duration, signals: &mut Signals) -> Drained {
    workers.set_concurrency(0);
    let idle = async {
        while workers.running() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = timeout(within, idle) => {}
        () = signals.next() => tracing::info!("told again to end: what runs is handed back at once"),
    }
    workers.drain(Duration::ZERO).await
}

/// The doors while they are open.
struct Open {
    address: SocketAddr,
    closing: CancellationToken,
    server: JoinHandle<io::Result<()>>,
}

async fn open_doors(settings: &Settings, parts: &Parts, metrics: Metrics) -> Result<Open, ServeError> {
    let failed = |source| ServeError::Listen { address: settings.listen, source };
    let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let doors = Doors {
        control: Arc::clone(&parts.control),
        alerts_token: settings.alerts_token.clone(),
        results: parts.results.clone(),
        results_token: settings.results_token.clone(),
    };
    let router = router(doors, parts.readiness.clone(), metrics);
    let closing = CancellationToken::new();
    let close = closing.clone().cancelled_owned();
    let server = tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(close).await });
    Ok(Open { address, closing, server })
}

impl Open {
    /// Ends when the server does, which it does not before it is told to.
    async fn ended(&self) -> String {
        while !self.server.is_finished() {
            sleep(Duration::from_secs(1)).await;
        }
        "the server ended by itself".to_owned()
    }

    async fn close(self) {
        self.closing.cancel();
        // Who still reads a large result asks again.
        let _ = timeout(LAST_ANSWERS, self.server).await;
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
