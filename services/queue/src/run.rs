//! One run of one job, from its handler to its end.

use super::id::JobId;
use super::job::{Claimed, NewJob, Outcome};
use super::lease::{Delivery, End, Handed, How, Verdict};
use super::queue::Handler;
use super::settings::QueueSettings;
use super::slots::{Reason, Why};
use super::wire;
use super::workers::Crew;
use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most that is kept of what went wrong, in bytes.
const ERROR_MOST: usize = 4096;

/// A run whose handler has returned.
pub struct Finished {
    /// Its slot.
    pub ticket: u64,
    /// The lease.
    pub delivery: Delivery,
    /// The job's name.
    pub id: JobId,
    /// How the delivery ends.
    pub how: How,
    /// How long to wait before the job is tried again.
    pub delay: Duration,
    /// The job, how its run really ended, and how long it took; none when the run was ended by force.
    pub told: Option<(Box<Handed>, Outcome, Duration)>,
}

/// Runs a job, and hands its end to the one who tells the server.
pub async fn run<H: Handler>(crew: Arc<Crew>, handler: Arc<H>, ticket: u64, reason: Reason, handed: Box<Handed>) {
    let begun = Instant::now();
    let said = match &handed.verdict {
        None => guarded(pin!(handler.run(handed.claimed.clone()))).await,
        Some(Verdict::Cancelled) => Outcome::Cancelled,
        Some(Verdict::Dead(error)) => Outcome::Fail { error: error.clone() },
    };
    let ran = begun.elapsed();
    let (outcome, how, delay) = settle(said, reason.get(), handed.claimed.attempt, crew.queue.settings());
    if crew.slots.ending(ticket) {
        let (delivery, id) = (handed.delivery.clone(), handed.claimed.id.clone());
        let told = Some((handed, outcome, ran));
        // It only fails when the one who tells is gone, and then the process ends.
        let _ = crew.ends.send(Finished { ticket, delivery, id, how, delay, told });
    }
}

/// The end of a run that was ended by force: another worker takes the job at once.
pub fn given_back(ticket: u64, delivery: Delivery, id: JobId) -> Finished {
    Finished { ticket, delivery, id, how: How::Release, delay: Duration::ZERO, told: None }
}

/// What the server is told of an end, with the jobs that follow from it.
pub fn end<H: Handler>(handler: &H, finished: &Finished) -> End {
    let Finished { delivery, id, how, delay, told, .. } = finished;
    let (mut user, mut text, mut follow) = (None, Vec::new(), Vec::new());
    if let Some((handed, outcome, _)) = told {
        if matches!(how, How::Done | How::Dead | How::Cancelled) {
            follow = follow_ups(handler, &handed.claimed, outcome);
        }
        user.clone_from(&handed.claimed.user);
        text = self::text(outcome);
    }
    End { delivery: delivery.clone(), id: id.clone(), user, how: *how, text, delay: *delay, follow }
}

/// Runs the handler; a panic in it is an error like any other. It is borrowed, since a task that owned it would have room for
/// it twice.
async fn guarded(mut work: Pin<&mut impl Future<Output = Outcome>>) -> Outcome {
    let step = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(panic) => {
            let error = format!("the handler panicked: {}", words(panic.as_ref()));
            std::task::Poll::Ready(Outcome::Retry { error, after: None })
        }
    });
    step.await
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

/// How a run really ends: what its handler said, with attempts that are used up, with ends that come from elsewhere.
fn settle(said: Outcome, why: Why, attempt: u32, settings: &QueueSettings) -> (Outcome, How, Duration) {
    match said {
        Outcome::Done { result } if result.len() > wire::RESULT_MOST => {
            let error = format!("the result has {} bytes; at most {} are kept", result.len(), wire::RESULT_MOST);
            (Outcome::Fail { error }, How::Dead, Duration::ZERO)
        }
        Outcome::Done { .. } => (said, How::Done, Duration::ZERO),
        Outcome::Retry { error, .. } if attempt >= settings.max_attempts => {
            (Outcome::Fail { error }, How::Dead, Duration::ZERO)
        }
        Outcome::Retry { after, .. } => {
            let drawn = settings.pause_after(attempt, fastrand::f64());
            (said, How::Retry, drawn.max(after.unwrap_or_default()))
        }
        Outcome::Fail { .. } => (said, How::Dead, Duration::ZERO),
        Outcome::Postpone { after } => (said, How::Postpone, after),
        // It stopped because this process leaves, and not because anybody wanted the job to end.
        Outcome::Cancelled if matches!(why, Why::Leaving | Why::Lost) => {
            (Outcome::Postpone { after: Duration::ZERO }, How::Release, Duration::ZERO)
        }
        Outcome::Cancelled => (said, How::Cancelled, Duration::ZERO),
    }
}

/// What follows from an end. What is not valid is left out with an error in the log: the end itself must not wait for it.
fn follow_ups<H: Handler>(handler: &H, job: &Claimed, outcome: &Outcome) -> Vec<(String, JobId, NewJob)> {
    let asked = catch_unwind(AssertUnwindSafe(|| handler.follow_ups(job, outcome)));
    let asked = asked.unwrap_or_else(|panic| {
        tracing::error!(job = %job.id, "what follows from a job is lost: {}", words(panic.as_ref()));
        Vec::new()
    });
    let mut follow = Vec::with_capacity(asked.len());
    for (queue, new) in asked {
        match QueueSettings::new(queue.as_str()).check().and_then(|()| wire::check(&new)).and_then(|()| JobId::fresh())
        {
            Ok(id) => follow.push((wire::prefix(&queue), id, new)),
            Err(error) => tracing::error!(job = %job.id, "what follows from a job is lost: {error}"),
        }
    }
    follow
}

/// What is kept of an outcome.
fn text(outcome: &Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Done { result } => result.clone(),
        Outcome::Retry { error, .. } | Outcome::Fail { error } => error[..error.floor_char_boundary(ERROR_MOST)].into(),
        Outcome::Postpone { .. } | Outcome::Cancelled => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(said: Outcome, why: Why, attempt: u32) -> (Outcome, How, Duration) {
        settle(said, why, attempt, &QueueSettings::new("reports"))
    }

    #[test]
    fn a_retry_beyond_the_last_attempt_is_a_failure() {
        let said = Outcome::Retry { error: "no".to_owned(), after: None };
        assert_eq!(settled(said.clone(), Why::None, 4).1, How::Retry);
        let (outcome, how, _) = settled(said, Why::None, 5);
        assert_eq!((outcome, how), (Outcome::Fail { error: "no".to_owned() }, How::Dead));
    }

    #[test]
    fn the_other_side_may_ask_for_a_longer_pause() {
        let said = Outcome::Retry { error: String::new(), after: Some(Duration::from_secs(60)) };
        assert_eq!(settled(said, Why::None, 1).2, Duration::from_secs(60));
    }

    #[test]
    fn stopping_at_the_end_of_the_process_gives_the_job_back() {
        assert_eq!(settled(Outcome::Cancelled, Why::Leaving, 1).1, How::Release);
        assert_eq!(settled(Outcome::Cancelled, Why::Wish, 1).1, How::Cancelled);
        let done = Outcome::Done { result: vec![1] };
        assert_eq!(settled(done, Why::Leaving, 1).1, How::Done);
    }

    #[test]
    fn a_result_that_is_too_large_is_a_failure_that_says_so() {
        let (outcome, how, _) = settled(Outcome::Done { result: vec![0; wire::RESULT_MOST + 1] }, Why::None, 1);
        assert_eq!(how, How::Dead);
        assert!(matches!(outcome, Outcome::Fail { error } if error.contains("1048577 bytes")));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_words() {
        #[allow(clippy::panic, reason = "the test is about it")]
        let outcome = guarded(pin!(async { panic!("no {}", "way") })).await;
        assert_eq!(outcome, Outcome::Retry { error: "the handler panicked: no way".to_owned(), after: None });
    }
}
