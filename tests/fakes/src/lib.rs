//! Strict stand-ins for servers that cannot be installed from a distribution's archive: Grafana, ClickHouse, Uptrace.
//!
//! They take the command lines, read the configuration and answer the questions that the real ones would, as far as
//! this project uses them, and they refuse the rest: also some mistakes that a real one would silently ignore. They
//! prove that what this project writes is well formed and that its checks can fail. They prove nothing about the real
//! servers. Every text that they print says `fake`. A stand-in for the command line of Multipass is among them, which
//! can run containers of a real LXD behind it; its variables are in `multipass/mod.rs`.
//!
//! Variables of the environment (a service of reportctl inherits none of them: put a script on the search path that
//! sets them and runs the fake):
//!
//! | variable | meaning |
//! |---|---|
//! | `FAKE_FAULT` | faults, separated by commas, each `PROGRAM/FAULT` or `PROGRAM/FAULT=VALUE`; see [`FAULTS`] |
//! | `FAKE_FAULT_FILE` | a file with more of them, one a line or separated by commas, read anew at each request |
//! | `FAKE_GRAFANA_VERSION` | the version of Grafana, `12.4.0` if not set |
//! | `FAKE_GRAFANA_IMAGE` | `1`: started as in Grafana's container image, whose script reads `GF_…__FILE` variables |
//! | `FAKE_UPTRACE_VERSION` | the version of Uptrace, which decides its dialect: `2.0…` or `2.1…`; `2.1.0` if not set |
//! | `FAKE_LXD` | the folder in which the fake LXD keeps everything; when it is removed, its machines end |
//! | `FAKE_LXD_IMAGE` | the alias of the one image that it has at first, `report-test` if not set |
//! | `FAKE_LXD_VM` | `1`: it can run virtual machines |
//! | `FAKE_CLICKHOUSE_VERSION` | the version of ClickHouse, `25.8.15.35` if not set |
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a fake stands outside the walls")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod clickhouse;
mod client;
mod door;
mod expand;
mod fault;
mod flags;
mod grafana;
mod guest;
mod lxd;
mod multipass;
mod uptrace;

pub use fault::FAULTS;

use std::process::ExitCode;

/// Why a fake does not do what it was asked to do.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Its exit code.
    pub(crate) code: u8,
    /// What it says.
    pub(crate) text: String,
}

impl Refusal {
    /// A refusal with the customary exit code 1.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { code: 1, text: text.into() }
    }
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Runs the fake named `program` (`grafana`, `uptrace` or `clickhouse`) with its arguments until it ends or is told to
/// end (SIGTERM, SIGINT: exit code 0).
///
/// Errors: the exit code is not 0, and the last line on stderr says why.
pub fn run(program: &'static str, args: Vec<String>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log(program, "error", &format!("no runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match program {
            "grafana" => grafana::run(args).await,
            "uptrace" => uptrace::run(args).await,
            "clickhouse" => clickhouse::run(args).await,
            other => Err(Refusal::new(format!("there is no fake named {other}"))),
        }
    });
    // What still runs (a request that hangs on purpose) must not delay the end.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            log(program, "error", &refusal.text);
            ExitCode::from(refusal.code)
        }
    }
}

/// Runs one call of the fake `multipass`. It speaks byte for byte as the real one does, so that only its help says `fake`.
///
/// Errors: the exit codes of the real one; 70 where the fake was set up wrongly, which stderr says.
pub fn multipass(args: Vec<String>) -> ExitCode {
    multipass::run(&args)
}

/// Runs the program of a fake machine that the first argument names: `lxc` or `ssh` for its host, others within it.
pub fn machine(mut args: Vec<String>) -> ExitCode {
    let role = if args.is_empty() { String::new() } else { args.remove(0) };
    if role == "lxc" {
        return lxd::run(args);
    }
    guest::run(&role, &args).unwrap_or_else(|| {
        log("machine", "error", &format!("a fake machine has no program {role:?}"));
        ExitCode::from(127)
    })
}

/// One line on stderr.
pub(crate) fn log(program: &str, level: &str, text: &str) {
    eprintln!("level={level} logger=fake-{program} msg={text:?}");
}

/// A variable of the environment that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The text of a configuration file.
///
/// Errors: it cannot be read, or it still holds a reference to a secret that nobody filled in.
pub(crate) fn read_configuration(path: &std::path::Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match text.lines().position(|line| line.contains("@{secret:")) {
        Some(line) => Err(format!("{}:{}: a secret was not filled in", path.display(), line + 1)),
        None => Ok(text),
    }
}
