//! The loop that takes jobs: never more than there are free slots, so that nothing ages in a buffer.

use super::bell::Bell;
use super::error::QueueError;
use super::lease::{Batch, Handed, Wait};
use super::link::back_off;
use super::progress::Part;
use super::queue::Handler;
use super::run::run;
use super::workers::Crew;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The most jobs that one claim takes.
const CLAIM_MOST: usize = 1000;

/// Takes jobs and starts them until `stop`.
pub async fn fetch<H: Handler>(crew: Arc<Crew>, handler: Arc<H>, stop: CancellationToken) {
    let bell = Bell::new(&crew.queue);
    let mut failures = 0;
    while let Err(error) = crew.queue.write_limit().await {
        crew.connected("claim", Some(&error.to_string()));
        failures += 1;
        pause(failures, &stop).await;
        if stop.is_cancelled() {
            return;
        }
    }
    while !stop.is_cancelled() {
        crew.progress.rest(Part::Fetch);
        let free = tokio::select! {
            free = crew.slots.free() => free,
            () = stop.cancelled() => break,
        };
        crew.progress.step(Part::Fetch);
        // It is not given up half-way: what the server handed out must be run.
        match crew.queue.claim(&crew.name, free.min(CLAIM_MOST)).await {
            Ok(Batch { handed, wait }) => {
                failures = 0;
                crew.connected("claim", None);
                start(&crew, &handler, handed);
                let Some(wait) = wait else { continue };
                if let Err(error) = listen(&crew, &bell, &wait, &stop).await {
                    crew.connected("listen", Some(&error.to_string()));
                    failures += 1;
                    pause(failures, &stop).await;
                }
            }
            Err(error) => {
                crew.connected("claim", Some(&error.to_string()));
                failures += 1;
                pause(failures, &stop).await;
            }
        }
    }
    crew.progress.rest(Part::Fetch);
    if crew.unwanted() {
        // What the last claim brought was not there yet when the others were told.
        crew.slots.leave();
    }
}

/// Listens until there is something to look for, or until `stop`.
async fn listen(crew: &Crew, bell: &Bell, wait: &Wait, stop: &CancellationToken) -> Result<(), QueueError> {
    loop {
        crew.progress.step(Part::Fetch);
        let heard = tokio::select! {
            heard = bell.listen(wait) => heard?,
            () = stop.cancelled() => return Ok(()),
        };
        crew.connected("listen", None);
        if heard {
            return Ok(());
        }
    }
}

async fn pause(failures: u32, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(back_off(failures)) => {}
        () = stop.cancelled() => {}
    }
}

fn start<H: Handler>(crew: &Arc<Crew>, handler: &Arc<H>, handed: Vec<Handed>) {
    let runs: Vec<_> =
        handed.iter().map(|h| (h.delivery.clone(), h.claimed.id.clone(), h.claimed.cancelled.clone())).collect();
    let tickets = crew.slots.take(&runs);
    for (handed, (ticket, reason)) in handed.into_iter().zip(tickets) {
        let waited = handed.claimed.claimed_at.saturating_sub(handed.claimed.ready_at);
        crew.observer.claimed(&handed.claimed, Duration::from_millis(waited));
        let task = tokio::spawn(run(crew.clone(), handler.clone(), ticket, reason, Box::new(handed)));
        crew.slots.attach(ticket, task.abort_handle());
    }
}
