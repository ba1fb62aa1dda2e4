//! The only place where files are touched.
//!
//! Every function names the path in its error. Writes are atomic: a reader sees the old content or the new one.
#![allow(clippy::disallowed_methods, reason = "this is the one place that touches files")]

use crate::model::inventory::Observed;
use rustix::fs::FlockOperation;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What could not be done to which path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct FsError {
    /// The verb: `read`, `write`, …
    pub what: &'static str,
    /// The path.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: io::Error,
}

impl FsError {
    /// Whether the path is not there.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

fn cannot(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FsError {
    let path = path.to_owned();
    move |source| FsError { what, path, source }
}

/// The whole text of a file.
pub fn read(path: &Path) -> Result<String, FsError> {
    fs::read_to_string(path).map_err(cannot("read", path))
}

/// The whole content of a file.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FsError> {
    fs::read(path).map_err(cannot("read", path))
}

/// The text of a file, where its absence is an answer.
pub fn observe(path: &Path) -> Observed<String> {
    match read(path) {
        Ok(text) => Observed::Present(text),
        Err(error) if error.is_not_found() => Observed::Absent,
        Err(error) => Observed::Unknown(error.to_string()),
    }
}

/// The permission bits and owner of what is at a path, where its absence is an answer. Links are not followed.
pub fn observe_meta(path: &Path) -> Observed<Meta> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Observed::Present(Meta {
            mode: meta.permissions().mode() & 0o7777,
            uid: meta.uid(),
            is_dir: meta.is_dir(),
            is_file: meta.is_file(),
            len: meta.len(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Observed::Absent,
        Err(error) => Observed::Unknown(format!("cannot look at {}: {error}", path.display())),
    }
}

/// What is known of a file or folder without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Whether it is a plain file.
    pub is_file: bool,
    /// Bytes.
    pub len: u64,
}

/// What changes when the content of a file or folder does: its device, inode, length and time of change in nanoseconds.
/// None when it is not there or cannot be looked at. Links are followed.
pub fn stamp(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    Some(format!("{}:{}:{}:{}.{:09}", meta.dev(), meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec()))
}

/// The folder itself, or the nearest one above it that is there.
pub fn nearest_folder(path: &Path) -> PathBuf {
    let found = path.ancestors().find(|folder| fs::metadata(folder).is_ok_and(|meta| meta.is_dir()));
    found.unwrap_or(Path::new("/")).to_owned()
}

/// Bytes that an ordinary user may still write to the file system of a folder.
pub fn free_bytes(folder: &Path) -> Result<u64, FsError> {
    let space = rustix::fs::statvfs(folder).map_err(|error| cannot("tell the free space of", folder)(error.into()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Errors: we may not make anything in that folder.
pub fn check_writable(folder: &Path) -> Result<(), FsError> {
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(folder, wanted).map_err(|error| cannot("write into", folder)(error.into()))
}

/// The names in a folder, sorted; none when the folder is not there.
pub fn list(folder: &Path) -> Result<Vec<String>, FsError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot("list", folder)(error)),
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()
        .map_err(cannot("list", folder))?;
    names.sort();
    Ok(names)
}

/// Where a link leads.
pub fn read_link(path: &Path) -> Result<PathBuf, FsError> {
    fs::read_link(path).map_err(cannot("read the link", path))
}

/// The path with links and dots resolved.
pub fn canonical(path: &Path) -> Result<PathBuf, FsError> {
    fs::canonicalize(path).map_err(cannot("find", path))
}

/// Makes a folder and its parents, and sets the folder's own permission bits.
pub fn ensure_dir(path: &Path, mode: u32) -> Result<(), FsError> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(cannot("make the folder", path))?;
    set_mode(path, mode)
}

/// Gives a file or folder to a user and group.
pub fn ensure_owner(path: &Path, uid: u32, gid: u32) -> Result<(), FsError> {
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(cannot("change the owner of", path))
}

/// Writes a file as a whole: to a new file beside it, synced, then renamed over it. The folder must exist.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FsError> {
    put(path, bytes, mode, true)?;
    sync_parent(path)
}

/// Writes a file as a whole, like [`write()`], and does not wait for the disk: for what is worth nothing after a power
/// cut, or is looked at and written again.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FsError> {
    put(path, bytes, mode, false)
}

fn put(path: &Path, bytes: &[u8], mode: u32, sync: bool) -> Result<(), FsError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fresh = path.with_file_name(format!(".{name}.new-{}", std::process::id()));
    let attempt = || -> io::Result<()> {
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        file.write_all(bytes)?;
        // The umask may have taken bits away that the caller asked for.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(&fresh, path)
    };
    attempt().map_err(|error| {
        let _ = fs::remove_file(&fresh);
        cannot("write", path)(error)
    })
}

/// Makes the names in a file's folder durable.
pub fn sync_parent(path: &Path) -> Result<(), FsError> {
    let parent = path.parent().unwrap_or(path);
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(cannot("sync the folder", parent))
}

/// Removes a file; that it is not there is as good.
pub fn remove_file(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder and all in it, or a file; that it is not there is as good. Links are removed, not followed.
pub fn remove_tree(path: &Path) -> Result<(), FsError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder if it is empty; says whether it is gone.
pub fn remove_dir_if_empty(path: &Path) -> Result<bool, FsError> {
    match fs::remove_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(cannot("remove", path)(error)),
    }
}

/// Renames within one file system.
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::rename(from, to).map_err(cannot("rename", from))
}

/// A file that only grows.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    file: File,
}

impl Appender {
    /// Opens or makes the file, readable by its owner only.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(cannot("open", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Cuts the file to `len` bytes: for a last line that was torn.
    pub fn cut(&mut self, len: u64) -> Result<(), FsError> {
        self.file.set_len(len).and_then(|()| self.file.sync_data()).map_err(cannot("cut", &self.path))
    }

    /// Appends in one write.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.file.write_all(bytes).map_err(cannot("append to", &self.path))
    }

    /// Waits until all that was appended is on the disk.
    pub fn sync(&mut self) -> Result<(), FsError> {
        self.file.sync_data().map_err(cannot("sync", &self.path))
    }
}

/// A folder by which names in it can be reached through `/proc/self/fd`, however long its own path is.
pub fn open_folder(path: &Path) -> Result<std::os::fd::OwnedFd, FsError> {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| cannot("open the folder", path)(error.into()))
}

/// The device that swallows what is written to it.
pub fn open_null() -> Result<File, FsError> {
    let path = Path::new("/dev/null");
    OpenOptions::new().read(true).write(true).open(path).map_err(cannot("open", path))
}

/// Sets permission bits.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), FsError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(cannot("set the mode of", path))
}

/// A handle that another process can append through, to a file readable by its owner only.
pub fn append_handle(path: &Path) -> Result<File, FsError> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(cannot("open", path))
}

/// Reads what a growing file has from `offset` on, at most `limit` bytes. Returns the bytes and the file's length; a
/// length below `offset` means that the file was begun anew.
pub fn read_from(path: &Path, offset: u64, limit: u64) -> Result<(Vec<u8>, u64), FsError> {
    let mut file = File::open(path).map_err(cannot("read", path))?;
    let len = file.metadata().map_err(cannot("read", path))?.len();
    let mut bytes = Vec::new();
    if offset < len {
        file.seek(io::SeekFrom::Start(offset)).map_err(cannot("read", path))?;
        file.take(limit).read_to_end(&mut bytes).map_err(cannot("read", path))?;
    }
    Ok((bytes, len))
}

/// Reads at most `limit` bytes of a file whose length the kernel does not tell, as in `/proc`. Says whether that was all.
pub fn read_stream(path: &Path, limit: u64) -> Result<(Vec<u8>, bool), FsError> {
    let file = File::open(path).map_err(cannot("read", path))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(cannot("read", path))?;
    let whole = bytes.len() as u64 <= limit;
    bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok((bytes, whole))
}

/// A lock that the kernel frees when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it. The text is what the holder wrote about itself.
    #[error("locked by {holder}")]
    Held {
        /// Who.
        holder: String,
    },
    /// The lock's file cannot be used.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Lock {
    /// Takes the lock at once or says who holds it. `holder` is written into the file for the next one to read.
    ///
    /// The file may be removed by whoever holds the lock, so a lock on a file that is no longer at the path counts
    /// for nothing and is taken anew.
    pub fn take(path: &Path, holder: &str) -> Result<Self, LockError> {
        if let Some(parent) = path.parent() {
            ensure_dir(parent, 0o700)?;
        }
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(cannot("open", path))?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let mut text = String::new();
                    file.read_to_string(&mut text).map_err(cannot("read", path))?;
                    let text = text.trim();
                    let holder = if text.is_empty() { "a process that has not said who it is yet" } else { text };
                    return Err(LockError::Held { holder: holder.to_owned() });
                }
                Err(error) => return Err(cannot("lock", path)(error.into()).into()),
            }
            let ours = file.metadata().map_err(cannot("look at", path))?;
            let still_there =
                fs::metadata(path).is_ok_and(|there| there.ino() == ours.ino() && there.dev() == ours.dev());
            if still_there {
                file.set_len(0).map_err(cannot("write", path))?;
                file.write_all(format!("{holder}\n").as_bytes()).map_err(cannot("write", path))?;
                return Ok(Self { path: path.to_owned(), file });
            }
        }
    }

    /// Removes the lock's file and frees the lock.
    pub fn remove(self) -> Result<(), FsError> {
        remove_file(&self.path)?;
        drop(self.file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    #[test]
    fn a_written_file_has_the_asked_mode_and_no_rest_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, b"one", 0o600).unwrap();
        write(&path, b"two", 0o640).unwrap();
        assert_eq!(read(&path).unwrap(), "two");
        assert_eq!(observe_meta(&path).present().map(|meta| meta.mode), Some(0o640));
        assert_eq!(list(folder.path()).unwrap(), ["secret"]);
    }

    #[test]
    fn a_lock_is_held_once_names_its_holder_and_survives_its_own_removal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/local.lock");
        let first = Lock::take(&path, "somebody").unwrap();
        let refused = Lock::take(&path, "another").unwrap_err();
        assert!(matches!(refused, LockError::Held { holder } if holder == "somebody"));
        first.remove().unwrap();
        let second = Lock::take(&path, "another").unwrap();
        drop(second);
        assert!(Lock::take(&path, "a third").is_ok());
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = folder.path().join("nothing");
        remove_file(&nothing).unwrap();
        remove_tree(&nothing).unwrap();
        assert!(remove_dir_if_empty(&nothing).unwrap());
        assert!(observe(&nothing).is_absent());
    }
}
