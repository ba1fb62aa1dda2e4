//! Those who do the jobs of a queue.

use super::error::QueueError;
use super::fetch::fetch;
use super::finish::finish;
use super::heartbeat::Heartbeat;
use super::id::JobId;
use super::observer::Observer;
use super::progress::Progress;
use super::queue::Handler;
use super::redis_queue::RedisQueue;
use super::run::{Finished, given_back};
use super::slots::Slots;
use super::watchdog;
use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long runs that were told to stop may take to do so.
const STOP: Duration = Duration::from_secs(2);

/// The workers of one process. When it is dropped without [`Workers::drain`], no more jobs are taken, and those that run
/// are told to stop.
pub struct Workers {
    crew: Arc<Crew>,
    stop: CancellationToken,
    fetching: JoinHandle<()>,
    /// The threads end when this is gone.
    threads: Vec<Sender<()>>,
    stuck: watch::Receiver<Option<String>>,
}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Runs that did not end in time and were given back: others run these jobs at once.
    pub given_back: usize,
    /// Runs whose end the server has not heard of, since it was away. Their leases run out.
    pub untold: usize,
}

/// What all parts of the workers share.
pub struct Crew {
    pub(crate) queue: RedisQueue,
    /// A name of this run's own: a process that is started again is somebody else.
    pub(crate) name: String,
    pub(crate) slots: Slots,
    pub(crate) progress: Progress,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) ends: mpsc::UnboundedSender<Finished>,
    /// Nobody wants these workers any more.
    gone: CancellationToken,
    /// Runs that were given back.
    pub(crate) released: AtomicUsize,
    /// Which connections are broken, so that each change is told once.
    broken: Mutex<HashSet<&'static str>>,
}

impl Crew {
    /// Whether nobody wants these workers any more.
    pub(crate) fn unwanted(&self) -> bool {
        self.gone.is_cancelled()
    }

    /// Waits until nobody wants these workers and nothing is held.
    pub(crate) async fn over(&self) {
        self.gone.cancelled().await;
        self.slots.empty().await;
    }

    /// Tells whether the connection for `what` works, if that is news.
    pub(crate) fn connected(&self, what: &'static str, problem: Option<&str>) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let news = if problem.is_some() { broken.insert(what) } else { broken.remove(what) };
        drop(broken);
        if !news {
            return;
        }
        let queue = &self.queue.settings().name;
        match problem {
            Some(problem) => tracing::warn!(queue, "{what}: {problem}; connecting again"),
            None => tracing::info!(queue, "{what}: connected again"),
        }
        self.observer.connection(what, problem);
    }
}

impl Workers {
    /// Starts workers that run up to `concurrency` jobs at once, on the current runtime and on two threads of their own.
    /// The server need not be there yet.
    ///
    /// Errors: the machine gives no thread or no random name.
    pub fn start<H: Handler>(
        queue: &RedisQueue,
        handler: Arc<H>,
        concurrency: usize,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, QueueError> {
        // There are never more ends on the way than slots.
        let (ends, ends_to_tell) = mpsc::unbounded_channel();
        let crew = Arc::new(Crew {
            queue: queue.clone(),
            name: format!("{}-{}", std::process::id(), JobId::fresh()?),
            slots: Slots::new(concurrency),
            progress: Progress::new(),
            observer,
            ends,
            gone: CancellationToken::new(),
            released: AtomicUsize::new(0),
            broken: Mutex::default(),
        });
        let (stuck_now, stuck) = watch::channel(None);
        let (beating, stop_beating) = channel();
        let (watching, stop_watching) = channel();
        let heartbeat = Heartbeat::new(crew.clone());
        spawn("queue-heartbeat", move || heartbeat.run(&stop_beating))?;
        let watched = crew.clone();
        spawn("queue-watchdog", move || watchdog::watch(&watched, &stop_watching, &stuck_now))?;
        let stop = CancellationToken::new();
        tokio::spawn(finish(crew.clone(), handler.clone(), ends_to_tell));
        let fetching = tokio::spawn(fetch(crew.clone(), handler, stop.clone()));
        Ok(Self { crew, stop, fetching, threads: vec![beating, watching], stuck })
    }

    /// Changes how many jobs run at once. Of those that run beyond it each goes on to its end. Zero takes no more.
    pub fn set_concurrency(&self, concurrency: usize) {
        self.crew.slots.set_limit(concurrency);
    }

    /// How many jobs may run at once.
    pub fn concurrency(&self) -> usize {
        self.crew.slots.limit()
    }

    /// How many jobs run.
    pub fn running(&self) -> usize {
        self.crew.slots.held()
    }

    /// Ends, with the reason, when the workers are stuck although the server answers: then the process should end, with a
    /// status that makes its supervisor start it anew. Otherwise it never ends.
    pub fn stuck(&self) -> impl Future<Output = String> + Send + 'static {
        let mut stuck = self.stuck.clone();
        async move {
            loop {
                let problem = stuck.borrow_and_update().clone();
                match problem {
                    Some(problem) => return problem,
                    None if stuck.changed().await.is_err() => return std::future::pending().await,
                    None => {}
                }
            }
        }
    }

    /// Takes no more jobs, lets those that run end until `deadline` has passed, tells the rest to stop, and gives back
    /// what has not ended 2 s later: others run it at once, and the run counts as no attempt.
    pub async fn drain(mut self, deadline: Duration) -> Drained {
        self.stop.cancel();
        let slots = &self.crew.slots;
        // A claim that is on the way is waited for: what it brings must be run or given back.
        let _ = (&mut self.fetching).await;
        if timeout(deadline, slots.empty()).await.is_err() {
            slots.leave();
            if timeout(STOP, slots.empty()).await.is_err() {
                for (ticket, delivery, id) in slots.abort() {
                    let _ = self.crew.ends.send(given_back(ticket, delivery, id));
                }
                let _ = timeout(self.crew.queue.settings().patience, slots.empty()).await;
            }
        }
        let untold = slots.held();
        if untold == 0 {
            // A name that stays is removed by others after an hour.
            let _ = self.crew.queue.leave(&self.crew.name).await;
        }
        Drained { given_back: self.crew.released.load(Ordering::Acquire), untold }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        self.crew.slots.leave();
        self.crew.gone.cancel();
        self.threads.clear();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), QueueError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map(drop).map_err(|e| QueueError::Settings(format!("no thread `{name}`: {e}")))
}
