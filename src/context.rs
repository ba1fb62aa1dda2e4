//! The clock, the environment and randomness, made once in `main` and handed down. Tests hand down their own.
#![allow(clippy::disallowed_methods, reason = "this is the one place that asks the host for them")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

type Clock = dyn Fn() -> SystemTime + Send + Sync;
type Randomness = dyn Fn(&mut [u8]) -> Result<(), String> + Send + Sync;

/// What a program knows without having been told.
#[derive(Clone)]
pub struct Context {
    /// The environment variables whose names and values are text.
    pub vars: BTreeMap<String, String>,
    /// The folder that the command was given in.
    pub cwd: PathBuf,
    /// The program that runs, which the agent is started from.
    pub program: PathBuf,
    clock: Arc<Clock>,
    random: Arc<Randomness>,
}

impl Context {
    /// The real one.
    ///
    /// Errors: the current folder or the program's own path cannot be told.
    pub fn real() -> Result<Self, std::io::Error> {
        Ok(Self {
            vars: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            cwd: std::env::current_dir()?,
            program: std::env::current_exe()?,
            clock: Arc::new(SystemTime::now),
            random: Arc::new(|bytes| getrandom::fill(bytes).map_err(|error| error.to_string())),
        })
    }

    /// One for tests: a clock that stands still and bytes that count up.
    pub fn fixed(vars: BTreeMap<String, String>, cwd: PathBuf) -> Self {
        let next = std::sync::atomic::AtomicU8::new(0);
        Self {
            vars,
            program: cwd.join("reportctl"),
            cwd,
            clock: Arc::new(|| SystemTime::UNIX_EPOCH),
            random: Arc::new(move |bytes| {
                bytes.fill_with(|| next.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
                Ok(())
            }),
        }
    }

    /// The variable of that name, if it is set and not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// The time as RFC 3339 in UTC with milliseconds.
    pub fn timestamp(&self) -> String {
        humantime::format_rfc3339_millis(self.now()).to_string()
    }

    /// `count` random characters of `0-9a-z` without those that are easily confused (`0 1 l o`).
    ///
    /// Errors: the host has no randomness to give.
    pub fn random_lower(&self, count: usize) -> Result<String, String> {
        self.random_from(b"23456789abcdefghijkmnpqrstuvwxyz", count)
    }

    /// `count` random letters and digits.
    ///
    /// Errors: the host has no randomness to give.
    pub fn random_alphanumeric(&self, count: usize) -> Result<String, String> {
        self.random_from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", count)
    }

    /// Draws from `alphabet`; bytes that would make some letters likelier than others are thrown away.
    fn random_from(&self, alphabet: &[u8], count: usize) -> Result<String, String> {
        let fair = 256 - 256 % alphabet.len();
        let mut text = String::with_capacity(count);
        while text.len() < count {
            let mut bytes = [0; 64];
            (self.random)(&mut bytes)?;
            let fair_bytes = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
            text.extend(fair_bytes.map(|byte| char::from(alphabet[byte % alphabet.len()])).take(count - text.len()));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_text_has_the_asked_length_and_alphabet() -> Result<(), String> {
        let context = Context::fixed(BTreeMap::new(), PathBuf::from("/"));
        let text = context.random_lower(8)?;
        assert_eq!(text.len(), 8);
        assert!(text.chars().all(|c| "23456789abcdefghijkmnpqrstuvwxyz".contains(c)), "{text}");
        assert_eq!(context.random_alphanumeric(200)?.len(), 200);
        assert_eq!(context.timestamp(), "1970-01-01T00:00:00.000Z");
        Ok(())
    }
}
