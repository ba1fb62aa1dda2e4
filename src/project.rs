//! Finds the files of a project, its own and the embedded ones, and makes environments of them.

mod files;
pub mod init;

use crate::fs::{self, FsError};
use crate::model::blueprint::Blueprint;
use crate::model::diagnostic::{Kind, Report, Severity};
use crate::model::environment::Environment;
use crate::model::ids::{BlueprintName, EnvName, TemplateName};
use crate::model::inventory::Observed;
use crate::model::library::{Library, Meaning};
use crate::model::source::{Source, quoted};
use crate::model::suggest;
use files::Folder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a folder holds that is a checkout of our own source, from which the services can be built.
const CHECKOUT: [&str; 3] = ["Cargo.lock", "services/requestor/Cargo.toml", "services/runner/Cargo.toml"];

/// Where the files of environments come from: a project folder, and the embedded ones where it has none of the name.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// The folder that holds `environments/`.
    folder: Option<PathBuf>,
    /// What people see of the folder: how to get there from where they are.
    shown: PathBuf,
    /// Files that are not written yet and go before all others.
    overlay: BTreeMap<EnvName, Vec<u8>>,
}

/// Why there is no environment.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is no file of that name.
    #[error("there is no environment `{name}`; {}", choices(near.as_ref(), known))]
    NotFound {
        /// The name.
        name: String,
        /// The known name that is most like it.
        near: Option<EnvName>,
        /// All known environments.
        known: Vec<EnvName>,
    },
    /// There is no blueprint of that name.
    #[error("there is no blueprint `{name}`; {}", suggest::help(name, known.iter().map(BlueprintName::as_str)))]
    NoBlueprint {
        /// The name.
        name: String,
        /// All known blueprints.
        known: Vec<BlueprintName>,
    },
    /// The files are wrong; the report says how.
    #[error("{}", counted(.0))]
    Invalid(Box<Report>),
    /// A folder that was named has no environments.
    #[error("{} has no folder `environments`", .0.display())]
    NoProject(PathBuf),
    /// A file cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

fn choices(near: Option<&EnvName>, known: &[EnvName]) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", suggest::list(known.iter().map(EnvName::as_str))),
    }
}

fn counted(report: &Report) -> String {
    match report.count(Severity::Error) {
        1 => "there is 1 error in the files".to_owned(),
        count => format!("there are {count} errors in the files"),
    }
}

impl Project {
    /// The embedded files alone.
    pub fn embedded() -> Self {
        Self::default()
    }

    /// The project in `folder` when one is named, else the nearest folder from `cwd` upwards that has
    /// `environments/`, else the embedded files alone.
    ///
    /// Errors: the named folder has no `environments/`.
    pub fn find(folder: Option<&Path>, cwd: &Path) -> Result<Self, ProjectError> {
        let has = |folder: &Path| {
            let meta = fs::observe_meta(&folder.join(Folder::Environments.name()));
            matches!(meta, Observed::Present(meta) if meta.is_dir || !meta.is_file)
        };
        let folder = match folder {
            Some(folder) => {
                let folder = cwd.join(folder);
                if !has(&folder) {
                    return Err(ProjectError::NoProject(folder));
                }
                Some(folder)
            }
            None => cwd.ancestors().find(|folder| has(folder)).map(Path::to_owned),
        };
        let shown = folder.as_deref().map(|folder| folder.strip_prefix(cwd).unwrap_or(folder).to_owned());
        Ok(Self { folder, shown: shown.unwrap_or_default(), overlay: BTreeMap::new() })
    }

    /// The same where a project may only be begun: the named folder, else the nearest one upwards that has
    /// `environments/`, else `cwd`.
    pub fn begin(folder: Option<&Path>, cwd: &Path) -> Self {
        let found = Self::find(folder, cwd).ok().filter(|project| project.folder.is_some());
        found.unwrap_or_else(|| {
            let folder = folder.unwrap_or(Path::new(""));
            Self { folder: Some(cwd.join(folder)), shown: folder.to_owned(), overlay: BTreeMap::new() }
        })
    }

    /// The project folder, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The folder of our own source: the project's, or else the one that `program` was built in.
    pub fn checkout(&self, program: &Path) -> Option<PathBuf> {
        let has_all = |folder: &&Path| {
            CHECKOUT.iter().all(|file| fs::observe_meta(&folder.join(file)).present().is_some_and(|meta| meta.is_file))
        };
        // CHECKOUT/target/PROFILE/reportctl
        let built_in = program.ancestors().nth(3);
        self.folder.as_deref().into_iter().chain(built_in).find(has_all).map(Path::to_owned)
    }

    /// The same with a file that is not written yet.
    #[must_use]
    pub fn with(mut self, name: EnvName, content: &[u8]) -> Self {
        self.overlay.insert(name, content.to_owned());
        self
    }

    /// The environment of that name. Warnings are for `validate` and are not told here.
    ///
    /// Errors: there is none, its files are wrong (with every mistake in them), or the folder cannot be read.
    pub fn load(&self, name: &str) -> Result<Environment, ProjectError> {
        let known = self.names()?;
        let Some(name) = known.iter().find(|known| known.as_str() == name).cloned() else {
            return Err(self.not_found(name)?);
        };
        let mut library = self.library()?;
        self.add(&mut library, &name);
        match library.meaning(&name, &known) {
            Meaning::Environment(environment) => return Ok(*environment),
            Meaning::Base => library.tell_no_machine(&name),
            Meaning::Nothing => {}
        }
        Err(ProjectError::Invalid(Box::new(library.report())))
    }

    /// The names of all files, sorted: environments, and bases for them.
    ///
    /// Errors: the folder cannot be read.
    pub fn names(&self) -> Result<Vec<EnvName>, ProjectError> {
        // What else lies there is told by `validate`.
        let names = Folder::Environments.names(self.folder())?;
        let mut names: Vec<EnvName> = names.iter().filter_map(|name| EnvName::parse(name).ok()).collect();
        names.extend(self.overlay.keys().cloned());
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The names of all blueprints, sorted.
    ///
    /// Errors: the folder cannot be read.
    pub fn blueprints(&self) -> Result<Vec<BlueprintName>, ProjectError> {
        let names = Folder::Blueprints.names(self.folder())?;
        Ok(names.iter().filter_map(|name| BlueprintName::parse(name).ok()).collect())
    }

    /// The names of all templates for cloud-init, sorted.
    ///
    /// Errors: the folder cannot be read.
    pub fn templates(&self) -> Result<Vec<TemplateName>, ProjectError> {
        let names = Folder::Templates.names(self.folder())?;
        Ok(names.iter().filter_map(|name| TemplateName::parse(name).ok()).collect())
    }

    /// The blueprint of that name, and what people see of where its file is.
    ///
    /// Errors: there is none, its file is wrong (with every mistake in it), or the folder cannot be read.
    pub fn blueprint(&self, name: &str) -> Result<(Blueprint, PathBuf), ProjectError> {
        let mut library = self.library()?;
        let known = self.blueprints()?;
        let Some(name) = known.iter().find(|known| known.as_str() == name) else {
            return Err(ProjectError::NoBlueprint { name: name.to_owned(), known });
        };
        self.add_blueprint(&mut library, name.clone());
        match library.blueprint(name) {
            Some(blueprint) => Ok((blueprint, Folder::Blueprints.path(self.folder(), &self.shown, name.as_str()))),
            None => Err(ProjectError::Invalid(Box::new(library.report()))),
        }
    }

    /// The file of a template; none when there is none.
    pub fn template(&self, name: &TemplateName) -> Option<Source> {
        Folder::Templates.source(self.folder(), &self.shown, name.as_str())
    }

    /// An empty library that knows what there is to choose from.
    fn library(&self) -> Result<Library, ProjectError> {
        let mut library = Library::default();
        library.offer(self.blueprints()?, self.templates()?);
        Ok(library)
    }

    /// Adds the file `name`, all that it extends, and what these name.
    fn add(&self, library: &mut Library, name: &EnvName) {
        let mut wanted = Some(name.clone());
        while let Some(name) = wanted {
            match self.source(&name) {
                Some(source) => library.add(name, source),
                None => library.add_absent(name),
            }
            wanted = library.wanted();
        }
        while let Some(name) = library.wanted_blueprint() {
            self.add_blueprint(library, name);
        }
    }

    /// Adds a blueprint, and the template that it names.
    fn add_blueprint(&self, library: &mut Library, name: BlueprintName) {
        match Folder::Blueprints.source(self.folder(), &self.shown, name.as_str()) {
            Some(source) => library.add_blueprint(name, source),
            None => library.add_absent_blueprint(name),
        }
        while let Some(name) = library.wanted_template() {
            match self.template(&name) {
                Some(source) => library.add_template(name, source),
                None => library.add_absent_template(name),
            }
        }
    }

    /// The file of that name; none when there is none.
    fn source(&self, name: &EnvName) -> Option<Source> {
        if let Some(content) = self.overlay.get(name) {
            let path = self.shown.join(Folder::Environments.relative(name.as_str()));
            return Some(Source::new(&path.to_string_lossy(), content));
        }
        Folder::Environments.source(self.folder(), &self.shown, name.as_str())
    }

    /// Checks one file with all that it extends and names, or every file there is.
    ///
    /// Errors: there is no file of that name, or the folder cannot be read. Mistakes in files are in the result.
    pub fn validate(&self, name: Option<&str>) -> Result<Validation, ProjectError> {
        let known = self.names()?;
        let chosen = match name {
            None => known.clone(),
            Some(name) => match known.iter().find(|known| known.as_str() == name) {
                Some(name) => vec![name.clone()],
                None => return Err(self.not_found(name)?),
            },
        };
        let every = name.is_none();
        let mut library = self.library()?;
        if every {
            for folder in Folder::ALL {
                self.add_misnamed(&mut library, folder)?;
            }
        }
        for name in &chosen {
            self.add(&mut library, name);
        }
        let mut shapes = library.named_blueprints();
        if every {
            for name in self.blueprints()?.into_iter().filter(|name| !shapes.contains(name)).collect::<Vec<_>>() {
                self.add_blueprint(&mut library, name);
            }
            shapes = library.named_blueprints();
        }
        let extended = library.extended();
        let mut files = Vec::new();
        for name in chosen {
            let meaning = library.meaning(&name, &known);
            if meaning == Meaning::Base && every && !extended.contains(&name) {
                library.tell_unused(&name);
            }
            files.push(Listed { path: self.path(&name), name, meaning });
        }
        let mut blueprints = Vec::new();
        for name in shapes {
            let path = Folder::Blueprints.path(self.folder(), &self.shown, name.as_str());
            blueprints.push(ListedBlueprint { path, blueprint: library.blueprint(&name), name });
        }
        Ok(Validation { files, blueprints, report: library.report() })
    }

    /// What people see of where the file of that name is.
    fn path(&self, name: &EnvName) -> PathBuf {
        if self.overlay.contains_key(name) {
            return self.shown.join(Folder::Environments.relative(name.as_str()));
        }
        Folder::Environments.path(self.folder(), &self.shown, name.as_str())
    }

    /// Adds the files of a folder that nobody would read, or whose names are none.
    fn add_misnamed(&self, library: &mut Library, folder: Folder) -> Result<(), ProjectError> {
        let Some(project) = self.folder() else { return Ok(()) };
        for file in fs::list(&project.join(folder.name()))?.iter().filter(|file| !file.starts_with('.')) {
            let Some(message) = misnamed(folder, file) else { continue };
            let path = self.shown.join(folder.name()).join(file);
            library.add_misnamed(Source::new(&path.to_string_lossy(), b""), Kind::BadFileName, &message, "rename it");
        }
        Ok(())
    }

    fn not_found(&self, name: &str) -> Result<ProjectError, ProjectError> {
        let known: Vec<EnvName> = self.names()?.into_iter().filter(|known| self.is_environment(known)).collect();
        let near = suggest::nearest(name, known.iter().map(EnvName::as_str));
        let near = near.and_then(|near| EnvName::parse(near).ok());
        Ok(ProjectError::NotFound { name: name.to_owned(), near, known })
    }

    /// Whether a file is an environment, or is too wrong to say.
    fn is_environment(&self, name: &EnvName) -> bool {
        let mut library = Library::default();
        self.add(&mut library, name);
        library.meaning(name, &[]) != Meaning::Base
    }
}

/// What is wrong with the name of a file in that folder; none where it is no file of ours.
fn misnamed(folder: Folder, file: &str) -> Option<String> {
    let extension = folder.extension();
    let Some(stem) = file.strip_suffix(extension) else {
        let is_meant = match folder {
            Folder::Environments | Folder::Blueprints => file.ends_with(".yml"),
            Folder::Templates => [".yaml", ".yml", ".tera"].iter().any(|end| file.ends_with(end)),
        };
        return is_meant.then(|| format!("only files that end in {extension} are read, and {} does not", quoted(file)));
    };
    let error = match folder {
        Folder::Environments => EnvName::parse(stem).err(),
        Folder::Blueprints => BlueprintName::parse(stem).err(),
        Folder::Templates => TemplateName::parse(stem).err(),
    };
    error.map(|error| quoted(&error.to_string()))
}

/// What was found in files.
#[derive(Debug, Clone)]
pub struct Validation {
    /// The files that were asked for, sorted by name.
    pub files: Vec<Listed>,
    /// The blueprints that they name, or all, sorted by name.
    pub blueprints: Vec<ListedBlueprint>,
    /// All mistakes in them.
    pub report: Report,
}

/// One file and what it means.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name.
    pub name: EnvName,
    /// Where it is, as people see it. Embedded ones begin with `<embedded>`.
    pub path: PathBuf,
    /// What it means.
    pub meaning: Meaning,
}

/// A blueprint.
#[derive(Debug, Clone)]
pub struct ListedBlueprint {
    /// Its name.
    pub name: BlueprintName,
    /// Where its file is, as people see it. Embedded ones begin with `<embedded>`.
    pub path: PathBuf,
    /// What it means; none where it is not valid.
    pub blueprint: Option<Blueprint>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
    use super::*;
    use crate::model::component::ComponentName;

    #[test]
    fn the_embedded_environments_are_valid_and_have_every_component() {
        for name in ["local", "lxd", "multipass"] {
            let environment = match Project::embedded().load(name) {
                Ok(environment) => environment,
                Err(ProjectError::Invalid(report)) => panic!("{:#?}", report.diagnostics()),
                Err(error) => panic!("{error}"),
            };
            assert!(environment.stack.components.keys().eq(&ComponentName::ALL));
        }
        for name in Project::embedded().blueprints().unwrap() {
            assert!(Project::embedded().blueprint(name.as_str()).is_ok(), "{name}");
        }
    }
}
