//! The runner.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is the tests' own crate")]
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test stands outside the walls")]

mod doors;
mod forecast;
mod serve;
mod settings;
mod stage;
mod traces;
