//! The name of a webhook, which stays the same however often it is sent.

use std::fmt;

/// How long an id may be.
const MOST: usize = 128;

/// The name of a webhook: one part, or two with a dot between them. A part holds letters, digits, `_` and `-`; the second
/// begins with a letter.
///
/// What is signed is `id.timestamp.body`. With this form nobody can read the same signed text as another id with another
/// timestamp or body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WebhookId(String);

/// Why a text is no webhook's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook's id has at most 128 characters and one or two parts with a dot between them; a part holds letters, \
     digits, `_` and `-`, and the second begins with a letter"
)]
pub struct IdError;

impl WebhookId {
    /// The id of what is told of `job` at `event`: `<job>.<event>`, with the dots of the event's name written as `-`,
    /// such as `01k….report-finished`.
    ///
    /// # Errors
    /// The parts hold other characters, or are empty or too long.
    pub fn of(job: &str, event: &str) -> Result<Self, IdError> {
        if job.contains('.') {
            return Err(IdError);
        }
        Self::parse(&format!("{job}.{}", event.replace('.', "-")))
    }

    /// Reads an id.
    ///
    /// # Errors
    /// It has another form.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let mut parts = text.splitn(2, '.');
        let first = parts.next().is_some_and(is_part);
        let second =
            parts.next().is_none_or(|part| is_part(part) && part.starts_with(|c: char| c.is_ascii_alphabetic()));
        if first && second && text.len() <= MOST { Ok(Self(text.to_owned())) } else { Err(IdError) }
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn is_part(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_part_or_two() {
        for good in ["msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", "0190-ab", "job.finished", "job.report-finished", "1.a"] {
            assert_eq!(WebhookId::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(129);
        for bad in ["", ".", "a.", ".a", "a.b.c", "a.1649367553", "a b", "ä", "a\n", "a/b", "a:b", long.as_str()] {
            assert!(WebhookId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(WebhookId::parse(&long[..128]).is_ok());
    }

    #[test]
    fn an_id_is_made_of_a_job_and_an_event() {
        assert_eq!(WebhookId::of("01abc", "report.finished").unwrap().as_str(), "01abc.report-finished");
        assert!(WebhookId::of("01.abc", "finished").is_err());
        assert!(WebhookId::of("", "finished").is_err());
        assert!(WebhookId::of("01abc", "").is_err());
    }
}
