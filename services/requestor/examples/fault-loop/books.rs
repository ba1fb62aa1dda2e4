//! Who keeps the books: which reports were accepted for whom, and what came back on whose socket.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The books.
#[derive(Default)]
pub struct Books {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    /// Reports that were accepted, and for whom.
    accepted: HashMap<String, String>,
    /// For each report, the entries of logs that told of its end, with whether it was a good one, and whose socket.
    ends: HashMap<String, Vec<(String, bool, String)>>,
    /// Entries that came, by user.
    entries: HashSet<(String, String)>,
    last_frame: Option<Instant>,
    again: usize,
    sockets: usize,
    frames: usize,
    repeated: usize,
}

/// What they say in the end.
pub struct Verdict {
    /// Reports that were not accepted, or whose end was never told.
    pub lost: usize,
    /// Reports whose end was told by more than one entry.
    pub twice: usize,
    /// Ends that came to another user than the one who asked.
    pub to_others: usize,
    /// Reports that ended badly.
    pub failed: usize,
    /// Ends of reports that nobody remembers to have been accepted.
    pub unknown: usize,
    /// Calls that failed and were made again.
    pub again: usize,
    /// Sockets that were opened.
    pub sockets: usize,
    /// Frames that came.
    pub frames: usize,
    /// Frames with an entry that had come before on another socket of the same page, which the page drops.
    pub repeated: usize,
}

impl Verdict {
    /// Whether all is as it should be.
    pub fn good(&self) -> bool {
        [self.lost, self.twice, self.to_others, self.failed, self.unknown].iter().all(|count| *count == 0)
    }
}

impl Books {
    /// A report was accepted.
    pub fn accepted(&self, id: &str, user: &str) {
        self.pages.lock().unwrap().accepted.insert(id.to_owned(), user.to_owned());
    }

    /// A call failed and is made again.
    pub fn again(&self) {
        self.pages.lock().unwrap().again += 1;
    }

    /// A socket was opened.
    pub fn socket(&self) {
        self.pages.lock().unwrap().sockets += 1;
    }

    /// A frame came: the entry, what it tells, and of which report.
    pub fn frame(&self, user: &str, entry: &str, kind: &str, report: &str) {
        let mut pages = self.pages.lock().unwrap();
        pages.frames += 1;
        pages.last_frame = Some(Instant::now());
        if !pages.entries.insert((user.to_owned(), entry.to_owned())) {
            pages.repeated += 1;
            return;
        }
        if matches!(kind, "report.finished" | "report.failed" | "report.cancelled") {
            let end = (entry.to_owned(), kind == "report.finished", user.to_owned());
            pages.ends.entry(report.to_owned()).or_default().push(end);
        }
    }

    /// Whether so many reports were accepted and the end of each was told.
    pub fn all_ended(&self, wanted: usize) -> bool {
        let pages = self.pages.lock().unwrap();
        pages.accepted.len() >= wanted && pages.accepted.keys().all(|id| pages.ends.contains_key(id))
    }

    /// Waits until nothing has come for 20 s, at most two minutes: longer than a lease and the first pauses of retries.
    pub async fn quiet(&self) {
        let end = Instant::now() + Duration::from_secs(120);
        while Instant::now() < end {
            sleep(Duration::from_millis(500)).await;
            let last = self.pages.lock().unwrap().last_frame;
            if last.is_none_or(|last| last.elapsed() > Duration::from_secs(20)) {
                return;
            }
        }
    }

    /// Compares what was asked for with what came.
    pub fn close(&self, wanted: usize) -> Verdict {
        let pages = self.pages.lock().unwrap();
        let told = pages.accepted.keys().filter(|id| pages.ends.contains_key(*id)).count();
        let ends = || pages.ends.iter().flat_map(|(id, ends)| ends.iter().map(move |end| (id, end)));
        Verdict {
            lost: wanted.saturating_sub(told),
            twice: pages.ends.values().filter(|ends| ends.len() > 1).count(),
            to_others: ends().filter(|(id, (_, _, user))| pages.accepted.get(*id).is_some_and(|of| of != user)).count(),
            failed: ends().filter(|(_, (_, good, _))| !good).count(),
            unknown: pages.ends.keys().filter(|id| !pages.accepted.contains_key(*id)).count(),
            again: pages.again,
            sockets: pages.sockets,
            frames: pages.frames,
            repeated: pages.repeated,
        }
    }
}
