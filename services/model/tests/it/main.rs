//! What both services agree on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is the tests' own crate")]

mod catalog;
mod document;
