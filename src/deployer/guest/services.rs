//! The components' units: prepared, started, stopped.

use super::{Place, hand};
use crate::model::component::ComponentName;
use crate::model::paths::Paths;
use crate::model::service::ServiceSpec;
use crate::model::unit;
use crate::provider::host::agent::{COMPONENT_MARKER, MARKER};
use crate::provider::{Failure, FailureKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many lines of a log are shown.
const SHOWN: usize = 12;

#[derive(Serialize)]
struct Start<'a> {
    deed: &'static str,
    unit: String,
    variables: PathBuf,
    id: &'a str,
    digest: String,
    text: String,
    patience: f64,
}

#[derive(Serialize)]
struct Stop<'a> {
    deed: &'static str,
    unit: String,
    variables: PathBuf,
    id: &'a str,
    patience: f64,
}

#[derive(Serialize)]
struct Prepare<'a> {
    deed: &'static str,
    user: String,
    cwd: PathBuf,
    env: BTreeMap<&'a str, &'a str>,
    commands: &'a [Vec<String>],
    proof: &'a Path,
    at: String,
    patience: f64,
}

#[derive(Serialize)]
struct Log {
    deed: &'static str,
    unit: String,
    lines: usize,
}

/// What is run once.
pub struct Once<'a> {
    /// For whom.
    pub component: ComponentName,
    /// The programs and their arguments.
    pub commands: &'a [Vec<String>],
    /// Their environment.
    pub env: &'a BTreeMap<String, String>,
    /// Written when all of them have succeeded.
    pub proof: &'a Path,
}

/// Has systemd run a service. One that runs just so is left alone. Safe twice.
pub async fn start(place: &Place<'_>, spec: &ServiceSpec) -> Result<(), Failure> {
    let digest = spec.digest();
    let id = place.guests.id.as_str();
    let own = [(MARKER, id), (COMPONENT_MARKER, spec.component.as_str()), (unit::DIGEST, digest.as_str())];
    let given = spec.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = Start {
        deed: "start",
        unit: unit::name(spec.component),
        variables: unit::variables(spec.component),
        id,
        text: variables(own.into_iter().chain(given)),
        digest: digest.clone(),
        patience: place.patience().as_secs_f64(),
    };
    match hand::ask(&place.inside, &request, place.patience() + Duration::from_secs(5)).await {
        Ok(()) => Ok(()),
        Err(error) => Err(with_log(place, spec.component, error.into()).await),
    }
}

/// Has systemd stop a service and forget it. Safe twice.
pub async fn stop(place: &Place<'_>, component: ComponentName) -> Result<(), Failure> {
    let request = Stop {
        deed: "stop",
        unit: unit::name(component),
        variables: unit::variables(component),
        id: place.guests.id.as_str(),
        patience: place.patience().as_secs_f64(),
    };
    Ok(hand::ask(&place.inside, &request, place.patience() + Duration::from_secs(5)).await?)
}

/// Runs programs to their end unless the proof is there.
pub async fn prepare(place: &Place<'_>, once: &Once<'_>) -> Result<(), Failure> {
    let own = [(MARKER, place.guests.id.as_str()), (COMPONENT_MARKER, once.component.as_str())];
    let given = once.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let programs: Vec<&str> = once.commands.iter().filter_map(|argv| argv.first()).map(String::as_str).collect();
    place.notes.say(format!("in {}: {}", place.inside.guest(), programs.join(", ")));
    let request = Prepare {
        deed: "prepare",
        user: unit::user(once.component),
        cwd: Paths::system().data(once.component),
        env: own.into_iter().chain(given).collect(),
        commands: once.commands,
        proof: once.proof,
        at: place.guests.context.timestamp(),
        patience: place.patience().as_secs_f64(),
    };
    match hand::ask(&place.inside, &request, place.patience() + Duration::from_secs(5)).await {
        Ok(()) => Ok(()),
        Err(error) => {
            let failure = Failure::from(error);
            Err(Failure { cause: place.secrets.mask(&failure.cause), ..failure })
        }
    }
}

/// The last lines of a component's log, secrets masked; nothing where there are none.
pub async fn log(place: &Place<'_>, component: ComponentName, lines: usize) -> Vec<String> {
    let request = Log { deed: "log", unit: unit::name(component), lines };
    let said: Result<String, _> = hand::ask(&place.inside, &request, Duration::from_secs(20)).await;
    said.map(|text| place.secrets.mask(&text).lines().map(str::to_owned).collect()).unwrap_or_default()
}

/// A failure with what the component said last.
pub async fn with_log(place: &Place<'_>, component: ComponentName, failure: Failure) -> Failure {
    let failure = Failure { cause: place.secrets.mask(&failure.cause), ..failure };
    if failure.kind == FailureKind::Precondition {
        return failure;
    }
    let lines = log(place, component, SHOWN).await;
    let failure = failure.advice(format!("reportctl logs {component}"));
    if lines.is_empty() { failure } else { failure.observed(lines.join("\n")) }
}

/// The text of a file of variables (systemd.exec(5), `EnvironmentFile=`): within double quotes a backslash takes the meaning
/// from what would have one.
fn variables<'a>(each: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let line = |(name, value): (&str, &str)| {
        let mut text = format!("{name}=\"");
        for c in value.chars() {
            if matches!(c, '"' | '\\' | '`' | '$') {
                text.push('\\');
            }
            text.push(c);
        }
        text + "\"\n"
    };
    each.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_in_a_file_of_variables_is_quoted() {
        let text = variables([("REPORTCTL_ID", "lxd-7f3k9q2m"), ("ODD", "a \"b\" $c \\ `d`")]);
        assert_eq!(text, "REPORTCTL_ID=\"lxd-7f3k9q2m\"\nODD=\"a \\\"b\\\" \\$c \\\\ \\`d\\`\"\n");
    }
}
