//! The runner.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is the tests' own crate")]
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test stands outside the walls")]

mod csv_sources;
mod doors;
mod forecast;
mod gages;
mod large;
mod library;
mod offered;
mod postgres_sources;
mod series;
mod serve;
mod settings;
mod stage;
mod traces;
