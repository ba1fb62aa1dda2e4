//! Integration tests: one crate, one module a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test stands outside the walls")]
mod breaker;
mod interop;
mod sender;
mod support;
