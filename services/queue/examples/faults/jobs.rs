//! The jobs that go through, and what is done with them.

use super::account::Account;
use report_queue::{Claimed, Enqueued, Handler, JobId, NewJob, Outcome, Queue, QueueSettings, RedisQueue};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// The queue in which each end leaves a job.
pub const ENDS: &str = "ends";

/// As the services have it, but that no job is given up for the many deaths that are made here.
pub fn settings() -> QueueSettings {
    QueueSettings { max_deaths: 50, per_user: Some(200), ..QueueSettings::new("reports") }
}

/// Puts so many jobs in, at this rate, each again and again until it is accepted.
pub async fn put_all(queue: RedisQueue, jobs: usize, rate: u32, account: Arc<Account>) {
    let begun = Instant::now();
    for number in 0..jobs {
        sleep_until(begun + Duration::from_secs_f64(number as f64 / f64::from(rate))).await;
        account.accepted(put(&queue, number, &account).await);
    }
}

async fn put(queue: &RedisQueue, number: usize, account: &Account) -> JobId {
    loop {
        let job = NewJob {
            kind: "fault".to_owned(),
            payload: format!("{number}").into(),
            user: Some(format!("user{}", number % 10)),
            idempotency_key: Some(format!("job {number}")),
            ..NewJob::default()
        };
        match queue.enqueue(job).await {
            Ok(Enqueued::New(id) | Enqueued::Duplicate(id)) => return id,
            Err(_) => account.again(),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Takes 5 to 50 ms; every twentieth job takes 1 to 2 s, so that there is always one in the middle. Every fiftieth goes
/// wrong at its first attempt.
pub struct Work;

impl Handler for Work {
    async fn run(&self, job: Claimed) -> Outcome {
        let number: usize = String::from_utf8_lossy(&job.payload).parse().unwrap_or(0);
        let long = number.is_multiple_of(20);
        let ms = if long { fastrand::u64(1000..2000) } else { fastrand::u64(5..50) };
        sleep(Duration::from_millis(ms)).await;
        if number % 50 == 7 && job.attempt == 1 {
            return Outcome::Retry { error: "once".to_owned(), after: None };
        }
        Outcome::Done { result: job.payload }
    }

    fn follow_ups(&self, job: &Claimed, _: &Outcome) -> Vec<(String, NewJob)> {
        let end = NewJob { kind: "end".to_owned(), payload: job.id.to_string().into(), ..NewJob::default() };
        vec![(ENDS.to_owned(), end)]
    }
}
