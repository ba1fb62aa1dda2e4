//! Real servers for the tests of the services: each test starts its own, on a free port, in a folder that goes with it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "this is the tests' own crate")]

mod certificates;
pub mod faults;
mod otlp;
mod postgres;
mod receiver;
mod redis;
mod services;
mod smtp;

pub use certificates::Identity;
pub use otlp::{OtlpReceiver, Seen};
pub use postgres::PostgresServer;
pub use receiver::{Answer, Received, Receiver};
pub use redis::{Flavour, RedisServer};
pub use services::{ADMIN_TOKEN, Services};
pub use smtp::{Mail, SmtpMode, SmtpServer};

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A port of the loopback address that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until `holds`, looking every 10 ms.
///
/// Panics after 30 s, naming what was waited for.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until `holds`, asking every 10 ms, without holding up the runtime.
///
/// Panics after 30 s, naming what was waited for.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The python of a virtual environment of the tests, which is made when it is missing.
fn python(name: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/venv");
    let made = Command::new(script).arg(name).stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success(), "tests/tools/venv {name} failed: are python3-venv and a package index there?");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}
