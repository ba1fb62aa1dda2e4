//! Tells the server of ends, many at once, and again until it has heard: while the process lives no end is lost.

use super::error::QueueError;
use super::lease::{End, How};
use super::link::back_off;
use super::progress::Part;
use super::queue::Handler;
use super::run::{Finished, end};
use super::workers::Crew;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::UnboundedReceiver;

/// The most ends, and about the most bytes, that are told in one call.
const ENDS_MOST: usize = 500;
const BYTES_MOST: usize = 8 * 1024 * 1024;
/// How often an end is told that the server refuses, before its lease is left to run out.
const REFUSALS_MOST: u32 = 5;

/// An end, and what the server is told of it.
type Told = (Finished, End);

/// Tells the ends that come until these workers are over.
pub async fn finish<H: Handler>(crew: Arc<Crew>, handler: Arc<H>, mut ends: UnboundedReceiver<Finished>) {
    let mut waiting = VecDeque::new();
    let mut more = Vec::new();
    loop {
        crew.progress.rest(Part::Finish);
        if waiting.is_empty() {
            tokio::select! {
                _ = ends.recv_many(&mut more, ENDS_MOST) => {}
                () = crew.over() => return,
            }
        }
        while waiting.len() + more.len() < ENDS_MOST {
            let Ok(one) = ends.try_recv() else { break };
            more.push(one);
        }
        waiting.extend(more.drain(..));
        crew.progress.step(Part::Finish);
        let batch = bite(handler.as_ref(), &mut waiting);
        tell(&crew, batch).await;
    }
}

/// Takes those that go into one call: at least one. Only now is asked what follows from them, so that many that wait for
/// the server do not need much memory.
fn bite<H: Handler>(handler: &H, waiting: &mut VecDeque<Finished>) -> Vec<Told> {
    let mut batch = Vec::with_capacity(waiting.len());
    let mut bytes = 0;
    while bytes < BYTES_MOST {
        let Some(finished) = waiting.pop_front() else { break };
        let end = end(handler, &finished);
        bytes += end.size();
        batch.push((finished, end));
    }
    batch
}

/// Tells these ends until the server has heard of them.
async fn tell(crew: &Crew, batch: Vec<Told>) {
    let mut failures = 0;
    let mut refusals = 0;
    let counted = loop {
        crew.progress.step(Part::Finish);
        let ends: Vec<&End> = batch.iter().map(|(_, end)| end).collect();
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
                for told in batch {
                    Box::pin(tell(crew, vec![told])).await;
                }
                return;
            }
            Err(error) => {
                crew.connected("finish", Some(&error.to_string()));
                failures += 1;
                refusals += 1;
                if refusals >= REFUSALS_MOST {
                    tracing::error!(job = %batch[0].0.id, "the end of a job is refused, so it runs again: {error}");
                    break vec![false];
                }
            }
        }
        tokio::time::sleep(back_off(failures)).await;
    };
    let released = batch.iter().zip(&counted).filter(|((f, _), counted)| **counted && f.how == How::Release).count();
    crew.released.fetch_add(released, Ordering::AcqRel);
    crew.slots.give_back(batch.iter().map(|(finished, _)| finished.ticket));
    for ((finished, _), counted) in batch.into_iter().zip(counted) {
        match finished.told {
            Some((handed, outcome, ran)) if counted => crew.observer.finished(&handed.claimed, &outcome, ran),
            Some((handed, ..)) => crew.observer.lost(&handed.claimed),
            None => {}
        }
    }
}
