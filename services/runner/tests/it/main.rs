//! The runner.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is the tests' own crate")]

mod forecast;
mod settings;
