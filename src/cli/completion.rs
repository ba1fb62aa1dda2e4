//! `completion SHELL`

use super::args::Noise;
use super::failure::CliError;
use super::{Cli, ExitCode, Session};
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
For this session:  source <(reportctl completion bash)
For good:          reportctl completion bash > ~/.local/share/bash-completion/completions/reportctl
                   reportctl completion zsh > ~/.zfunc/_reportctl
                   reportctl completion fish > ~/.config/fish/completions/reportctl.fish")]
pub struct CompletionArgs {
    /// The shell
    shell: Shell,
    #[command(flatten)]
    pub shared: Noise,
}

/// Prints the script.
pub fn run(CompletionArgs { shell, shared: _ }: CompletionArgs, session: &Session) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "reportctl", &mut script);
    session.ui.out.bytes(&script);
    Ok(ExitCode::Ok)
}
