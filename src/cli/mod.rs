//! The command line: one file a verb.

mod agent;
mod args;
mod bake;
mod blueprint;
mod completion;
mod doctor;
mod down;
mod env;
mod error;
mod exec;
mod exit_code;
mod explain;
mod failure;
#[cfg(test)]
mod failure_samples;
mod init;
mod interrupt;
mod logs;
mod man;
mod open;
mod plan;
mod queue;
mod render;
mod reset;
mod run;
mod schema;
mod settings;
mod settings_file;
mod shell;
mod site;
mod smoke;
mod status;
mod up;
mod user;
mod user_data;
mod validate;
mod version;

use crate::ui::{self, Color, Output, Ui};
use args::Given;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use exit_code::ExitCode;
use failure::{CliError, report};
use reportctl::context::Context;
use reportctl::project::Project;
use settings::{FileSettings, Settings, Speech};
use std::cell::Cell;
use std::ffi::OsString;
use std::sync::Arc;

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
    Init(init::InitArgs),
    Validate(validate::ValidateArgs),
    Schema(schema::SchemaArgs),
    Render(render::RenderArgs),
    Plan(plan::PlanArgs),
    #[command(visible_alias = "apply")]
    Up(up::UpArgs),
    Reset(reset::ResetArgs),
    #[command(visible_alias = "destroy")]
    Down(down::DownArgs),
    Status(status::StatusArgs),
    Smoke(smoke::SmokeArgs),
    Logs(logs::LogsArgs),
    Open(open::OpenArgs),
    Shell(shell::ShellArgs),
    Exec(exec::ExecArgs),
    User(user::UserArgs),
    Queue(queue::QueueArgs),
    Doctor(doctor::DoctorArgs),
    Env(env::EnvArgs),
    Blueprint(blueprint::BlueprintArgs),
    Bake(bake::BakeArgs),
    #[command(hide = true)]
    Agent(agent::AgentArgs),
    Explain(explain::ExplainArgs),
    Completion(completion::CompletionArgs),
    Man(man::ManArgs),
    Version(version::VersionArgs),
}

/// Where a verb works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Anywhere: it reads no file.
    Nowhere,
    /// In a project, or with the embedded files alone.
    Project,
    /// In a project that may only be begun.
    NewProject,
}

impl Verb {
    /// Where it works, which is where files say how.
    const fn place(&self) -> Place {
        match self {
            Self::Init(_) => Place::NewProject,
            Self::Validate(_)
            | Self::Env(_)
            | Self::Blueprint(_)
            | Self::Plan(_)
            | Self::Up(_)
            | Self::Reset(_)
            | Self::Down(_)
            | Self::Smoke(_)
            | Self::Logs(_)
            | Self::Open(_)
            | Self::Shell(_)
            | Self::Exec(_)
            | Self::User(_)
            | Self::Queue(_)
            | Self::Render(_)
            | Self::Status(_)
            | Self::Doctor(_) => Place::Project,
            Self::Schema(_)
            | Self::Bake(_)
            | Self::Agent(_)
            | Self::Explain(_)
            | Self::Completion(_)
            | Self::Man(_)
            | Self::Version(_) => Place::Nowhere,
        }
    }
}

/// What a verb works with.
struct Session<'a> {
    context: &'a Context,
    ui: Arc<Ui>,
    output: Output,
    /// The shared flags.
    given: Given,
    /// Where files of environments come from.
    project: Project,
    /// What the project's and the user's settings files say.
    files: [FileSettings; 2],
    /// Whether the result is one JSON object a line, because a run was begun.
    lines: Cell<bool>,
    /// The exit code of the command that this one ran in the foreground and stands for.
    ended: Cell<Option<u8>>,
}

impl Session<'_> {
    /// In which form an error is part of the result.
    fn form(&self) -> Form {
        if self.lines.get() { Form::Line } else { self.output.into() }
    }

    /// Everything that holds for this command.
    ///
    /// Errors: a variable holds what it may not.
    fn settings(&self) -> Result<Settings, CliError> {
        let [project, user] = &self.files;
        settings::resolve(&self.given, self.context, project, user)
    }
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
        Err(CliError::Arguments { error, .. }) if !error.use_stderr() => return help(&speaker(context, early), &error),
        Err(error) => return fail(&speaker(context, early), early.output, &error),
    };
    let Cli { version: _, before, verb } = cli;
    let given = given(&verb).or(before.into());
    let session = match begin(context, given, verb.place()) {
        Ok(session) => session,
        Err(error) => return fail(&speaker(context, early), early.output, &error),
    };
    match run(verb, &session) {
        Ok(code) => match (close(&session.ui, session.form(), code), session.ended.get()) {
            (0, Some(theirs)) => theirs,
            (ours, _) => ours,
        },
        Err(error) => fail(&session.ui, session.form(), &error),
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
        Verb::Init(args) => args.shared.clone().into(),
        Verb::Validate(args) => args.shared.clone().into(),
        Verb::Schema(args) => args.shared.clone().into(),
        Verb::Render(args) => {
            let output = match &args.output {
                Some(render::RenderOutput::Form(form)) => Some(*form),
                Some(render::RenderOutput::Folder(_)) => Some(Output::Human),
                None => None,
            };
            Given { output, ..args.shared.clone().into() }
        }
        Verb::Plan(args) => args.shared.clone().into(),
        Verb::Up(args) => args.shared.clone().into(),
        Verb::Reset(args) => args.shared.clone().into(),
        Verb::Down(args) => args.shared.clone().into(),
        Verb::Smoke(args) => args.shared.clone().into(),
        Verb::Logs(args) => args.shared.clone().into(),
        Verb::Open(args) => args.shared.clone().into(),
        Verb::Shell(args) => args.shared.clone().into(),
        Verb::Exec(args) => args.shared.clone().into(),
        Verb::User(user::UserArgs { verb: user::UserVerb::Link(args) }) => args.shared.clone().into(),
        Verb::Queue(args) => args.shared.clone().into(),
        Verb::Status(args) => args.shared.clone().into(),
        Verb::Doctor(args) => args.shared.clone().into(),
        Verb::Env(env::EnvArgs { verb: env::EnvVerb::List(args) }) => args.shared.clone().into(),
        Verb::Blueprint(blueprint::BlueprintArgs { verb }) => match verb {
            blueprint::BlueprintVerb::List(args) => args.shared.clone().into(),
            blueprint::BlueprintVerb::Show(args) => args.shared.clone().into(),
        },
        Verb::Bake(bake::BakeArgs { verb }) => match verb {
            bake::BakeVerb::List(args) => args.shared.clone().into(),
            bake::BakeVerb::Prune(args) => args.given(),
        },
        Verb::Agent(args) => args.shared.clone().into(),
        Verb::Explain(args) => args.shared.clone().into(),
        Verb::Completion(args) => args.shared.clone().into(),
        Verb::Man(args) => args.shared.clone().into(),
        Verb::Version(args) => args.shared.clone().into(),
    }
}

fn run(verb: Verb, session: &Session) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Init(args) => init::run(args, session),
        Verb::Validate(args) => validate::run(args, session),
        Verb::Schema(args) => schema::run(args, session),
        Verb::Render(args) => render::run(args, session),
        Verb::Plan(args) => plan::run(args, session),
        Verb::Up(args) => up::run(args, session),
        Verb::Reset(args) => reset::run(args, session),
        Verb::Down(args) => down::run(args, session),
        Verb::Smoke(args) => smoke::run(args, session),
        Verb::Logs(args) => logs::run(args, session),
        Verb::Open(args) => open::run(args, session),
        Verb::Shell(args) => shell::run(args, session),
        Verb::Exec(args) => exec::run(args, session),
        Verb::User(user::UserArgs { verb: user::UserVerb::Link(args) }) => user::link(args, session),
        Verb::Queue(args) => queue::run(args, session),
        Verb::Status(args) => status::run(args, session),
        Verb::Doctor(args) => doctor::run(args, session),
        Verb::Env(env::EnvArgs { verb: env::EnvVerb::List(args) }) => env::list(args, session),
        Verb::Blueprint(blueprint::BlueprintArgs { verb }) => match verb {
            blueprint::BlueprintVerb::List(args) => blueprint::list(args, session),
            blueprint::BlueprintVerb::Show(args) => blueprint::show(args, session),
        },
        Verb::Bake(bake::BakeArgs { verb }) => match verb {
            bake::BakeVerb::List(args) => bake::list(args, session),
            bake::BakeVerb::Prune(args) => bake::prune(args, session),
        },
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

/// Runs what waits: timers, sockets and child processes.
///
/// Errors: the host has no threads left.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Host(format!("cannot start threads: {error}")))
}

fn speaker(context: &Context, speech: Speech) -> Ui {
    let dumb = context.var("TERM").is_some_and(|term| term == "dumb");
    Ui::new(speech.color, dumb, speech.quiet)
}

/// Reads the files that say how the command speaks, where the verb works in a project.
fn begin(context: &Context, given: Given, place: Place) -> Result<Session<'_>, CliError> {
    let named = settings::named_project(&given, context);
    let project = match place {
        Place::Nowhere => Project::embedded(),
        Place::Project => Project::find(named.as_deref(), &context.cwd)?,
        Place::NewProject => Project::begin(named.as_deref(), &context.cwd),
    };
    let files = match place {
        Place::Nowhere => Default::default(),
        Place::Project | Place::NewProject => {
            settings_file::read(project.folder(), settings::user_file(context).as_deref())?
        }
    };
    let speech = settings::speech(&given, context, &files[0], &files[1])?;
    let ui = Arc::new(speaker(context, speech));
    ui::trace::start(speech.verbose, ui.err.paint.is_on());
    Ok(Session {
        context,
        ui,
        output: speech.output,
        given,
        project,
        files,
        lines: Cell::new(false),
        ended: Cell::new(None),
    })
}

/// Prints help or the version, which were asked for.
fn help(ui: &Ui, text: &clap::Error) -> u8 {
    let text = text.render();
    ui.out.text(&if ui.out.paint.is_on() { text.ansi().to_string() } else { text.to_string() });
    close(ui, Output::Human, ExitCode::Ok)
}

/// In which form an error is part of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In none.
    Human,
    /// As the one document.
    Document,
    /// As a line among the events of a run.
    Line,
}

impl From<Output> for Form {
    fn from(output: Output) -> Self {
        match output {
            Output::Human => Self::Human,
            Output::Json => Self::Document,
        }
    }
}

/// Shows an error; in JSON it is also part of the result, so that a reader of the result always has one.
fn fail(ui: &Ui, form: impl Into<Form>, error: &CliError) -> u8 {
    let report = report(error);
    match form.into() {
        Form::Human => {}
        Form::Document => ui.out.line(&ui::json::document(&report.json())),
        Form::Line => ui.out.line(&ui::json::line(&report.event())),
    }
    ui.err.text(&report.human(&ui.err));
    report.exit_code
}

/// The exit code, if the result reached its reader or the reader went away by itself.
fn close(ui: &Ui, form: impl Into<Form>, code: ExitCode) -> u8 {
    match ui.out.trouble() {
        Some(trouble) => fail(ui, form, &CliError::Output(trouble)),
        None => code.number(),
    }
}

/// How this program is called from anywhere: by its name where that finds a program of the name, else by its path.
fn program(context: &Context) -> String {
    match reportctl::exec::find(context, "reportctl") {
        Some(_) => "reportctl".to_owned(),
        None => context.program.display().to_string(),
    }
}
