//! `open COMPONENT`

use super::args::{InEnv, component};
use super::failure::CliError;
use super::site::Site;
use super::{ExitCode, Session};
use crate::ui::{Output, json};
use clap::Args;
use reportctl::exec::{self, Command};
use reportctl::model::component::{ComponentName, PortKey};
use reportctl::model::environment::secret_name;
use reportctl::model::ids::EnvName;
use reportctl::reach::tunnel::{Door, Tunnel};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The time between two looks whether the way is still open.
const LOOK: Duration = Duration::from_millis(500);

/// Print the address of a component and how to log in, and open its page in a browser
#[derive(Debug, Args)]
#[command(after_help = "\
The browser is opened only at a terminal with a display. No secret is shown: the file that holds it is named.
In a machine, a tunnel leads to the address for as long as this command runs; with --print none is made.
curl \"$(reportctl open prometheus --print)\"")]
pub struct OpenArgs {
    /// The component
    #[arg(value_parser = component())]
    component: ComponentName,
    /// Only print, and open nothing
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    pub shared: InEnv,
}

/// Who may log in, and where the password is.
struct Login {
    user: String,
    file: PathBuf,
}

/// Prints, and opens.
///
/// Errors: the component does not run.
pub fn run(OpenArgs { component, print, shared: _ }: OpenArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let site = Site::open(session, &settings.env)?;
    let facts = site.recall()?.facts;
    let runtime = super::runtime()?;
    let look = runtime.block_on(site.look(&facts, None))?;
    let wanted = site.running(&facts, &look, component)?;
    let Some(native) = wanted.natives.get(&component) else {
        return Err(CliError::Bug(format!("{component} runs and is not rendered")));
    };
    let login = login(component, &site.env.name).and_then(|(user, own)| {
        let file = site.paths.secret(&secret_name(component, own).ok()?);
        Some(Login { user, file })
    });
    let main_port = component.ports().first().and_then(|(port, _)| wanted.ports.get(&PortKey::new(component, port)));
    let way = match look.inventory.machine.there() {
        Some((_, address)) if !print => {
            let door = Door { address, key: site.paths.key(), known_hosts: site.paths.known_hosts() };
            Some(runtime.block_on(tunnel(&site, &door, &wanted.ports, component))?)
        }
        _ => None,
    };
    show(session, component, &native.address, native.page.as_deref(), login.as_ref(), main_port.copied());
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| session.context.var(name).is_some());
    match &native.page {
        Some(page) if !print && session.ui.out.terminal && has_display => browse(session, page),
        _ => {}
    }
    match way {
        Some(tunnel) => runtime.block_on(hold(session, &site, &tunnel)),
        None => Ok(ExitCode::Ok),
    }
}

/// A tunnel to the ports of a component, by the same numbers: addresses that the component tells of itself then lead there.
async fn tunnel(
    site: &Site<'_>,
    door: &Door,
    ports: &BTreeMap<PortKey, u16>,
    component: ComponentName,
) -> Result<Tunnel, CliError> {
    let own = ports.iter().filter(|(key, _)| key.component == component && !key.is_seldom_open());
    let own: Vec<(u16, Option<u16>)> = own.map(|(_, port)| (*port, Some(*port))).collect();
    let opened = Tunnel::open_at(site.context, door, &own, &[]).await;
    opened.map_err(|error| CliError::Way { env: site.env.name.clone(), error: error.to_string() })
}

/// Holds the tunnel until somebody presses Ctrl-C.
///
/// Errors: it broke.
async fn hold(session: &Session<'_>, site: &Site<'_>, tunnel: &Tunnel) -> Result<ExitCode, CliError> {
    session.ui.say("it leads there until you press Ctrl-C");
    let broken = async {
        loop {
            if let Some(error) = tunnel.trouble() {
                return error;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        error = broken => Err(CliError::Way { env: site.env.name.clone(), error }),
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::Ok),
    }
}

/// The user that people log in as, and the component's own name of the secret; none where there is no login.
fn login(component: ComponentName, env: &EnvName) -> Option<(String, &'static str)> {
    match component {
        ComponentName::Redis | ComponentName::Grafana => Some(("admin".to_owned(), "admin")),
        ComponentName::Postgresql | ComponentName::Clickhouse => Some(("uptrace".to_owned(), "uptrace")),
        ComponentName::Uptrace => Some((format!("admin@{env}.reportctl.local"), "admin")),
        ComponentName::RedisExporter
        | ComponentName::NodeExporter
        | ComponentName::Prometheus
        | ComponentName::Alertmanager
        | ComponentName::Requestor
        | ComponentName::Runner => None,
    }
}

fn show(
    session: &Session,
    component: ComponentName,
    address: &str,
    page: Option<&str>,
    login: Option<&Login>,
    port: Option<u16>,
) {
    let ui = &session.ui;
    match session.output {
        Output::Human => {
            ui.out.line(page.unwrap_or(address));
            if let Some(Login { user, file }) = login {
                ui.say(&format!("log in as {user}; the password is in {}", file.display()));
            }
            if let (ComponentName::Redis, Some(Login { user, file }), Some(port)) = (component, login, port) {
                // The variable keeps the password out of the process list.
                let file = reportctl::model::argv::quote(&file.display().to_string()).into_owned();
                ui.say(&format!("REDISCLI_AUTH=\"$(cat {file})\" redis-cli -p {port} --user {user}"));
            }
        }
        Output::Json => {
            let login = login.map(|login| serde_json::json!({ "user": login.user, "password_file": login.file }));
            let document = serde_json::json!({
                "schema": 1, "component": component, "address": address, "page": page, "login": login,
            });
            ui.out.line(&json::document(&document));
        }
    }
}

/// A browser that does not open is no error: the address was printed.
fn browse(session: &Session, page: &str) {
    let command = Command::changes(session.context, ["xdg-open", page]).deadline(Duration::from_secs(10));
    if let Err(error) = exec::run(&command) {
        session.ui.warn(&format!("the browser was not opened: {error}"));
    }
}
