//! Folders and files of the environment.

use super::Native;
use crate::fs;
use crate::model::file::{Folder, RenderedFile};
use crate::provider::host::{claim, secrets, users};
use crate::provider::{Failure, FailureKind};
use std::path::{Component, Path, PathBuf};

/// Makes folders and writes files, secrets filled in. Safe twice.
pub fn write(native: &Native, folders: &[Folder], files: &[RenderedFile]) -> Result<(), Failure> {
    let all = folders.iter().map(|folder| &folder.path).chain(files.iter().map(|file| &file.path));
    for path in all {
        if lies_within(path, &native.paths.shared_data) {
            claim::ensure_shared(&native.paths, &native.id)?;
        } else {
            check_own(native, path)?;
        }
    }
    let secrets = secrets::load(&native.paths)?;
    for folder in folders {
        fs::ensure_dir(&folder.path, folder.mode)?;
        own(&folder.path, folder.owner.as_deref())?;
    }
    for file in files {
        let text = secrets.fill(&file.text).map_err(|name| {
            Failure::new(
                FailureKind::Failed,
                format!("{} needs the secret {name}, which is not stored", file.path.display()),
            )
        })?;
        if let Some(parent) = file.path.parent().filter(|parent| fs::observe_meta(parent).is_absent()) {
            fs::ensure_dir(parent, 0o700)?;
        }
        fs::replace(&file.path, text.as_bytes(), file.mode)?;
        own(&file.path, file.owner.as_deref())?;
    }
    Ok(())
}

fn own(path: &Path, owner: Option<&str>) -> Result<(), Failure> {
    let Some(owner) = owner else { return Ok(()) };
    let user = users::find(owner).map_err(|reason| Failure::new(FailureKind::Precondition, reason))?;
    Ok(fs::ensure_owner(path, user.uid, user.gid)?)
}

/// Removes folders and files of the environment. Safe twice.
pub fn remove(native: &Native, paths: &[PathBuf]) -> Result<(), Failure> {
    for path in paths {
        if *path == native.paths.shared_data {
            claim::remove_shared(&native.paths, &native.id)?;
            continue;
        }
        if lies_within(path, &native.paths.shared_data) {
            claim::check_shared(&native.paths, &native.id)?;
        } else {
            check_own(native, path)?;
        }
        fs::remove_tree(path)?;
    }
    Ok(())
}

/// Fails unless a path lies within the environment's own folder, and that is ours.
fn check_own(native: &Native, path: &Path) -> Result<(), Failure> {
    if !lies_within(path, &native.paths.root) {
        let cause = format!("{} does not lie within {}", path.display(), native.paths.root.display());
        return Err(Failure::new(FailureKind::Precondition, cause));
    }
    Ok(claim::check(&native.paths, &native.id)?)
}

/// Whether a path is really below a folder: no dots that lead out of it, and not the folder itself.
fn lies_within(path: &Path, folder: &Path) -> bool {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    plain && path != folder && path.starts_with(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_a_folder_lies_within() {
        let within = |path: &str| lies_within(Path::new(path), Path::new("/state/envs/local"));
        assert!(within("/state/envs/local/data/redis"));
        for no in
            ["/state/envs/local", "/state/envs/local/../other", "/state/envs/local2/x", "/", "data", "/state/envs"]
        {
            assert!(!within(no), "{no}");
        }
    }
}
