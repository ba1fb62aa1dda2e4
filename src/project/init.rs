//! Begins a project, or a new environment within it, with files that a person then edits.

use super::files::Folder;
use super::{Project, ProjectError, Validation};
use crate::fs;
use crate::model::diagnostic::Report;
use crate::model::ids::EnvName;
use crate::model::json_schema;
use crate::model::library::Meaning;
use crate::model::node::{self, Value};
use crate::model::source::{Source, Sources};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What to begin.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// The new environment; none to write out the embedded files as they are.
    pub name: Option<&'a EnvName>,
    /// The environment that it begins as a copy of.
    pub from: &'a EnvName,
    /// Whether a file of the new environment that is there already is replaced.
    pub replace: bool,
}

/// What became of the files. Paths are as people see them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Begun {
    /// Files that are new.
    pub written: Vec<PathBuf>,
    /// Files that were there and are another now.
    pub replaced: Vec<PathBuf>,
    /// Files that were there and are as they were.
    pub kept: Vec<PathBuf>,
}

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The new environment has a file already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// What the files are made from is no environment.
    #[error("`{0}` is a base, not an environment, and cannot be copied as one")]
    FromBase(EnvName),
    /// The environment to copy is not there or is wrong, or a file cannot be written.
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl From<fs::FsError> for InitError {
    fn from(error: fs::FsError) -> Self {
        Self::Project(error.into())
    }
}

/// A file to write, relative to the project folder.
struct Planned {
    path: PathBuf,
    text: String,
    /// What happens to one that is there and differs.
    fate: Fate,
}

enum Fate {
    Keep,
    Replace,
}

impl Project {
    /// Writes the file of a new environment and what it needs to be edited: its bases and the schema.
    ///
    /// Guarantees: each file is written as a whole or not at all; the new environment's file is written last, and only
    /// if it is valid. No file is replaced but the schema, which is ours, and, when asked for, the new environment's.
    ///
    /// Errors: the file is there already and is not to be replaced; `from` is not there, is a base or is not valid;
    /// a file cannot be written.
    pub fn init(&self, new: &New<'_>) -> Result<Begun, InitError> {
        let folder = self.folder.clone().unwrap_or_default();
        let planned = self.planned(&folder, new)?;
        let folders: BTreeSet<&Path> = planned.iter().filter_map(|file| file.path.parent()).collect();
        for below in folders.into_iter().map(|below| folder.join(below)) {
            if fs::observe_meta(&below).present().is_none() {
                fs::ensure_dir(&below, 0o755)?;
            }
        }
        let mut begun = Begun::default();
        for Planned { path, text, fate } in planned {
            let target = folder.join(&path);
            let shown = self.shown.join(&path);
            let there = fs::observe_meta(&target).present().is_some();
            match (there, fate) {
                (true, Fate::Keep) => {
                    begun.kept.push(shown);
                    continue;
                }
                (true, Fate::Replace) if fs::read_bytes(&target)? == text.as_bytes() => {
                    begun.kept.push(shown);
                    continue;
                }
                (true, Fate::Replace) => begun.replaced.push(shown),
                (false, _) => begun.written.push(shown),
            }
            fs::write(&target, text.as_bytes(), 0o644)?;
        }
        Ok(begun)
    }

    fn planned(&self, folder: &Path, new: &New<'_>) -> Result<Vec<Planned>, InitError> {
        let Some(name) = new.name else {
            let all = Folder::ALL
                .into_iter()
                .flat_map(|folder| folder.embedded().iter().map(move |(name, text)| keep(folder, name, text)));
            return Ok(schemas(&Folder::ALL).chain(all).collect());
        };
        let path = Folder::Environments.relative(name.as_str());
        if !new.replace && fs::observe_meta(&folder.join(&path)).present().is_some() {
            return Err(InitError::Exists(self.shown.join(path)));
        }
        let copied = self.validate(Some(new.from.as_str()))?;
        match copied.files.first().map(|file| &file.meaning) {
            Some(Meaning::Environment(_)) => {}
            Some(Meaning::Base) => return Err(InitError::FromBase(new.from.clone())),
            Some(Meaning::Nothing) | None => return Err(invalid(copied.report)),
        }
        let text = match self.source(new.from) {
            Some(source) => copy(&source, name, new.from),
            None => return Err(self.not_found(new.from.as_str())?.into()),
        };
        let checked = self.clone().with(name.clone(), text.as_bytes()).validate(Some(name.as_str()))?;
        if checked.report.has_errors() {
            return Err(invalid(checked.report));
        }
        let needed = self.needed(&text, &checked);
        let is_named = |folder: &Folder| *folder == Folder::Environments || needed.iter().any(|(of, _)| of == folder);
        let named: Vec<Folder> = Folder::ALL.into_iter().filter(is_named).collect();
        let own = Planned { path, text: text.clone(), fate: Fate::Replace };
        let needed = needed.iter().filter(|(of, needed)| *of != Folder::Environments || *needed != name.as_str());
        // What there is of them within the program; the others are files already.
        let needed = needed.filter_map(|(folder, name)| {
            let (name, text) = folder.embedded().iter().find(|(embedded, _)| embedded == name)?;
            Some(keep(*folder, name, text))
        });
        Ok(schemas(&named).chain(needed).chain([own]).collect())
    }

    /// What a new environment is made of beside its own file, so that it can be edited too: the bases that it extends,
    /// its machine's blueprint, and the template of that.
    fn needed(&self, text: &str, checked: &Validation) -> Vec<(Folder, String)> {
        let bases = self.bases(text).into_iter().map(|base| (Folder::Environments, base.to_string()));
        let shapes = checked.blueprints.iter().filter_map(|listed| listed.blueprint.as_ref());
        let shapes = shapes.flat_map(|shape| {
            [(Folder::Blueprints, shape.name.clone()), (Folder::Templates, shape.cloud_init.template.clone())]
        });
        bases.chain(shapes).collect()
    }

    /// The names that a text extends, directly and by way of others.
    fn bases(&self, text: &str) -> Vec<EnvName> {
        let mut bases: Vec<EnvName> = Vec::new();
        let mut next = top_level(&Source::new("", text.as_bytes()), "extends").map(|(base, _)| base);
        while let Some(base) = next.and_then(|base| EnvName::parse(&base).ok()).filter(|base| !bases.contains(base)) {
            next = self.source(&base).and_then(|source| top_level(&source, "extends")).map(|(base, _)| base);
            bases.push(base);
        }
        bases
    }
}

/// A file that is left as it is where there is one.
fn keep(folder: Folder, name: &str, text: &str) -> Planned {
    Planned { path: folder.relative(name), text: text.to_owned(), fate: Fate::Keep }
}

/// The schemas for the files of these folders, beside them.
fn schemas(folders: &[Folder]) -> impl Iterator<Item = Planned> {
    folders.iter().filter_map(|folder| {
        let (name, text) = match folder {
            Folder::Environments => (json_schema::FILE_NAME, json_schema::environment_text()),
            Folder::Blueprints => (json_schema::BLUEPRINT_FILE_NAME, json_schema::blueprint_text()),
            Folder::Templates => return None,
        };
        Some(Planned { path: Path::new(folder.name()).join(name), text, fate: Fate::Replace })
    })
}

fn invalid(report: Report) -> InitError {
    ProjectError::Invalid(Box::new(report)).into()
}

/// The text of `source` with a description of its own, where that is easily put in.
fn copy(source: &Source, name: &EnvName, from: &EnvName) -> String {
    let text = source.text();
    let Some((_, range)) = top_level(source, "description").filter(|_| name != from) else { return text.to_owned() };
    let description = format!("{name}, begun as a copy of {from}");
    let copied = format!("{}\"{description}\"{}", &text[..range.start], &text[range.end..]);
    // A description in YAML's block form would not end where its text ends.
    match top_level(&Source::new("", copied.as_bytes()), "description") {
        Some((new, _)) if new == description => copied,
        _ => text.to_owned(),
    }
}

/// The text and the range of a value at the top of a file.
fn top_level(source: &Source, key: &str) -> Option<(String, std::ops::Range<usize>)> {
    let file = Sources::default().add(source.clone());
    let root = node::parse(file, source, &mut Vec::new())?;
    let Value::Mapping(entries) = root.value else { return None };
    entries.into_iter().find(|entry| entry.key == key).and_then(|entry| match entry.node.value {
        Value::Scalar { text, .. } => Some((text, entry.node.extent.start..entry.node.extent.end)),
        _ => None,
    })
}
