//! How long the other side asks us to wait.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use std::time::Duration;

/// The longest wait that we let the other side ask for.
pub(crate) const MOST: Duration = Duration::from_hours(1);

/// Reads the header `Retry-After`: seconds, or a date of HTTP. What is longer than an hour counts as an hour, what is past
/// as now. None when it is neither.
pub(crate) fn read(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()) {
        // More digits than a number holds are a long time too.
        return Some(text.parse().map_or(MOST, Duration::from_secs).min(MOST));
    }
    let then = rfc2822::parse(text).ok()?.timestamp();
    let wait = then.as_second().saturating_sub(now.as_second()).max(0);
    Some(Duration::from_secs(wait.cast_unsigned()).min(MOST))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_within_bounds() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let wait = |text: &str| read(text, now).map(|wait| wait.as_secs());
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait(" 120 "), Some(120));
        assert_eq!(wait("3601"), Some(3600));
        assert_eq!(wait("99999999999999999999999999"), Some(3600));
        assert_eq!(wait("Tue, 24 Nov 2026 12:00:30 GMT"), Some(30));
        assert_eq!(wait("Tue, 24 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(wait("Wed, 25 Nov 2026 12:00:00 GMT"), Some(3600));
        for bad in ["", "soon", "-5", "1.5", "1e3", "Tue, 99 Nov 2026 12:00:00 GMT"] {
            assert_eq!(wait(bad), None, "{bad:?}");
        }
    }
}
