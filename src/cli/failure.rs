//! Every error of the command line, and the one function that makes a message and an exit code of it.

use super::exit_code::ExitCode;
use crate::ui::report::Report;
use reportctl::fs::FsError;

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
    /// Something that cannot be.
    #[error("{0}")]
    Bug(String),
}

/// The message and exit code of an error.
pub fn report(error: &CliError) -> Report {
    let of = |code: ExitCode, next: &[&str]| {
        let mut report = Report::new(code.number(), code.name(), error.to_string());
        report.next = next.iter().map(|line| (*line).to_owned()).collect();
        report
    };
    match error {
        CliError::Arguments { error, verb } => arguments(error, verb),
        CliError::NotForVerb { verb, .. } => of(ExitCode::Usage, &[&format!("reportctl help {verb}")]),
        CliError::Variable { name, .. } => of(ExitCode::Usage, &[&format!("unset {name}")]),
        CliError::NoFolder { variable, found } => {
            let mut report =
                of(ExitCode::Precondition, &["export HOME=/home/YOU", &format!("export {variable}=/a/folder")]);
            report.observed = Some(match found {
                Some(found) => format!("`{found}`, which is no whole path"),
                None => format!("neither {variable} nor HOME is set"),
            });
            report
        }
        CliError::UnknownTopic { close, .. } => match close {
            Some(close) => of(ExitCode::Usage, &[&format!("reportctl explain {close}"), "reportctl explain"]),
            None => of(ExitCode::Usage, &["reportctl explain"]),
        },
        CliError::UnknownVerb { .. } => of(ExitCode::Usage, &["reportctl help"]),
        CliError::Agent(_) | CliError::Fs(_) | CliError::Output(_) => of(ExitCode::Failed, &["reportctl doctor"]),
        CliError::Bug(_) => of(ExitCode::Bug, &["reportctl explain 70"]),
    }
}

/// clap's own words, without what it says in every message.
fn arguments(error: &clap::Error, verb: &str) -> Report {
    let text = error.render().to_string();
    let mut report = Report::new(ExitCode::Usage.number(), ExitCode::Usage.name(), "no verb was given");
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // clap's text is the whole help then, and shows what can be typed.
        report.drawn = format!("{text}\n");
    } else {
        let ends = ["\n\nUsage: ", "\n\nFor more information"].iter().filter_map(|mark| text.find(mark));
        let cause = &text[..ends.min().unwrap_or(text.len())];
        cause.strip_prefix("error: ").unwrap_or(cause).clone_into(&mut report.cause);
    }
    report.next = vec![format!("reportctl help {verb}").trim_end().to_owned()];
    report
}
