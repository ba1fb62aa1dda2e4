//! `doctor`

mod finding;
mod findings;
mod look;

use super::args::InEnv;
use super::failure::CliError;
use super::site::{Site, is_not_drawn};
use super::{ExitCode, Session};
use crate::ui::style::Paint;
use crate::ui::table::{Cell, Table};
use crate::ui::wrap::wrap;
use crate::ui::{Output, json};
use clap::Args;
use finding::{Finding, State};

/// Say what is missing on this host, and what mends it
#[derive(Debug, Args)]
#[command(after_help = "It changes nothing. It ends with 8 when something is missing that `up` needs.")]
pub struct DoctorArgs {
    #[command(flatten)]
    pub shared: InEnv,
}

/// Looks and says.
///
/// Errors: there is no such environment.
pub fn run(DoctorArgs { shared: _ }: DoctorArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let site = Site::open(session, &settings.env)?;
    let facts = site.recall().map(|memory| memory.facts).unwrap_or_default();
    let runtime = super::runtime()?;
    let look = runtime.block_on(site.look(&facts, None))?;
    let host = runtime.block_on(look::host(session, &site, &look))?;
    let id = (!is_not_drawn(&look.id)).then_some(&look.id);
    let found = findings::findings(&site.env, id, &look.inventory, &host);
    let is_well = found.iter().all(|finding| finding.state != State::Missing);
    let code = if is_well { ExitCode::Ok } else { ExitCode::Precondition };
    let out = &session.ui.out;
    match session.output {
        Output::Human => {
            out.text(&shown(&found, out.paint, out.width()));
            let missing = found.iter().filter(|finding| finding.state == State::Missing).count();
            out.line(&match missing {
                0 => format!("\nnothing is missing: reportctl up -e {}", settings.env),
                1 => format!("\n1 thing is missing; exit {} ({})", code.number(), code.name()),
                many => format!("\n{many} things are missing; exit {} ({})", code.number(), code.name()),
            });
        }
        Output::Json => {
            let document = serde_json::json!({
                "schema": 1, "env": settings.env, "exit_code": code.number(), "findings": found,
            });
            out.line(&json::document(&document));
        }
    }
    Ok(code)
}

fn shown(found: &[Finding], paint: Paint, width: usize) -> String {
    let mut table = Table::new(&["", "WHAT", "HOW IT IS"]);
    let name = found.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let room = width.saturating_sub("missing".len() + name + 4).max(30);
    for Finding { name, state, detail, mend } in found {
        let (word, of_state): (&str, fn(Paint, &str) -> String) = match state {
            State::Ok => ("ok", Paint::green),
            State::Note => ("note", Paint::yellow),
            State::Missing => ("missing", Paint::red),
        };
        let mut first = true;
        for line in wrap(detail, room) {
            let (word, name) = if first { (word, name.as_str()) } else { ("", "") };
            table.row(vec![Cell::painted(word, of_state), name.into(), line.into()]);
            first = false;
        }
        if let Some(mend) = mend {
            table.row(vec!["".into(), "".into(), Cell::painted(mend, Paint::cyan)]);
        }
    }
    table.render(paint)
}
