//! Folders and files in a machine.

use super::{Place, hand};
use crate::model::file::{Folder, RenderedFile};
use crate::provider::{Failure, FailureKind};
use crate::reach::guest::Put;
use serde::Serialize;
use std::path::{Component, Path, PathBuf};

/// Where files of the environment are in a machine, and where only files of its units are.
const OURS: [&str; 2] = ["/etc/reportctl", "/var/lib/reportctl"];
const UNITS: &str = "/etc/systemd/system";

#[derive(Serialize)]
struct Folders<'a> {
    deed: &'static str,
    folders: Vec<OneFolder<'a>>,
}

#[derive(Serialize)]
struct OneFolder<'a> {
    path: &'a Path,
    mode: u32,
    owner: Option<&'a str>,
}

#[derive(Serialize)]
struct Remove<'a> {
    deed: &'static str,
    paths: &'a [PathBuf],
}

/// Makes folders and writes files, secrets filled in. Safe twice.
pub async fn write(place: &Place<'_>, folders: &[Folder], files: &[RenderedFile]) -> Result<(), Failure> {
    let all = folders.iter().map(|folder| &folder.path).chain(files.iter().map(|file| &file.path));
    all.clone().filter(|path| !is_unit(path)).try_for_each(|path| check_own(path))?;
    let files: Vec<Put> = files.iter().map(|file| filled(place, file)).collect::<Result<_, _>>()?;
    let each = folders.iter();
    let folders: Vec<OneFolder<'_>> =
        each.map(|Folder { path, mode, owner }| OneFolder { path, mode: *mode, owner: owner.as_deref() }).collect();
    if !folders.is_empty() {
        let request = Folders { deed: "folders", folders };
        hand::ask::<()>(&place.inside, &request, place.patience()).await?;
    }
    if files.is_empty() {
        return Ok(());
    }
    place.inside.put(files).await.map_err(hand::no_answer)
}

fn filled(place: &Place<'_>, file: &RenderedFile) -> Result<Put, Failure> {
    let RenderedFile { path, mode, text, owner } = file;
    let text = place.secrets.fill(text).map_err(|name| {
        let cause = format!("{} needs the secret {name}, which is not stored", path.display());
        Failure::new(FailureKind::Failed, cause)
    })?;
    let owner = owner.clone().unwrap_or_else(|| "root".to_owned());
    Ok(Put { path: path.clone(), bytes: text.into_bytes(), mode: *mode, owner })
}

/// Removes folders and files of the environment. Safe twice.
pub async fn remove(place: &Place<'_>, paths: &[PathBuf]) -> Result<(), Failure> {
    paths.iter().try_for_each(|path| check_own(path))?;
    Ok(hand::ask(&place.inside, &Remove { deed: "remove", paths }, place.patience()).await?)
}

/// Fails unless a path lies below one of our folders in the machine.
fn check_own(path: &Path) -> Result<(), Failure> {
    if OURS.iter().any(|folder| lies_within(path, Path::new(folder))) {
        return Ok(());
    }
    let cause = format!("{} lies neither within {} nor within {} of the machine", path.display(), OURS[0], OURS[1]);
    Err(Failure::new(FailureKind::Precondition, cause))
}

/// Whether a path is that of a unit of ours.
fn is_unit(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.parent() == Some(Path::new(UNITS)) && name.starts_with("report-") && name.ends_with(".service")
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
    fn only_what_is_ours_may_be_written_or_removed() {
        for ours in ["/etc/reportctl/redis", "/var/lib/reportctl/redis/appendonlydir"] {
            assert!(check_own(Path::new(ours)).is_ok(), "{ours}");
        }
        for others in ["/etc/reportctl", "/", "/etc/passwd", "/etc/reportctl/../passwd", "/var/lib/reportctlx/a", "a"] {
            assert!(check_own(Path::new(others)).is_err(), "{others}");
        }
        assert!(is_unit(Path::new("/etc/systemd/system/report-redis.service")));
        for others in
            ["/etc/systemd/system/ssh.service", "/etc/systemd/system/x/report-redis.service", "/report-a.service"]
        {
            assert!(!is_unit(Path::new(others)), "{others}");
        }
    }
}
