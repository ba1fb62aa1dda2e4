//! What a plan changes, in words: for `plan`, `status` and the question before `up`.

use super::action::{Action, EnvAction, HostAction, MachineAction, StackAction};
use super::step::Plan;
use crate::model::component::ComponentName;
use crate::model::digest;
use crate::model::file::RenderedFile;
use crate::model::inventory::{Inventory, Observed, ServiceStatus};
use serde::Serialize;
use std::collections::BTreeMap;

/// What changes about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it is about: a component, or `environment`, `packages`, `ports`, `secrets`, `agent`, `processes` or `data`.
    pub subject: String,
    /// What changes, in words: `configuration changes (2 files)`, `restart`.
    pub what: Vec<String>,
}

/// What a plan changes about each thing, in the order of the plan.
pub fn changes(plan: &Plan, inventory: &Inventory) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let starts: Vec<ComponentName> = plan.steps.iter().filter_map(|step| started(&step.action)).collect();
    for step in &plan.steps {
        let Some(what) = words(&step.action, inventory, &starts) else { continue };
        let subject = subject(step.id.as_str());
        match changes.iter_mut().find(|change| change.subject == subject) {
            Some(change) => change.what.push(what),
            None => changes.push(Change { subject: subject.to_owned(), what: vec![what] }),
        }
    }
    changes
}

/// The plan in one line: `23 steps: 2 packages installed, 5 components started`.
pub fn summary(plan: &Plan, inventory: &Inventory) -> String {
    if plan.is_empty() {
        return "nothing to do".to_owned();
    }
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    let starts: Vec<ComponentName> = plan.steps.iter().filter_map(|step| started(&step.action)).collect();
    for step in &plan.steps {
        let (kind, count) = match &step.action {
            Action::Host(HostAction::InstallPackages { packages, .. }) => (Kind::Install, packages.len()),
            Action::Stack { action: StackAction::StartService { spec, .. }, .. } if runs(inventory, spec.component) => {
                (Kind::Restart, 1)
            }
            Action::Stack { action: StackAction::StartService { .. }, .. } => (Kind::Start, 1),
            Action::Stack { action: StackAction::StopService { component, .. }, .. } if !starts.contains(component) => {
                (Kind::Stop, 1)
            }
            _ => continue,
        };
        *counts.entry(kind).or_default() += count;
    }
    let steps = counted(plan.steps.len(), "step");
    if counts.is_empty() {
        return steps;
    }
    let parts: Vec<String> = counts.into_iter().map(|(kind, count)| kind.words(count)).collect();
    format!("{steps}: {}", parts.join(", "))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Install,
    Start,
    Restart,
    Stop,
}

impl Kind {
    fn words(self, count: usize) -> String {
        match self {
            Self::Install => format!("{} installed", counted(count, "package")),
            Self::Start => format!("{} started", counted(count, "component")),
            Self::Restart => format!("{} restarted", counted(count, "component")),
            Self::Stop => format!("{} stopped", counted(count, "component")),
        }
    }
}

/// `1 step`, `2 steps`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

const fn started(action: &Action) -> Option<ComponentName> {
    match action {
        Action::Stack { action: StackAction::StartService { spec, .. }, .. } => Some(spec.component),
        _ => None,
    }
}

/// Whether the component's process runs now, so that a start is a restart.
fn runs(inventory: &Inventory, component: ComponentName) -> bool {
    let agent = inventory.agent.present();
    agent
        .and_then(|agent| agent.services.get(&component))
        .is_some_and(|service| matches!(service.status, ServiceStatus::Running { .. }))
}

/// What a step is about, in the words of people.
fn subject(id: &str) -> &str {
    match id.split('/').next().unwrap_or(id) {
        "env" => "environment",
        "orphans" => "processes",
        other => other,
    }
}

fn words(action: &Action, inventory: &Inventory, starts: &[ComponentName]) -> Option<String> {
    match action {
        Action::Env(EnvAction::Claim { paths, .. }) => Some(format!("new, in {}", paths.root.display())),
        Action::Env(EnvAction::Replan { .. }) => Some("the rest is planned once that is done".to_owned()),
        Action::Env(EnvAction::Forget { paths, .. }) => Some(format!("{} removed", paths.root.display())),
        Action::Host(action) => Some(host_words(action)),
        Action::Stack { on: _, action } => stack_words(action, inventory, starts),
        Action::Machine { guest: _, action } => Some(machine_words(action)),
        Action::Lxd(action) => Some(action.words()),
        Action::Multipass(action) => Some(action.words()),
    }
}

fn host_words(action: &HostAction) -> String {
    match action {
        HostAction::InstallPackages { packages, .. } => {
            let names: Vec<&str> = packages.iter().map(String::as_str).collect();
            format!("install {}", names.join(", "))
        }
        HostAction::SettlePackages { .. } => "undo what an install that was cut off has left".to_owned(),
        HostAction::BuildServices { checkout, components, .. } => {
            let names: Vec<&str> = components.iter().map(|name| name.as_str()).collect();
            format!("build {} in {}", names.join(" and "), checkout.display())
        }
        HostAction::ReservePorts { ports } => {
            let each: Vec<String> = ports.iter().map(|(key, number)| format!("{key} {number}")).collect();
            each.join(", ")
        }
        HostAction::StoreSecrets { secrets, .. } => format!("{} stored", counted(secrets.len(), "new secret")),
        HostAction::StopOrphans { processes, .. } => format!("{} without an agent stopped", processes.len()),
        HostAction::StartAgent { .. } => "start".to_owned(),
        HostAction::StopAgent { .. } => "stop".to_owned(),
    }
}

fn stack_words(action: &StackAction, inventory: &Inventory, starts: &[ComponentName]) -> Option<String> {
    match action {
        StackAction::WriteFiles { files, .. } => file_words(files, inventory),
        StackAction::Prepare { .. } => Some("set up".to_owned()),
        StackAction::StartService { spec, .. } => {
            let what = if runs(inventory, spec.component) { "restart" } else { "start" };
            Some(what.to_owned())
        }
        // A start says it already.
        StackAction::AwaitReady { component, .. } if starts.contains(component) => None,
        StackAction::AwaitReady { .. } => Some("wait until it is ready".to_owned()),
        StackAction::StopService { component, .. } if starts.contains(component) => None,
        StackAction::StopService { .. } => Some("stop".to_owned()),
        StackAction::RemovePaths { paths } => {
            let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            Some(format!("remove {}", names.join(", ")))
        }
    }
}

fn machine_words(action: &MachineAction) -> String {
    match action {
        MachineAction::AwaitCloudInit { .. } => "wait until cloud-init has finished".to_owned(),
        MachineAction::AwaitBlueprint { .. } => "wait until it is as its blueprint says".to_owned(),
        MachineAction::OpenWay { .. } => "let this host in".to_owned(),
        MachineAction::InstallPackages { packages } => {
            let names: Vec<&str> = packages.iter().map(String::as_str).collect();
            format!("install {}", names.join(", "))
        }
        MachineAction::PutProgram { to, .. } => format!("program {}", to.display()),
    }
}

fn file_words(files: &[RenderedFile], inventory: &Inventory) -> Option<String> {
    let mut new = 0;
    let mut changed = 0;
    for file in files {
        match inventory.files.get(&file.path) {
            Some(Observed::Present(found)) => {
                let is_same = found.mode == file.mode && found.digest == digest::sha256_hex(file.text.as_bytes());
                changed += usize::from(!is_same);
            }
            _ => new += 1,
        }
    }
    match (new, changed) {
        (0, 0) => None,
        (_, 0) => Some(format!("configuration new ({})", counted(new, "file"))),
        _ => Some(format!("configuration changes ({})", counted(new + changed, "file"))),
    }
}
