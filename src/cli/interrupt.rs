//! Ctrl-C, SIGTERM and the time limit of a run.

use super::failure::CliError;
use reportctl::engine::interrupt::{self, Interrupt, Interrupter};
use reportctl::exec;
use reportctl::model::ids::EnvName;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The time that running steps have to come to their end after the time limit.
const GRACE: Duration = Duration::from_secs(5);

/// Why a run ends before its end: nothing yet, Ctrl-C, SIGTERM or the time limit.
const NOTHING: u8 = 0;
const INTERRUPTED: u8 = 1;
const TERMINATED: u8 = 2;
const OUT_OF_TIME: u8 = 3;

/// What is told to people when it happens.
const ONCE: &str = "ending: nothing new is begun, what runs comes to its end; once more breaks it off";
const TWICE: &str = "breaking off";
const LATE: &str = "out of time: nothing new is begun, what runs has a few seconds to come to its end";

/// Listens from now on, for as long as the value lives.
pub struct Listener {
    cause: Arc<AtomicU8>,
    limit: Option<Duration>,
    /// For the engine.
    pub interrupt: Interrupt,
    task: tokio::task::JoinHandle<()>,
}

impl Listener {
    /// Listens, and says through `say` what happens.
    ///
    /// Errors: the host refuses to hand over signals.
    pub fn start(limit: Option<Duration>, say: impl Fn(&str) + Send + 'static) -> Result<Self, CliError> {
        let refused = |error: std::io::Error| CliError::Host(format!("cannot listen for signals: {error}"));
        let int = signal(SignalKind::interrupt()).map_err(refused)?;
        let term = signal(SignalKind::terminate()).map_err(refused)?;
        let (interrupter, interrupt) = interrupt::channel();
        let cause = Arc::new(AtomicU8::new(NOTHING));
        let task = tokio::spawn(listen(int, term, limit, interrupter, cause.clone(), say));
        Ok(Self { cause, limit, interrupt, task })
    }

    /// Why `verb` ended before its end; `reclaim` is the one command that removes everything.
    pub fn error(&self, env: &EnvName, verb: &'static str, reclaim: Option<String>) -> CliError {
        let env = env.clone();
        match self.cause.load(Ordering::Relaxed) {
            OUT_OF_TIME => CliError::OutOfTime { env, verb, limit: self.limit.unwrap_or_default(), reclaim },
            TERMINATED => CliError::Interrupted { env, verb, terminated: true, reclaim },
            _ => CliError::Interrupted { env, verb, terminated: false, reclaim },
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    mut int: Signal,
    mut term: Signal,
    limit: Option<Duration>,
    interrupter: Interrupter,
    cause: Arc<AtomicU8>,
    say: impl Fn(&str),
) {
    let mut patience = limit;
    loop {
        let pause = async {
            match patience {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        let why = tokio::select! {
            _ = int.recv() => INTERRUPTED,
            _ = term.recv() => TERMINATED,
            () = pause => OUT_OF_TIME,
        };
        let is_first = cause.compare_exchange(NOTHING, why, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        interrupter.press();
        patience = match (is_first, why) {
            (true, OUT_OF_TIME) => {
                say(LATE);
                Some(GRACE)
            }
            (true, _) => {
                say(ONCE);
                None
            }
            (false, _) => {
                say(TWICE);
                exec::kill_all();
                None
            }
        };
    }
}
