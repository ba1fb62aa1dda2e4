//! `reportctl`: brings up a report stack, proves that it works, and takes it away again.

mod cli;
mod ui;

use reportctl::context::Context;
use std::process::ExitCode;

#[allow(clippy::disallowed_methods, reason = "the one place that reads the command line")]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let run = || match Context::real() {
        Ok(context) => cli::main(&context, &arguments),
        Err(error) => cli::without_context(&error),
    };
    // A panic has told its place by itself; what is left to say is whose fault it is.
    let code = std::panic::catch_unwind(run).unwrap_or_else(|_| cli::after_panic());
    ExitCode::from(code)
}
