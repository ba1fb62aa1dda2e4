//! What holds for this command: flag > environment variable > project file > user file > default.

use super::args::{self, Given};
use super::failure::CliError;
use super::settings_file::word;
use crate::ui::progress::Progress;
use crate::ui::{Color, Output};
use reportctl::context::Context;
use reportctl::model::ids::EnvName;
use std::path::PathBuf;
use std::time::Duration;

/// What holds for how the command speaks. It needs no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speech {
    /// The form of the result.
    pub output: Output,
    /// Colour.
    pub color: Color,
    /// How much more is told.
    pub verbose: u8,
    /// Whether only the result and errors are told.
    pub quiet: bool,
}

/// What one settings file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSettings {
    /// `env`
    pub env: Option<EnvName>,
    /// `output`
    pub output: Option<Output>,
    /// `color`
    pub color: Option<Color>,
    /// `progress`
    pub progress: Option<Progress>,
    /// `parallel`
    pub parallel: Option<usize>,
    /// `timeout`
    pub timeout: Option<Duration>,
}

/// Everything that holds for this command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How it speaks.
    pub speech: Speech,
    /// The environment that is worked on.
    pub env: EnvName,
    /// The environment that was named on the command line itself, for verbs that work on all of them otherwise.
    pub env_flag: Option<EnvName>,
    /// Whether every question is answered with yes.
    pub yes: bool,
    /// Whether only the commands are shown.
    pub dry_run: bool,
    /// The most steps at a time.
    pub parallel: usize,
    /// The longest time for the whole run, where there is a limit.
    pub timeout: Option<Duration>,
    /// How a run is shown.
    pub progress: Progress,
}

/// The most steps at a time where nobody says otherwise. Steps mostly wait, so it is more than a laptop's cores.
const PARALLEL: usize = 8;

/// The value of a variable, read as `read` does.
fn variable<T>(
    context: &Context,
    name: &'static str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, CliError> {
    let Some(text) = context.var(name) else { return Ok(None) };
    read(text).map(Some).map_err(|why| CliError::Variable { name, text: text.to_owned(), why })
}

/// The words of an enum.
pub fn words<T: clap::ValueEnum>() -> Vec<String> {
    T::value_variants()
        .iter()
        .filter_map(|variant| variant.to_possible_value().map(|value| value.get_name().to_owned()))
        .collect()
}

/// Reads a yes or no.
fn yes(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        _ => Err("write 1 or 0".to_owned()),
    }
}

/// The project folder that is named on the command line or by `REPORTCTL_PROJECT`, whole.
pub fn named_project(given: &Given, context: &Context) -> Option<PathBuf> {
    let named = given.project.clone().or_else(|| context.var("REPORTCTL_PROJECT").map(PathBuf::from));
    named.map(|folder| context.cwd.join(folder))
}

/// The folder of all state: `$XDG_STATE_HOME/reportctl`, by default `~/.local/state/reportctl`.
///
/// Errors: neither `XDG_STATE_HOME` nor `HOME` is set to a whole path.
pub fn state_folder(context: &Context) -> Result<PathBuf, CliError> {
    base_folder(context, "XDG_STATE_HOME", ".local/state")
}

/// The user's own settings file: `$XDG_CONFIG_HOME/reportctl/config.yaml`; none where there is no home.
pub fn user_file(context: &Context) -> Option<PathBuf> {
    base_folder(context, "XDG_CONFIG_HOME", ".config").ok().map(|folder| folder.join("config.yaml"))
}

fn base_folder(context: &Context, variable: &'static str, below_home: &str) -> Result<PathBuf, CliError> {
    let base = match (context.var(variable), context.var("HOME")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(home)) => PathBuf::from(home).join(below_home),
        (None, None) => return Err(CliError::NoFolder { variable, found: None }),
    };
    if base.is_absolute() {
        Ok(base.join("reportctl"))
    } else {
        Err(CliError::NoFolder { variable, found: Some(base.display().to_string()) })
    }
}

/// How the command speaks, from the command line, the variables and the files read so far.
///
/// Errors: a variable holds what it may not.
pub fn speech(
    given: &Given,
    context: &Context,
    project: &FileSettings,
    user: &FileSettings,
) -> Result<Speech, CliError> {
    // NO_COLOR (no-color.org) is a variable too, but says less than our own.
    let no_color = context.var("NO_COLOR").map(|_| Color::Never);
    let color_variable = variable(context, "REPORTCTL_COLOR", word)?.or(no_color);
    let output_variable = variable(context, "REPORTCTL_OUTPUT", word)?;
    Ok(Speech {
        output: given.output.or(output_variable).or(project.output).or(user.output).unwrap_or_default(),
        color: given.color.or(color_variable).or(project.color).or(user.color).unwrap_or_default(),
        verbose: given.verbose,
        quiet: given.quiet,
    })
}

/// Everything that holds for this command.
///
/// Errors: a variable holds what it may not.
pub fn resolve(
    given: &Given,
    context: &Context,
    project: &FileSettings,
    user: &FileSettings,
) -> Result<Settings, CliError> {
    let env = variable(context, "REPORTCTL_ENV", args::env_name)?;
    let timeout = variable(context, "REPORTCTL_TIMEOUT", args::timeout)?;
    let parallel = variable(context, "REPORTCTL_PARALLEL", args::parallel)?;
    let progress = variable(context, "REPORTCTL_PROGRESS", word)?;
    let always_yes = variable(context, "REPORTCTL_YES", yes)?;
    let default_env = || args::env_name("local").map_err(CliError::Bug);
    Ok(Settings {
        speech: speech(given, context, project, user)?,
        env: match given.env.clone().or(env).or_else(|| project.env.clone()).or_else(|| user.env.clone()) {
            Some(env) => env,
            None => default_env()?,
        },
        env_flag: given.env.clone(),
        yes: given.yes || always_yes.unwrap_or(false),
        dry_run: given.dry_run,
        parallel: given.parallel.or(parallel).or(project.parallel).or(user.parallel).unwrap_or(PARALLEL),
        timeout: given.timeout.or(timeout).or(project.timeout).or(user.timeout),
        progress: match given.progress.or(progress).or(project.progress).or(user.progress).unwrap_or_default() {
            // What `-v` tells would run into live lines.
            Progress::Auto if given.verbose > 0 => Progress::Plain,
            progress => progress,
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use std::collections::BTreeMap;

    fn context(vars: &[(&str, &str)]) -> Context {
        let vars: BTreeMap<String, String> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Context::fixed(vars, PathBuf::from("/somewhere"))
    }

    fn file(env: &str, parallel: usize, seconds: u64) -> FileSettings {
        FileSettings {
            env: Some(EnvName::parse(env).unwrap()),
            output: Some(Output::Json),
            color: Some(Color::Always),
            progress: Some(Progress::Plain),
            parallel: Some(parallel),
            timeout: Some(Duration::from_secs(seconds)),
        }
    }

    #[test]
    fn each_layer_gives_way_to_the_one_above() {
        let none = FileSettings::default();
        let (project, user) = (file("project", 3, 3), file("user", 4, 4));
        let given = Given {
            env: Some(EnvName::parse("flag").unwrap()),
            output: Some(Output::Human),
            color: Some(Color::Auto),
            timeout: Some(Duration::from_secs(1)),
            parallel: Some(1),
            progress: Some(Progress::Tty),
            ..Given::default()
        };
        let all = [
            ("REPORTCTL_ENV", "variable"),
            ("REPORTCTL_OUTPUT", "human"),
            ("REPORTCTL_COLOR", "never"),
            ("REPORTCTL_TIMEOUT", "2s"),
            ("REPORTCTL_PARALLEL", "2"),
            ("REPORTCTL_PROGRESS", "json"),
        ];
        let seen = |given: &Given, vars: &[(&str, &str)], project: &FileSettings, user: &FileSettings| {
            let settings = resolve(given, &context(vars), project, user).unwrap();
            let Settings { speech, env, parallel, timeout, progress, .. } = settings;
            let seconds = timeout.map(|timeout| timeout.as_secs());
            (env.to_string(), speech.output, speech.color, parallel, seconds, progress)
        };
        let of = |env: &str, output, color, parallel, seconds, progress| {
            (env.to_owned(), output, color, parallel, seconds, progress)
        };
        let empty = Given::default();
        let flag = of("flag", Output::Human, Color::Auto, 1, Some(1), Progress::Tty);
        assert_eq!(seen(&given, &all, &project, &user), flag);
        let by_variable = of("variable", Output::Human, Color::Never, 2, Some(2), Progress::Json);
        assert_eq!(seen(&empty, &all, &project, &user), by_variable);
        let by_project = of("project", Output::Json, Color::Always, 3, Some(3), Progress::Plain);
        assert_eq!(seen(&empty, &[], &project, &user), by_project);
        let by_user = of("user", Output::Json, Color::Always, 4, Some(4), Progress::Plain);
        assert_eq!(seen(&empty, &[], &none, &user), by_user);
        let by_default = of("local", Output::Human, Color::Auto, PARALLEL, None, Progress::Auto);
        assert_eq!(seen(&empty, &[], &none, &none), by_default);
    }

    #[test]
    fn no_color_is_a_variable_that_says_less_than_our_own() {
        let none = FileSettings::default();
        let color = |vars: &[(&str, &str)], project: &FileSettings| {
            speech(&Given::default(), &context(vars), project, &none).unwrap().color
        };
        assert_eq!(color(&[("NO_COLOR", "1")], &file("x", 1, 1)), Color::Never);
        assert_eq!(color(&[("NO_COLOR", "")], &none), Color::Auto);
        assert_eq!(color(&[("NO_COLOR", "1"), ("REPORTCTL_COLOR", "always")], &none), Color::Always);
    }

    #[test]
    fn a_variable_that_holds_what_it_may_not_is_named() {
        let none = FileSettings::default();
        for (name, text) in [
            ("REPORTCTL_ENV", "No Name"),
            ("REPORTCTL_OUTPUT", "xml"),
            ("REPORTCTL_COLOR", "blue"),
            ("REPORTCTL_TIMEOUT", "soon"),
            ("REPORTCTL_PARALLEL", "0"),
            ("REPORTCTL_PROGRESS", "loud"),
            ("REPORTCTL_YES", "maybe"),
        ] {
            let error = resolve(&Given::default(), &context(&[(name, text)]), &none, &none).unwrap_err();
            assert!(matches!(error, CliError::Variable { name: named, .. } if named == name), "{name}");
        }
    }

    #[test]
    fn state_lies_where_xdg_says() {
        let folder = |vars: &[(&str, &str)]| state_folder(&context(vars)).ok();
        let both = [("XDG_STATE_HOME", "/state"), ("HOME", "/home/me")];
        assert_eq!(folder(&both), Some(PathBuf::from("/state/reportctl")));
        assert_eq!(folder(&both[1..]), Some(PathBuf::from("/home/me/.local/state/reportctl")));
        assert_eq!(folder(&[("XDG_STATE_HOME", "relative")]), None);
        assert_eq!(folder(&[]), None);
    }
}
