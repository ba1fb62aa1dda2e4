//! `env list`

use super::args::InProject;
use super::failure::CliError;
use super::{ExitCode, Session, settings};
use crate::ui::style::Paint;
use crate::ui::table::{Cell, Table};
use crate::ui::{Output, json};
use clap::{Args, Subcommand};
use reportctl::fs;
use reportctl::model::environment::Machine;
use reportctl::model::ids::{EnvId, EnvName};
use reportctl::model::inventory::Observed;
use reportctl::model::library::Meaning;
use reportctl::model::paths::Paths;
use reportctl::model::written::MachineKind;
use reportctl::provider::host::agent::Client;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Show the environments
#[derive(Debug, Args)]
pub struct EnvArgs {
    #[command(subcommand)]
    pub verb: EnvVerb,
}

#[derive(Debug, Subcommand)]
pub enum EnvVerb {
    List(ListArgs),
}

/// List the environments that have a file, and those that have state on this machine
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub shared: InProject,
}

#[derive(Debug, Serialize)]
struct Row {
    name: EnvName,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<EnvId>,
    /// What kind of machine it is; none where its file does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    description: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// Nothing of it is on this machine.
    Absent,
    /// It has state, and no agent.
    Stopped,
    /// Its agent runs.
    Running,
    /// Its folder cannot be read, is not ours, or its agent does not answer.
    Unknown,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Absent => "-",
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Unknown => "unknown",
        }
    }
}

/// What the files say of an environment.
struct Known {
    file: String,
    machine: Option<&'static str>,
    description: String,
}

/// Lists.
///
/// Errors: a folder cannot be read.
pub fn list(ListArgs { shared: _ }: ListArgs, session: &Session) -> Result<ExitCode, CliError> {
    let state = settings::state_folder(session.context)?;
    let mut known: BTreeMap<EnvName, Known> = BTreeMap::new();
    for file in session.project.validate(None)?.files {
        let (machine, description) = match file.meaning {
            Meaning::Environment(environment) => (Some(kind(&environment.machine)), environment.description),
            Meaning::Base => continue,
            Meaning::Nothing => (None, "its file is not valid: reportctl validate shows why".to_owned()),
        };
        known.insert(file.name, Known { file: file.path.display().to_string(), machine, description });
    }
    let made = fs::list(&state.join("envs"))?.iter().filter_map(|name| EnvName::parse(name).ok()).collect::<Vec<_>>();
    let names: BTreeSet<EnvName> = known.keys().cloned().chain(made).collect();
    let runtime = super::runtime()?;
    let mut rows = Vec::new();
    for name in names {
        let (id, state) = runtime.block_on(state_of(&state, &name));
        let (file, machine, description) = match known.remove(&name) {
            Some(Known { file, machine, description }) => (Some(file), machine, description),
            None => (None, None, "it has no file here".to_owned()),
        };
        rows.push(Row { name, state, id, machine, file, description });
    }
    session.ui.out.text(&match session.output {
        Output::Human => table(&rows, session.ui.out.paint),
        Output::Json => json::document(&serde_json::json!({ "schema": 1, "environments": rows })) + "\n",
    });
    Ok(ExitCode::Ok)
}

/// The word that files have for a kind of machine.
const fn kind(machine: &Machine) -> &'static str {
    match machine {
        Machine::Host { .. } => MachineKind::Host.as_str(),
        Machine::Lxd(_) => MachineKind::Lxd.as_str(),
        Machine::Multipass(_) => MachineKind::Multipass.as_str(),
    }
}

async fn state_of(state: &Path, name: &EnvName) -> (Option<EnvId>, State) {
    let paths = Paths::new(state, name);
    match fs::observe_meta(&paths.root) {
        Observed::Absent => return (None, State::Absent),
        Observed::Unknown(_) => return (None, State::Unknown),
        Observed::Present(_) => {}
    }
    let Observed::Present(text) = fs::observe(&paths.identity()) else { return (None, State::Unknown) };
    let Ok(id) = EnvId::parse(text.trim()) else { return (None, State::Unknown) };
    let state = match Client::new(&paths).observe(&id).await {
        Observed::Present(_) => State::Running,
        Observed::Absent => State::Stopped,
        Observed::Unknown(_) => State::Unknown,
    };
    (Some(id), state)
}

fn table(rows: &[Row], paint: Paint) -> String {
    let mut table = Table::new(&["NAME", "MACHINE", "STATE", "IDENTITY", "DESCRIPTION"]);
    for row in rows {
        let state = match row.state {
            State::Running => Cell::painted(row.state.word(), Paint::green),
            State::Unknown => Cell::painted(row.state.word(), Paint::yellow),
            State::Absent | State::Stopped => row.state.word().into(),
        };
        let id = row.id.as_ref().map_or("-", |id| id.as_str());
        let machine = row.machine.unwrap_or("-");
        table.row(vec![row.name.as_str().into(), machine.into(), state, id.into(), row.description.as_str().into()]);
    }
    table.render(paint)
}
