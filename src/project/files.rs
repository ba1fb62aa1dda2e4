//! The folders of a project, and the files that are within the program.

use crate::fs::{self, FsError};
use crate::model::source::{MAX_BYTES, Source};
use std::path::{Path, PathBuf};

/// A folder of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    /// Environments, and bases for them.
    Environments,
    /// Shapes of machines.
    Blueprints,
    /// Templates for what machines are initialised with.
    Templates,
}

macro_rules! embedded {
    ($folder:literal $extension:literal $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../", $folder, "/", $name, $extension)))),*]
    };
}

impl Folder {
    /// Every folder, in the order in which files name those of the next.
    pub(super) const ALL: [Self; 3] = [Self::Environments, Self::Blueprints, Self::Templates];

    /// Its name within the project folder.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Environments => "environments",
            Self::Blueprints => "blueprints",
            Self::Templates => "cloud-init",
        }
    }

    /// How its files end.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Environments | Self::Blueprints => ".yaml",
            Self::Templates => ".yaml.tera",
        }
    }

    /// Its files that are within the program, by name.
    pub(super) const fn embedded(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Environments => embedded!("environments" ".yaml" "base" "local" "lxd" "multipass"),
            Self::Blueprints => embedded!("blueprints" ".yaml" "microk8s-juju" "report-stack"),
            Self::Templates => embedded!("cloud-init" ".yaml.tera" "microk8s-juju" "report-stack"),
        }
    }

    /// The path of a file within the project folder.
    pub(super) fn relative(self, name: &str) -> PathBuf {
        Path::new(self.name()).join(format!("{name}{}", self.extension()))
    }

    /// The names of its files, sorted: those of `project` and those within the program. Some may be no good names.
    ///
    /// Errors: the folder cannot be read.
    pub(super) fn names(self, project: Option<&Path>) -> Result<Vec<String>, FsError> {
        let mut names: Vec<String> = self.embedded().iter().map(|(name, _)| (*name).to_owned()).collect();
        if let Some(project) = project {
            let files = fs::list(&project.join(self.name()))?;
            names.extend(files.iter().filter_map(|file| Some(file.strip_suffix(self.extension())?.to_owned())));
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The file of that name, of `project` before the one within the program; none when there is none. `shown` is what
    /// people see of the project folder.
    pub(super) fn source(self, project: Option<&Path>, shown: &Path, name: &str) -> Option<Source> {
        let relative = self.relative(name);
        let seen = || shown.join(&relative).to_string_lossy().into_owned();
        if let Some(project) = project {
            let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
            match fs::read_from(&project.join(&relative), 0, limit) {
                Ok((bytes, _)) => return Some(Source::new(&seen(), &bytes)),
                Err(error) if error.is_not_found() => {}
                // One such file is no reason to say nothing of the others.
                Err(FsError { source, .. }) => {
                    return Some(Source::unreadable(&seen(), &format!("the file cannot be read: {source}")));
                }
            }
        }
        let embedded = self.embedded().iter().find(|(embedded, _)| *embedded == name);
        embedded.map(|(_, text)| Source::new(&format!("<embedded>/{}", relative.display()), text.as_bytes()))
    }

    /// What people see of where the file of that name is. Embedded ones begin with `<embedded>`.
    pub(super) fn path(self, project: Option<&Path>, shown: &Path, name: &str) -> PathBuf {
        let relative = self.relative(name);
        let is_own = project.is_some_and(|folder| fs::observe_meta(&folder.join(&relative)).present().is_some());
        if is_own { shown.join(relative) } else { Path::new("<embedded>").join(relative) }
    }
}
