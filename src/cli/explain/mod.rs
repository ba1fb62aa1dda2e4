//! `explain STEP|EXIT-CODE`

mod steps;

use super::args::Shown;
use super::failure::CliError;
use super::{ExitCode, Session};
use crate::ui::human::section;
use crate::ui::style::Paint;
use crate::ui::table::Table;
use crate::ui::wrap::wrap;
use crate::ui::{Output, json};
use clap::Args;
use reportctl::model::suggest;
use serde_json::{Value, json};
use steps::{KINDS, StepKind};

/// Say what an exit code or a step means
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The number or name of an exit code, or the id of a step such as redis/start; without it, a list
    topic: Option<String>,
    #[command(flatten)]
    pub shared: Shown,
}

/// Explains.
///
/// Errors: nothing of that name is known.
pub fn run(ExplainArgs { topic, shared: _ }: ExplainArgs, session: &Session) -> Result<ExitCode, CliError> {
    let out = &session.ui.out;
    let Some(topic) = topic else {
        out.text(&match session.output {
            Output::Human => list(session),
            Output::Json => {
                let codes: Vec<Value> = ExitCode::ALL.iter().map(|code| code_value(*code)).collect();
                let steps: Vec<Value> = KINDS.iter().map(|kind| step_value(kind, kind.id)).collect();
                json::document(&json!({ "schema": 1, "exit_codes": codes, "steps": steps })) + "\n"
            }
        });
        return Ok(ExitCode::Ok);
    };
    if let Some(code) = ExitCode::find(&topic) {
        out.text(&match session.output {
            Output::Human => {
                let title = out.paint.bold(&format!("exit code {}: {}", code.number(), code.name()));
                format!("{title}\n\n{}.\n\n{}\n", sentence(code.meaning()), wrapped(session, code.advice()))
            }
            Output::Json => json::document(&json!({ "schema": 1, "exit_code": code_value(code) })) + "\n",
        });
        return Ok(ExitCode::Ok);
    }
    let Some(step) = steps::find(&topic) else { return Err(unknown(topic)) };
    out.text(&match session.output {
        Output::Human => {
            let title = out.paint.bold(&format!("step {topic}"));
            let (does, fails) =
                (wrapped(session, step.does), wrapped(session, &format!("When it fails: {}", step.fails)));
            format!("{title}\n\n{does}\n\n{fails}\n")
        }
        Output::Json => json::document(&json!({ "schema": 1, "step": step_value(&step, &topic) })) + "\n",
    });
    Ok(ExitCode::Ok)
}

fn unknown(topic: String) -> CliError {
    let known = ExitCode::ALL.iter().map(|code| code.name()).chain(KINDS.iter().map(|kind| kind.id));
    let close = suggest::nearest(&topic, known).map(str::to_owned);
    CliError::UnknownTopic { topic, close }
}

fn wrapped(session: &Session, text: &str) -> String {
    wrap(text, session.ui.out.width().min(100)).join("\n")
}

fn code_value(code: ExitCode) -> Value {
    json!({ "number": code.number(), "name": code.name(), "meaning": code.meaning(), "advice": code.advice() })
}

fn step_value(kind: &StepKind, id: &str) -> Value {
    json!({ "id": id, "does": kind.does, "fails": kind.fails })
}

fn list(session: &Session) -> String {
    let paint = session.ui.out.paint;
    let mut codes = Table::new(&["CODE", "NAME", "MEANING"]);
    for code in ExitCode::ALL {
        codes.row(vec![code.number().to_string().into(), code.name().into(), code.meaning().into()]);
    }
    let steps = KINDS.iter().map(|kind| {
        let first = kind.does.split_once(". ").map_or(kind.does, |(first, _)| first);
        (kind.id.to_owned(), first.trim_end_matches('.').to_owned())
    });
    let steps = section("STEPS", steps.collect(), Paint::cyan, paint, session.ui.out.width());
    format!("{}{steps}", codes.render(paint))
}

/// The text with a capital at its start.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
