//! The command line: one file a verb.

mod agent;
mod args;
mod completion;
mod exit_code;
mod explain;
mod failure;
mod man;
mod settings;
mod version;

use crate::ui::{self, Color, Output, Ui};
use args::Given;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use exit_code::ExitCode;
use failure::{CliError, report};
use reportctl::context::Context;
use settings::{FileSettings, Speech};
use std::ffi::OsString;

/// Brings up the report stack, proves that it works, and takes it away again
#[derive(Debug, Parser)]
#[command(name = "reportctl", version, propagate_version = false, disable_version_flag = true, max_term_width = 100)]
#[command(after_help = "Type `reportctl help VERB` for a verb, `reportctl explain CODE` for an exit code.")]
struct Cli {
    /// Print the version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(flatten)]
    before: args::Running,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(hide = true)]
    Agent(agent::AgentArgs),
    Explain(explain::ExplainArgs),
    Completion(completion::CompletionArgs),
    Man(man::ManArgs),
    Version(version::VersionArgs),
}

/// What a verb works with.
struct Session<'a> {
    context: &'a Context,
    ui: Ui,
    output: Output,
}

/// Runs the command; returns its exit code.
pub fn main(context: &Context, arguments: &[OsString]) -> u8 {
    let early = Speech {
        output: if args::asks_for_json(arguments) { Output::Json } else { Output::Human },
        color: context.var("NO_COLOR").map_or(Color::Auto, |_| Color::Never),
        verbose: 0,
        quiet: false,
    };
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(CliError::Arguments { error, .. }) if !error.use_stderr() => return help(&open(context, early), &error),
        Err(error) => return fail(&open(context, early), &error),
    };
    let Cli { version: _, before, verb } = cli;
    let given = given(&verb).or(before.into());
    let none = FileSettings::default();
    let speech = match settings::speech(&given, context, &none, &none) {
        Ok(speech) => speech,
        Err(error) => return fail(&open(context, early), &error),
    };
    let session = open(context, speech);
    match run(verb, &session) {
        Ok(code) => close(&session, code),
        Err(error) => fail(&session, &error),
    }
}

/// The exit code where not even the current folder can be told.
pub fn without_context(error: &std::io::Error) -> u8 {
    ui::last_words(&format!("error: the current folder or this program's own path cannot be told: {error}"));
    ExitCode::Precondition.number()
}

/// The exit code of a panic, which has already told its place.
pub fn after_panic() -> u8 {
    ui::last_words(
        "error: this is a mistake of reportctl itself; please report it with the lines above\n  exit      70 (bug)",
    );
    ExitCode::Bug.number()
}

fn given(verb: &Verb) -> Given {
    match verb {
        Verb::Agent(args) => args.shared.clone().into(),
        Verb::Explain(args) => args.shared.clone().into(),
        Verb::Completion(args) => args.shared.clone().into(),
        Verb::Man(args) => args.shared.clone().into(),
        Verb::Version(args) => args.shared.clone().into(),
    }
}

fn run(verb: Verb, session: &Session) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Agent(args) => agent::run(args, session),
        Verb::Explain(args) => explain::run(args, session),
        Verb::Completion(args) => completion::run(args, session),
        Verb::Man(args) => man::run(args, session),
        Verb::Version(args) => Ok(version::run(args, session)),
    }
}

/// Parses, and refuses flags before the verb that the verb does not take.
fn parse(arguments: &[OsString]) -> Result<Cli, CliError> {
    let command = Cli::command();
    let wrong = |error| CliError::Arguments { error: Box::new(error), verb: verb_in(&command, arguments) };
    let matches = command.clone().try_get_matches_from(arguments).map_err(wrong)?;
    let (mut at, mut below, mut verb) = (&command, &matches, String::new());
    while let Some((name, matches)) = below.subcommand() {
        let Some(next) = at.find_subcommand(name) else { break };
        (at, below) = (next, matches);
        verb = if verb.is_empty() { name.to_owned() } else { format!("{verb} {name}") };
    }
    let takes = |id: &str| at.get_arguments().any(|argument| argument.get_id() == id);
    let stray = command.get_arguments().find(|argument| {
        let id = argument.get_id().as_str();
        matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine) && !takes(id)
    });
    if let Some(stray) = stray {
        return Err(CliError::NotForVerb { flag: format!("--{}", stray.get_long().unwrap_or_default()), verb });
    }
    Cli::from_arg_matches(&matches).map_err(wrong)
}

/// The verb that the words seem to mean, for an error of words that cannot be parsed.
fn verb_in(command: &clap::Command, arguments: &[OsString]) -> String {
    let mut names = Vec::new();
    let mut at = command;
    for word in arguments.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(next) = at.find_subcommand(word) {
            names.push(next.get_name());
            at = next;
        }
    }
    names.join(" ")
}

fn open(context: &Context, speech: Speech) -> Session<'_> {
    let dumb = context.var("TERM").is_some_and(|term| term == "dumb");
    Session { context, ui: Ui::new(speech.color, dumb, speech.quiet), output: speech.output }
}

/// Prints help or the version, which were asked for.
fn help(session: &Session, text: &clap::Error) -> u8 {
    let text = text.render();
    let out = &session.ui.out;
    out.text(&if out.paint.is_on() { text.ansi().to_string() } else { text.to_string() });
    close(session, ExitCode::Ok)
}

/// Shows an error; in JSON it is the one document on stdout, so that a reader of the result always has one.
fn fail(session: &Session, error: &CliError) -> u8 {
    let report = report(error);
    if session.output == Output::Json {
        session.ui.out.line(&ui::json::document(&report.json()));
    }
    session.ui.err.text(&report.human(&session.ui.err));
    report.exit_code
}

/// The exit code, if the result reached its reader or the reader went away by itself.
fn close(session: &Session, code: ExitCode) -> u8 {
    match session.ui.out.trouble() {
        Some(trouble) => fail(session, &CliError::Output(trouble)),
        None => code.number(),
    }
}
