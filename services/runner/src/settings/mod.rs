//! The settings: what is written on the command line and in the environment, checked as a whole. Everything that is
//! wrong is named at once, by the flag and the variable that it came from.

pub mod args;
mod check;

pub use check::{Redis, Settings};

use std::fmt;

/// A setting that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The flag, such as `--listen`.
    pub flag: &'static str,
    /// The variable that can be used instead.
    pub variable: &'static str,
    /// What is wrong and what to do.
    pub text: String,
}

/// All settings that are not as they have to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { flag, variable, text }) in self.0.iter().enumerate() {
            let end = if index + 1 == self.0.len() { "" } else { "\n" };
            write!(f, "  {flag} ({variable}): {text}{end}")?;
        }
        Ok(())
    }
}
