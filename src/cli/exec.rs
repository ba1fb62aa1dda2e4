//! `exec`

use super::args::InEnvUnshown;
use super::failure::CliError;
use super::site::Site;
use super::{ExitCode, Session};
use clap::Args;
use reportctl::exec::{self, Command};
use reportctl::fs;
use reportctl::model::environment::Machine;
use reportctl::model::guest::{Guest, label};
use reportctl::model::ids::EnvId;
use reportctl::model::inventory::Observed;
use reportctl::model::{lxd, multipass};
use reportctl::reach::guest::{Inside, Reads};
use std::io::IsTerminal as _;
use std::time::Duration;

/// The longest that LXD is asked whose an instance is.
const PROMPT: Duration = Duration::from_secs(20);

/// Run a command in the environment's machine
#[derive(Debug, Args)]
#[command(after_help = "\
It runs as root in the folder / unless --user says otherwise, reads what this command reads, and has a terminal where
this command has one on both sides. This command ends with its exit code; where the machine cannot be reached, with
one of `reportctl explain`, and says so.

Examples:
reportctl exec -e lxd -- systemctl status report-redis
reportctl exec -e lxd -- sh -c 'df -h / && free -m'")]
pub struct ExecArgs {
    /// The command and its arguments; those of it that begin with a dash come after --
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    /// Run it as this user of the machine
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Give it nothing to read
    #[arg(short, long)]
    no_stdin: bool,
    #[command(flatten)]
    pub shared: InEnvUnshown,
}

/// Runs it.
///
/// Errors: the environment has no machine, or nobody gets into it.
pub fn run(ExecArgs { command, user, no_stdin, shared: _ }: ExecArgs, session: &Session) -> Result<ExitCode, CliError> {
    foreground(session, "exec", &command, user.as_deref(), no_stdin)
}

/// Runs a command in the machine as if this one were it.
///
/// Errors: the environment has no machine, or nobody gets into it.
pub fn foreground(
    session: &Session,
    verb: &'static str,
    argv: &[String],
    user: Option<&str>,
    no_stdin: bool,
) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let site = Site::open(session, &settings.env)?;
    let guest = guest(&site, verb)?;
    let inside = Inside::new(session.context, &guest);
    let (input, output) = (std::io::stdin().is_terminal(), std::io::stdout().is_terminal());
    let reads = match (no_stdin, input && output) {
        (true, _) => Reads::Nothing,
        (false, true) => Reads::Terminal,
        (false, false) => Reads::Input,
    };
    let ended = super::runtime()?.block_on(inside.interactive(argv, user, reads));
    let code = ended.map_err(|error| CliError::Inside { env: site.env.name.clone(), error })?;
    // Whatever the command's code means, it is not one of ours.
    session.ended.set(u8::try_from(code).ok());
    Ok(ExitCode::Ok)
}

/// The environment's machine, if it is ours. Whether it runs is seen when it is entered.
fn guest(site: &Site<'_>, verb: &'static str) -> Result<Guest, CliError> {
    let env = || site.env.name.clone();
    if let Machine::Host { .. } = &site.env.machine {
        return Err(CliError::NoMachine { env: env(), verb });
    }
    let written = match fs::observe(&site.paths.identity()) {
        Observed::Present(text) => EnvId::parse(text.trim()).ok(),
        Observed::Absent | Observed::Unknown(_) => None,
    };
    let id = site.recall()?.facts.id.or(written).ok_or_else(|| CliError::NotUp { env: env() })?;
    match &site.env.machine {
        // Its name holds the identity, and nothing else could.
        Machine::Multipass(_) => Ok(Guest::Multipass(multipass::instance_name(&id))),
        Machine::Lxd(_) | Machine::Host { .. } => {
            let name = lxd::Names::of(&id).instance;
            if is_foreign(site, &name, &id) {
                return Err(CliError::ForeignMachine { env: env(), name });
            }
            Ok(Guest::Lxd(name))
        }
    }
}

/// Whether an instance is there and carries another identity or none. What cannot be asked now is told when it is entered.
fn is_foreign(site: &Site<'_>, name: &str, id: &EnvId) -> bool {
    let path = format!("/1.0/instances/{name}");
    let asked = exec::run(&Command::reads(site.context, ["lxc", "query", &path]).deadline(PROMPT));
    let Ok(asked) = asked else { return false };
    let Ok(instance) = serde_json::from_str::<serde_json::Value>(&asked.stdout) else { return false };
    instance["config"][format!("{}{}", lxd::LABELS, label::ID)].as_str() != Some(id.as_str())
}
