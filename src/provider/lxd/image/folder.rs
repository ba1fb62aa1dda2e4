//! The folder that an image is made in, and the lock that lets one run at a time make it.

use crate::context::Context;
use crate::fs::{self, FsError, Lock, LockError};
use crate::model::paths::Paths;
use crate::provider::{Failure, FailureKind, Notes};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What the unpacked packages, what they are fetched as, and the image take together, twice over.
const ENOUGH: u64 = 2 << 30;
/// The time between two looks at a lock that somebody holds.
const LOOK: Duration = Duration::from_millis(500);

/// Takes the lock of what is made, and waits for whoever holds it: they may be making the same.
///
/// Errors: they still hold it after `timeout`, or it cannot be used.
pub(super) async fn lock(
    context: &Context,
    paths: &Paths,
    what: &str,
    timeout: Duration,
    notes: &Notes,
) -> Result<Lock, Failure> {
    let file = paths.lock.with_file_name(format!("{what}.lock"));
    let me = format!("process {}, which makes {what}, since {}", std::process::id(), context.timestamp());
    let until = Instant::now() + timeout;
    let mut told = false;
    loop {
        match Lock::take(&file, &me) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Fs(error)) => return Err(error.into()),
            Err(LockError::Held { holder }) if Instant::now() >= until => {
                return Err(Failure::new(FailureKind::Timeout, format!("{what} is still being made by {holder}"))
                    .advice("wait until it has ended, and type the same command again"));
            }
            Err(LockError::Held { holder }) => {
                if !told {
                    notes.say(format!("waits for {holder}"));
                    told = true;
                }
                sleep(LOOK).await;
            }
        }
    }
}

/// A folder that goes with this value, also when the step is cut off.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder `image` in `cache`, anew: what a dead run has left there goes first.
    ///
    /// Errors: there is not enough room, or it cannot be made.
    pub fn make(cache: &Path) -> Result<Self, Failure> {
        let path = cache.join("image");
        remove(&path)?;
        fs::ensure_dir(cache, 0o700)?;
        let free = fs::free_bytes(cache)?;
        if free < ENOUGH {
            let cause = format!("{} has {} MiB free", cache.display(), free >> 20);
            return Err(Failure::new(FailureKind::Precondition, cause)
                .expected(format!("{} MiB, to make an image in", ENOUGH >> 20))
                .advice("make room there, or set XDG_STATE_HOME to a folder on another disk"));
        }
        fs::ensure_dir(&path, 0o755)?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it.
    ///
    /// Errors: something in it cannot be removed.
    pub fn remove(self) -> Result<(), Failure> {
        remove(&self.path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Programs that were ended may still be writing into it: what stays is removed by the next run, or with the
        // environment.
        if let Err(failure) = remove(&self.path) {
            tracing::debug!(%failure, "the folder of an image stays");
        }
    }
}

/// Removes it, unless something is mounted in it: that would be removed as well.
fn remove(path: &Path) -> Result<(), Failure> {
    let mounts = fs::read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    if let Some(mount) = mount_in(&mounts, path) {
        let cause = format!("{mount} is mounted: a run that was cut off has left it");
        return Err(Failure::new(FailureKind::Precondition, cause).advice(format!("umount --recursive {mount}")));
    }
    fs::remove_tree(path).map_err(|error: FsError| error.into())
}

/// The fifth field of each line of `mountinfo` is where it is (proc(5)).
fn mount_in<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    mounts.lines().filter_map(|line| line.split(' ').nth(4)).find(|mount| Path::new(mount).starts_with(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_a_dead_run_has_left_goes_and_so_does_the_folder() {
        let cache = tempfile::tempdir().unwrap();
        fs::ensure_dir(&cache.path().join("image/rootfs"), 0o755).unwrap();
        let folder = Folder::make(cache.path()).unwrap();
        assert_eq!(fs::list(folder.path()).unwrap(), Vec::<String>::new());
        drop(folder);
        assert_eq!(fs::list(cache.path()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_is_mounted_in_it_is_seen() {
        let mounts = "24 1 0:22 / /proc rw - proc proc rw\n99 1 0:5 / /c/image/rootfs/dev rw - devtmpfs udev rw\n";
        assert_eq!(mount_in(mounts, Path::new("/c/image")), Some("/c/image/rootfs/dev"));
        assert_eq!(mount_in(mounts, Path::new("/c/ima")), None);
    }

    #[tokio::test]
    async fn one_at_a_time_makes_it_and_the_other_hears_who() {
        let state = tempfile::tempdir().unwrap();
        let context = Context::fixed(BTreeMap::new(), state.path().to_owned());
        let paths = Paths::new(state.path(), &crate::model::ids::EnvName::parse("lxd").unwrap());
        let silent = Notes::silent();
        let take = || lock(&context, &paths, "image-x", Duration::ZERO, &silent);
        let held = take().await.unwrap();
        let refused = take().await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Timeout);
        assert!(refused.cause.contains("process "), "{}", refused.cause);
        held.remove().unwrap();
        assert!(take().await.is_ok());
    }
}
