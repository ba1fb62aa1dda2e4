//! Which checks are wanted.

use super::checks::{self, Check};
use crate::model::component::ComponentName;
use crate::model::suggest;

/// Which checks are wanted: all of them, or those whose name fits one of some patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    patterns: Vec<String>,
}

/// A pattern that fits no check of any component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` selects no check{}", hint(.suggestion))]
pub struct UnknownCheck {
    /// The pattern.
    pub pattern: String,
    /// A name that it may have meant.
    pub suggestion: Option<String>,
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!(": did you mean `{name}`?")).unwrap_or_default()
}

impl Selection {
    /// Takes patterns: a component (`redis`), a check (`redis/answers`), or a text with `*` for any characters and `?`
    /// for one (`redis/*`, `*/answers`). No pattern at all means every check.
    ///
    /// Errors: the first pattern that fits no check. A mistyped name must not pass for a selection.
    pub fn parse<T: AsRef<str>>(patterns: &[T]) -> Result<Self, UnknownCheck> {
        let selection = Self { patterns: patterns.iter().map(|pattern| pattern.as_ref().to_owned()).collect() };
        match selection.patterns.iter().find(|pattern| !known().any(|(name, of)| fits(pattern, &name, of))) {
            Some(pattern) => Err(UnknownCheck { pattern: pattern.clone(), suggestion: nearest(pattern) }),
            None => Ok(selection),
        }
    }

    /// Whether a check of that name and component is wanted.
    pub fn wants(&self, name: &str, component: ComponentName) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| fits(pattern, name, component))
    }
}

/// Every name that can be selected: the checks, and a stand-in for each component that has none yet.
fn known() -> impl Iterator<Item = (String, ComponentName)> {
    let checks = checks::all().iter().map(|check: &Check| (check.name.to_owned(), check.component));
    checks.chain(checks::without_checks().map(|component| (checks::stand_in(component), component)))
}

fn nearest(pattern: &str) -> Option<String> {
    let names: Vec<String> =
        known().map(|(name, _)| name).chain(ComponentName::ALL.iter().map(ToString::to_string)).collect();
    suggest::nearest(pattern, names.iter().map(String::as_str)).map(str::to_owned)
}

fn fits(pattern: &str, name: &str, component: ComponentName) -> bool {
    pattern == component.as_str() || glob(pattern.as_bytes(), name.as_bytes())
}

/// Whether the whole text fits a pattern with `*` and `?`. Takes time in the product of both lengths at most.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last star stands, and how much of the text it has swallowed so far.
    let mut star: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, swallowed)) => {
                    star = Some((at, swallowed + 1));
                    p = at + 1;
                    t = swallowed + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, text) in
            [("redis/*", "redis/answers"), ("*/answers", "redis/answers"), ("*", ""), ("r?dis*", "redis/x")]
        {
            assert!(glob(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in
            [("redis/*", "redis-exporter/figures"), ("*/answer", "redis/answers"), ("", "x"), ("?", "")]
        {
            assert!(!glob(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        assert!(!glob("*a*a*a*a*a*a*b".as_bytes(), "a".repeat(500).as_bytes()));
    }

    #[test]
    fn a_component_selects_its_checks_and_no_others() {
        let selection = Selection::parse(&["redis"]).unwrap();
        assert!(selection.wants("redis/answers", ComponentName::Redis));
        assert!(!selection.wants("redis-exporter/figures", ComponentName::RedisExporter));
        let all: [&str; 0] = [];
        assert!(Selection::parse(&all).unwrap().wants("redis/answers", ComponentName::Redis));
    }

    #[test]
    fn a_mistyped_pattern_is_an_error_even_beside_a_good_one() {
        let error = Selection::parse(&["redis", "promethus"]).unwrap_err();
        assert_eq!(error.to_string(), "`promethus` selects no check: did you mean `prometheus`?");
        assert_eq!(Selection::parse(&["zzzzzzzz/*"]).unwrap_err().to_string(), "`zzzzzzzz/*` selects no check");
    }
}
