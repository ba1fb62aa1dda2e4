//! The queue on real servers: one crate, one module a subject.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cancel;
mod death;
mod life;
mod order;
mod support;
mod trouble;
