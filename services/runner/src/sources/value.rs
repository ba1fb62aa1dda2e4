//! What the text of a cell says.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// What stands for nothing, whatever the capitals.
const NOTHINGS: [&str; 6] = ["na", "n/a", "nan", "null", "none", "-"];

/// What a cell's text says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<T> {
    /// Nothing.
    Missing,
    /// Something, but not this.
    Bad,
    /// This.
    Good(T),
}

impl<T> Value<T> {
    /// The value, if it is one.
    pub fn good(self) -> Option<T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Missing | Self::Bad => None,
        }
    }

    fn of(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Self {
        let text = text.trim();
        if text.is_empty() || NOTHINGS.iter().any(|nothing| nothing.eq_ignore_ascii_case(text)) {
            return Self::Missing;
        }
        read(text).map_or(Self::Bad, Self::Good)
    }
}

/// A day, or a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// For the order: seconds since 1970 in UTC, where an offset is said; where none is, as if it were UTC.
    pub seconds: i64,
    /// The day as it was written: that of the place where it was written.
    pub day: Date,
}

/// Reads a finite number. In files whose cells are parted by semicolons a comma parts the decimals.
pub(super) fn number(text: &str, decimal_comma: bool) -> Value<f64> {
    Value::of(text, |text| {
        let swapped = (decimal_comma && text.contains(',')).then(|| text.replace(',', "."));
        swapped.as_deref().unwrap_or(text).parse::<f64>().ok().filter(|number| number.is_finite())
    })
}

/// Reads a day or a point in time: `2026-11-24`, `24.11.2026`, `2026-11-24T06:30:00`, `2026-11-24 06:30:00.5+01`.
/// Forms with slashes mean different days to different people, and are none.
pub(super) fn moment(text: &str) -> Value<Moment> {
    Value::of(text, |text| {
        let (day, rest) = text.split_at_checked(10)?;
        let day = day.parse::<Date>().ok().or_else(|| with_dots(day))?;
        if rest.is_empty() {
            return Some(Moment { seconds: seconds(day.to_datetime(jiff::civil::Time::midnight()))?, day });
        }
        let time = rest.strip_prefix(['T', ' '])?.trim();
        let (time, offset) = part(time)?;
        let time = time.parse::<jiff::civil::Time>().ok()?;
        Some(Moment { seconds: seconds(day.to_datetime(time))? - offset, day })
    })
}

/// `24.11.2026`, as a day.
fn with_dots(text: &str) -> Option<Date> {
    let mut parts = text.split('.');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// A time of day, and how many seconds it is ahead of UTC where that is said.
fn part(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let (time, offset) = text.split_at(at);
    let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    Some((time.trim_end(), sign * (hours * 3600 + minutes * 60)))
}

fn seconds(moment: DateTime) -> Option<i64> {
    Offset::UTC.to_timestamp(moment).ok().map(|timestamp| timestamp.as_second())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, comma, value) in [
            ("1.5", false, Value::Good(1.5)),
            (" -2 ", false, Value::Good(-2.0)),
            ("1e3", false, Value::Good(1000.0)),
            ("1,5", true, Value::Good(1.5)),
            ("1.5", true, Value::Good(1.5)),
            ("1,5", false, Value::Bad),
            ("1,000.5", true, Value::Bad),
            ("12 mm", false, Value::Bad),
            ("inf", false, Value::Bad),
            ("", false, Value::Missing),
            ("N/A", false, Value::Missing),
            ("NaN", false, Value::Missing),
        ] {
            assert_eq!(number(text, comma), value, "{text}");
        }
    }

    #[test]
    fn days_and_times_are_read_without_guessing() {
        let day: Date = "2026-11-24".parse().unwrap();
        let midnight = moment("2026-11-24").good().unwrap();
        assert_eq!(midnight.day, day);
        assert_eq!(moment("24.11.2026").good(), Some(midnight));
        for (text, later) in [
            ("2026-11-24T06:30:00", 23_400),
            ("2026-11-24 06:30:00.25", 23_400),
            ("2026-11-24T06:30", 23_400),
            ("2026-11-24T06:30:00Z", 23_400),
            ("2026-11-24 06:30:00+01", 19_800),
            ("2026-11-24 06:30:00-05:30", 43_200),
            ("2026-11-24 06:30:00 +0000", 23_400),
        ] {
            let read = moment(text).good().unwrap_or_else(|| panic!("{text}"));
            assert_eq!((read.seconds - midnight.seconds, read.day), (later, day), "{text}");
        }
        for text in
            ["11/24/2026", "2026-02-30", "31.02.2026", "24.11.26", "soon", "2026-11-24x", "2026-11-24T25:00", "äöüäöüä"]
        {
            assert_eq!(moment(text), Value::Bad, "{text}");
        }
        assert_eq!(moment(" "), Value::Missing);
    }
}
