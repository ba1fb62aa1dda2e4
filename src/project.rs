//! Finds the files of a project, its own and the embedded ones, and makes environments of them.

use crate::fs::{self, FsError};
use crate::model::diagnostic::{Report, Severity};
use crate::model::environment::Environment;
use crate::model::ids::EnvName;
use crate::model::inventory::Observed;
use crate::model::library::{Library, Meaning};
use crate::model::source::{MAX_BYTES, Source};
use crate::model::suggest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files that are within the program, by name.
const EMBEDDED: [(&str, &str); 2] =
    [("base", include_str!("../environments/base.yaml")), ("local", include_str!("../environments/local.yaml"))];

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
    overlay: BTreeMap<EnvName, String>,
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

    /// The project folder, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The same with a file that is not written yet.
    #[must_use]
    pub fn with(mut self, name: EnvName, text: &str) -> Self {
        self.overlay.insert(name, text.to_owned());
        self
    }

    /// The environment of that name. Warnings are for `validate` and are not told here.
    ///
    /// Errors: there is none, its files are wrong (with every mistake in them), or a file cannot be read.
    pub fn load(&self, name: &str) -> Result<Environment, ProjectError> {
        let known = self.names()?;
        let Some(name) = known.iter().find(|known| known.as_str() == name).cloned() else {
            return Err(self.not_found(name)?);
        };
        let mut library = Library::default();
        self.add(&mut library, &name)?;
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
            names.extend(files.iter().filter_map(|file| EnvName::parse(file.strip_suffix(".yaml")?).ok()));
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Adds the file `name` and all that it extends.
    fn add(&self, library: &mut Library, name: &EnvName) -> Result<(), ProjectError> {
        let mut wanted = Some(name.clone());
        while let Some(name) = wanted {
            match self.source(&name)? {
                Some(source) => library.add(name, source),
                None => library.add_absent(name),
            }
            wanted = library.wanted();
        }
        Ok(())
    }

    /// The file of that name; none when there is none.
    fn source(&self, name: &EnvName) -> Result<Option<Source>, ProjectError> {
        let relative = Path::new(FOLDER).join(format!("{name}.yaml"));
        if let Some(text) = self.overlay.get(name) {
            return Ok(Some(Source::new(&self.shown.join(relative).to_string_lossy(), text.as_bytes())));
        }
        if let Some(folder) = &self.folder {
            let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
            match fs::read_from(&folder.join(&relative), 0, limit) {
                Ok((bytes, _)) => {
                    return Ok(Some(Source::new(&self.shown.join(relative).to_string_lossy(), &bytes)));
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let embedded = EMBEDDED.iter().find(|(embedded, _)| *embedded == name.as_str());
        Ok(embedded.map(|(_, text)| Source::new(&format!("<embedded>/{}", relative.display()), text.as_bytes())))
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
        self.add(&mut library, name).is_err() || library.meaning(name, &[]) != Meaning::Base
    }
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
