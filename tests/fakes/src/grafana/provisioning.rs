//! The provisioning folder: data sources, dashboards, alerting.

use super::PROGRAM;
use super::ini::{Settings, expand};
use crate::{client, expand as vars, log, read_configuration, variable};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Types of data sources that come with Grafana.
const TYPES: [&str; 7] = [
    "prometheus",
    "alertmanager",
    "tempo",
    "loki",
    "jaeger",
    "grafana-postgresql-datasource",
    "grafana-testdata-datasource",
];

/// A data source.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Datasource {
    pub(super) name: String,
    /// Required here: without it the real one invents one, and dashboards break.
    pub(super) uid: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default = "proxy")]
    pub(super) access: String,
    pub(super) url: String,
    #[serde(default)]
    pub(super) is_default: bool,
    #[serde(default)]
    pub(super) editable: bool,
    #[serde(default)]
    pub(super) basic_auth: bool,
    #[serde(default)]
    pub(super) basic_auth_user: String,
    #[serde(default)]
    pub(super) json_data: Map<String, Value>,
    #[serde(default)]
    pub(super) secure_json_data: BTreeMap<String, String>,
    #[serde(default = "one")]
    org_id: i64,
    #[serde(default = "one")]
    version: i64,
}

/// A dashboard of a file.
#[derive(Debug, Clone)]
pub(super) struct Dashboard {
    pub(super) uid: String,
    pub(super) title: String,
    pub(super) folder: String,
    pub(super) file: String,
    pub(super) model: Value,
}

/// All that was provisioned.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) datasources: Vec<Datasource>,
    pub(super) dashboards: Vec<Dashboard>,
    /// How long dashboards hold before their files are read again, in seconds.
    pub(super) refresh: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DatasourceFile {
    api_version: i64,
    #[serde(default, rename = "prune")]
    _prune: bool,
    #[serde(default)]
    datasources: Vec<Datasource>,
    #[serde(default, rename = "deleteDatasources")]
    _delete: Vec<Deleted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Deleted {
    #[serde(rename = "name")]
    _name: String,
    #[serde(default, rename = "orgId")]
    _org_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProviderFile {
    api_version: i64,
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Provider {
    name: String,
    #[serde(default = "one")]
    org_id: i64,
    #[serde(default)]
    folder: String,
    #[serde(default, rename = "folderUid")]
    _folder_uid: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, rename = "disableDeletion")]
    _disable_deletion: bool,
    #[serde(default, rename = "editable")]
    _editable: bool,
    #[serde(default, rename = "allowUiUpdates")]
    _allow_ui_updates: bool,
    #[serde(default = "ten")]
    update_interval_seconds: u64,
    options: ProviderOptions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProviderOptions {
    path: PathBuf,
    #[serde(default, rename = "foldersFromFilesStructure")]
    folders_from_files_structure: bool,
}

fn proxy() -> String {
    "proxy".to_owned()
}

fn one() -> i64 {
    1
}

fn ten() -> u64 {
    10
}

/// Reads all of it.
///
/// Errors: a broken data source or alerting file. A broken dashboard is logged and left out.
pub(super) fn load(settings: &Settings) -> Result<Content, String> {
    if !settings.provisioning.is_dir() {
        return Err(format!("{} is no folder (the real one only logs that)", settings.provisioning.display()));
    }
    let datasources = datasources(&settings.provisioning.join("datasources"))
        .map_err(|error| format!("Datasource provisioning error: {error}"))?;
    alerting(&settings.provisioning.join("alerting")).map_err(|error| format!("alert provisioning: {error}"))?;
    let (dashboards, refresh) = dashboards(settings);
    Ok(Content { datasources, dashboards, refresh })
}

/// The YAML files of a folder, in order. A folder that is not there has none.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A YAML file with its variables replaced.
fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, String> {
    let at = |error: String| format!("{}: {error}", path.display());
    let mut value: Value = serde_saphyr::from_str(&read_configuration(path)?).map_err(|error| at(error.to_string()))?;
    expand_all(&mut value).map_err(at)?;
    serde_json::from_value(value).map_err(|error| at(error.to_string()))
}

fn expand_all(value: &mut Value) -> Result<(), String> {
    match value {
        Value::String(text) if text.starts_with("$__file{") || text.starts_with("$__env{") => *text = expand(text)?,
        Value::String(text) => *text = vars::variables(text, false, variable)?,
        Value::Array(items) => items.iter_mut().try_for_each(expand_all)?,
        Value::Object(fields) => fields.values_mut().try_for_each(expand_all)?,
        _ => {}
    }
    Ok(())
}

fn version(found: i64) -> Result<(), String> {
    if found == 1 { Ok(()) } else { Err(format!("apiVersion is {found}, not 1")) }
}

fn datasources(folder: &Path) -> Result<Vec<Datasource>, String> {
    let mut all: Vec<Datasource> = Vec::new();
    for path in files(folder)? {
        let file: DatasourceFile = read(&path)?;
        let at = |error: String| format!("{}: {error}", path.display());
        version(file.api_version).map_err(at)?;
        for source in file.datasources {
            check(&source, &all).map_err(|error| at(format!("data source {:?}: {error}", source.name)))?;
            all.push(source);
        }
    }
    if all.iter().filter(|source| source.is_default).count() > 1 {
        return Err("datasource.yaml config is invalid. Only one datasource per organization can be marked as default"
            .to_owned());
    }
    Ok(all)
}

fn check(source: &Datasource, others: &[Datasource]) -> Result<(), String> {
    let uid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if source.name.is_empty() || others.iter().any(|other| other.name == source.name) {
        return Err("the name is empty or used twice".to_owned());
    }
    if source.uid.is_empty() || source.uid.len() > 40 || !source.uid.chars().all(uid) {
        return Err(format!("uid {:?} is not valid", source.uid));
    }
    if others.iter().any(|other| other.uid == source.uid) {
        return Err(format!("uid {:?} is used twice", source.uid));
    }
    if !TYPES.contains(&source.kind.as_str()) {
        return Err(format!("there is no plugin for type {:?}", source.kind));
    }
    if !["proxy", "direct"].contains(&source.access.as_str()) {
        return Err(format!("access {:?} is not proxy or direct", source.access));
    }
    if source.org_id != 1 || source.version < 0 {
        return Err("there is only organization 1".to_owned());
    }
    client::split(&source.url).map(|_| ())
}

fn alerting(folder: &Path) -> Result<(), String> {
    const KEYS: [&str; 11] = [
        "apiVersion",
        "groups",
        "deleteRules",
        "contactPoints",
        "deleteContactPoints",
        "policies",
        "resetPolicies",
        "muteTimes",
        "deleteMuteTimes",
        "templates",
        "deleteTemplates",
    ];
    for path in files(folder)? {
        let file: Map<String, Value> = read(&path)?;
        let at = |error: String| format!("{}: {error}", path.display());
        version(file.get("apiVersion").and_then(Value::as_i64).unwrap_or_default()).map_err(at)?;
        if let Some(key) = file.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(at(format!("unknown key {key}")));
        }
        if let Some((key, _)) = file.iter().find(|(key, value)| *key != "apiVersion" && !value.is_array()) {
            return Err(at(format!("{key} is no list")));
        }
    }
    Ok(())
}

/// The dashboards of all providers, and the shortest interval at which they are read again.
pub(super) fn dashboards(settings: &Settings) -> (Vec<Dashboard>, u64) {
    let (mut all, mut refresh) = (Vec::new(), ten());
    let complain = |error: String| log(PROGRAM, "error", &format!("failed to load dashboard: {error}"));
    let paths = files(&settings.provisioning.join("dashboards")).unwrap_or_else(|error| {
        complain(error);
        Vec::new()
    });
    for path in paths {
        let providers = read::<ProviderFile>(&path).and_then(|file| version(file.api_version).map(|()| file.providers));
        match providers {
            Ok(providers) => {
                for provider in providers {
                    refresh = refresh.min(provider.update_interval_seconds.max(1));
                    match of_provider(&provider) {
                        Ok(found) => all.extend(found),
                        Err(error) => complain(format!("provider {:?}: {error}", provider.name)),
                    }
                }
            }
            Err(error) => complain(error),
        }
    }
    let twice = |all: &[Dashboard], uid: &str| all.iter().filter(|other| other.uid == uid).count() > 1;
    let (double, single): (Vec<_>, Vec<_>) =
        all.clone().into_iter().partition(|dashboard: &Dashboard| twice(&all, &dashboard.uid));
    for dashboard in double {
        complain(format!("{}: uid {} is used twice", dashboard.file, dashboard.uid));
    }
    (single, refresh)
}

fn of_provider(provider: &Provider) -> Result<Vec<Dashboard>, String> {
    if provider.kind != "file" || provider.org_id != 1 || provider.name.is_empty() {
        return Err("it needs a name, type `file` and organization 1".to_owned());
    }
    if provider.options.folders_from_files_structure && !provider.folder.is_empty() {
        return Err("'folder' should be empty with foldersFromFilesStructure".to_owned());
    }
    let folder = &provider.options.path;
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("Cannot read directory {}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "json")) {
        match dashboard(&path, &provider.folder) {
            Ok(dashboard) => found.push(dashboard),
            Err(error) => log(PROGRAM, "error", &format!("failed to load dashboard from {}: {error}", path.display())),
        }
    }
    Ok(found)
}

fn dashboard(path: &Path, folder: &str) -> Result<Dashboard, String> {
    let model: Value = serde_json::from_str(&read_configuration(path)?).map_err(|error| error.to_string())?;
    let text = |key: &str| model.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let title = text("title").ok_or("Dashboard title cannot be empty")?;
    let uid = text("uid").ok_or("a dashboard without a uid gets another one at each start")?;
    if uid.len() > 40 {
        return Err("uid too long, max 40 characters".to_owned());
    }
    if !model.get("id").is_none_or(Value::is_null) {
        return Err("a provisioned dashboard must not have an id".to_owned());
    }
    if !model.get("schemaVersion").is_some_and(Value::is_u64) || !model.get("panels").is_some_and(Value::is_array) {
        return Err("no dashboard of schema v1: schemaVersion and panels are needed".to_owned());
    }
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Dashboard { uid, title, folder: folder.to_owned(), file, model })
}
