//! `logs`

use super::args::{InEnv, component};
use super::failure::CliError;
use super::site::Site;
use super::{ExitCode, Session};
use crate::ui::style::{Paint, tame};
use crate::ui::{Output, json};
use clap::Args;
use reportctl::model::component::ComponentName;
use reportctl::model::secret::Secrets;
use reportctl::provider::host::agent::{Client, ClientError, LogLine, tail};
use reportctl::provider::host::secrets;

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
