//! A Redis or a Valkey of a test's own.

use super::{eventually, free_port};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `redis-server`.
    Redis,
    /// `valkey-server`.
    Valkey,
}

impl Flavour {
    /// Those that are installed. Redis always is: the tests need it.
    pub fn installed() -> Vec<Self> {
        let there = |flavour: &Self| Command::new(flavour.program()).arg("--version").output().is_ok();
        [Self::Redis, Self::Valkey].into_iter().filter(there).collect()
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }
}

/// A server that keeps its data over restarts and goes with its owner.
pub struct RedisServer {
    folder: TempDir,
    flavour: Flavour,
    port: u16,
    child: Child,
}

impl RedisServer {
    /// Starts one with append-only persistence and no eviction, as the stack does, and waits until it answers. Which one:
    /// Redis, or what `REPORT_TEST_SERVER` says.
    pub fn start() -> Self {
        let valkey = std::env::var("REPORT_TEST_SERVER").is_ok_and(|name| name == "valkey");
        Self::start_as(if valkey { Flavour::Valkey } else { Flavour::Redis })
    }

    /// Starts one of `flavour`.
    pub fn start_as(flavour: Flavour) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = spawn(flavour, port, &folder);
        let server = Self { folder, flavour, port, child };
        server.wait();
        server
    }

    /// Its address, such as `redis://127.0.0.1:40001`. It wants no password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection of the test's own, to look and to meddle with.
    pub fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as a machine that goes down does: it writes out what it holds first.
    pub fn stop(&mut self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port with the same data, and waits until it answers.
    pub fn start_again(&mut self) {
        self.child = spawn(self.flavour, self.port, &self.folder);
        self.wait();
    }

    /// Holds it: it answers nobody, and nobody is told.
    pub fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    fn wait(&self) {
        eventually("redis answers", || {
            let client = redis::Client::open(self.url()).unwrap();
            let Ok(mut connection) = client.get_connection() else { return false };
            redis::cmd("PING").query::<String>(&mut connection).is_ok_and(|answer| answer == "PONG")
        });
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // A test that failed may have left it held; a held process cannot be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(flavour: Flavour, port: u16, folder: &TempDir) -> Child {
    let settings = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"];
    Command::new(flavour.program())
        .args(["--port", &port.to_string(), "--dir", folder.path().to_str().unwrap()])
        .args(settings)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
