//! Every file of an environment at once, to be looked at before anything is done.

use super::check::{self, Problem};
use super::native::{Active, View, native};
use super::rules::{Watched, unit_tests};
use super::{RenderError, dashboard};
use crate::model::component::{ComponentName, PortKey, Source};
use crate::model::environment::{Component, Environment};
use crate::model::file::RenderedFile;
use crate::model::ids::EnvId;
use crate::model::inventory::Program;
use crate::model::paths::Paths;
use crate::model::quantity::Version;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is known of a host when an environment is rendered without being brought up.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Where the environment's files would be.
    pub paths: &'a Paths,
    /// Its identity, or what stands for one.
    pub id: &'a EnvId,
    /// The user who would run it.
    pub uid: u32,
    /// The programs that were found, each with its version.
    pub programs: &'a BTreeMap<ComponentName, Program>,
    /// The ports that were chosen. Where there is none, the wanted number stands for it.
    pub ports: &'a BTreeMap<PortKey, u16>,
}

/// Every file of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// The files, by component and path.
    pub files: Vec<TreeFile>,
    /// The components whose program was not found, and the version that it was rendered for: the oldest good one.
    pub assumed: BTreeMap<ComponentName, Version>,
}

/// One file of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TreeFile {
    /// Whose it is.
    pub component: ComponentName,
    /// Where it goes, within a folder of all files: `COMPONENT/FILE`.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// The text, with references where secrets go.
    pub text: String,
}

/// Renders every component of an environment, whether or not it could run on the host.
///
/// Errors: something cannot be rendered, such as a path that no file can hold.
pub fn tree(env: &Environment, known: &Known<'_>) -> Result<Tree, RenderError> {
    let (active, assumed) = supposed(env, known.programs, known.ports);
    let view = View { env, paths: known.paths, id: known.id, uid: known.uid, active };
    let mut files = Vec::new();
    for name in view.active.keys() {
        files.extend(native(&view, *name)?.files.into_iter().map(|file| placed(known.paths, *name, file)));
    }
    if view.active.contains_key(&ComponentName::Prometheus) {
        files.push(tests_of_rules(&view)?);
    }
    files.sort_by(|a, b| (a.component, &a.path).cmp(&(b.component, &b.path)));
    Ok(Tree { files, assumed })
}

/// Every component of an environment as if it ran. A program that was not found is taken to be the oldest good one, where such
/// programs customarily are: those components come with that version. A port that was not chosen has the wanted number.
pub(super) fn supposed<'a>(
    env: &'a Environment,
    programs: &BTreeMap<ComponentName, Program>,
    chosen: &BTreeMap<PortKey, u16>,
) -> (BTreeMap<ComponentName, Active<'a>>, BTreeMap<ComponentName, Version>) {
    let (mut assumed, mut active) = (BTreeMap::new(), BTreeMap::new());
    for (name, component) in &env.stack.components {
        let program = programs.get(name).cloned().unwrap_or_else(|| {
            assumed.insert(*name, component.version.clone());
            let path = customary(*name, &component.version);
            Program { path, version: component.version.clone(), build: None }
        });
        active.insert(*name, Active { component, program, ports: ports(component, chosen) });
    }
    (active, assumed)
}

impl Tree {
    /// What is wrong with the files, each with its path, as far as it can be told without the programs that read them.
    /// It is nothing, unless reportctl itself is wrong.
    pub fn problems(&self) -> Vec<(PathBuf, Problem)> {
        let text = |path: &str| self.files.iter().find(|file| file.path == Path::new(path)).map(|file| &file.text);
        let mut found: Vec<(&str, Problem)> = Vec::new();
        let mut add =
            |path: &'static str, problems: Vec<Problem>| found.extend(problems.into_iter().map(|it| (path, it)));
        let here = |named: &str| self.files.iter().filter(|file| Path::new(named).ends_with(&file.path)).count();
        if let Some(config) = text("prometheus/prometheus.yml") {
            add("prometheus/prometheus.yml", check::prometheus(config, here));
        }
        if let (Some(rules), Some(tests)) = (text("prometheus/rules.yml"), text(RULE_TESTS)) {
            add("prometheus/rules.yml", check::rules(rules));
            add(RULE_TESTS, check::rule_tests(rules, tests));
        }
        if let Some(config) = text("alertmanager/alertmanager.yml") {
            add("alertmanager/alertmanager.yml", check::alertmanager(config, here));
        }
        if let Some(board) = text(BOARD) {
            let problems = match serde_json::from_str(board) {
                Ok(board) => check::dashboard(&board, &[dashboard::PROMETHEUS_UID]),
                Err(error) => vec![Problem { at: "file".to_owned(), what: error.to_string() }],
            };
            add(BOARD, problems);
        }
        found.into_iter().map(|(path, problem)| (PathBuf::from(path), problem)).collect()
    }
}

/// The unit tests of the alerts: nothing reads them where the stack runs, but whoever changes an alert does.
const RULE_TESTS: &str = "prometheus/rules_test.yml";
const BOARD: &str = "grafana/dashboards/report-stack.json";

fn tests_of_rules(view: &View<'_>) -> Result<TreeFile, RenderError> {
    let watched = Watched::new(view.env, view.active.keys().copied().collect())?;
    let text = unit_tests(&watched, "rules.yml")?;
    Ok(TreeFile { component: ComponentName::Prometheus, path: PathBuf::from(RULE_TESTS), mode: 0o600, text })
}

/// The file's place within a folder of all files.
fn placed(paths: &Paths, component: ComponentName, file: RenderedFile) -> TreeFile {
    let own = file.path.strip_prefix(paths.config(component)).map(Path::to_owned);
    let RenderedFile { path, mode, text, owner: _ } = file;
    let within = own.unwrap_or_else(|_| path.file_name().map(PathBuf::from).unwrap_or_default());
    TreeFile { component, path: Path::new(component.as_str()).join(within), mode, text }
}

fn ports(component: &Component, chosen: &BTreeMap<PortKey, u16>) -> BTreeMap<String, u16> {
    let chosen = |port: &str| chosen.get(&PortKey::new(component.name, port)).copied();
    component.ports.iter().map(|(port, wanted)| (port.clone(), chosen(port).unwrap_or(*wanted))).collect()
}

/// Where a component's program customarily is.
fn customary(name: ComponentName, version: &Version) -> PathBuf {
    match name.source() {
        Source::Package { program: "postgres", .. } => {
            let major = version.to_string().split('.').next().unwrap_or_default().to_owned();
            PathBuf::from(format!("/usr/lib/postgresql/{major}/bin/postgres"))
        }
        Source::Package { program, .. } => Path::new("/usr/bin").join(program),
        Source::Program { program, .. } | Source::Ours { program } => Path::new("/usr/local/bin").join(program),
    }
}
