//! Looks after one service: starts its process, starts it again when it ends, stops it when told.

use super::logs::{Log, pump};
use super::protocol::LogLine;
use super::records::ServiceRecord;
use super::{COMPONENT_MARKER, MARKER};
use crate::context::Context;
use crate::exec::{Child, Identity, Launch, search_path};
use crate::model::ids::EnvId;
use crate::model::inventory::{ServiceState, ServiceStatus};
use crate::model::service::ServiceSpec;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinHandle;

/// How long the rest of a process's output is waited for, once its whole group has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a killed process may take to be gone.
const KILLED: Duration = Duration::from_secs(5);
/// The variables that a service inherits, where they are set. Everything else is its own or not there: a proxy's
/// address, for one, would send loopback requests elsewhere.
const INHERITED: [&str; 6] = ["HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "SHELL"];

/// How fast a service that keeps ending is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time before the first new start. It doubles with each further one.
    pub first: Duration,
    /// The longest time before a new start.
    pub longest: Duration,
    /// A process that ran that long ran well: counting begins anew.
    pub well: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(30), well: Duration::from_secs(20) }
    }
}

impl Pace {
    /// The time before the new start after that many starts in a row that did not run well.
    fn delay(&self, in_a_row: u32) -> Duration {
        self.first.saturating_mul(1 << in_a_row.min(20)).min(self.longest)
    }
}

type OnStart = dyn Fn(&ServiceSpec, ServiceRecord) + Send + Sync;

/// What all services of an agent share.
#[derive(Clone)]
pub struct Shared {
    pub context: Context,
    pub id: EnvId,
    pub boot: String,
    pub pace: Pace,
    pub log_limits: super::LogLimits,
    pub listeners: broadcast::Sender<LogLine>,
    /// Told of each process that was started, at once.
    pub on_start: Arc<OnStart>,
}

/// A service under supervision.
pub struct Service {
    pub spec: ServiceSpec,
    state: Arc<Mutex<ServiceState>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Service {
    /// Starts it, and looks after it from then on.
    ///
    /// Errors: its process cannot be started at all, in words.
    pub async fn start(shared: Shared, spec: ServiceSpec) -> Result<Self, String> {
        let (stop, stopped) = watch::channel(false);
        let (told, first) = oneshot::channel();
        let status = ServiceStatus::BackOff { reason: "it has not been started yet".to_owned() };
        let state = Arc::new(Mutex::new(ServiceState { digest: spec.digest(), status, restarts: 0 }));
        let keeper = Keeper {
            log: Log::new(spec.log.clone(), shared.log_limits),
            shared,
            spec: spec.clone(),
            state: Arc::clone(&state),
        };
        let task = tokio::spawn(keeper.keep(stopped, told));
        match first.await {
            Ok(Ok(())) => Ok(Self { spec, state, stop, task }),
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err("the agent gave it up".to_owned()),
        }
    }

    /// How it does.
    pub fn state(&self) -> ServiceState {
        lock(&self.state).clone()
    }

    /// Stops it and waits until it and its group are gone.
    pub async fn stop(self) {
        // The task has ended already: then there is nothing to stop.
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

/// Waits until the service shall stop: also when the agent has let go of it.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Asks a process to end, and kills its group when it has not after `timeout`. Says how it ended.
async fn end(child: &mut Child, timeout: Duration) -> String {
    child.ask_to_end();
    if let Ok(how) = tokio::time::timeout(timeout, child.ended()).await {
        return how;
    }
    child.signal(Signal::KILL);
    match tokio::time::timeout(KILLED, child.ended()).await {
        Ok(how) => format!("did not end within {timeout:?} and {how}"),
        Err(_) => "could not be killed".to_owned(),
    }
}

fn lock(state: &Mutex<ServiceState>) -> std::sync::MutexGuard<'_, ServiceState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Keeper {
    shared: Shared,
    spec: ServiceSpec,
    state: Arc<Mutex<ServiceState>>,
    log: Log,
}

impl Keeper {
    async fn keep(mut self, mut stop: watch::Receiver<bool>, told: oneshot::Sender<Result<(), String>>) {
        let mut told = Some(told);
        let mut in_a_row = 0;
        loop {
            let begun = Instant::now();
            let reason = match self.launch().child() {
                Ok((child, pipe)) => {
                    self.has_started(child.identity());
                    if let Some(told) = told.take() {
                        let _ = told.send(Ok(()));
                    }
                    match self.run(child, pipe, &mut stop).await {
                        Some(reason) => reason,
                        None => return,
                    }
                }
                Err(error) => {
                    self.note(&error.to_string());
                    if let Some(told) = told.take() {
                        let _ = told.send(Err(error.to_string()));
                        return;
                    }
                    error.to_string()
                }
            };
            in_a_row = if begun.elapsed() >= self.shared.pace.well { 0 } else { in_a_row + 1 };
            let delay = self.shared.pace.delay(in_a_row.max(1) - 1);
            self.note(&format!("{reason}; it is started again in {delay:?}"));
            {
                let mut state = lock(&self.state);
                state.status = ServiceStatus::BackOff { reason };
                state.restarts = state.restarts.saturating_add(1);
            }
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = told_to_stop(&mut stop) => {
                    self.has_stopped("it was waiting to be started again");
                    return;
                }
            }
        }
    }

    /// Follows one process to its end. None: it was stopped on request.
    async fn run(&mut self, mut child: Child, pipe: Receiver, stop: &mut watch::Receiver<bool>) -> Option<String> {
        let (how, stopped) = {
            let Self { shared, spec, log, .. } = self;
            let output = pump(shared.context.clone(), spec.component, pipe, log, shared.listeners.clone());
            let mut output = std::pin::pin!(output);
            let mut silent = false;
            let ended = loop {
                tokio::select! {
                    how = child.ended() => break (how, false),
                    () = told_to_stop(stop) => {
                        let stopped = end(&mut child, spec.stop_timeout.duration());
                        let mut stopped = std::pin::pin!(stopped);
                        let how = loop {
                            tokio::select! {
                                how = &mut stopped => break how,
                                // What it says while it ends is kept, and must not hold it up.
                                () = &mut output, if !silent => silent = true,
                            }
                        };
                        break (how, true);
                    }
                    () = &mut output, if !silent => silent = true,
                }
            };
            if !silent {
                // A process outside the group may hold the pipe for as long as it likes.
                let _ = tokio::time::timeout(LAST_WORDS, &mut output).await;
            }
            ended
        };
        if stopped {
            self.has_stopped(&how);
            return None;
        }
        Some(how)
    }

    fn launch(&self) -> Launch {
        let Self { shared, spec, .. } = self;
        let context = &shared.context;
        let mut env: BTreeMap<String, String> =
            INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), context.var(name)?.to_owned()))).collect();
        env.insert("PATH".to_owned(), search_path(context.var("PATH")));
        env.insert("LANG".to_owned(), "C.UTF-8".to_owned());
        env.extend(spec.env.clone());
        env.insert(MARKER.to_owned(), shared.id.to_string());
        env.insert(COMPONENT_MARKER.to_owned(), spec.component.to_string());
        Launch { argv: spec.argv.clone(), env, cwd: spec.cwd.clone() }
    }

    fn has_started(&mut self, process: Identity) {
        let record = ServiceRecord { process, boot: self.shared.boot.clone(), needs: self.spec.needs.clone() };
        (self.shared.on_start)(&self.spec, record);
        lock(&self.state).status = ServiceStatus::Running { pid: process.pid };
        self.note(&format!("started as process {}", process.pid));
    }

    fn has_stopped(&mut self, how: &str) {
        lock(&self.state).status = ServiceStatus::Stopped;
        self.note(&format!("stopped on request: {how}"));
    }

    fn note(&mut self, text: &str) {
        self.log.note(&self.shared.context.timestamp(), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_starts_become_rarer_up_to_a_bound() {
        let pace =
            Pace { first: Duration::from_secs(1), longest: Duration::from_secs(10), well: Duration::from_secs(60) };
        let delays: Vec<u64> = [0, 1, 2, 3, 4, 5, 1000].map(|n| pace.delay(n).as_secs()).to_vec();
        assert_eq!(delays, [1, 2, 4, 8, 10, 10, 10]);
    }
}
