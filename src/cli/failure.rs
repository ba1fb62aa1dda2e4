//! The one function that makes a message and an exit code of an error.

pub use super::error::{CliError, StepError};
use super::exit_code::ExitCode;
use crate::ui::diagnostics;
use crate::ui::report::{Drawn, Report};
use reportctl::engine::EngineError;
use reportctl::journal::JournalError;
use reportctl::model::diagnostic::Report as Diagnostics;
use reportctl::plan::error::PlanError;
use reportctl::plan::saved::SavedError;
use reportctl::project::ProjectError;
use reportctl::project::init::InitError;
use reportctl::provider::{Failure, FailureKind};
use reportctl::reach::guest::GuestError;
use reportctl::render::native::RenderError;
use reportctl::smoke::SmokeError;

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
        CliError::Project(error) => project(error, of),
        CliError::Files(diagnostics) => files(diagnostics, error.to_string()),
        CliError::Locked { env, .. } => of(
            ExitCode::Locked,
            &["wait until it has ended, or end that process", &format!("reportctl status -e {env}")],
        )
        .of_env(env),
        CliError::Plan { env, error } => plan(error, of).of_env(env),
        CliError::Saved { error, .. } => saved(error, of),
        CliError::NobodyToAsk { verb, env } => {
            of(ExitCode::Usage, &[&format!("reportctl {verb} -e {env} --yes"), &format!("reportctl plan -e {env}")])
                .of_env(env)
        }
        CliError::Declined { verb } => of(ExitCode::Failed, &[&format!("reportctl {verb}")]),
        CliError::Step(step) => step_failed(step),
        CliError::NotBaked { env } => of(ExitCode::Usage, &[&format!("reportctl up -e {env}")]).of_env(env),
        CliError::Lxd(failure) => {
            let advice = failure.advice.as_deref().unwrap_or("reportctl doctor");
            let mut report = of(code_of(&failure.kind), &[advice]);
            report.observed.clone_from(&failure.observed);
            report
        }
        CliError::Engine(EngineError::Journal(error)) | CliError::Journal(error) => journal(error, of),
        CliError::Engine(EngineError::Plan(_)) => of(ExitCode::Bug, &["reportctl explain 70"]),
        CliError::Interrupted { env, verb, terminated, reclaim } => {
            let code = if *terminated { ExitCode::Terminated } else { ExitCode::Interrupted };
            let mut report = of(code, &[&format!("reportctl {verb} -e {env}")]).of_env(env);
            report.next.extend(reclaim.clone());
            report
        }
        CliError::OutOfTime { env, verb, reclaim, .. } => {
            let mut report = of(ExitCode::Timeout, &[&format!("reportctl {verb} -e {env}")]).of_env(env);
            report.next.extend(reclaim.clone());
            report
        }
        CliError::NotUp { env } => of(ExitCode::Precondition, &[&format!("reportctl up -e {env}")]).of_env(env),
        CliError::NoMachine { env, .. } => {
            of(ExitCode::Precondition, &[&format!("reportctl logs -e {env}"), "reportctl env list"]).of_env(env)
        }
        CliError::ForeignMachine { env, name } => of(
            ExitCode::Precondition,
            &[&format!("lxc config show {name}   # whose it is"), &format!("reportctl status -e {env}")],
        )
        .of_env(env),
        CliError::Inside { env, error } => {
            let code = match error {
                GuestError::NotThere(_) | GuestError::NotRunning(_) | GuestError::Unreachable { .. } => {
                    ExitCode::Precondition
                }
                GuestError::Exec(error) if error.is_not_found() => ExitCode::ForeignTool,
                _ => ExitCode::Failed,
            };
            of(code, &[&format!("reportctl status -e {env}"), &format!("reportctl up -e {env}")]).of_env(env)
        }
        CliError::NotThere { env, .. } => {
            of(ExitCode::Precondition, &[&format!("reportctl status -e {env}"), &format!("reportctl up -e {env}")])
                .of_env(env)
        }
        CliError::Way { env, .. } => of(
            ExitCode::Failed,
            &[
                &format!("reportctl status -e {env}"),
                &format!("reportctl up -e {env}   # reads the machine's keys again"),
            ],
        )
        .of_env(env),
        CliError::Link { env, .. } => of(
            ExitCode::Failed,
            &["reportctl user link NAME --mail ADDRESS", &format!("reportctl logs requestor -e {env}")],
        )
        .of_env(env),
        CliError::Queue { env, usage: true, .. } => of(ExitCode::Usage, &["reportctl queue --help"]).of_env(env),
        CliError::Queue { env, usage: false, .. } => {
            of(ExitCode::Failed, &[&format!("reportctl queue -e {env} status"), &format!("reportctl status -e {env}")])
                .of_env(env)
        }
        CliError::AgentAnswer { env, .. } => {
            of(ExitCode::Failed, &[&format!("reportctl status -e {env}"), &format!("reportctl up -e {env}")])
                .of_env(env)
        }
        CliError::Secrets { env, .. } => of(ExitCode::Precondition, &[&format!("reportctl up -e {env}")]).of_env(env),
        CliError::Target { env, .. } => of(ExitCode::Precondition, &[&format!("reportctl up -e {env}")]).of_env(env),
        CliError::UnknownCheck(_) => of(ExitCode::NoChecks, &["reportctl smoke --list"]),
        CliError::Smoke { env, error } => match error {
            SmokeError::NoneSelected { .. } | SmokeError::NoneToRun { .. } => {
                of(ExitCode::NoChecks, &["reportctl smoke --list", &format!("reportctl status -e {env}")]).of_env(env)
            }
            SmokeError::Reach(_) => of(ExitCode::Failed, &["reportctl doctor"]).of_env(env),
            SmokeError::Way(_) => {
                of(ExitCode::Failed, &[&format!("reportctl up -e {env}"), "reportctl doctor"]).of_env(env)
            }
        },
        CliError::SmokeFailed { env, failed: _, evidence, dossier } => {
            let mut report = of(
                ExitCode::SmokeFailed,
                &[&format!("reportctl logs -e {env}"), &format!("reportctl smoke -e {env}   # checks again")],
            )
            .of_env(env);
            report.evidence = dossier.as_ref().map(|path| path.display().to_string());
            report.drawn = Drawn::Evidence(evidence.clone());
            report
        }
        CliError::Left { env, what, cause } => {
            let mut report = of(ExitCode::LeftBehind, &[&format!("reportctl down -e {env}")]).of_env(env);
            report.observed = Some(what.join("\n"));
            if let Some(step) = cause {
                report.step = step.step.as_ref().map(ToString::to_string);
                report.cause = format!("{}: {}", report.cause, step.failure.cause);
                report.next.splice(0..0, step.failure.advice.clone());
                report.evidence = evidence(step);
            }
            report
        }
        CliError::UnknownTopic { close, .. } => match close {
            Some(close) => of(ExitCode::Usage, &[&format!("reportctl explain {close}"), "reportctl explain"]),
            None => of(ExitCode::Usage, &["reportctl explain"]),
        },
        CliError::UnknownVerb { .. } => of(ExitCode::Usage, &["reportctl help"]),
        CliError::Agent(_) | CliError::Fs(_) | CliError::Output(_) => of(ExitCode::Failed, &["reportctl doctor"]),
        CliError::Init(InitError::Project(error)) => project(error, of),
        CliError::Init(InitError::Exists(_)) => of(ExitCode::Precondition, &["reportctl init NAME --force"]),
        CliError::Init(InitError::FromBase(_)) => of(ExitCode::Usage, &["reportctl env list"]),
        CliError::Host(_) => of(ExitCode::Precondition, &["reportctl doctor"]),
        CliError::Bug(_) => of(ExitCode::Bug, &["reportctl explain 70"]),
    }
}

const fn code_of(kind: &FailureKind) -> ExitCode {
    match kind {
        FailureKind::Failed | FailureKind::PortTaken(_) => ExitCode::DeployFailed,
        FailureKind::Precondition => ExitCode::Precondition,
        FailureKind::Timeout | FailureKind::Stall => ExitCode::Timeout,
        FailureKind::ForeignTool => ExitCode::ForeignTool,
    }
}

/// A failed step, with all that is known of it.
fn step_failed(failed: &StepError) -> Report {
    let StepError { env, verb, step, failure, others, not_begun, dossier: _ } = failed;
    let Failure { kind, cause, observed, expected, advice, evidence: _ } = failure;
    let code = code_of(kind);
    let mut cause = cause.clone();
    for (step, other) in others {
        cause.push_str(&format!("\n{step}: {other}"));
    }
    if *not_begun > 0 {
        cause.push_str(&format!("\n{not_begun} further steps were not begun"));
    }
    let mut report = Report::new(code.number(), code.name(), cause).of_env(env);
    report.step = step.as_ref().map(ToString::to_string);
    (report.observed, report.expected) = (observed.clone(), expected.clone());
    report.next =
        advice.iter().cloned().chain([format!("reportctl {verb} -e {env}   # goes on where it stopped")]).collect();
    report.evidence = evidence(failed);
    report
}

/// The dossier, which holds more than the evidence of the one step.
fn evidence(failed: &StepError) -> Option<String> {
    failed.dossier.as_ref().or(failed.failure.evidence.as_ref()).map(|path| path.display().to_string())
}

fn plan(error: &PlanError, of: impl Fn(ExitCode, &[&str]) -> Report) -> Report {
    let code = match error {
        PlanError::Foreign { .. } | PlanError::Unknown { .. } | PlanError::Elsewhere { .. } => ExitCode::Precondition,
        PlanError::Machine { is_tool: true, .. } => ExitCode::ForeignTool,
        PlanError::Machine { is_tool: false, .. } => ExitCode::Precondition,
        PlanError::PortTaken { .. } | PlanError::NoPort { .. } => ExitCode::Precondition,
        PlanError::Render { source: RenderError::Path(_) | RenderError::SocketPath(_), .. } => ExitCode::Precondition,
        PlanError::CannotBeHad(_) => ExitCode::ForeignTool,
        PlanError::Circle(_) | PlanError::Render { .. } | PlanError::Id(_) => ExitCode::Bug,
    };
    let mut report = of(code, &[]);
    report.next = error.advice().into_iter().chain(["reportctl doctor".to_owned()]).collect();
    report
}

fn saved(error: &SavedError, of: impl Fn(ExitCode, &[&str]) -> Report) -> Report {
    match error {
        SavedError::Malformed(_) | SavedError::Schema { .. } => {
            of(ExitCode::InvalidFiles, &["reportctl plan --out FILE"])
        }
        SavedError::Other { .. } | SavedError::Stale(_) | SavedError::Altered => {
            of(ExitCode::Precondition, &["reportctl plan --out FILE   # look at it again, then: reportctl up FILE"])
        }
    }
}

fn journal(error: &JournalError, of: impl Fn(ExitCode, &[&str]) -> Report) -> Report {
    match error {
        JournalError::Fs(_) | JournalError::Poisoned(_) => of(ExitCode::Failed, &["reportctl doctor"]),
        JournalError::Damaged(_) => of(ExitCode::Precondition, &["reportctl down   # works in spite of it"]),
        JournalError::Schema { .. } => {
            of(ExitCode::Precondition, &["use the release of reportctl that wrote it, or: reportctl down"])
        }
        JournalError::Order(_) => of(ExitCode::Bug, &["reportctl explain 70"]),
    }
}

fn project(error: &ProjectError, of: impl Fn(ExitCode, &[&str]) -> Report) -> Report {
    match error {
        ProjectError::NotFound { near: Some(near), .. } => {
            of(ExitCode::EnvironmentNotFound, &[&format!("reportctl -e {near} …"), "reportctl env list"])
        }
        ProjectError::NotFound { name, near: None, .. } => {
            of(ExitCode::EnvironmentNotFound, &["reportctl env list", &format!("reportctl init {name} --from local")])
        }
        ProjectError::NoBlueprint { .. } => of(ExitCode::Usage, &["reportctl blueprint list"]),
        ProjectError::Invalid(diagnostics) => files(diagnostics, error.to_string()),
        ProjectError::NoProject(folder) => {
            of(ExitCode::Usage, &[&format!("reportctl -C {} init NAME --from local", folder.display())])
        }
        ProjectError::Fs(_) => of(ExitCode::Failed, &["reportctl doctor"]),
    }
}

/// The mistakes in files, drawn into their text for people.
fn files(found: &Diagnostics, cause: String) -> Report {
    let mut report = Report::new(ExitCode::InvalidFiles.number(), ExitCode::InvalidFiles.name(), cause);
    report.next = vec!["reportctl validate".to_owned()];
    report.diagnostics = diagnostics::json(found)["diagnostics"].as_array().cloned().unwrap_or_default();
    report.drawn = Drawn::Files(Box::new(found.clone()));
    report
}

/// clap's own words, without what it says in every message.
fn arguments(error: &clap::Error, verb: &str) -> Report {
    let text = error.render().to_string();
    let mut report = Report::new(ExitCode::Usage.number(), ExitCode::Usage.name(), "no verb was given");
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // clap's text is the whole help then, and shows what can be typed.
        report.drawn = Drawn::Text(format!("{text}\n"));
    } else {
        let ends = ["\n\nUsage: ", "\n\nFor more information"].iter().filter_map(|mark| text.find(mark));
        let cause = &text[..ends.min().unwrap_or(text.len())];
        cause.strip_prefix("error: ").unwrap_or(cause).clone_into(&mut report.cause);
    }
    report.next = vec![format!("reportctl help {verb}").trim_end().to_owned()];
    report
}
