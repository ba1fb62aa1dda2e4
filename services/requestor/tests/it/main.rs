//! The service as browsers, the runner and people meet it: the real router on a real port, with a real Redis.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

mod alerts;
mod api;
mod browser;
mod events;
mod hooks;
mod limits;
mod notify;
mod notify_channels;
mod notify_mail;
mod notify_reports;
mod outages;
mod proxy;
mod results;
mod service;
mod sessions;
mod sockets;
