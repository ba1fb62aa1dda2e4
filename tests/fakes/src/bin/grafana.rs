//! The fake `grafana`.
#![allow(clippy::disallowed_methods, reason = "the only place where this program reads its command line")]

fn main() -> std::process::ExitCode {
    reportctl_fakes::run("grafana", std::env::args().skip(1).collect())
}
