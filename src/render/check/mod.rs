//! Judgements that the foreign tools do not make.
//!
//! `promtool` and `amtool` accept an empty file, a pattern that matches nothing, a list of tests without a test and a
//! mistyped matcher, and some of them say SUCCESS before they fail. So what we render is judged here too, and what the
//! tools say is judged by their exit status alone. Everything here is a pure function of text.

mod alertmanager;
mod dashboard;
mod prometheus;
mod tools;
mod user_data;
pub mod yaml11;

pub use alertmanager::alertmanager;
pub use dashboard::dashboard;
pub use prometheus::{prometheus, rule_tests, rules};
pub use tools::{AMTOOL_CHECK, PROMTOOL_CHECK_CONFIG, PROMTOOL_CHECK_RULES, PROMTOOL_TEST, redis_reply, verdict};
pub use user_data::{Finding, user_data};

use serde_json::Value;
use std::fmt;

/// Something that is wrong with a rendered text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where: a path within the document, such as `scrape_configs[2]`.
    pub at: String,
    /// What is wrong, and how it should be.
    pub what: String,
}

impl Problem {
    fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// A YAML text as a tree, or what is wrong with it.
fn tree(text: &str) -> Result<Value, Vec<Problem>> {
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(map)) if !map.is_empty() => Ok(Value::Object(map)),
        Ok(_) => Err(vec![Problem::new("file", "it says nothing: the tool takes that for a good configuration")]),
        Err(error) => Err(vec![Problem::new("file", error.to_string())]),
    }
}

/// The elements of a list at a key, each with its place.
fn items<'a>(value: &'a Value, at: &str, key: &str) -> Vec<(String, &'a Value)> {
    let place = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    let list = value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().enumerate().map(|(number, item)| (format!("{place}[{number}]"), item)).collect()
}

/// The text at a key; empty when there is none.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
