//! Who somebody is, and the names in Redis that belong to them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A user's id: a letter or digit, then up to 63 letters, digits, dots, dashes and underscores; all in lower case. It is
/// part of keys and channels, so it holds neither `:` nor `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

/// A text that is no user's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a user's id has 1 to 64 of a-z, 0-9, dot, dash and underscore, and begins with a letter or digit: for example anna"
)]
pub struct NotAUser;

impl UserId {
    /// Reads an id.
    pub fn parse(text: &str) -> Result<Self, NotAUser> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let first = text.bytes().next().is_some_and(plain);
        let rest = text.bytes().all(|c| plain(c) || matches!(c, b'.' | b'_' | b'-'));
        if first && rest && text.len() <= 64 { Ok(Self(text.to_owned())) } else { Err(NotAUser) }
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream that is this user's log.
    pub fn log(&self) -> String {
        format!("user:{}:ev", self.0)
    }

    /// The channel on which this user's open pages are woken.
    pub fn channel(&self) -> String {
        format!("user:{}", self.0)
    }

    /// The hash that says how this user can be reached.
    pub fn profile(&self) -> String {
        format!("user:/profile:{}", self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for UserId {
    type Error = NotAUser;

    fn try_from(text: String) -> Result<Self, NotAUser> {
        Self::parse(&text)
    }
}

impl From<UserId> for String {
    fn from(user: UserId) -> Self {
        user.0
    }
}

#[cfg(test)]
mod tests {
    use super::UserId;

    #[test]
    fn ids_that_could_reach_other_keys_are_none() {
        for bad in ["", "Anna", "a:ev", "/session", "a/b", "-a", ".a", "a b", "ä", "a\n", &"a".repeat(65)] {
            assert!(UserId::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "anna", "anna.b-c_d", "0", &"a".repeat(64)] {
            assert_eq!(UserId::parse(good).map(|user| user.to_string()), Ok(good.to_owned()));
        }
    }
}
