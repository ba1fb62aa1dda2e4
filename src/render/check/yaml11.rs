//! What a scalar without quotes means to cloud-init, which reads by YAML 1.1 (<https://yaml.org/type/>).

/// What a scalar without quotes is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// `yes`, `off`, `True` …
    Bool,
    /// `12`, `0755`, `0x1f`, `0b1`, `1_000`, `1:30` …
    Int,
    /// `24.10`, `.5`, `1.5e+3`, `.inf`, `1:30.5` …
    Float,
    /// `2024-01-01`, and with a time.
    Timestamp,
    /// Nothing, `~`, `null` …
    Null,
    /// `<<` and `=`, which mean something in maps.
    Special,
    /// A text.
    Text,
}

impl Plain {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "yes or no",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Timestamp => "a date",
            Self::Null => "nothing",
            Self::Special => "a merge of maps",
            Self::Text => "a text",
        }
    }
}

/// What a scalar without quotes is taken for.
pub fn plain(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "<<" | "=" => return Plain::Special,
        // The table has `y` and `n` as well; not all readers follow it there.
        "y" | "Y" | "n" | "N" => return Plain::Bool,
        _ => {}
    }
    let words = ["yes", "no", "true", "false", "on", "off"];
    if words.iter().any(|word| is_cased(text, word)) {
        return Plain::Bool;
    }
    if is_int(text) {
        return Plain::Int;
    }
    if is_float(text) {
        return Plain::Float;
    }
    if is_timestamp(text) { Plain::Timestamp } else { Plain::Text }
}

/// Whether a text would be taken for something else where it stands without quotes.
pub fn is_ambiguous(text: &str) -> bool {
    plain(text) != Plain::Text
}

/// `word`, `Word` or `WORD`.
fn is_cased(text: &str, word: &str) -> bool {
    let title = || {
        let mut letters = text.chars();
        letters.next().is_some_and(char::is_uppercase) && letters.all(char::is_lowercase)
    };
    text.eq_ignore_ascii_case(word) && (text == word || text.chars().all(|c| c.is_ascii_uppercase()) || title())
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn all(text: &str, is: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(is)
}

fn is_digit_or_line(c: char) -> bool {
    c.is_ascii_digit() || c == '_'
}

fn is_int(text: &str) -> bool {
    let digits = unsigned(text);
    if let Some(bits) = digits.strip_prefix("0b") {
        return all(bits, |c| "01_".contains(c));
    }
    if let Some(hex) = digits.strip_prefix("0x") {
        return all(hex, |c| c.is_ascii_hexdigit() || c == '_');
    }
    if let Some(octal) = digits.strip_prefix('0') {
        return octal.chars().all(|c| matches!(c, '0'..='7' | '_'));
    }
    let mut parts = digits.split(':');
    let first = parts.next().unwrap_or_default();
    first.starts_with(|c: char| c.is_ascii_digit()) && all(first, is_digit_or_line) && parts.all(is_sexagesimal)
}

/// A further place of a number to the base of sixty: 0 to 59.
fn is_sexagesimal(text: &str) -> bool {
    match text.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [b'0'..=b'5', digit] => digit.is_ascii_digit(),
        _ => false,
    }
}

fn is_float(text: &str) -> bool {
    if [".nan", ".NaN", ".NAN"].contains(&text) || [".inf", ".Inf", ".INF"].contains(&unsigned(text)) {
        return true;
    }
    let number = unsigned(text);
    let Some((whole, rest)) = number.split_once('.') else { return false };
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let exponent_fits =
        exponent.is_none_or(|it| it.strip_prefix(['+', '-']).is_some_and(|it| all(it, |c| c.is_ascii_digit())));
    if !exponent_fits || !fraction.chars().all(is_digit_or_line) {
        return false;
    }
    if whole.is_empty() {
        return fraction.starts_with(|c: char| c.is_ascii_digit());
    }
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let is_whole = first.starts_with(|c: char| c.is_ascii_digit()) && all(first, is_digit_or_line);
    let sixties: Vec<&str> = parts.collect();
    is_whole && sixties.iter().all(|part| is_sexagesimal(part)) && (sixties.is_empty() || exponent.is_none())
}

fn is_timestamp(text: &str) -> bool {
    let at = text.find(['t', 'T', ' ', '\t']).unwrap_or(text.len());
    let (date, time) = text.split_at(at);
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let is = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit())
    };
    if time.is_empty() {
        return is(year, 4, 4) && is(month, 2, 2) && is(day, 2, 2);
    }
    let clock = time.trim_start_matches(['t', 'T', ' ', '\t']);
    is(year, 4, 4) && is(month, 1, 2) && is(day, 1, 2) && is_clock(clock)
}

/// `12:30:00`, with a fraction and a zone where they are given.
fn is_clock(text: &str) -> bool {
    let ends = text.find(|c: char| !(c.is_ascii_digit() || ":.".contains(c))).unwrap_or(text.len());
    let (clock, zone) = text.split_at(ends);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    let is_zone = |zone: &str| {
        let Some(offset) = zone.strip_prefix(['+', '-']) else { return zone.is_empty() || zone == "Z" };
        offset.split(':').count() <= 2 && all(offset, |c| c.is_ascii_digit() || c == ':')
    };
    (1..=2).contains(&hour.len())
        && [minute, second].iter().all(|part| part.len() == 2)
        && fraction.chars().all(|c| c.is_ascii_digit())
        && is_zone(zone.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_yaml_1_1() {
        for (kind, texts) in [
            (Plain::Bool, &["yes", "No", "TRUE", "on", "Off", "y"][..]),
            (Plain::Int, &["0", "12", "-1", "0755", "0x1F", "0b10", "1_000", "1:30", "190:20:30"]),
            (Plain::Float, &["24.10", "1.", ".5", "1.5e+3", "-.inf", ".NaN", "1:30.5"]),
            (
                Plain::Timestamp,
                &["2024-01-01", "2024-1-1 1:02:03", "2024-01-01T10:00:00.5Z", "2024-01-01 10:00:00 +01:00"],
            ),
            (Plain::Null, &["", "~", "null", "NULL"]),
            (Plain::Special, &["<<", "="]),
            (
                Plain::Text,
                &[
                    "yEs", "0o644", "089", "1e3", "1.2.3", "12a", "2024-1-1", "1:60", "-", "+", "_1", "0x", "10.0.0.1",
                    "a:b",
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(plain(text), kind, "{text}");
            }
        }
    }
}
