//! Finds the files of a project, its own and the embedded ones, and makes environments of them.

pub mod init;

use crate::fs::{self, FsError};
use crate::model::diagnostic::{Kind, Report, Severity};
use crate::model::environment::Environment;
use crate::model::ids::EnvName;
use crate::model::inventory::Observed;
use crate::model::library::{Library, Meaning};
use crate::model::source::{MAX_BYTES, Source, quoted};
use crate::model::suggest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files that are within the program, by name.
const EMBEDDED: [(&str, &str); 2] =
    [("base", include_str!("../environments/base.yaml")), ("local", include_str!("../environments/local.yaml"))];

/// What a folder holds that is a checkout of our own source, from which the services can be built.
const CHECKOUT: [&str; 3] = ["Cargo.lock", "services/requestor/Cargo.toml", "services/runner/Cargo.toml"];

/// The folder of a project that holds its environments.
const FOLDER: &str = "environments";

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
            let meta = fs::observe_meta(&folder.join(FOLDER));
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
        let mut library = Library::default();
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
        let mut names: Vec<EnvName> = EMBEDDED.iter().filter_map(|(name, _)| EnvName::parse(name).ok()).collect();
        names.extend(self.overlay.keys().cloned());
        if let Some(folder) = &self.folder {
            let files = fs::list(&folder.join(FOLDER))?;
            // What else lies there is told by `validate`.
            names.extend(files.iter().filter_map(|file| EnvName::parse(file.strip_suffix(".yaml")?).ok()));
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Adds the file `name` and all that it extends.
    fn add(&self, library: &mut Library, name: &EnvName) {
        let mut wanted = Some(name.clone());
        while let Some(name) = wanted {
            match self.source(&name) {
                Some(source) => library.add(name, source),
                None => library.add_absent(name),
            }
            wanted = library.wanted();
        }
    }

    /// The file of that name; none when there is none.
    fn source(&self, name: &EnvName) -> Option<Source> {
        let relative = relative(name);
        if let Some(content) = self.overlay.get(name) {
            return Some(Source::new(&self.shown.join(relative).to_string_lossy(), content));
        }
        if let Some(folder) = &self.folder {
            let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
            match fs::read_from(&folder.join(&relative), 0, limit) {
                Ok((bytes, _)) => {
                    return Some(Source::new(&self.shown.join(relative).to_string_lossy(), &bytes));
                }
                Err(error) if error.is_not_found() => {}
                // One such file is no reason to say nothing of the others.
                Err(FsError { source, .. }) => {
                    let why = format!("the file cannot be read: {source}");
                    return Some(Source::unreadable(&self.shown.join(relative).to_string_lossy(), &why));
                }
            }
        }
        let embedded = EMBEDDED.iter().find(|(embedded, _)| *embedded == name.as_str());
        embedded.map(|(_, text)| Source::new(&format!("<embedded>/{}", relative.display()), text.as_bytes()))
    }

    /// Checks one file with all that it extends, or every file there is.
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
        let mut library = Library::default();
        if every {
            self.add_misnamed(&mut library)?;
        }
        for name in &chosen {
            self.add(&mut library, name);
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
        Ok(Validation { files, report: library.report() })
    }

    /// What people see of where the file of that name is.
    fn path(&self, name: &EnvName) -> PathBuf {
        let relative = relative(name);
        let own =
            self.folder.as_ref().is_some_and(|folder| fs::observe_meta(&folder.join(&relative)).present().is_some());
        if own || self.overlay.contains_key(name) {
            self.shown.join(relative)
        } else {
            Path::new("<embedded>").join(relative)
        }
    }

    /// Adds the files of the folder whose names are no names of environments.
    fn add_misnamed(&self, library: &mut Library) -> Result<(), ProjectError> {
        let Some(folder) = self.folder.as_ref().map(|folder| folder.join(FOLDER)) else { return Ok(()) };
        for file in fs::list(&folder)?.iter().filter(|file| !file.starts_with('.')) {
            let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
            let message = match extension {
                "yml" => format!("only files that end in .yaml are read, and {} does not", quoted(file)),
                "yaml" => match EnvName::parse(stem) {
                    Ok(_) => continue,
                    Err(error) => quoted(&error.to_string()),
                },
                _ => continue,
            };
            let path = self.shown.join(FOLDER).join(file);
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

fn relative(name: &EnvName) -> PathBuf {
    Path::new(FOLDER).join(format!("{name}.yaml"))
}

/// What was found in files.
#[derive(Debug, Clone)]
pub struct Validation {
    /// The files that were asked for, sorted by name.
    pub files: Vec<Listed>,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
    use super::*;
    use crate::model::component::ComponentName;

    #[test]
    fn the_embedded_environment_is_valid_and_has_every_component() {
        let environment = match Project::embedded().load("local") {
            Ok(environment) => environment,
            Err(ProjectError::Invalid(report)) => panic!("{:#?}", report.diagnostics()),
            Err(error) => panic!("{error}"),
        };
        assert!(environment.stack.components.keys().eq(&ComponentName::ALL));
    }
}
