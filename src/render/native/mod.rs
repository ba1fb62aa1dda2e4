//! What each component needs when it runs as a plain process: folders, files, a one-time preparation, the process, how
//! to tell that it is ready, and where people find it.
//!
//! The same view gives the same bytes. Secrets stand in the text as references, and never in arguments or variables.
//! Everything listens on 127.0.0.1 and nowhere else.
//!
//! In a machine of its own ([`Layout::System`]) each component has a user of its own, its folders and files belong to that
//! user, and its unit is one of its files.

mod alertmanager;
mod clickhouse;
mod exporters;
mod grafana;
mod postgresql;
mod prometheus;
mod redis;
mod services;
mod system;
mod uptrace;

pub use super::RenderError;
use crate::model::component::{ComponentName, PortKey};
use crate::model::digest;
use crate::model::environment::{Component, Environment};
use crate::model::file::{Folder, RenderedFile};
use crate::model::ids::{EnvId, SecretName};
use crate::model::inventory::Program;
use crate::model::paths::{Layout, Paths};
use crate::model::probe::Probe;
use crate::model::quantity::Span;
use crate::model::secret::SecretRef;
use crate::model::service::ServiceSpec;
pub use prometheus::metrics_port;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
pub use uptrace::{PROJECT as UPTRACE_PROJECT, admin_email as uptrace_admin_email};

/// Only its owner reads or writes the file: it may hold a secret.
const FILE_MODE: u32 = 0o600;
/// Only its owner enters the folder.
const FOLDER_MODE: u32 = 0o700;

/// Everything that rendering depends on.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// The environment.
    pub env: &'a Environment,
    /// Where its files are.
    pub paths: &'a Paths,
    /// Its identity.
    pub id: &'a EnvId,
    /// The user who runs the command: as root, PostgreSQL needs another user. In a machine it says nothing.
    pub uid: u32,
    /// The components that run. What is skipped is not here, and no file speaks of it.
    pub active: BTreeMap<ComponentName, Active<'a>>,
}

/// A component that runs.
#[derive(Debug, Clone)]
pub struct Active<'a> {
    /// What the environment says of it.
    pub component: &'a Component,
    /// Its program: the version decides which configuration is understood.
    pub program: Program,
    /// The chosen number of each of its ports.
    pub ports: BTreeMap<String, u16>,
}

/// All that is needed to run one component as a plain process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// Folders, in the order in which they are made.
    pub folders: Vec<Folder>,
    /// Files, in folders that are there by then.
    pub files: Vec<RenderedFile>,
    /// What must run once before the first start, with the components that it needs running.
    pub prepare: Option<Prepare>,
    /// The process. In a machine its output goes to systemd's journal, and not to the specification's log.
    pub service: ServiceSpec,
    /// All of them hold when it is ready.
    pub ready: Vec<Probe>,
    /// Where programs find it, such as `http://127.0.0.1:9090` or `redis://127.0.0.1:6379`.
    pub address: String,
    /// The page that a person opens, where there is one.
    pub page: Option<String>,
}

/// Programs that run once, one after the other, before the first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepare {
    /// The programs and their arguments. In a machine they run as the component's own user.
    pub commands: Vec<Vec<String>>,
    /// Their variables beside the few inherited ones.
    pub env: BTreeMap<String, String>,
    /// The file to be written when all of them succeeded.
    pub proof: PathBuf,
}

/// What `name` needs in order to run.
///
/// Errors: it does not run here, or the view is incomplete.
pub fn native(view: &View<'_>, name: ComponentName) -> Result<Native, RenderError> {
    let native = match name {
        ComponentName::Redis => redis::native(view),
        ComponentName::RedisExporter => exporters::redis(view),
        ComponentName::NodeExporter => exporters::node(view),
        ComponentName::Prometheus => prometheus::native(view),
        ComponentName::Alertmanager => alertmanager::native(view),
        ComponentName::Grafana => grafana::native(view),
        ComponentName::Postgresql => postgresql::native(view),
        ComponentName::Clickhouse => clickhouse::native(view),
        ComponentName::Uptrace => uptrace::native(view),
        ComponentName::Requestor => services::requestor(view),
        ComponentName::Runner => services::runner(view),
    }?;
    match view.paths.layout {
        Layout::Folder => Ok(native),
        Layout::System => system::settle(view, native),
    }
}

impl<'a> View<'a> {
    /// The active component of that name. Errors: it does not run here.
    fn active(&self, name: ComponentName) -> Result<&Active<'a>, RenderError> {
        self.active.get(&name).ok_or(RenderError::NotActive(name))
    }

    /// The number of a port of an active component. Errors: there is none.
    fn port(&self, name: ComponentName, port: &str) -> Result<u16, RenderError> {
        self.active(name)?.ports.get(port).copied().ok_or_else(|| RenderError::NoPort(PortKey::new(name, port)))
    }

    /// `127.0.0.1:PORT` of an active component. Errors: it has no such port.
    fn listen(&self, name: ComponentName, port: &str) -> Result<String, RenderError> {
        Ok(format!("127.0.0.1:{}", self.port(name, port)?))
    }

    /// The program of an active component, as an argument.
    fn program(&self, name: ComponentName) -> Result<String, RenderError> {
        text(&self.active(name)?.program.path)
    }

    /// The process of a component, which reads `files`.
    fn service(
        &self,
        name: ComponentName,
        argv: Vec<String>,
        files: &[RenderedFile],
    ) -> Result<ServiceSpec, RenderError> {
        let active = self.active(name)?;
        let mut read: BTreeMap<PathBuf, String> =
            files.iter().map(|file| (file.path.clone(), digest::sha256_hex(file.text.as_bytes()))).collect();
        if let Some(build) = &active.program.build {
            read.insert(active.program.path.clone(), build.clone());
        }
        let needs = &active.component.needs;
        Ok(ServiceSpec {
            component: name,
            argv,
            env: BTreeMap::new(),
            cwd: self.paths.data(name),
            log: self.paths.log(name),
            needs: needs.iter().copied().filter(|need| self.active.contains_key(need)).collect(),
            stop_timeout: Span::seconds(10),
            files: read,
        })
    }

    /// Where the node exporter looks for files with series of others: the smoke test puts one there.
    pub fn textfile(&self) -> PathBuf {
        self.paths.data(ComponentName::NodeExporter).join("textfile")
    }

    /// The folders that every component has: for its configuration and for its data.
    fn folders(&self, name: ComponentName) -> Vec<Folder> {
        vec![folder(self.paths.config(name)), folder(self.paths.data(name))]
    }
}

/// The name of a component's secret. Errors: it is malformed.
fn secret(name: ComponentName, own: &str) -> Result<SecretName, RenderError> {
    Ok(crate::model::environment::secret_name(name, own)?)
}

/// A reference to the value of a component's secret.
fn plain(name: ComponentName, own: &str) -> Result<String, RenderError> {
    Ok(SecretRef::plain(secret(name, own)?).to_string())
}

/// A reference to the SHA-256 of a component's secret.
fn hashed(name: ComponentName, own: &str) -> Result<String, RenderError> {
    Ok(SecretRef::sha256(secret(name, own)?).to_string())
}

/// A folder that only its owner enters.
fn folder(path: PathBuf) -> Folder {
    Folder { path, mode: FOLDER_MODE, owner: None }
}

/// A file that only its owner reads.
fn file(path: PathBuf, text: String) -> RenderedFile {
    RenderedFile { path, mode: FILE_MODE, text, owner: None }
}

/// A path as text that may stand in quotes in any of our files. Errors: it may not.
fn text(path: &Path) -> Result<String, RenderError> {
    match path.to_str() {
        Some(text) if !text.contains(|c: char| c.is_control() || "\"'\\$`".contains(c)) => Ok(text.to_owned()),
        _ => Err(RenderError::Path(path.to_owned())),
    }
}
