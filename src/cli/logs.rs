//! `logs`

use super::args::{InEnv, component};
use super::failure::CliError;
use super::site::Site;
use super::{ExitCode, Session};
use crate::ui::style::{Paint, tame};
use crate::ui::{Output, json};
use clap::Args;
use reportctl::model::component::ComponentName;
use reportctl::model::environment::Machine;
use reportctl::model::secret::Secrets;
use reportctl::model::unit;
use reportctl::provider::host::agent::{Client, ClientError, LogLine, tail};
use reportctl::provider::host::secrets;
use reportctl::reach::guest::{GuestError, Inside, Run};
use std::time::Duration;

/// The time between two looks into the journal of a machine.
const LOOK: Duration = Duration::from_millis(500);

/// Show what the components say, merged by time
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The components; without them, all
    #[arg(value_name = "COMPONENT", value_parser = component())]
    components: Vec<ComponentName>,
    /// Go on with new lines as they come
    #[arg(short, long)]
    follow: bool,
    /// The last lines of each component
    #[arg(long, value_name = "N", default_value_t = 50)]
    tail: u32,
    #[command(flatten)]
    pub shared: InEnv,
}

/// Shows.
///
/// Errors: a log cannot be read, or there is nobody to follow.
pub fn run(args: LogsArgs, session: &Session) -> Result<ExitCode, CliError> {
    let LogsArgs { components, follow, tail: lines, shared: _ } = args;
    let settings = session.settings()?;
    let site = Site::open(session, &settings.env)?;
    // What a foreign program says may repeat a secret.
    let mask = secrets::load(&site.paths).unwrap_or_default();
    if let Machine::Lxd(_) | Machine::Multipass(_) = &site.env.machine {
        let chosen =
            if components.is_empty() { site.env.stack.components.keys().copied().collect() } else { components };
        return super::runtime()?.block_on(of_machine(session, &site, &chosen, lines, follow, &mask));
    }
    if follow {
        return super::runtime()?.block_on(follow_agent(session, &site, components, lines, &mask));
    }
    let chosen = if components.is_empty() { ComponentName::ALL.to_vec() } else { components };
    let mut found = Vec::new();
    for component in chosen {
        let lines = usize::try_from(lines).unwrap_or(usize::MAX);
        found.extend(tail(component, &site.paths.log(component), lines)?);
    }
    // Each log is in order already, so lines of the same moment stay in it.
    found.sort_by(|a, b| a.at.cmp(&b.at));
    if found.is_empty() {
        session.ui.say(&format!("there are no logs of {}", settings.env));
    }
    for line in &found {
        show(session, line, &mask);
    }
    Ok(ExitCode::Ok)
}

/// Shows what the journal of the environment's machine has of the components, and what comes to it.
async fn of_machine(
    session: &Session<'_>,
    site: &Site<'_>,
    components: &[ComponentName],
    lines: u32,
    follow: bool,
    mask: &Secrets,
) -> Result<ExitCode, CliError> {
    let facts = site.recall()?.facts;
    let look = site.look(&facts, None).await?;
    let inside = site.inside(&look, mask).ok_or_else(|| CliError::NotUp { env: site.env.name.clone() })?;
    let failed = |error| CliError::Inside { env: site.env.name.clone(), error };
    let Journal { lines: mut found, mut cursor } =
        read(&inside, components, From::Last(lines)).await.map_err(failed)?;
    found.sort_by(|a, b| a.at.cmp(&b.at));
    found.iter().for_each(|line| show(session, line, mask));
    if found.is_empty() && !follow {
        session.ui.say(&format!("there are no logs of {}", site.env.name));
    }
    while follow && !session.ui.out.is_closed() {
        tokio::time::sleep(LOOK).await;
        let next = read(&inside, components, From::Cursor(cursor.as_deref())).await.map_err(failed)?;
        next.lines.iter().for_each(|line| show(session, line, mask));
        cursor = next.cursor.or(cursor);
    }
    Ok(ExitCode::Ok)
}

/// Where in the journal is begun.
enum From<'a> {
    /// So many lines of each component before its end.
    Last(u32),
    /// After an entry; without one at the end.
    Cursor(Option<&'a str>),
}

/// What was read of a journal.
#[derive(Default)]
struct Journal {
    lines: Vec<LogLine>,
    /// The last entry.
    cursor: Option<String>,
}

async fn read(inside: &Inside, components: &[ComponentName], from: From<'_>) -> Result<Journal, GuestError> {
    let mut read = Journal::default();
    let units = components.iter().map(|name| format!("--unit={}", unit::name(*name)));
    let argv = ["journalctl", "--quiet", "--no-pager", "--output=json"].map(str::to_owned);
    match from {
        From::Last(lines) => {
            for unit in units {
                let argv = argv.iter().cloned().chain([unit, format!("--lines={lines}")]);
                take(&inside.check(Run::new(argv)).await?, components, &mut read);
            }
        }
        From::Cursor(cursor) => {
            let after = cursor.map_or_else(|| "--lines=0".to_owned(), |cursor| format!("--after-cursor={cursor}"));
            take(&inside.check(Run::new(argv.into_iter().chain(units).chain([after]))).await?, components, &mut read);
        }
    }
    Ok(read)
}

/// Takes the entries of a journal (systemd.journal-fields(7)). What is no entry of a component is passed over.
fn take(said: &str, components: &[ComponentName], into: &mut Journal) {
    let mut newest: Option<(u64, String)> = None;
    for line in said.lines() {
        let Ok(entry) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let text = |key: &str| entry[key].as_str();
        let micros = text("__REALTIME_TIMESTAMP").and_then(|text| text.parse::<u64>().ok());
        let (Some(micros), Some(cursor)) = (micros, text("__CURSOR")) else { continue };
        if newest.as_ref().is_none_or(|(at, _)| *at <= micros) {
            newest = Some((micros, cursor.to_owned()));
        }
        let of = |name: &&ComponentName| {
            let unit = unit::name(**name);
            text("_SYSTEMD_UNIT") == Some(&unit) || text("UNIT") == Some(&unit)
        };
        let Some(component) = components.iter().find(of) else { continue };
        let at = std::time::UNIX_EPOCH + Duration::from_micros(micros);
        let at = humantime::format_rfc3339_millis(at).to_string();
        let message = text("MESSAGE").unwrap_or("(no text)").to_owned();
        into.lines.push(LogLine { component: *component, at, text: message });
    }
    if let Some((_, cursor)) = newest {
        into.cursor = Some(cursor);
    }
}

async fn follow_agent(
    session: &Session<'_>,
    site: &Site<'_>,
    components: Vec<ComponentName>,
    lines: u32,
    mask: &Secrets,
) -> Result<ExitCode, CliError> {
    let of_agent = |error: ClientError| match error {
        ClientError::NoAgent { .. } => CliError::NotUp { env: site.env.name.clone() },
        error => CliError::AgentAnswer { env: site.env.name.clone(), error },
    };
    let mut followed = Client::new(&site.paths).logs(components, lines, true).await.map_err(of_agent)?;
    while let Some(line) = followed.next().await.map_err(of_agent)? {
        show(session, &line, mask);
        if session.ui.out.is_closed() {
            break;
        }
    }
    Ok(ExitCode::Ok)
}

fn show(session: &Session, line: &LogLine, mask: &Secrets) {
    let out = &session.ui.out;
    let LogLine { component, at, text } = line;
    let text = mask.mask(text);
    match session.output {
        Output::Human => {
            // `2026-11-24T10:32:08.123Z`: the year and the fractions say little.
            let moment = at.get(5..19).unwrap_or(at).replace('T', " ");
            let name = color(*component)(out.paint, &format!("{component:<14}"));
            let text = if out.terminal { tame(&text) } else { text };
            out.line(format!("{} {name} {text}", out.paint.dim(&moment)).trim_end());
        }
        Output::Json => {
            let line = serde_json::json!({ "schema": 1, "component": component, "at": at, "text": text });
            out.line(&json::line(&line));
        }
    }
}

/// Neighbours have different colours.
fn color(component: ComponentName) -> fn(Paint, &str) -> String {
    const COLORS: [fn(Paint, &str) -> String; 4] = [Paint::cyan, Paint::green, Paint::yellow, Paint::bold];
    let place = ComponentName::ALL.iter().position(|other| *other == component).unwrap_or(0);
    COLORS[place % COLORS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ComponentName::{Prometheus, Redis};

    /// As systemd 252 writes it, shortened.
    #[test]
    fn entries_of_a_journal_are_lines_of_their_component() {
        let said = r#"{"__CURSOR":"s=1;i=1","__REALTIME_TIMESTAMP":"1764000000000000","_SYSTEMD_UNIT":"report-redis.service","MESSAGE":"Ready"}
no entry
{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1764000001500000","UNIT":"report-redis.service","_SYSTEMD_UNIT":"init.scope","MESSAGE":"Started"}
{"__CURSOR":"s=1;i=3","__REALTIME_TIMESTAMP":"1764000002000000","_SYSTEMD_UNIT":"ssh.service","MESSAGE":"hello"}"#;
        let mut read = Journal::default();
        take(said, &[Redis, Prometheus], &mut read);
        let lines: Vec<_> =
            read.lines.iter().map(|line| (line.component, line.at.as_str(), line.text.as_str())).collect();
        assert_eq!(
            lines,
            [(Redis, "2025-11-24T16:00:00.000Z", "Ready"), (Redis, "2025-11-24T16:00:01.500Z", "Started")]
        );
        assert_eq!(read.cursor.as_deref(), Some("s=1;i=3"));
    }
}
