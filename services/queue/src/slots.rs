//! The runs that this process holds, and how many it may hold.

use super::id::JobId;
use super::lease::Delivery;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// Why a run was told to stop. The first reason stays.
#[derive(Debug, Clone, Default)]
pub struct Reason(Arc<AtomicU8>);

/// The reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Why {
    /// Nobody told it to.
    None,
    /// Somebody cancelled the job.
    Wish,
    /// The lease was lost.
    Lost,
    /// This process ends.
    Leaving,
}

impl Reason {
    /// The reason, until now.
    pub fn get(&self) -> Why {
        match self.0.load(Ordering::Acquire) {
            1 => Why::Wish,
            2 => Why::Lost,
            3 => Why::Leaving,
            _ => Why::None,
        }
    }

    fn set(&self, why: Why) -> bool {
        self.0.compare_exchange(0, why as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

struct Slot {
    delivery: Delivery,
    id: JobId,
    token: CancellationToken,
    reason: Reason,
    /// Its handler has returned, and its end is on the way.
    ending: bool,
    task: Option<AbortHandle>,
}

/// The table. A run keeps its slot until the server has heard of its end, so there are never more ends on the way than slots.
pub struct Slots {
    table: Mutex<(u64, HashMap<u64, Slot>)>,
    limit: AtomicUsize,
    /// Rings when a slot is freed or the limit was changed.
    changed: Notify,
}

impl Slots {
    /// A table of `limit` slots.
    pub fn new(limit: usize) -> Self {
        Self { table: Mutex::default(), limit: AtomicUsize::new(limit), changed: Notify::new() }
    }

    fn table(&self) -> MutexGuard<'_, (u64, HashMap<u64, Slot>)> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many runs are held.
    pub fn held(&self) -> usize {
        self.table().1.len()
    }

    /// How many may be held.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Acquire)
    }

    /// Changes how many may be held. What is held beyond it goes on.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Waits until a slot is free, and says how many are.
    pub async fn free(&self) -> usize {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let free = self.limit().saturating_sub(self.held());
            if free > 0 {
                return free;
            }
            changed.await;
        }
    }

    /// Waits until nothing is held.
    pub async fn empty(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.held() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Takes slots for runs.
    pub fn take(&self, runs: &[(Delivery, JobId, CancellationToken)]) -> Vec<(u64, Reason)> {
        let mut table = self.table();
        let mut tickets = Vec::with_capacity(runs.len());
        for (delivery, id, token) in runs.iter().cloned() {
            table.0 += 1;
            let ticket = table.0;
            let reason = Reason::default();
            tickets.push((ticket, reason.clone()));
            table.1.insert(ticket, Slot { delivery, id, token, reason, ending: false, task: None });
        }
        tickets
    }

    /// Remembers how a run can be ended by force.
    pub fn attach(&self, ticket: u64, task: AbortHandle) {
        if let Some(slot) = self.table().1.get_mut(&ticket) {
            slot.task = Some(task);
        }
    }

    /// Says that a run's handler has returned. False when the run was ended by force before.
    pub fn ending(&self, ticket: u64) -> bool {
        let mut table = self.table();
        let Some(slot) = table.1.get_mut(&ticket) else { return false };
        !std::mem::replace(&mut slot.ending, true)
    }

    /// Frees the slots of runs whose end is known.
    pub fn give_back(&self, tickets: impl IntoIterator<Item = u64>) {
        let mut table = self.table();
        for ticket in tickets {
            table.1.remove(&ticket);
        }
        drop(table);
        self.changed.notify_waiters();
    }

    /// The leases that are held, by lane.
    pub fn leases(&self) -> [Vec<(u64, String)>; 3] {
        let mut lanes = [Vec::new(), Vec::new(), Vec::new()];
        for (ticket, slot) in &self.table().1 {
            lanes[slot.delivery.lane].push((*ticket, slot.delivery.entry.clone()));
        }
        lanes
    }

    /// Tells runs that their lease is lost.
    pub fn lost(&self, tickets: &[u64]) {
        let table = self.table();
        for slot in tickets.iter().filter_map(|ticket| table.1.get(ticket)).filter(|slot| !slot.ending) {
            if slot.reason.set(Why::Lost) {
                slot.token.cancel();
            }
        }
    }

    /// Tells the runs of these jobs that somebody cancelled them.
    pub fn cancel(&self, ids: &[JobId]) {
        for slot in self.table().1.values().filter(|slot| ids.contains(&slot.id)) {
            if slot.reason.set(Why::Wish) {
                slot.token.cancel();
            }
        }
    }

    /// Tells all runs that this process ends.
    pub fn leave(&self) {
        for slot in self.table().1.values() {
            if slot.reason.set(Why::Leaving) {
                slot.token.cancel();
            }
        }
    }

    /// Ends by force what has not returned.
    pub fn abort(&self) -> Vec<(u64, Delivery, JobId)> {
        let mut table = self.table();
        let mut ended = Vec::new();
        for (ticket, slot) in table.1.iter_mut().filter(|(_, slot)| !slot.ending) {
            slot.ending = true;
            if let Some(task) = &slot.task {
                task.abort();
            }
            ended.push((*ticket, slot.delivery.clone(), slot.id.clone()));
        }
        ended
    }
}
