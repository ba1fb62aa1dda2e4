//! Tells the server of ends, many at once, and again until it has heard: while the process lives no end is lost.

use super::error::QueueError;
use super::lease::{End, How};
use super::link::back_off;
use super::progress::Part;
use super::run::Finished;
use super::workers::Crew;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::UnboundedReceiver;

/// The most ends, and about the most bytes, that are told in one call.
const ENDS_MOST: usize = 500;
const BYTES_MOST: usize = 8 * 1024 * 1024;
/// How often an end is told that the server refuses, before its lease is left to run out.
const REFUSALS_MOST: u32 = 5;

/// Tells the ends that come until these workers are over.
pub async fn finish(crew: Arc<Crew>, mut ends: UnboundedReceiver<Finished>) {
    let mut waiting = Vec::new();
    loop {
        crew.progress.rest(Part::Finish);
        if waiting.is_empty() {
            tokio::select! {
                _ = ends.recv_many(&mut waiting, ENDS_MOST) => {}
                () = crew.over() => return,
            }
        }
        while waiting.len() < ENDS_MOST {
            let Ok(more) = ends.try_recv() else { break };
            waiting.push(more);
        }
        let count = bite(&waiting);
        tell(&crew, waiting.drain(..count).collect()).await;
    }
}

/// How many of them go into one call. At least one.
fn bite(waiting: &[Finished]) -> usize {
    let mut bytes = 0;
    let fits = |finished: &&Finished| {
        bytes += finished.end.size();
        bytes <= BYTES_MOST
    };
    waiting.iter().take_while(fits).count().max(1)
}

/// Tells these ends until the server has heard of them.
async fn tell(crew: &Crew, batch: Vec<Finished>) {
    let mut failures = 0;
    let mut refusals = 0;
    let counted = loop {
        crew.progress.step(Part::Finish);
        let ends: Vec<&End> = batch.iter().map(|finished| &finished.end).collect();
        match crew.queue.finish(&ends).await {
            Ok(counted) => {
                crew.connected("finish", None);
                break counted;
            }
            Err(QueueError::Away(problem)) => {
                crew.connected("finish", Some(&problem));
                failures += 1;
            }
            // One bad end must not hold up the others.
            Err(_) if batch.len() > 1 => {
                for finished in batch {
                    Box::pin(tell(crew, vec![finished])).await;
                }
                return;
            }
            Err(error) => {
                crew.connected("finish", Some(&error.to_string()));
                failures += 1;
                refusals += 1;
                if refusals >= REFUSALS_MOST {
                    tracing::error!(job = %batch[0].end.id, "the end of a job is refused, so it runs again: {error}");
                    break vec![false];
                }
            }
        }
        tokio::time::sleep(back_off(failures)).await;
    };
    let released = batch.iter().zip(&counted).filter(|(f, counted)| **counted && f.end.how == How::Release).count();
    crew.released.fetch_add(released, Ordering::AcqRel);
    crew.slots.give_back(batch.iter().map(|finished| finished.ticket));
    for (finished, counted) in batch.into_iter().zip(counted) {
        match finished.told {
            Some((job, outcome, ran)) if counted => crew.observer.finished(&job, &outcome, ran),
            Some((job, ..)) => crew.observer.lost(&job),
            None => {}
        }
    }
}
