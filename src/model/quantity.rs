//! Sizes, durations and versions as people write them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A number of bytes. Written as a whole number and `KiB`, `MiB`, `GiB` or `TiB` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl Size {
    /// Reads `256MiB`. Errors: what is wrong, in words that name an example.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        match (number.parse::<u64>().ok(), factor) {
            (Some(number), Some(factor)) => number
                .checked_mul(factor)
                .filter(|bytes| *bytes > 0)
                .map(Self)
                .ok_or_else(|| format!("`{text}` is out of range")),
            _ => Err(format!("`{text}` is no size: write a whole number and KiB, MiB, GiB or TiB, such as 256MiB")),
        }
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZE_UNITS.iter().find(|(_, factor)| self.0.is_multiple_of(*factor) && self.0 > 0) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// A span of time, in whole milliseconds. Written as one whole number and `ms`, `s`, `m`, `h` or `d`, which is also
/// how Prometheus reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub u64);

const SPAN_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Span {
    /// Reads `15s`. Errors: what is wrong, in words that name an example.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = SPAN_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        match (number.parse::<u64>().ok(), factor) {
            (Some(number), Some(factor)) => number
                .checked_mul(factor)
                .filter(|ms| *ms > 0)
                .map(Self)
                .ok_or_else(|| format!("`{text}` is out of range")),
            _ => Err(format!("`{text}` is no duration: write a whole number and ms, s, m, h or d, such as 15s")),
        }
    }

    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// The span as the standard library has it.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SPAN_UNITS.iter().find(|(_, factor)| self.0.is_multiple_of(*factor) && self.0 > 0) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}ms", self.0),
        }
    }
}

/// An upstream version: one to four whole numbers joined by dots. `7.0` is less than `7.0.1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(Vec<u32>);

impl Version {
    /// Reads `2.42.0`. Errors: what is wrong, in words that name an example.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Option<Vec<u32>> = text
            .split('.')
            .map(|part| if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None })
            .collect();
        match parts {
            Some(parts) if (1..=4).contains(&parts.len()) => Ok(Self(parts)),
            _ => Err(format!("`{text}` is no version: write one to four numbers joined by dots, such as 7.0")),
        }
    }

    /// The first version within a longer text, such as the output of `--version` or a Debian version with its epoch
    /// and revision (`5:7.0.15-1~deb12u1` is 7.0.15).
    pub fn find(text: &str) -> Option<Self> {
        let text = match text.split_once(':') {
            Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
            _ => text,
        };
        text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
            .map(|word| word.trim_matches('.'))
            .find(|word| word.contains('.'))
            .and_then(|word| {
                let parts: Vec<&str> = word.split('.').take(4).collect();
                Self::parse(&parts.join(".")).ok()
            })
    }

    /// Whether this version is `minimum` or newer.
    pub fn at_least(&self, minimum: &Self) -> bool {
        self >= minimum
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.pad(&parts.join("."))
    }
}

impl TryFrom<String> for Version {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_what_they_write() {
        for text in ["1KiB", "256MiB", "3GiB", "1500MiB"] {
            assert_eq!(Size::parse(text).map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for text in ["250ms", "15s", "5m", "4h", "15d"] {
            assert_eq!(Span::parse(text).map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for bad in
            ["", "1", "0s", "-1s", "1.5GiB", "1 GiB", "99999999999999999999GiB", "18446744073709551615TiB", "1gb"]
        {
            assert!(Size::parse(bad).is_err(), "{bad}");
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_compare_by_number_and_are_found_in_text() {
        let version = |text: &str| Version::parse(text).map_err(|e| panic_free(&e));
        assert!(version("7.0.15") > version("7.0"));
        assert!(version("2.9") < version("2.42"));
        let found = |text: &str| Version::find(text).map(|v| v.to_string());
        assert_eq!(found("5:7.0.15-1~deb12u1").as_deref(), Some("7.0.15"));
        assert_eq!(found("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1").as_deref(), Some("7.0.15"));
        assert_eq!(found("prometheus, version 2.42.0+ds (branch: debian/sid)").as_deref(), Some("2.42.0"));
        assert_eq!(found("no version here"), None);
        for bad in ["", "7.", ".7", "7.x", "1.2.3.4.5", "v7", "+7", "99999999999"] {
            assert!(Version::parse(bad).is_err(), "{bad}");
        }
    }

    fn panic_free(text: &str) -> String {
        text.to_owned()
    }
}
