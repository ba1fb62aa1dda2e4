//! The programs of a machine that is none: `fake-machine lxc …` on the host, `fake-machine systemctl …` in the machine.
#![allow(clippy::disallowed_methods, reason = "the only place where this program reads its command line")]

fn main() -> std::process::ExitCode {
    reportctl_fakes::machine(std::env::args().skip(1).collect())
}
