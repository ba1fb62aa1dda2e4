//! Tests of telemetry as a service uses it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test that cannot go on has failed"
)]

mod doors;
mod otlp;
mod process;
mod report;
