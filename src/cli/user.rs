//! `user link NAME`

use super::args::InEnv;
use super::failure::CliError;
use super::site::{Look, Site};
use super::{ExitCode, Session};
use crate::ui::{Output, json};
use clap::{Args, Subcommand};
use reportctl::context::Context;
use reportctl::model::component::{ComponentName, PortKey};
use reportctl::model::environment::secret_name;
use reportctl::model::facts::Facts;
use reportctl::plan::wanted::Wanted;
use reportctl::provider::host::secrets;
use reportctl::reach::{self, Link};

/// Let people in
#[derive(Debug, Args)]
pub struct UserArgs {
    #[command(subcommand)]
    pub verb: UserVerb,
}

#[derive(Debug, Subcommand)]
pub enum UserVerb {
    Link(LinkArgs),
}

/// Print an address that lets a person in at the page of reports, once
#[derive(Debug, Args)]
#[command(after_help = "\
The address works once and for a short time; hand it to nobody but that person. It is kept nowhere: type the same
again for a new one. Who is signed in stays so when another address is made.")]
pub struct LinkArgs {
    /// The person: small letters and digits, also . _ and - within
    #[arg(value_name = "NAME")]
    name: String,
    /// Where to write when a report of theirs fails for good
    #[arg(long, value_name = "ADDRESS", value_hint = clap::ValueHint::EmailAddress)]
    mail: Option<String>,
    #[command(flatten)]
    pub shared: InEnv,
}

/// Prints the address alone, so that it can be piped.
///
/// Errors: the requestor does not run, or refuses the name or the mail address.
pub fn link(LinkArgs { name, mail, shared: _ }: LinkArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let site = Site::open(session, &settings.env)?;
    let facts = site.recall()?.facts;
    let link = super::runtime()?.block_on(async {
        let look = site.look(&facts, None).await?;
        let wanted = site.running(&facts, &look, ComponentName::Requestor)?;
        made(&site, &look, &wanted, &name, mail.as_deref()).await
    })?;
    let Link { url, expires_at } = link;
    match session.output {
        Output::Human => {
            session.ui.out.line(&url);
            session.ui.say(&format!("it lets {name} in once, until {expires_at}"));
            if site.env.machine.blueprint().is_some() {
                session
                    .ui
                    .say(&format!("it leads there while this runs: reportctl open requestor -e {}", site.env.name));
            }
        }
        Output::Json => {
            let document = serde_json::json!({ "schema": 1, "user": name, "url": url, "expires_at": expires_at });
            session.ui.out.line(&json::document(&document));
        }
    }
    Ok(ExitCode::Ok)
}

/// An address for whoever has just brought the environment up; none where no requestor runs.
///
/// Errors: it runs, and makes none.
pub async fn first(site: &Site<'_>, facts: &Facts, look: &Look) -> Result<Option<(String, Link)>, CliError> {
    let Ok(wanted) = site.running(facts, look, ComponentName::Requestor) else { return Ok(None) };
    let name = own_name(site.context);
    let link = made(site, look, &wanted, &name, None).await?;
    Ok(Some((name, link)))
}

async fn made(
    site: &Site<'_>,
    look: &Look,
    wanted: &Wanted<'_>,
    name: &str,
    mail: Option<&str>,
) -> Result<Link, CliError> {
    let env = || site.env.name.clone();
    let wrong = |error: String| CliError::Link { env: env(), error };
    let key = PortKey::new(ComponentName::Requestor, "http");
    let port = wanted.ports.get(&key).copied().ok_or_else(|| wrong(format!("no number was chosen for port {key}")))?;
    let secrets =
        secrets::load(&site.paths).map_err(|error| CliError::Secrets { env: env(), error: error.to_string() })?;
    let secret = secret_name(ComponentName::Requestor, "admin").map_err(|error| wrong(error.to_string()))?;
    let admin = secrets.get(&secret).ok_or_else(|| wrong(format!("the secret {secret} is not stored")))?;
    let direct = site.way(look, &secrets, &[port]).await.map_err(|error| wrong(error.to_string()))?;
    reach::link(&direct, port, admin, name, mail).await.map_err(|error| wrong(error.to_string()))
}

/// The name of whoever runs this, as far as the requestor takes it.
fn own_name(context: &Context) -> String {
    let name = context.var("USER").or_else(|| context.var("LOGNAME")).unwrap_or_default().to_lowercase();
    let fits = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(*c);
    let name: String = name.chars().filter(fits).take(64).collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    if name.is_empty() { "me".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn ones_own_name_is_made_to_fit() {
        for (user, expected) in [("anna", "anna"), ("Anna.B", "anna.b"), ("-äö x", "x"), ("", "me"), ("ß", "me")] {
            let vars = [("USER".to_owned(), user.to_owned())].into();
            assert_eq!(own_name(&Context::fixed(vars, PathBuf::from("/"))), expected, "{user}");
        }
    }
}
