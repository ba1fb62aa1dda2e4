//! `validate`

use super::args::InEnv;
use super::failure::CliError;
use super::{ExitCode, Session, user_data};
use crate::ui::{Output, diagnostics, json};
use clap::Args;
use reportctl::model::ids::EnvName;
use reportctl::model::library::Meaning;
use reportctl::project::Listed;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Check the files of all environments and blueprints, or of one environment, and show every mistake with its place
#[derive(Debug, Args)]
#[command(after_help = "\
What each environment's machine is initialised with is rendered and checked too: cloud-init says \"done\" where it ignored it.")]
pub struct ValidateArgs {
    #[command(flatten)]
    pub shared: InEnv,
}

/// Checks. Mistakes are the result, so they go to stdout.
///
/// Errors: there is no such environment, or a file cannot be read.
pub fn run(ValidateArgs { shared: _ }: ValidateArgs, session: &Session) -> Result<ExitCode, CliError> {
    let name = session.given.env.as_ref().map(|name| name.as_str());
    let mut found = session.project.validate(name)?;
    let unfit = user_data::judge(&mut found, &session.project);
    let code = if found.report.has_errors() { ExitCode::InvalidFiles } else { ExitCode::Ok };
    let ui = &session.ui;
    match session.output {
        Output::Human => {
            let out = &ui.out;
            if !found.report.diagnostics().is_empty() {
                out.text(&diagnostics::human(&found.report, out.paint.is_on(), out.width()));
            }
            if code == ExitCode::Ok {
                found
                    .files
                    .iter()
                    .for_each(|file| out.line(&format!("{:<9} {}", kind(file, &unfit), file.path.display())));
                found.blueprints.iter().for_each(|file| out.line(&format!("valid     {}", file.path.display())));
            } else {
                ui.say(&format!(
                    "exit {} ({}): mend these, then type `reportctl validate` again",
                    code.number(),
                    code.name()
                ));
            }
        }
        Output::Json => {
            let files: Vec<Value> = found
                .files
                .iter()
                .map(|file| json!({ "name": file.name, "path": file.path, "kind": kind(file, &unfit) }))
                .collect();
            let blueprints: Vec<Value> = found
                .blueprints
                .iter()
                .map(|file| {
                    let kind = if file.blueprint.is_some() { "valid" } else { "invalid" };
                    json!({ "name": file.name, "path": file.path, "kind": kind })
                })
                .collect();
            let mut document =
                json!({ "schema": 1, "exit_code": code.number(), "files": files, "blueprints": blueprints });
            if let (Some(document), Value::Object(report)) =
                (document.as_object_mut(), diagnostics::json(&found.report))
            {
                document.extend(report);
            }
            ui.out.line(&json::document(&document));
        }
    }
    Ok(code)
}

/// What a file is; invalid also where its machine could not be initialised.
fn kind(file: &Listed, unfit: &BTreeSet<EnvName>) -> &'static str {
    match file.meaning {
        Meaning::Environment(_) if unfit.contains(&file.name) => "invalid",
        Meaning::Environment(_) => "valid",
        Meaning::Base => "base",
        Meaning::Nothing => "invalid",
    }
}
