//! What must be done for one component, found by comparing what shall be with what is.

use super::Inputs;
use super::error::PlanError;
use crate::model::component::ComponentName;
use crate::model::file::RenderedFile;
use crate::model::ids::SecretName;
use crate::model::inventory::{AgentState, Observed, ServiceStatus};
use crate::model::{digest, paths::Paths};
use crate::render::native::Native;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What must be done for one component.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Files that are not there.
    pub new: Vec<PathBuf>,
    /// Files with another text or other permissions.
    pub changed: Vec<PathBuf>,
    /// Files in its folder that nobody renders any more.
    pub stale: Vec<PathBuf>,
    /// Whether it must be stopped before anything of it is touched, and why.
    pub stop: Option<String>,
    /// Whether its one-time preparation is to be made.
    pub prepare: bool,
    /// Whether it must be started, and why.
    pub start: Option<String>,
    /// Whether it was started before and not seen to be ready.
    pub unready: bool,
}

impl Work {
    /// Compares. `agent` is the agent that stays, `missing` the secrets that are not stored.
    ///
    /// Errors: something that matters could not be told.
    pub fn find(
        inputs: &Inputs<'_>,
        name: ComponentName,
        native: &Native,
        agent: Option<&AgentState>,
        missing: &BTreeSet<SecretName>,
    ) -> Result<Self, PlanError> {
        let mut work = Self { unready: inputs.facts.unready.contains(&name), ..Self::default() };
        for file in &native.files {
            match compare(inputs, file)? {
                Compared::Same => {}
                Compared::New => work.new.push(file.path.clone()),
                Compared::Changed => work.changed.push(file.path.clone()),
            }
        }
        let rendered: BTreeSet<&Path> = native.files.iter().map(|file| file.path.as_path()).collect();
        work.stale = files_of(inputs, name).filter(|path| !rendered.contains(path.as_path())).cloned().collect();
        work.prepare = match native.prepare.as_ref().and_then(|prepare| inputs.inventory.prepared.get(&prepare.proof)) {
            Some(Observed::Present(())) => false,
            Some(Observed::Unknown(reason)) => {
                return Err(unknown(format!("whether {name} was prepared"), reason));
            }
            Some(Observed::Absent) | None => native.prepare.is_some(),
        };
        work.judge_service(inputs, name, native, agent, missing);
        Ok(work)
    }

    /// Whether it is stopped and started.
    ///
    /// It is stopped first, and not just replaced, where the specification that it runs with would not tell that it runs
    /// with something else: so a run that is cut off in between leaves something that can be seen.
    fn judge_service(
        &mut self,
        inputs: &Inputs<'_>,
        name: ComponentName,
        native: &Native,
        agent: Option<&AgentState>,
        missing: &BTreeSet<SecretName>,
    ) {
        let Some(agent) = agent else {
            let rebooted = if inputs.inventory.rebooted { "the host was restarted" } else { "it does not run" };
            self.start = Some(rebooted.to_owned());
            return;
        };
        let Some(service) = agent.services.get(&name) else {
            self.start = Some("it does not run".to_owned());
            return;
        };
        let is_same = service.digest == native.service.digest();
        let forgotten = missing.iter().find(|secret| mentions(native, inputs.paths, secret));
        self.stop = match forgotten {
            Some(secret) => Some(format!("it runs with another {secret} than it will get")),
            None if self.prepare => Some("it is to be prepared, which it must not see".to_owned()),
            None if is_same && !(self.new.is_empty() && self.changed.is_empty()) => {
                Some("it may run with what its files held before".to_owned())
            }
            None => None,
        };
        self.start = match &service.status {
            _ if self.stop.is_some() => self.stop.clone(),
            ServiceStatus::Running { .. } if is_same => None,
            ServiceStatus::Running { .. } if self.new.is_empty() && self.changed.is_empty() => {
                Some("it runs with another specification".to_owned())
            }
            ServiceStatus::Running { .. } => Some("its configuration changes".to_owned()),
            ServiceStatus::BackOff { reason } => Some(format!("it ended by itself: {reason}")),
            ServiceStatus::Stopped => Some("it was stopped".to_owned()),
        };
    }

    /// Whether its files are written: also before each start, since a folder may be missing, which nobody looks at.
    pub fn configures(&self) -> bool {
        !(self.new.is_empty() && self.changed.is_empty()) || self.start.is_some()
    }
}

enum Compared {
    Same,
    New,
    Changed,
}

fn compare(inputs: &Inputs<'_>, file: &RenderedFile) -> Result<Compared, PlanError> {
    match inputs.inventory.files.get(&file.path) {
        Some(Observed::Present(found)) => {
            let is_same = found.mode == file.mode && found.digest == digest::sha256_hex(file.text.as_bytes());
            Ok(if is_same { Compared::Same } else { Compared::Changed })
        }
        Some(Observed::Unknown(reason)) => Err(unknown(format!("what {} holds", file.path.display()), reason)),
        Some(Observed::Absent) | None => Ok(Compared::New),
    }
}

/// The files in a component's folder, whatever is known of them.
pub(super) fn files_of<'a>(inputs: &Inputs<'a>, name: ComponentName) -> impl Iterator<Item = &'a PathBuf> {
    let folder = inputs.place.config(name);
    let files = inputs.inventory.files.iter();
    files.filter(move |(path, seen)| path.starts_with(&folder) && !seen.is_absent()).map(|(path, _)| path)
}

pub(super) fn unknown(what: String, reason: &str) -> PlanError {
    PlanError::Unknown {
        what,
        reason: reason.to_owned(),
        advice: "mend that and try again; `reportctl down` works in spite of it".to_owned(),
    }
}

/// Whether anything that the component is given speaks of the secret: its text, or the file that holds it.
fn mentions(native: &Native, paths: &Paths, secret: &SecretName) -> bool {
    let file = paths.secret(secret).display().to_string();
    let reference = format!("@{{secret:{secret}");
    let is_in = |text: &str| {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        text.match_indices(&file).any(|(at, _)| ends(&text[at + file.len()..]))
            || text.match_indices(&reference).any(|(at, _)| ends(&text[at + reference.len()..]))
    };
    native.files.iter().any(|file| is_in(&file.text))
        || native.service.argv.iter().chain(native.service.env.values()).any(|text| is_in(text))
}
