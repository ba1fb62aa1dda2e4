//! What can be written on the command line, and the groups of flags that verbs share.

use crate::ui::progress::Progress;
use crate::ui::{Color, Output};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use reportctl::model::component::ComponentName;
use reportctl::model::ids::EnvName;
use std::path::PathBuf;
use std::time::Duration;

/// The flags that verbs share, as they were given. What a verb does not take is never set.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `-e`
    pub env: Option<EnvName>,
    /// `-C`
    pub project: Option<PathBuf>,
    /// `-o`
    pub output: Option<Output>,
    /// `-v`, counted
    pub verbose: u8,
    /// `-q`
    pub quiet: bool,
    /// `--color`
    pub color: Option<Color>,
    /// `-y`
    pub yes: bool,
    /// `--dry-run`
    pub dry_run: bool,
    /// `--timeout`
    pub timeout: Option<Duration>,
    /// `--parallel`
    pub parallel: Option<usize>,
    /// `--progress`
    pub progress: Option<Progress>,
}

impl Given {
    /// These flags, and where one is not given the one that was given before the verb.
    pub fn or(self, before: Self) -> Self {
        let Self { env, project, output, verbose, quiet, color, yes, dry_run, timeout, parallel, progress } = before;
        Self {
            env: self.env.or(env),
            project: self.project.or(project),
            output: self.output.or(output),
            verbose: self.verbose.saturating_add(verbose),
            quiet: self.quiet || quiet,
            color: self.color.or(color),
            yes: self.yes || yes,
            dry_run: self.dry_run || dry_run,
            timeout: self.timeout.or(timeout),
            parallel: self.parallel.or(parallel),
            progress: self.progress.or(progress),
        }
    }
}

/// How much is told.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Noise {
    /// Tell more on stderr: -v the commands that are run, -vv their course
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Tell nothing but the result and errors
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Use colour [default: auto; REPORTCTL_COLOR, NO_COLOR]
    #[arg(long, value_name = "auto|always|never", hide_possible_values = true)]
    color: Option<Color>,
}

/// In which form the result is printed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Shown {
    /// Form of the result; --format is the same [default: human; REPORTCTL_OUTPUT]
    #[arg(short, long, alias = "format", value_name = "human|json", hide_possible_values = true)]
    output: Option<Output>,
    #[command(flatten)]
    noise: Noise,
}

/// In which project.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct InProject {
    /// Project folder [default: the nearest one upwards with environments/; REPORTCTL_PROJECT]
    #[arg(short = 'C', long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    project: Option<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

/// On which environment.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct InEnv {
    /// Environment [default: local; REPORTCTL_ENV]
    #[arg(short, long, value_name = "NAME", value_parser = env_name)]
    env: Option<EnvName>,
    #[command(flatten)]
    project: InProject,
}

/// On which environment, where the form of the result is another matter.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct InEnvUnshown {
    /// Environment [default: local; REPORTCTL_ENV]
    #[arg(short, long, value_name = "NAME", value_parser = env_name)]
    env: Option<EnvName>,
    /// Project folder [default: the nearest one upwards with environments/; REPORTCTL_PROJECT]
    #[arg(short = 'C', long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    project: Option<PathBuf>,
    #[command(flatten)]
    noise: Noise,
}

impl From<InEnvUnshown> for Given {
    fn from(InEnvUnshown { env, project, noise }: InEnvUnshown) -> Self {
        Self { env, project, ..noise.into() }
    }
}

/// How a run is shown, and how long it may take.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Watched {
    /// Longest time for all of it, such as 90s or 10m [default: no limit; REPORTCTL_TIMEOUT]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    timeout: Option<Duration>,
    /// How progress is shown on stderr: auto, tty, plain, json or quiet [default: auto; REPORTCTL_PROGRESS]
    #[arg(long, value_name = "VIEW", hide_possible_values = true)]
    progress: Option<Progress>,
    #[command(flatten)]
    on: InEnv,
}

/// How a run goes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Running {
    /// Answer every question with yes [REPORTCTL_YES=1]
    #[arg(short, long)]
    yes: bool,
    /// Print the exact commands and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Most steps at a time, 1 to 64 [default: 8; REPORTCTL_PARALLEL]
    #[arg(long, value_name = "N", value_parser = parallel)]
    parallel: Option<usize>,
    #[command(flatten)]
    watched: Watched,
}

impl From<Noise> for Given {
    fn from(Noise { verbose, quiet, color }: Noise) -> Self {
        Self { verbose, quiet, color, ..Self::default() }
    }
}

impl From<Shown> for Given {
    fn from(Shown { output, noise }: Shown) -> Self {
        Self { output, ..noise.into() }
    }
}

impl From<InProject> for Given {
    fn from(InProject { project, shown }: InProject) -> Self {
        Self { project, ..shown.into() }
    }
}

impl From<InEnv> for Given {
    fn from(InEnv { env, project }: InEnv) -> Self {
        Self { env, ..project.into() }
    }
}

impl From<Watched> for Given {
    fn from(Watched { timeout, progress, on }: Watched) -> Self {
        Self { timeout, progress, ..on.into() }
    }
}

impl From<Running> for Given {
    fn from(Running { yes, dry_run, parallel, watched }: Running) -> Self {
        Self { yes, dry_run, parallel, ..watched.into() }
    }
}

/// Reads the name of an environment.
pub fn env_name(text: &str) -> Result<EnvName, String> {
    EnvName::parse(text).map_err(|error| error.to_string())
}

/// Reads the name of a component; completions know all of them.
pub fn component() -> impl TypedValueParser<Value = ComponentName> {
    PossibleValuesParser::new(ComponentName::ALL.map(ComponentName::as_str))
        .try_map(|text| ComponentName::parse(&text).ok_or("no component"))
}

/// Reads a time limit: more than nothing, and a day at most.
pub fn timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time.is_zero() => Err("write a time above zero".to_owned()),
        Ok(time) if time > Duration::from_secs(86_400) => Err("write a day (24h) at most".to_owned()),
        Ok(time) => Ok(time),
        Err(_) => Err("write a number and a unit, such as 90s or 10m".to_owned()),
    }
}

/// Reads a number of steps.
pub fn parallel(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err("write a number from 1 to 64".to_owned()),
    }
}

/// Whether the command line asks for JSON, told before it is parsed: an error of parsing is to be valid JSON too.
pub fn asks_for_json(arguments: &[std::ffi::OsString]) -> bool {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json" | "--format=json"))
        || words.windows(2).any(|pair| matches!(pair, ["-o" | "--output" | "--format", "json"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_kept() {
        assert_eq!(timeout("10m"), Ok(Duration::from_secs(600)));
        for bad in ["", "0s", "25h", "ten minutes", "-1s"] {
            assert!(timeout(bad).is_err(), "{bad}");
        }
        assert_eq!(parallel("64"), Ok(64));
        for bad in ["0", "65", "-1", "x", ""] {
            assert!(parallel(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn json_is_seen_in_every_spelling() {
        let asks = |line: &str| {
            let words: Vec<_> = line.split(' ').map(std::ffi::OsString::from).collect();
            asks_for_json(&words)
        };
        for line in ["up -o json", "up -ojson --bad", "--output=json up", "up --format json"] {
            assert!(asks(line), "{line}");
        }
        for line in ["up -o human", "up json", "render -o json.d"] {
            assert!(!asks(line), "{line}");
        }
    }

    #[test]
    fn what_stands_at_the_verb_wins() {
        let name = |text: &str| env_name(text).ok();
        let before = Given { env: name("before"), verbose: 1, parallel: Some(2), ..Given::default() };
        let at_verb = Given { env: name("verb"), verbose: 1, yes: true, ..Given::default() };
        let both = at_verb.or(before);
        assert_eq!((both.env, both.verbose, both.parallel, both.yes), (name("verb"), 2, Some(2), true));
    }
}
