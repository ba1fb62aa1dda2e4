//! The fake `uptrace`.
#![allow(clippy::disallowed_methods, reason = "the only place where this program reads its command line")]

fn main() -> std::process::ExitCode {
    reportctl_fakes::run("uptrace", std::env::args().skip(1).collect())
}
