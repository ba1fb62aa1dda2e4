//! A queue of a test's own, workers that do as they are told, and an observer that writes down.

use report_queue::{
    Claimed, Connection, Handler, JobId, NewJob, Observer, Outcome, Queue, QueueSettings, RedisQueue, State, Workers,
};
use report_testing::{RedisServer, until};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Settings of a queue that waits for nothing long: leases of 600 ms, retries within 20 ms.
pub fn quick(name: &str) -> QueueSettings {
    QueueSettings {
        lease: Duration::from_millis(600),
        heartbeat: Duration::from_millis(100),
        retry_first: Duration::from_millis(10),
        retry_most: Duration::from_millis(20),
        patience: Duration::from_secs(2),
        ..QueueSettings::new(name)
    }
}

/// A queue on `server`.
pub fn queue(server: &RedisServer, settings: QueueSettings) -> RedisQueue {
    RedisQueue::connect(&Connection::to(server.url()), settings).unwrap()
}

/// A job whose payload says what the handler shall do.
pub fn job(payload: &str) -> NewJob {
    NewJob { kind: "test".to_owned(), payload: payload.into(), ..NewJob::default() }
}

/// Puts a job in.
pub async fn put(queue: &RedisQueue, job: NewJob) -> JobId {
    match queue.enqueue(job).await.unwrap() {
        report_queue::Enqueued::New(id) | report_queue::Enqueued::Duplicate(id) => id,
    }
}

/// A job's state, as the queue tells it.
pub async fn state(queue: &RedisQueue, id: &JobId) -> Option<State> {
    queue.job(id).await.unwrap().map(|job| job.state)
}

/// Waits until a job is in this state.
pub async fn reaches(queue: &RedisQueue, id: &JobId, wanted: State) {
    until(&format!("{id} is {wanted:?}"), || async { state(queue, id).await == Some(wanted) }).await;
}

/// Does what payloads say: `done TEXT`, `retry`, `fail`, `postpone`, `panic`, `hold` (until [`Script::let_go`] or
/// cancelled), `deaf` (for ever, and looks at nothing). Writes down what it began.
pub struct Script {
    begun: Mutex<Vec<(String, u32)>>,
    gate: Semaphore,
    /// Where what follows from an end goes, if anywhere.
    pub follow: Option<String>,
}

impl Script {
    /// One from which nothing follows.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { begun: Mutex::default(), gate: Semaphore::new(0), follow: None })
    }

    /// One from whose ends a job in the queue `queue` follows, which says how it ended.
    pub fn followed_in(queue: &str) -> Arc<Self> {
        Arc::new(Self { begun: Mutex::default(), gate: Semaphore::new(0), follow: Some(queue.to_owned()) })
    }

    /// The payloads of the runs that began, and which attempt each was.
    pub fn begun(&self) -> Vec<(String, u32)> {
        self.begun.lock().unwrap().clone()
    }

    /// Lets so many held jobs end.
    pub fn let_go(&self, count: usize) {
        self.gate.add_permits(count);
    }
}

impl Handler for Script {
    async fn run(&self, job: Claimed) -> Outcome {
        let text = String::from_utf8(job.payload.clone()).unwrap();
        self.begun.lock().unwrap().push((text.clone(), job.attempt));
        match text.split(' ').next().unwrap() {
            "done" => Outcome::Done { result: text.into_bytes() },
            "retry" => Outcome::Retry { error: "not yet".to_owned(), after: None },
            "retry-once" if job.attempt == 1 => Outcome::Retry { error: "once".to_owned(), after: None },
            "large" => Outcome::Done { result: vec![b'x'; text[6..].parse().unwrap()] },
            "fail" => Outcome::Fail { error: "never".to_owned() },
            "postpone" if self.begun().len() == 1 => Outcome::Postpone { after: Duration::from_millis(10) },
            "panic" => panic!("on purpose"),
            "deaf" => std::future::pending().await,
            "hold" => tokio::select! {
                permit = self.gate.acquire() => {
                    permit.unwrap().forget();
                    Outcome::Done { result: text.clone().into_bytes() }
                }
                () = job.cancelled.cancelled() => Outcome::Cancelled,
            },
            _ => Outcome::Done { result: Vec::new() },
        }
    }

    fn follow_ups(&self, job: &Claimed, outcome: &Outcome) -> Vec<(String, NewJob)> {
        let Some(queue) = &self.follow else { return Vec::new() };
        let how = match outcome {
            Outcome::Done { .. } => "done",
            Outcome::Fail { .. } => "failed",
            Outcome::Cancelled => "cancelled",
            _ => "not an end",
        };
        vec![(queue.clone(), self::job(&format!("{how} {}", job.id)))]
    }
}

/// Writes down what it is told.
#[derive(Default)]
pub struct Notes(Mutex<Vec<String>>);

impl Notes {
    /// What was told, in order.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// How often something with these words was told.
    pub fn count(&self, words: &str) -> usize {
        self.all().iter().filter(|note| note.contains(words)).count()
    }

    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Observer for Notes {
    fn claimed(&self, job: &Claimed, _: Duration) {
        self.note(format!("claimed {}", job.id));
    }
    fn finished(&self, job: &Claimed, outcome: &Outcome, _: Duration) {
        let text = format!("{outcome:?}");
        self.note(format!("finished {} {}", job.id, text.split(' ').next().unwrap()));
    }
    fn lost(&self, job: &Claimed) {
        self.note(format!("lost {}", job.id));
    }
    fn recovered(&self, runs: u64, given_up: u64) {
        self.note(format!("recovered {runs} {given_up}"));
    }
    fn connection(&self, what: &'static str, problem: Option<&str>) {
        self.note(format!("{what} {}", if problem.is_some() { "broken" } else { "back" }));
    }
    fn stuck(&self, problem: &str) {
        self.note(format!("stuck {problem}"));
    }
}

/// Workers and what they wrote down.
pub fn work(queue: &RedisQueue, script: &Arc<Script>, concurrency: usize) -> (Workers, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    (Workers::start(queue, script.clone(), concurrency, notes.clone()).unwrap(), notes)
}
