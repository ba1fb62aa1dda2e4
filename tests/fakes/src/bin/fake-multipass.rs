//! The fake `multipass`: put on the search path under that name.
#![allow(clippy::disallowed_methods, reason = "the only place where this program reads its command line")]

fn main() -> std::process::ExitCode {
    reportctl_fakes::multipass(std::env::args().skip(1).collect())
}
