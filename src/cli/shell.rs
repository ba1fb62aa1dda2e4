//! `shell`

use super::args::InEnvUnshown;
use super::failure::CliError;
use super::{ExitCode, Session};
use clap::Args;

/// Open a shell in the environment's machine
#[derive(Debug, Args)]
#[command(after_help = "\
It is a login shell of root, or of --user. Without a terminal it reads commands from standard input.
`reportctl exec` runs one command.")]
pub struct ShellArgs {
    /// Log in as this user of the machine
    #[arg(long, value_name = "USER", default_value = "root")]
    user: String,
    #[command(flatten)]
    pub shared: InEnvUnshown,
}

/// Opens it; ends with the exit code of the shell.
///
/// Errors: the environment has no machine, or nobody gets into it.
pub fn run(ShellArgs { user, shared: _ }: ShellArgs, session: &Session) -> Result<ExitCode, CliError> {
    let argv = ["su".to_owned(), "--login".to_owned(), "--".to_owned(), user];
    super::exec::foreground(session, "shell", &argv, None, false)
}
