//! Results for programs.

use serde::Serialize;

/// One document on lines that people can read too. Its first key is `schema`.
pub fn document<T: Serialize>(value: &T) -> String {
    // Our own values always have a JSON form: their keys are texts and their numbers are whole.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// One line.
pub fn line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
