//! What the environment's own folder holds.

use crate::fs;
use crate::model::component::ComponentName;
use crate::model::digest;
use crate::model::ids::EnvId;
use crate::model::inventory::{FileState, Observed};
use crate::model::paths::Paths;
use crate::model::secret::Secrets;
use crate::provider::host::{claim, secrets};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Whether the folder is there.
pub fn root(paths: &Paths) -> Observed<()> {
    match fs::observe_meta(&paths.root) {
        Observed::Present(meta) if meta.is_dir => Observed::Present(()),
        Observed::Present(_) => Observed::Unknown(format!("{} is no folder", paths.root.display())),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
    }
}

/// Whose it is. Absent also where it holds nothing but journals: a run was cut off before it could claim the folder, or
/// after it had given up the claim.
pub fn identity(paths: &Paths) -> Observed<EnvId> {
    match claim::observe(paths) {
        claim::Claim::Of(id) => Observed::Present(id),
        claim::Claim::Nobody => Observed::Absent,
        claim::Claim::Foreign(reason) => Observed::Unknown(reason),
    }
}

/// Every file in the configuration folders of these components and of any other that has one.
pub fn files(
    paths: &Paths,
    components: impl IntoIterator<Item = ComponentName>,
) -> BTreeMap<PathBuf, Observed<FileState>> {
    let secrets = secrets::load(paths).map_err(|error| error.to_string());
    let mut files = BTreeMap::new();
    let known =
        ComponentName::ALL.into_iter().filter(|name| fs::observe_meta(&paths.config(*name)).present().is_some());
    let all: std::collections::BTreeSet<ComponentName> = components.into_iter().chain(known).collect();
    for component in all {
        walk(&paths.config(component), &secrets, &mut files);
    }
    files
}

fn walk(folder: &Path, secrets: &Result<Secrets, String>, files: &mut BTreeMap<PathBuf, Observed<FileState>>) {
    let names = match fs::list(folder) {
        Ok(names) => names,
        Err(error) => {
            files.insert(folder.to_owned(), Observed::Unknown(error.to_string()));
            return;
        }
    };
    for path in names.iter().map(|name| folder.join(name)) {
        match fs::observe_meta(&path) {
            Observed::Present(meta) if meta.is_dir => walk(&path, secrets, files),
            Observed::Present(meta) => drop(files.insert(path.clone(), state(&path, meta.mode, secrets))),
            Observed::Absent => {}
            Observed::Unknown(reason) => drop(files.insert(path, Observed::Unknown(reason))),
        }
    }
}

fn state(path: &Path, mode: u32, secrets: &Result<Secrets, String>) -> Observed<FileState> {
    let bytes = match fs::read_bytes(path) {
        Ok(bytes) => bytes,
        Err(error) => return Observed::Unknown(error.to_string()),
    };
    match (String::from_utf8(bytes), secrets) {
        (Ok(text), Ok(secrets)) => {
            Observed::Present(FileState { digest: digest::sha256_hex(secrets.unfill(&text).as_bytes()), mode })
        }
        // What we rendered is text, so this is something else, and differs from it.
        (Err(error), _) => Observed::Present(FileState { digest: digest::sha256_hex(error.as_bytes()), mode }),
        (Ok(_), Err(reason)) => Observed::Unknown(format!("{} cannot be compared: {reason}", path.display())),
    }
}

/// The proofs of one-time preparations.
pub fn prepared(paths: &Paths) -> BTreeMap<PathBuf, Observed<()>> {
    let folder = paths.root.join("prepared");
    match fs::list(&folder) {
        Ok(names) => names.iter().map(|name| (folder.join(name), Observed::Present(()))).collect(),
        Err(error) => {
            let reason = error.to_string();
            ComponentName::ALL.iter().map(|n| (folder.join(n.as_str()), Observed::Unknown(reason.clone()))).collect()
        }
    }
}
