//! `bake list`, `bake prune`

use super::args::{Given, Shown};
use super::failure::CliError;
use super::{ExitCode, Session};
use crate::ui::table::Table;
use crate::ui::{Output, json};
use clap::{Args, Subcommand};
use reportctl::provider::Failure;
use reportctl::provider::lxd::bake::{self, Kept, KeptKind};
use std::time::{Duration, SystemTime};

/// Show and remove the images of LXD that machines start from
#[derive(Debug, Args)]
#[command(after_help = "\
A machine of LXD is baked into an image once it was initialised, and the next equal one starts from that: see `up --no-bake`. \
Images belong to no environment, so `down` leaves them.")]
pub struct BakeArgs {
    #[command(subcommand)]
    pub verb: BakeVerb,
}

#[derive(Debug, Subcommand)]
pub enum BakeVerb {
    List(ListArgs),
    Prune(PruneArgs),
}

/// List the images that reportctl has made: what for, how large, how old, and what was made from each
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub shared: Shown,
}

/// Remove the baked images that no instance was made from
#[derive(Debug, Args)]
#[command(
    after_help = "Images that reportctl has not made are never removed. What was made from an image stays as it is."
)]
pub struct PruneArgs {
    /// Also those that instances were made from, and plain images of Debian
    #[arg(long)]
    all: bool,
    /// Answer the question with yes [REPORTCTL_YES=1]
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    pub shared: Shown,
}

impl PruneArgs {
    /// The flags that verbs share.
    pub fn given(&self) -> Given {
        Given { yes: self.yes, ..self.shared.clone().into() }
    }
}

/// Lists.
///
/// Errors: LXD does not say.
pub fn list(ListArgs { shared: _ }: ListArgs, session: &Session) -> Result<ExitCode, CliError> {
    let kept = super::runtime()?.block_on(bake::kept(session.context)).map_err(lxd)?;
    match session.output {
        Output::Human if kept.is_empty() => session.ui.say("reportctl has made no images"),
        Output::Human => session.ui.out.text(&table(session, &kept)),
        Output::Json => session.ui.out.line(&json::document(&serde_json::json!({ "schema": 1, "images": kept }))),
    }
    Ok(ExitCode::Ok)
}

/// Removes: says what, asks, removes one after the other.
///
/// Errors: there is nobody to ask, or LXD refuses.
pub fn prune(PruneArgs { all, .. }: PruneArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let runtime = super::runtime()?;
    let mut kept = runtime.block_on(bake::kept(session.context)).map_err(lxd)?;
    kept.retain(|kept| all || (kept.kind == KeptKind::Baked && kept.used_by.is_empty()));
    if !kept.is_empty() && !settings.yes {
        if !session.ui.can_ask() {
            return Err(CliError::NobodyToAsk { verb: "bake prune".to_owned(), env: settings.env });
        }
        session.ui.err.text(&table(session, &kept));
        match session.ui.ask("\nremove them?") {
            Ok(true) => {}
            Ok(false) => return Err(CliError::Declined { verb: "bake prune".to_owned() }),
            Err(error) => return Err(CliError::Host(format!("cannot read the answer: {error}"))),
        }
    }
    for image in &kept {
        runtime.block_on(bake::remove(session.context, image)).map_err(lxd)?;
        session.ui.say(&format!("removed {}", image.name));
    }
    match session.output {
        Output::Human if kept.is_empty() => session.ui.say("there is nothing to remove"),
        Output::Human => {
            let mebibytes = kept.iter().map(|image| image.size >> 20).sum::<u64>();
            session.ui.out.line(&format!("{} images removed, {mebibytes} MiB", kept.len()));
        }
        Output::Json => session.ui.out.line(&json::document(&serde_json::json!({ "schema": 1, "removed": kept }))),
    }
    Ok(ExitCode::Ok)
}

fn table(session: &Session, kept: &[Kept]) -> String {
    let mut table = Table::new(&["IMAGE", "KIND", "OF", "SIZE", "AGE", "USED BY"]);
    for image in kept {
        let kind = match image.kind {
            KeptKind::Baked => "baked",
            KeptKind::Base => "base",
        };
        let used = if image.used_by.is_empty() { "-".to_owned() } else { image.used_by.join(", ") };
        table.row(vec![
            image.name.as_str().into(),
            kind.into(),
            image.of.as_str().into(),
            format!("{} MiB", image.size >> 20).into(),
            age(&image.made, session.context.now()).into(),
            used.into(),
        ]);
    }
    table.render(session.ui.out.paint)
}

/// How long ago that was, in its largest unit.
fn age(made: &str, now: SystemTime) -> String {
    let Ok(made) = humantime::parse_rfc3339_weak(made) else { return "?".to_owned() };
    let seconds = now.duration_since(made).unwrap_or(Duration::ZERO).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn lxd(failure: Failure) -> CliError {
    CliError::Lxd(Box::new(failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(200_000);
        let at = |text: &str| age(text, now);
        assert_eq!(at("1970-01-03T07:33:00Z"), "20s");
        assert_eq!(at("1970-01-03T07:00:00.123456789Z"), "33m");
        assert_eq!(at("1970-01-03T01:00:00Z"), "6h");
        assert_eq!(at("1970-01-01T00:00:00Z"), "2d");
        assert_eq!((at("never"), at("1971-01-01T00:00:00Z")), ("?".to_owned(), "0s".to_owned()));
    }
}
