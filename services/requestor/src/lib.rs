//! Takes requests for reports, and brings what becomes of them to the browser of the one who asked: the page, its API,
//! sessions, users' logs, and the sockets that follow them.

pub mod app;
pub mod assets;
pub mod fanout;
pub mod feed;
pub mod hooks;
pub mod http;
pub mod listener;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod rate;
pub mod reports;
pub mod results;
pub mod runner;
pub mod serve;
pub mod sessions;
pub mod settings;
pub mod store;
pub mod token;
mod trace;
pub mod user;
