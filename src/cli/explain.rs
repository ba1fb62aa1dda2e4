//! `explain STEP|EXIT-CODE`

use super::args::Shown;
use super::failure::CliError;
use super::{ExitCode, Session};
use crate::ui::table::Table;
use crate::ui::{Output, json};
use clap::Args;
use serde_json::{Value, json};

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
        match session.output {
            Output::Human => out.text(&list(session)),
            Output::Json => {
                let codes: Vec<Value> = ExitCode::ALL.iter().map(|code| code_value(*code)).collect();
                out.line(&json::document(&json!({ "schema": 1, "exit_codes": codes })));
            }
        }
        return Ok(ExitCode::Ok);
    };
    let Some(code) = ExitCode::find(&topic) else {
        let names = ExitCode::ALL.iter().map(|code| code.name());
        let close = names.map(|name| (strsim::damerau_levenshtein(name, &topic), name)).min();
        let close = close.filter(|(distance, name)| distance * 3 <= name.len()).map(|(_, name)| name.to_owned());
        return Err(CliError::UnknownTopic { topic, close });
    };
    match session.output {
        Output::Human => {
            let title = format!("exit code {}: {}", code.number(), code.name());
            out.text(&format!("{}\n\n{}.\n\n{}\n", out.paint.bold(&title), sentence(code.meaning()), code.advice()));
        }
        Output::Json => out.line(&json::document(&json!({ "schema": 1, "exit_code": code_value(code) }))),
    }
    Ok(ExitCode::Ok)
}

fn code_value(code: ExitCode) -> Value {
    json!({ "number": code.number(), "name": code.name(), "meaning": code.meaning(), "advice": code.advice() })
}

fn list(session: &Session) -> String {
    let mut table = Table::new(&["CODE", "NAME", "MEANING"]);
    for code in ExitCode::ALL {
        table.row(vec![code.number().to_string().into(), code.name().into(), code.meaning().into()]);
    }
    table.render(session.ui.out.paint)
}

/// The text with a capital at its start.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
