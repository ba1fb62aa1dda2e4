//! Names of jobs.

use super::error::QueueError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// A job's name: 26 characters of Crockford's base 32 without dots, sortable by time. It is part of keys and of webhook
/// ids, so it holds nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// Reads a name; none when it has another length or other characters.
    pub fn parse(text: &str) -> Option<Self> {
        let good = |c: u8| c.is_ascii_digit() || c.is_ascii_lowercase();
        (text.len() == 26 && text.bytes().all(good)).then(|| Self(text.to_owned()))
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A new name: 48 bits of the time in ms and 80 random ones. Those that one process makes are in order.
    ///
    /// Errors: the machine has no randomness to give.
    pub fn fresh() -> Result<Self, QueueError> {
        static LAST: Mutex<u128> = Mutex::new(0);
        let mut random = [0; 16];
        getrandom::fill(&mut random[6..]).map_err(|e| QueueError::Settings(format!("no random numbers: {e}")))?;
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let mut last = LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Within one millisecond, or when the clock was set back, it is counted on from the last one.
        let drawn = (ms << 80) | u128::from_be_bytes(random);
        *last = if drawn > *last { drawn } else { *last + 1 };
        Ok(Self(spell(*last)))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// 128 bits in base 32, the highest first.
fn spell(number: u128) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    (0..26).rev().map(|place| char::from(LETTERS[((number >> (place * 5)) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn fresh_names_are_names_and_in_order() {
        let names: Vec<JobId> = (0..1000).map(|_| JobId::fresh().unwrap()).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(names.iter().all(|name| JobId::parse(name.as_str()).as_ref() == Some(name)));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", "01j", "01JABCDEFGHJKMNPQRSTVWXYZ0", "01jabcdefghjkmnpqrstvwxy:0", "01jabcdefghjkmnpqrstvwxyz00"]
        {
            assert_eq!(JobId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_highest_bits_come_first() {
        assert_eq!(spell(0), "0".repeat(26));
        assert_eq!(spell(33), format!("{}11", "0".repeat(24)));
        assert_eq!(spell(u128::MAX), format!("7{}", "z".repeat(25)));
    }
}
