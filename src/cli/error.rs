//! Every error of the command line.

use reportctl::engine::EngineError;
use reportctl::fs::FsError;
use reportctl::journal::JournalError;
use reportctl::model::component::ComponentName;
use reportctl::model::diagnostic::{Report as Diagnostics, Severity};
use reportctl::model::ids::{EnvName, StepId};
use reportctl::plan::error::PlanError;
use reportctl::plan::saved::SavedError;
use reportctl::project::ProjectError;
use reportctl::project::init::InitError;
use reportctl::provider::Failure;
use reportctl::provider::host::agent::ClientError;
use reportctl::reach::guest::GuestError;
use reportctl::smoke::evidence::Evidence;
use reportctl::smoke::{SmokeError, TargetError, UnknownCheck};
use std::path::PathBuf;
use std::time::Duration;

/// A step that failed, and what became of the others.
#[derive(Debug)]
pub struct StepError {
    /// The environment.
    pub env: EnvName,
    /// `up` or `down`.
    pub verb: &'static str,
    /// The step; none when the run failed before its first.
    pub step: Option<StepId>,
    /// Why.
    pub failure: Failure,
    /// The other steps that failed, and why.
    pub others: Vec<(StepId, String)>,
    /// How many steps were not begun.
    pub not_begun: usize,
    /// Where the evidence is.
    pub dossier: Option<PathBuf>,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line is wrong; clap says why.
    #[error("{error}")]
    Arguments {
        /// Why.
        error: Box<clap::Error>,
        /// The verb that was meant, as far as it can be told.
        verb: String,
    },
    /// A flag stands before a verb that does not take it.
    #[error("`{verb}` does not take {flag}")]
    NotForVerb {
        /// The flag.
        flag: String,
        /// The verb.
        verb: String,
    },
    /// An environment variable of ours holds what it may not.
    #[error("{name}: `{text}`: {why}")]
    Variable {
        /// Which variable.
        name: &'static str,
        /// What it holds.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no folder for state or settings.
    #[error("there is no place for files of reportctl")]
    NoFolder {
        /// The variable that would name it.
        variable: &'static str,
        /// What was found instead of a whole path.
        found: Option<String>,
    },
    /// There is no environment of that name, or its files are wrong.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Settings files are wrong.
    #[error("{}", counted(.0))]
    Files(Box<Diagnostics>),
    /// Somebody else works on the environment.
    #[error("{env} is locked by {holder}")]
    Locked {
        /// The environment.
        env: EnvName,
        /// What the holder wrote of itself.
        holder: String,
    },
    /// There is no plan.
    #[error("{error}")]
    Plan {
        /// The environment.
        env: EnvName,
        /// Why not.
        error: PlanError,
    },
    /// A saved plan is not performed.
    #[error("{}: {error}", file.display())]
    Saved {
        /// Its file.
        file: PathBuf,
        /// Why not.
        error: SavedError,
    },
    /// A question cannot be asked.
    #[error("there is no terminal to ask at whether to do this")]
    NobodyToAsk {
        /// `up` or `down`.
        verb: String,
        /// The environment.
        env: EnvName,
    },
    /// A question was answered with no.
    #[error("nothing was done: the answer was not yes")]
    Declined {
        /// `up` or `down`.
        verb: String,
    },
    /// A step failed.
    #[error("{}", .0.failure.cause)]
    Step(Box<StepError>),
    /// A flag is about images of LXD, and the environment's machine is not made by it.
    #[error("{env} has no machine of LXD, so there is no image that --no-bake could be about")]
    NotBaked {
        /// The environment.
        env: EnvName,
    },
    /// LXD did not do something that belongs to no environment.
    #[error("{0}")]
    Lxd(Box<Failure>),
    /// The run could not be performed, or not to its end.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The journals cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The run was interrupted.
    #[error("{verb} was interrupted{}", if reclaim.is_some() { "; it can be gone on with" } else { "" })]
    Interrupted {
        /// The environment.
        env: EnvName,
        /// `up` or `down`.
        verb: &'static str,
        /// Whether by SIGTERM and not by Ctrl-C.
        terminated: bool,
        /// The one command that removes everything, where something was made.
        reclaim: Option<String>,
    },
    /// The run took longer than it may.
    #[error("{verb} took longer than {}", humantime::format_duration(*.limit))]
    OutOfTime {
        /// The environment.
        env: EnvName,
        /// `up` or `down`.
        verb: &'static str,
        /// How long it may take.
        limit: Duration,
        /// The one command that removes everything, where something was made.
        reclaim: Option<String>,
    },
    /// The environment is not up.
    #[error("{env} is not up")]
    NotUp {
        /// The environment.
        env: EnvName,
    },
    /// The environment has no machine of its own to get into.
    #[error("{env} has no machine of its own: its components run on this host, where `reportctl {verb}` is not needed")]
    NoMachine {
        /// The environment.
        env: EnvName,
        /// The verb.
        verb: &'static str,
    },
    /// An instance has the name of the environment's machine and is not it.
    #[error("the LXD instance {name} is not the machine of {env}: it carries another identity, or none")]
    ForeignMachine {
        /// The environment.
        env: EnvName,
        /// The instance.
        name: String,
    },
    /// Nobody gets into the machine.
    #[error("{error}")]
    Inside {
        /// The environment.
        env: EnvName,
        /// Why not.
        error: GuestError,
    },
    /// A component is not there.
    #[error("{component} is not there: {reason}")]
    NotThere {
        /// The environment.
        env: EnvName,
        /// Which one.
        component: ComponentName,
        /// Why not.
        reason: String,
    },
    /// The agent does not answer as it should.
    #[error("{error}")]
    AgentAnswer {
        /// The environment.
        env: EnvName,
        /// What it did instead.
        error: ClientError,
    },
    /// Nobody is let in.
    #[error("there is no address: {error}")]
    Link {
        /// The environment.
        env: EnvName,
        /// Why not.
        error: String,
    },
    /// No way leads to a component in the environment's machine.
    #[error("{error}")]
    Way {
        /// The environment.
        env: EnvName,
        /// Why not.
        error: String,
    },
    /// The runner's program did not do what it was asked.
    #[error("{said}")]
    Queue {
        /// The environment.
        env: EnvName,
        /// Whether the words were wrong.
        usage: bool,
        /// What it said.
        said: String,
    },
    /// The secrets cannot be read.
    #[error("{error}")]
    Secrets {
        /// The environment.
        env: EnvName,
        /// Why not.
        error: String,
    },
    /// It cannot be said what is to be checked.
    #[error("{error}")]
    Target {
        /// The environment.
        env: EnvName,
        /// Why not.
        error: TargetError,
    },
    /// A pattern fits no check.
    #[error(transparent)]
    UnknownCheck(UnknownCheck),
    /// There is no evidence.
    #[error("{error}")]
    Smoke {
        /// The environment.
        env: EnvName,
        /// Why not.
        error: SmokeError,
    },
    /// The stack is up, and checks fail.
    #[error("{env} is up, but {} of its checks {}: {}", failed.len(), if failed.len() == 1 { "fails" } else { "fail" }, failed.join(", "))]
    SmokeFailed {
        /// The environment.
        env: EnvName,
        /// The checks.
        failed: Vec<String>,
        /// The evidence, which is shown before the error.
        evidence: Box<Evidence>,
        /// Where the evidence is.
        dossier: Option<PathBuf>,
    },
    /// Something is left after teardown.
    #[error("something of {env} is left")]
    Left {
        /// The environment.
        env: EnvName,
        /// What.
        what: Vec<String>,
        /// Why, where a step failed.
        cause: Option<Box<StepError>>,
    },
    /// `explain` does not know it.
    #[error("`{topic}` is no exit code and no step")]
    UnknownTopic {
        /// What was asked for.
        topic: String,
        /// What is close to it.
        close: Option<String>,
    },
    /// A verb that is not there was asked for by name.
    #[error("there is no verb `{name}`")]
    UnknownVerb {
        /// The name.
        name: String,
    },
    /// The agent cannot be, or had to end.
    #[error(transparent)]
    Agent(#[from] reportctl::provider::host::agent::AgentError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The result could not be written.
    #[error("cannot write the result: {0}")]
    Output(String),
    /// The host refuses something that every host has.
    #[error("{0}")]
    Host(String),
    /// Nothing was begun by `init`.
    #[error(transparent)]
    Init(#[from] InitError),
    /// Something that cannot be.
    #[error("{0}")]
    Bug(String),
}

impl CliError {
    /// The same, with the place of the evidence.
    #[must_use]
    pub fn with_dossier(self, folder: PathBuf) -> Self {
        match self {
            Self::Step(mut step) => {
                step.dossier = Some(folder);
                Self::Step(step)
            }
            Self::SmokeFailed { env, failed, evidence, dossier: _ } => {
                Self::SmokeFailed { env, failed, evidence, dossier: Some(folder) }
            }
            other => other,
        }
    }
}

fn counted(diagnostics: &Diagnostics) -> String {
    match diagnostics.count(Severity::Error) {
        1 => "there is 1 error in the settings".to_owned(),
        count => format!("there are {count} errors in the settings"),
    }
}
