//! The one way to wait: look, judge what was seen, look again.
//!
//! It looks often while something changes and less often while nothing does, wants several good looks in a row, ends at
//! once when what was seen cannot become good, and tells a *stall* (nothing changes) from slowness (the cap).

use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How often it is looked, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time between two looks while something changes.
    pub quick: Duration,
    /// The longest time between two looks while nothing does.
    pub slow: Duration,
    /// How many good looks in a row count as good. At least 1.
    pub in_a_row: u32,
    /// How long one look may take before it counts as one that saw nothing.
    pub look: Duration,
    /// How long nothing may change.
    pub stall: Duration,
    /// How long all of it may take.
    pub cap: Duration,
}

impl Pace {
    /// For something that another machine does: from four looks a second down to one in two seconds, three good ones
    /// in a row.
    pub const fn remote(stall: Duration, cap: Duration) -> Self {
        Self {
            quick: Duration::from_millis(250),
            slow: Duration::from_secs(2),
            in_a_row: 3,
            look: Duration::from_secs(10),
            stall,
            cap,
        }
    }

    /// For a process of this host, which is there within milliseconds: one good look is enough.
    pub const fn local(stall: Duration, cap: Duration) -> Self {
        Self {
            quick: Duration::from_millis(10),
            slow: Duration::from_millis(250),
            in_a_row: 1,
            look: Duration::from_secs(5),
            stall,
            cap,
        }
    }

    /// The time until the next look, after `last` and a look that saw nothing new.
    fn slower(&self, last: Duration) -> Duration {
        (last + last / 2).min(self.slow)
    }
}

/// What was seen comes to this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Good,
    /// It may become so. The text says what is missing, and names it.
    NotYet(String),
    /// It cannot become so any more.
    Broken(String),
}

/// Why a wait ended without what it waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// It cannot become good any more.
    #[error("{what}: {why}")]
    Broken {
        /// What was waited for.
        what: String,
        /// Why not.
        why: String,
    },
    /// Nothing changed for too long.
    #[error("{what}: nothing has changed for {}, and {why}", humantime::format_duration(*.unchanged))]
    Stalled {
        /// What was waited for.
        what: String,
        /// What is missing.
        why: String,
        /// How long nothing changed.
        unchanged: Duration,
    },
    /// It took too long.
    #[error("{what}: not within {}, and {why}", humantime::format_duration(*.cap))]
    Late {
        /// What was waited for.
        what: String,
        /// What is missing.
        why: String,
        /// How long it was waited.
        cap: Duration,
    },
}

/// Looks until what is seen is good, and returns it.
///
/// `look` sees the state, or says why it could not be seen, which is never taken for a bad state. `judge` says what the
/// state comes to. `say` is told whenever what is missing changes.
///
/// Errors: it cannot become good, nothing changed for too long, or it took too long. Each says what is missing.
pub async fn until<S, Look, Looking>(
    what: &str,
    pace: &Pace,
    mut look: Look,
    mut judge: impl FnMut(&S) -> Verdict,
    mut say: impl FnMut(&str),
) -> Result<S, WaitError>
where
    S: PartialEq,
    Look: FnMut() -> Looking,
    Looking: Future<Output = Result<S, String>>,
{
    let begun = Instant::now();
    let mut changed = begun;
    let mut pause = pace.quick;
    let mut good = 0;
    let mut before: Option<Result<S, String>> = None;
    let mut missing = "it has not been looked at".to_owned();
    loop {
        let patience = pace.look.min(pace.cap.saturating_sub(begun.elapsed()));
        let seen = match timeout(patience, look()).await {
            Ok(seen) => seen,
            // The end cut the last look short: what was missing before says more.
            Err(_) if patience < pace.look && before.is_some() => Err(missing.clone()),
            Err(_) => Err(format!("it has not answered within {}", humantime::format_duration(patience))),
        };
        let verdict = match &seen {
            Ok(state) => judge(state),
            Err(why) => Verdict::NotYet(why.clone()),
        };
        let is_new = before.as_ref() != Some(&seen);
        if is_new {
            changed = Instant::now();
        }
        pause = if is_new { pace.quick } else { pace.slower(pause) };
        match (verdict, seen) {
            (Verdict::Good, Ok(state)) => {
                good += 1;
                if good >= pace.in_a_row {
                    return Ok(state);
                }
                pause = pace.quick;
                "it is not known yet whether it stays so".clone_into(&mut missing);
                before = Some(Ok(state));
            }
            (Verdict::Broken(why), _) => return Err(WaitError::Broken { what: what.to_owned(), why }),
            (Verdict::NotYet(why), seen) => {
                good = 0;
                if missing != why {
                    say(&why);
                    missing = why;
                }
                before = Some(seen);
            }
            // Only a state that was seen can be judged good.
            (Verdict::Good, Err(why)) => missing = why,
        }
        if begun.elapsed() >= pace.cap {
            return Err(WaitError::Late { what: what.to_owned(), why: missing, cap: pace.cap });
        }
        if good == 0 && changed.elapsed() >= pace.stall {
            return Err(WaitError::Stalled { what: what.to_owned(), why: missing, unchanged: pace.stall });
        }
        let rest = pace.cap.saturating_sub(begun.elapsed());
        let until_stall = pace.stall.saturating_sub(changed.elapsed()).max(Duration::from_millis(1));
        sleep(pause.min(rest).min(until_stall)).await;
    }
}

#[cfg(test)]
mod tests {
    //! By tokio's paused clock: seconds pass at once.
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
    use super::*;
    use std::cell::RefCell;

    const SECOND: Duration = Duration::from_secs(1);

    /// Waits for an even number, by a world whose state is a function of the time.
    async fn wait(
        pace: Pace,
        state: impl Fn(Duration) -> Result<u32, String>,
    ) -> (Result<u32, WaitError>, Vec<Duration>) {
        let begun = Instant::now();
        let looks = RefCell::new(Vec::new());
        let look = || {
            looks.borrow_mut().push(begun.elapsed());
            let seen = state(begun.elapsed());
            async move { seen }
        };
        let judge = |number: &u32| match number {
            13 => Verdict::Broken("thirteen never becomes even".to_owned()),
            number if number % 2 == 0 => Verdict::Good,
            number => Verdict::NotYet(format!("{number} is odd")),
        };
        let result = until("the number", &pace, look, judge, |_| ()).await;
        (result, looks.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn it_looks_often_while_something_changes_and_seldom_while_nothing_does() {
        let pace = Pace::remote(60 * SECOND, 600 * SECOND);
        let (result, looks) = wait(pace, |at| Ok(if at < 30 * SECOND { 1 } else { 2 })).await;
        assert_eq!(result, Ok(2));
        let pauses: Vec<Duration> = looks.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses[0], pace.quick);
        assert!(pauses.contains(&pace.slow) && pauses.iter().all(|pause| *pause <= pace.slow), "{pauses:?}");
        assert_eq!(pauses[pauses.len() - 2..], [pace.quick; 2], "what is good is confirmed quickly");
        let (_, looks) = wait(pace, |at| Ok(if at < 10 * SECOND { at.as_millis() as u32 * 2 + 1 } else { 2 })).await;
        assert!(looks.windows(2).all(|pair| pair[1] - pair[0] == pace.quick), "it changes all the time: {looks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn several_good_looks_in_a_row_are_wanted() {
        let pace = Pace::remote(60 * SECOND, 600 * SECOND);
        // Good for two looks, then not, then for good.
        let flaps = |at: Duration| Ok(if at < 2 * pace.quick || at > 5 * SECOND { 2 } else { 1 });
        let (result, looks) = wait(pace, flaps).await;
        assert_eq!(result, Ok(2));
        assert!(looks.last().unwrap() > &(5 * SECOND), "{looks:?}");
        let local = Pace::local(60 * SECOND, 600 * SECOND);
        assert_eq!(wait(local, |_| Ok(2)).await.1.len(), 1, "on this host one is enough");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_become_good_ends_the_wait_at_once() {
        let (result, looks) = wait(Pace::local(60 * SECOND, 600 * SECOND), |_| Ok(13)).await;
        assert!(matches!(&result, Err(WaitError::Broken { why, .. }) if why.contains("thirteen")), "{result:?}");
        assert_eq!(looks.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_told_from_slowness_and_both_say_what_is_missing() {
        let pace = Pace::remote(30 * SECOND, 120 * SECOND);
        let (stalled, looks) = wait(pace, |_| Ok(7)).await;
        assert_eq!(stalled.unwrap_err().to_string(), "the number: nothing has changed for 30s, and 7 is odd");
        assert!(*looks.last().unwrap() <= 31 * SECOND, "{looks:?}");
        let (late, looks) = wait(pace, |at| Ok(at.as_secs() as u32 * 2 + 101)).await;
        assert!(matches!(&late, Err(WaitError::Late { cap, .. }) if *cap == pace.cap), "{late:?}");
        assert!(*looks.last().unwrap() <= pace.cap);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_seen_is_neither_good_nor_broken() {
        let pace = Pace::local(60 * SECOND, 600 * SECOND);
        let (result, _) =
            wait(pace, |at| if at < 5 * SECOND { Err("connection refused".to_owned()) } else { Ok(2) }).await;
        assert_eq!(result, Ok(2));
        let (result, _) = wait(pace, |_| Err("connection refused".to_owned())).await;
        assert!(result.unwrap_err().to_string().ends_with("connection refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_never_ends_does_not_hold_up_the_wait() {
        let pace = Pace::local(60 * SECOND, 20 * SECOND);
        let hangs = || std::future::pending::<Result<u32, String>>();
        let said = RefCell::new(Vec::new());
        let say = |note: &str| said.borrow_mut().push(note.to_owned());
        let result = until("the number", &pace, hangs, |_| Verdict::Good, say).await;
        assert!(matches!(result, Err(WaitError::Late { .. })), "{result:?}");
        assert_eq!(said.borrow()[0], "it has not answered within 5s");
    }
}
