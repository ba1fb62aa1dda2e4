//! How jobs are written for the scripts, and how their answers are read.

use super::error::QueueError;
use super::id::JobId;
use super::job::{JobInfo, NewJob, Priority, State, TraceContext};
use redis::{ScriptInvocation, Value};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The most that a payload has, in bytes.
pub const PAYLOAD_MOST: usize = 256 * 1024;
/// The most that a result has, in bytes.
pub const RESULT_MOST: usize = 1024 * 1024;
/// The most that any other word of a job has, in bytes.
const WORD_MOST: usize = 4096;
/// The longest delay that is meant seriously.
const DELAY_MOST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The names of the lanes, by priority.
pub const LANES: [&str; 3] = ["high", "normal", "low"];

/// What all keys of a queue begin with.
pub fn prefix(queue: &str) -> String {
    format!("report:q:{queue}:")
}

/// Milliseconds, for the server.
pub fn ms(time: Duration) -> u64 {
    u64::try_from(time.min(DELAY_MOST).as_millis()).unwrap_or(u64::MAX)
}

/// Checks that a job is within the bounds.
pub fn check(job: &NewJob) -> Result<(), QueueError> {
    let announcement = job.announcement.as_ref().map_or(0, |a| a.stream.len() + a.channel.len() + a.event.len());
    let words = [
        ("the payload", job.payload.len(), PAYLOAD_MOST),
        ("the kind", job.kind.len(), WORD_MOST),
        ("the user", job.user.as_ref().map_or(0, String::len), 128),
        ("the idempotency key", job.idempotency_key.as_ref().map_or(0, String::len), WORD_MOST),
        ("the trace context", job.trace.parent.len() + job.trace.state.len(), WORD_MOST),
        ("the announcement", announcement, 16 * WORD_MOST),
    ];
    for (what, size, most) in words {
        if size > most {
            return Err(QueueError::TooLarge { what, size, most });
        }
    }
    // A user's name ends at a NUL in the list of parked jobs.
    if job.user.as_deref().is_some_and(|user| user.is_empty() || user.chars().any(char::is_control)) {
        return Err(QueueError::Refused("a user's name is not empty and has no control characters".to_owned()));
    }
    Ok(())
}

/// Writes a new job as the script's function `put` reads it.
pub fn write_job(call: &mut ScriptInvocation<'_>, id: &JobId, job: &NewJob) {
    let user = job.user.as_deref().unwrap_or_default();
    let key = job.idempotency_key.as_ref().map(|key| digest(user, key)).unwrap_or_default();
    call.arg(id.as_str()).arg(&job.kind).arg(&job.payload).arg(user).arg(LANES[job.priority as usize]).arg(key);
    call.arg(ms(job.delay)).arg(&job.trace.parent).arg(&job.trace.state);
    match &job.announcement {
        Some(a) => call.arg(&a.stream).arg(&a.channel).arg(a.event.replace("{id}", id.as_str())),
        None => call.arg("").arg("").arg(""),
    };
}

/// An idempotency key is the user's own: two users may have the same.
fn digest(user: &str, key: &str) -> String {
    use std::fmt::Write as _;
    let hash = Sha256::new().chain_update(user).chain_update([0]).chain_update(key).finalize();
    hash.iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The fields of a job's hash that [`read_info`] reads, in its order.
pub const INFO: [&str; 12] = [
    "kind",
    "payload",
    "user",
    "priority",
    "state",
    "attempts",
    "error",
    "trace",
    "tracestate",
    "queued",
    "started",
    "ended",
];

/// Reads what is known of a job; none when it is not there.
pub fn read_info(id: JobId, mut fields: Vec<Option<Vec<u8>>>) -> Result<Option<JobInfo>, QueueError> {
    let damaged = |problem: &str| QueueError::Damaged { key: format!("job {id}"), problem: problem.to_owned() };
    if fields.len() != INFO.len() {
        return Err(damaged("the answer has another length"));
    }
    let mut word = |index: usize| fields[index].take();
    let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let Some(kind) = text(word(0)) else { return Ok(None) };
    let payload = word(1).unwrap_or_default();
    let number = |bytes: Option<Vec<u8>>| text(bytes).and_then(|text| text.parse::<u64>().ok());
    let priority = match text(word(3)).as_deref() {
        Some("high") => Priority::High,
        Some("normal") => Priority::Normal,
        Some("low") => Priority::Low,
        _ => return Err(damaged("its priority is unknown")),
    };
    let state = match text(word(4)).as_deref() {
        Some("queued" | "parked") => State::Queued,
        Some("delayed") => State::Delayed,
        Some("running") => State::Running,
        Some("done") => State::Done,
        Some("dead") => State::Dead,
        Some("cancelled") => State::Cancelled,
        _ => return Err(damaged("its state is unknown")),
    };
    Ok(Some(JobInfo {
        kind,
        payload,
        user: text(word(2)),
        priority,
        state,
        attempts: u32::try_from(number(word(5)).unwrap_or(0)).unwrap_or(u32::MAX),
        error: text(word(6)).filter(|error| !error.is_empty()),
        trace: TraceContext { parent: text(word(7)).unwrap_or_default(), state: text(word(8)).unwrap_or_default() },
        enqueued_at: number(word(9)).ok_or_else(|| damaged("it has no time"))?,
        started_at: number(word(10)),
        finished_at: number(word(11)),
        id,
    }))
}

/// Reads an array of the server's.
pub fn list(value: Value) -> Result<Vec<Value>, QueueError> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Nil => Ok(Vec::new()),
        other => Err(strange("a list", &other)),
    }
}

/// Reads a whole number of the server's, as one or in letters.
pub fn number(value: Value) -> Result<u64, QueueError> {
    match value {
        Value::Int(number) => Ok(u64::try_from(number).unwrap_or(0)),
        other => {
            let text = text(other)?;
            text.parse().map_err(|_| QueueError::Damaged { key: "a script's answer".to_owned(), problem: text })
        }
    }
}

/// Reads bytes of the server's; nothing counts as none.
pub fn bytes(value: Value) -> Result<Vec<u8>, QueueError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Nil => Ok(Vec::new()),
        other => Err(strange("a text", &other)),
    }
}

/// Reads a text of the server's; nothing counts as an empty one.
pub fn text(value: Value) -> Result<String, QueueError> {
    let bytes = bytes(value)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

fn strange(wanted: &str, got: &Value) -> QueueError {
    let kind = match got {
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) => "a text",
        Value::Array(_) => "a list",
        _ => "something else",
    };
    QueueError::Damaged { key: "a script's answer".to_owned(), problem: format!("{kind} instead of {wanted}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn keys_of_two_users_and_borders_between_user_and_key_differ() {
        assert_ne!(digest("anna", "1"), digest("bert", "1"));
        assert_ne!(digest("an", "na1"), digest("anna", "1"));
        assert_eq!(digest("anna", "1"), digest("anna", "1"));
    }

    #[test]
    fn what_is_too_large_or_would_break_keys_is_refused() {
        let large = NewJob { payload: vec![0; PAYLOAD_MOST + 1], ..NewJob::default() };
        assert!(check(&large).unwrap_err().to_string().contains("the payload has 262145 bytes"));
        let odd = NewJob { user: Some("an\0na".to_owned()), ..NewJob::default() };
        assert!(matches!(check(&odd), Err(QueueError::Refused(_))));
        check(&NewJob::default()).unwrap();
    }

    #[test]
    fn a_damaged_job_is_named_and_a_missing_one_is_none() {
        let id = JobId::fresh().unwrap();
        assert_eq!(read_info(id.clone(), vec![None; INFO.len()]).unwrap(), None);
        let mut fields = vec![None; INFO.len()];
        fields[0] = Some(b"report".to_vec());
        let problem = read_info(id.clone(), fields).unwrap_err().to_string();
        assert!(problem.contains(id.as_str()) && problem.contains("priority"), "{problem}");
    }
}
