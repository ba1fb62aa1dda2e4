//! `queue …`

use super::args::InEnv;
use super::failure::CliError;
use super::site::Site;
use super::{ExitCode, Session};
use crate::ui::Output;
use clap::Args;
use reportctl::exec::{self, Command, ExecError};
use reportctl::model::component::ComponentName;
use reportctl::model::secret::Secrets;
use reportctl::model::unit;
use reportctl::reach::guest::{Inside, Run};
use std::time::Duration;

/// How long the runner's program may take: it looks through dead letters at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// Look after the queues: what waits, what was given up, and give that a new life
#[derive(Debug, Args)]
#[command(after_help = "\
reportctl queue status                    what waits, runs and was given up
reportctl queue dead                      what was given up, with the last error
reportctl queue requeue ID                gives it a new life (--all: all of it)
reportctl queue pause, resume             hands out nothing more, or goes on
reportctl queue cancel ID                 stops a job
reportctl queue status --help             what the runner's program says of it

The words are handed to report-runner's own `queue`, with the environment's Redis. Flags of reportctl, such as
-e NAME, stand before them.")]
pub struct QueueArgs {
    /// What to do
    #[arg(value_name = "WORDS", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
    #[command(flatten)]
    pub shared: InEnv,
}

/// Runs the runner's program with the environment's settings.
///
/// Errors: the runner is not there, or its program ends with an error.
pub fn run(QueueArgs { words, shared: _ }: QueueArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let site = Site::open(session, &settings.env)?;
    let facts = site.recall()?.facts;
    let runtime = super::runtime()?;
    let look = runtime.block_on(site.look(&facts, None))?;
    let wanted = site.running(&facts, &look, ComponentName::Runner)?;
    let Some(native) = wanted.natives.get(&ComponentName::Runner) else {
        return Err(CliError::Bug("the runner runs and is not rendered".to_owned()));
    };
    let program = native.service.argv.first().cloned().into_iter();
    // The flags that say where Redis is are those that the service itself was started with.
    let redis = native.service.argv.iter().filter(|word| word.starts_with("--redis")).cloned();
    let json = (session.output == Output::Json).then(|| ["-o", "json"].map(str::to_owned));
    let argv = program.chain(["queue".to_owned()]).chain(words).chain(redis).chain(json.into_iter().flatten());
    if let Some(inside) = site.inside(&look, &Secrets::default()) {
        return within(session, &site, &runtime, &inside, argv);
    }
    match exec::run(&Command::reads(session.context, argv).deadline(PATIENCE)) {
        Ok(output) => {
            session.ui.out.text(&output.stdout);
            if !output.stderr.trim().is_empty() {
                session.ui.say(output.stderr.trim_end());
            }
            Ok(ExitCode::Ok)
        }
        // What the program says of itself is meant for people.
        Err(ExecError::Exit { code: Some(code), tail, .. }) if !tail.is_empty() => {
            let said = tail.strip_prefix("error: ").unwrap_or(&tail).to_owned();
            Err(CliError::Queue { env: site.env.name.clone(), usage: code == 2, said })
        }
        Err(error) => Err(CliError::Queue { env: site.env.name.clone(), usage: false, said: error.to_string() }),
    }
}

/// Runs it in the machine, as the user that the runner runs as there.
fn within(
    session: &Session,
    site: &Site,
    runtime: &tokio::runtime::Runtime,
    inside: &Inside,
    argv: impl Iterator<Item = String>,
) -> Result<ExitCode, CliError> {
    let user = unit::user(ComponentName::Runner);
    let argv = ["runuser", "-u", &user, "--"].map(str::to_owned).into_iter().chain(argv);
    let output = runtime.block_on(inside.run(Run::new(argv).deadline(PATIENCE)));
    let output = output.map_err(|error| CliError::Inside { env: site.env.name.clone(), error })?;
    if output.code != 0 {
        let said = output.stderr.trim();
        let said = said.strip_prefix("error: ").unwrap_or(said).to_owned();
        return Err(CliError::Queue { env: site.env.name.clone(), usage: output.code == 2, said });
    }
    session.ui.out.text(&output.stdout);
    if !output.stderr.trim().is_empty() {
        session.ui.say(output.stderr.trim_end());
    }
    Ok(ExitCode::Ok)
}
