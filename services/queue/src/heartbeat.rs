//! Keeps the leases of what this process runs, hears of cancellations, and takes back what dead workers held: on a thread and
//! a connection of its own, so that no work, however heavy, holds it up.

use super::error::QueueError;
use super::id::JobId;
use super::link::{CONNECT, back_off};
use super::progress::Part;
use super::script;
use super::wire::LANES;
use super::workers::Crew;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The most leases that are renewed with one command.
const RENEW_MOST: usize = 1000;
/// How often the names of workers that are gone are removed.
const TIDY: Duration = Duration::from_secs(600);

/// The state of the thread.
pub struct Heartbeat {
    crew: Arc<Crew>,
    connection: Option<redis::Connection>,
    failures: u32,
    beat: Instant,
    sweep: Instant,
    tidy: Instant,
}

impl Heartbeat {
    /// A heartbeat that has not begun. It takes nothing back before those who live had time to renew their leases, since it
    /// may be that the server was away until now.
    pub fn new(crew: Arc<Crew>) -> Self {
        let now = Instant::now();
        let rhythm = crew.queue.settings().heartbeat;
        Self { crew, connection: None, failures: 0, beat: now + rhythm, sweep: now + rhythm * 2, tidy: now }
    }

    /// Beats until the other side of `stop` is gone.
    pub fn run(mut self, stop: &Receiver<()>) {
        loop {
            let next = self.beat.min(self.sweep);
            match stop.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
            self.crew.progress.step(Part::Heartbeat);
            match self.round() {
                Ok(()) => self.failures = 0,
                Err(error) => self.failed(&error),
            }
        }
    }

    fn failed(&mut self, error: &QueueError) {
        self.crew.connected("heartbeat", Some(&error.to_string()));
        self.connection = None;
        self.failures = self.failures.saturating_add(1);
        self.beat = Instant::now() + back_off(self.failures);
        // Those who live and were cut off as we were shall renew first.
        self.sweep = Instant::now() + self.crew.queue.settings().lease;
    }

    fn round(&mut self) -> Result<(), QueueError> {
        let crew = self.crew.clone();
        let settings = crew.queue.settings();
        if self.connection.is_none() {
            let connection = crew.queue.client().get_connection_with_timeout(CONNECT)?;
            connection.set_read_timeout(Some(CONNECT))?;
            connection.set_write_timeout(Some(CONNECT))?;
            self.connection = Some(connection);
            crew.connected("heartbeat", None);
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if Instant::now() >= self.beat {
            renew(&crew, connection)?;
            self.beat = Instant::now() + settings.heartbeat;
        }
        if Instant::now() >= self.sweep {
            // A server that was held for a while shows everybody's leases as run out.
            let asked = Instant::now();
            redis::cmd("PING").exec(connection)?;
            if asked.elapsed() > settings.heartbeat / 4 {
                self.sweep = Instant::now() + settings.lease;
                return Ok(());
            }
            let tidy = asked >= self.tidy;
            if tidy {
                self.tidy = asked + TIDY;
            }
            self.sweep = Instant::now() + take_back(&crew, connection, tidy)?;
        }
        Ok(())
    }
}

/// Renews all leases, tells runs whose lease is lost or whose job was cancelled.
fn renew(crew: &Crew, connection: &mut redis::Connection) -> Result<(), QueueError> {
    let mut held = false;
    for (lane, leases) in crew.slots.leases().into_iter().enumerate() {
        for chunk in leases.chunks(RENEW_MOST) {
            held = true;
            // Only what is still ours is renewed: what was taken back has no such entry any more.
            let mut command = redis::cmd("XCLAIM");
            command.arg(format!("{}{}", crew.queue.prefix(), LANES[lane])).arg("workers").arg(&crew.name).arg(0);
            for (_, entry) in chunk {
                command.arg(entry);
            }
            let renewed: Vec<String> = match command.arg("JUSTID").query(connection) {
                // Somebody emptied the server.
                Err(error) if error.code() == Some("NOGROUP") => Vec::new(),
                answer => answer?,
            };
            let mut renewed = renewed.iter().peekable();
            let lost = chunk.iter().filter(|(_, entry)| renewed.next_if(|ours| *ours == entry).is_none());
            let lost: Vec<u64> = lost.map(|(ticket, _)| *ticket).collect();
            crew.slots.lost(&lost);
            crew.progress.step(Part::Heartbeat);
        }
    }
    if held {
        let stop = format!("{}stop", crew.queue.prefix());
        let cancelled: Vec<String> = redis::cmd("SMEMBERS").arg(stop).query(connection)?;
        let cancelled: Vec<JobId> = cancelled.iter().filter_map(|id| JobId::parse(id)).collect();
        if !cancelled.is_empty() {
            crew.slots.cancel(&cancelled);
        }
    }
    Ok(())
}

/// Takes back what dead workers held, and says when the next lease can run out.
fn take_back(crew: &Crew, connection: &mut redis::Connection, tidy: bool) -> Result<Duration, QueueError> {
    let settings = crew.queue.settings();
    // A little early, so that a job of a worker that dies right after a heartbeat runs again within the lease.
    let lease = settings.lease - settings.lease / 40;
    let late = settings.heartbeat + settings.heartbeat / 10;
    let mut call = crew.queue.call(&script::RECOVER);
    call.arg(lease.as_millis() as u64).arg(late.as_millis() as u64).arg(settings.max_deaths).arg(u8::from(tidy));
    let (runs, given_up, wait): (u64, u64, u64) = call.invoke(connection)?;
    if runs > 0 {
        crew.observer.recovered(runs, given_up);
        tracing::warn!(queue = settings.name, runs, given_up, "jobs of workers that died are run again");
    }
    Ok(Duration::from_millis(wait))
}
