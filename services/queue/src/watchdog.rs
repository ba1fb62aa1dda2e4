//! Sees workers that are stuck although the server answers: then it is better to start the process anew.

use super::link::CONNECT;
use super::workers::Crew;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::watch;

/// Watches until the other side of `stop` is gone or something is stuck.
pub fn watch(crew: &Arc<Crew>, stop: &Receiver<()>, stuck: &watch::Sender<Option<String>>) {
    let bound = crew.queue.settings().watchdog;
    let pause = (bound / 10).max(Duration::from_millis(10));
    while stop.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let Some(part) = crew.progress.stuck(bound) else { continue };
        if !answers(crew) {
            continue;
        }
        let problem = format!("{part} has made no step for {bound:?} although redis answers");
        tracing::error!(queue = crew.queue.settings().name, "{problem}");
        crew.observer.stuck(&problem);
        stuck.send_replace(Some(problem));
        return;
    }
}

/// Whether the server answers somebody new.
fn answers(crew: &Crew) -> bool {
    let Ok(mut connection) = crew.queue.client().get_connection_with_timeout(CONNECT) else { return false };
    connection.set_read_timeout(Some(CONNECT)).is_ok() && redis::cmd("PING").exec(&mut connection).is_ok()
}
