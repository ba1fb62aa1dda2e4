//! `agent`: not for people. `up` starts it.

use super::args::Noise;
use super::failure::CliError;
use super::{ExitCode, Session};
use clap::Args;
use reportctl::model::ids::{EnvId, EnvName};
use reportctl::model::paths::Paths;
use reportctl::provider::host::agent::{self, LogLimits, Pace, Settings};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Look after the components of one environment on this host, until told to stop
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// The environment's own folder, as a whole path
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// The environment's identity
    #[arg(long, value_parser = |text: &str| EnvId::parse(text))]
    id: EnvId,
    /// The time before the first new start of a service that ended, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = Pace::default().first.as_millis() as u64)]
    first_delay: u64,
    /// The longest such time, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = Pace::default().longest.as_millis() as u64)]
    longest_delay: u64,
    /// A service that ran that long ran well, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = Pace::default().well.as_millis() as u64)]
    ran_well: u64,
    /// The size of a log, in bytes, after which it is put aside
    #[arg(long, value_name = "BYTES", default_value_t = LogLimits::default().bytes)]
    log_bytes: u64,
    #[command(flatten)]
    pub shared: Noise,
}

/// Is the agent.
///
/// Errors: there is one already, the folder is somebody else's, or the host refuses something.
pub fn run(args: AgentArgs, session: &Session) -> Result<ExitCode, CliError> {
    let AgentArgs { root, id, first_delay, longest_delay, ran_well, log_bytes, shared: _ } = args;
    let bug = |error: reportctl::model::ids::BadId| CliError::Bug(error.to_string());
    let state = root.parent().and_then(Path::parent).unwrap_or(&root);
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let paths = Paths::new(state, &EnvName::parse(&name).map_err(bug)?);
    let settings = Settings {
        pace: Pace {
            first: Duration::from_millis(first_delay),
            longest: Duration::from_millis(longest_delay),
            well: Duration::from_millis(ran_well),
        },
        log_limits: LogLimits { bytes: log_bytes, ..LogLimits::default() },
    };
    agent::serve(session.context, &paths, &id, settings)?;
    Ok(ExitCode::Ok)
}
