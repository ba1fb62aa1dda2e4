//! Whose a folder is: one line in it, the identity. What carries another one, or none, is never touched.

use crate::fs::{self, FsError};
use crate::model::ids::EnvId;
use crate::model::inventory::Observed;
use crate::model::paths::Paths;
use std::path::{Path, PathBuf};

/// Whose a folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// That environment's.
    Of(EnvId),
    /// Nobody's: it is not there, or is empty, or holds nothing but journals, which are written before the folder is
    /// claimed and removed last.
    Nobody,
    /// It holds something else, or nobody can say; with the reason.
    Foreign(String),
}

/// Why a folder is not claimed or removed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It is not this environment's.
    #[error("{} is not {id}'s: {found}", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// Whose it should be.
        id: EnvId,
        /// Whose it is.
        found: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

const IDENTITY: &str = "identity";

/// Whose an environment's own folder is.
pub fn observe(paths: &Paths) -> Claim {
    observe_folder(&paths.root, paths.journals().file_name().and_then(|name| name.to_str()).unwrap_or_default())
}

/// Whose the folder for data of other users is.
pub fn observe_shared(paths: &Paths) -> Claim {
    observe_folder(&paths.shared_data, "")
}

fn observe_folder(folder: &Path, journals: &str) -> Claim {
    match fs::observe(&folder.join(IDENTITY)) {
        Observed::Present(text) => match EnvId::parse(text.trim_end_matches('\n')) {
            Ok(id) => Claim::Of(id),
            Err(error) => Claim::Foreign(format!("its identity reads strangely: {error}")),
        },
        Observed::Absent => match fs::list(folder) {
            Ok(names) => match names.iter().find(|name| *name != journals && !is_draft(name)) {
                None => Claim::Nobody,
                Some(name) => Claim::Foreign(format!("it holds `{name}` and no identity")),
            },
            Err(error) => Claim::Foreign(error.to_string()),
        },
        Observed::Unknown(reason) => Claim::Foreign(reason),
    }
}

/// A half-written identity: the claim was cut off.
fn is_draft(name: &str) -> bool {
    name.strip_prefix('.').and_then(|name| name.strip_prefix(IDENTITY)).is_some_and(|rest| rest.starts_with(".new-"))
}

/// Makes the folder this environment's. Safe twice.
///
/// Errors: it is somebody else's, or cannot be written.
pub fn ensure(paths: &Paths, id: &EnvId) -> Result<(), ClaimError> {
    ensure_folder(&paths.root, &observe(paths), id, 0o700)
}

/// The same for the folder for data of other users, who must be able to pass through it.
///
/// Errors: as [`ensure`].
pub fn ensure_shared(paths: &Paths, id: &EnvId) -> Result<(), ClaimError> {
    if let Some(parent) = paths.shared_data.parent() {
        fs::ensure_dir(parent, 0o755)?;
    }
    ensure_folder(&paths.shared_data, &observe_shared(paths), id, 0o755)
}

fn ensure_folder(folder: &Path, claim: &Claim, id: &EnvId, mode: u32) -> Result<(), ClaimError> {
    match claim {
        Claim::Of(found) if found == id => Ok(()),
        Claim::Nobody => {
            fs::ensure_dir(folder, mode)?;
            Ok(fs::write(&folder.join(IDENTITY), format!("{id}\n").as_bytes(), 0o600)?)
        }
        Claim::Of(found) => Err(foreign(folder, id, format!("it carries {found}"))),
        Claim::Foreign(reason) => Err(foreign(folder, id, reason.clone())),
    }
}

fn foreign(folder: &Path, id: &EnvId, found: String) -> ClaimError {
    ClaimError::Foreign { folder: folder.to_owned(), id: id.clone(), found }
}

/// Fails unless the folder is this environment's, or not there at all.
///
/// Errors: it is somebody else's.
pub fn check(paths: &Paths, id: &EnvId) -> Result<(), ClaimError> {
    check_folder(&paths.root, &observe(paths), id)
}

/// The same for the folder for data of other users.
///
/// Errors: as [`check`].
pub fn check_shared(paths: &Paths, id: &EnvId) -> Result<(), ClaimError> {
    check_folder(&paths.shared_data, &observe_shared(paths), id)
}

fn check_folder(folder: &Path, claim: &Claim, id: &EnvId) -> Result<(), ClaimError> {
    match claim {
        Claim::Of(found) if found == id => Ok(()),
        Claim::Nobody => Ok(()),
        Claim::Of(found) => Err(foreign(folder, id, format!("it carries {found}"))),
        Claim::Foreign(reason) => Err(foreign(folder, id, reason.clone())),
    }
}

/// Removes everything of the environment: first all but the identity and the journals, then the identity, then the
/// journals, so that a removal that was cut off can be told and gone on with. Safe twice.
///
/// Errors: a folder is somebody else's, or something cannot be removed.
pub fn remove(paths: &Paths, id: &EnvId) -> Result<(), ClaimError> {
    check(paths, id)?;
    remove_shared(paths, id)?;
    let journals = paths.journals();
    for path in fs::list(&paths.root)?.iter().map(|name| paths.root.join(name)) {
        if path != journals && path != paths.identity() {
            fs::remove_tree(&path)?;
        }
    }
    fs::remove_file(&paths.identity())?;
    fs::remove_tree(&journals)?;
    fs::remove_dir_if_empty(&paths.root)?;
    Ok(())
}

/// Removes the folder for data of other users, if it is this environment's. Safe twice.
///
/// Errors: something cannot be removed.
pub fn remove_shared(paths: &Paths, id: &EnvId) -> Result<(), ClaimError> {
    let folder = &paths.shared_data;
    if observe_shared(paths) != Claim::Of(id.clone()) {
        // Only root has one, and another of the same name may be another person's.
        return Ok(());
    }
    for path in fs::list(folder)?.iter().map(|name| folder.join(name)) {
        if path != folder.join(IDENTITY) {
            fs::remove_tree(&path)?;
        }
    }
    fs::remove_file(&folder.join(IDENTITY))?;
    fs::remove_dir_if_empty(folder)?;
    if let Some(parent) = folder.parent() {
        fs::remove_dir_if_empty(parent)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use crate::model::ids::EnvName;

    fn paths(folder: &Path) -> Paths {
        let mut paths = Paths::new(folder, &EnvName::parse("local").unwrap());
        paths.shared_data = folder.join("shared/local");
        paths
    }

    fn id(suffix: &str) -> EnvId {
        EnvId::parse(&format!("local-{suffix}")).unwrap()
    }

    #[test]
    fn a_folder_is_claimed_once_and_removed_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(folder.path());
        let (own, other) = (id("aaaaaaaa"), id("bbbbbbbb"));
        assert_eq!(observe(&paths), Claim::Nobody);
        ensure(&paths, &own).unwrap();
        ensure(&paths, &own).unwrap();
        ensure_shared(&paths, &own).unwrap();
        assert_eq!(observe(&paths), Claim::Of(own.clone()));
        assert!(ensure(&paths, &other).is_err());
        assert!(remove(&paths, &other).is_err());
        assert_eq!(observe(&paths), Claim::Of(own.clone()));
        fs::ensure_dir(&paths.journals(), 0o700).unwrap();
        remove(&paths, &own).unwrap();
        remove(&paths, &own).unwrap();
        assert!(fs::observe_meta(&paths.root).is_absent());
        assert!(fs::observe_meta(&folder.path().join("shared")).is_absent());
    }

    #[test]
    fn only_what_a_cut_off_claim_or_removal_leaves_counts_as_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(folder.path());
        fs::ensure_dir(&paths.journals(), 0o700).unwrap();
        fs::write(&paths.root.join(".identity.new-77"), b"loc", 0o600).unwrap();
        assert_eq!(observe(&paths), Claim::Nobody);
        fs::write(&paths.root.join("thesis.tex"), b"", 0o600).unwrap();
        assert!(matches!(observe(&paths), Claim::Foreign(why) if why.contains("thesis.tex")));
        assert!(ensure(&paths, &id("aaaaaaaa")).is_err());
        assert!(remove(&paths, &id("aaaaaaaa")).is_err());
        fs::write(&paths.identity(), b"", 0o600).unwrap();
        assert!(matches!(observe(&paths), Claim::Foreign(_)), "an empty identity is no identity");
        assert!(fs::observe_meta(&paths.root.join("thesis.tex")).present().is_some());
    }

    #[test]
    fn another_persons_shared_folder_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(folder.path());
        let (own, other) = (id("aaaaaaaa"), id("bbbbbbbb"));
        ensure(&paths, &own).unwrap();
        ensure_shared(&paths, &other).unwrap();
        assert!(ensure_shared(&paths, &own).is_err());
        remove(&paths, &own).unwrap();
        assert_eq!(observe_shared(&paths), Claim::Of(other));
    }
}
