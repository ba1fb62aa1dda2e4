//! Results that are too large for Redis: files in a folder of the runner's own, kept for seven days.

use report_model::result::FileReference;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use url::Url;

/// The largest file, in bytes. A report that makes a larger one fails.
pub const LARGEST: usize = 256 * 1024 * 1024;

/// How long a file stays: an hour longer than the queue keeps the reference to it.
pub const KEPT: Duration = Duration::from_secs((7 * 24 + 1) * 3600);

/// A file that is still being written after so long was left by a process that died.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// So many files are removed in one sweep at most.
const SWEPT: usize = 1000;

/// The length of a report's id and of the part of the digest in a file's name.
const ID: usize = 26;
const DIGITS: usize = 16;

/// Why a large result was not kept or handed out.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// It is larger than may be.
    #[error("the result has {0} bytes; at most {LARGEST} are kept")]
    TooLarge(usize),
    /// The disk did not do it.
    #[error("{path}: {source}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The folder of large results.
#[derive(Debug, Clone)]
pub struct Results {
    folder: PathBuf,
    advertise: Url,
}

impl Results {
    /// Makes the folder when it is not there (for its owner alone), and tries whether it can be written. `advertise` is
    /// where the requestor reaches this runner, with a slash at its end.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn open(folder: &Path, advertise: Url) -> Result<Self, ResultsError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| disk(folder, source))?;
        let probe = folder.join(".probe.tmp");
        create(&probe).and_then(|_| fs::remove_file(&probe)).map_err(|source| disk(folder, source))?;
        Ok(Self { folder: folder.to_owned(), advertise })
    }

    /// Keeps `bytes`, the document of the report `id`, and says where they are. When it returns they are on the disk: a
    /// reader sees all of them or nothing. The same bytes of the same report are the same file. It blocks.
    ///
    /// # Errors
    /// They are too many, or the disk does not take them.
    pub fn keep(&self, id: &str, bytes: &[u8]) -> Result<FileReference, ResultsError> {
        if bytes.len() > LARGEST {
            return Err(ResultsError::TooLarge(bytes.len()));
        }
        let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{id}-{}", &sha256[..DIGITS]);
        let url = format!("{}results/{name}", self.advertise);
        let draft = getrandom::u64().map_err(|error| disk(&self.folder, io::Error::other(error.to_string())))?;
        let unfinished = self.folder.join(format!(".{name}.{draft:016x}.tmp"));
        let written = write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, self.folder.join(&name)));
        if let Err(source) = written {
            // What is left of it is also swept later.
            let _ = fs::remove_file(&unfinished);
            return Err(disk(&unfinished, source));
        }
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(|source| disk(&self.folder, source))?;
        Ok(FileReference { name, size: bytes.len() as u64, sha256, url })
    }

    /// Opens a file to be handed out, with its size. None when there is none of that name. It blocks.
    ///
    /// # Errors
    /// The disk does not give it.
    pub fn file(&self, name: &str) -> Result<Option<(File, u64)>, ResultsError> {
        if !is_name(name) {
            return Ok(None);
        }
        let path = self.folder.join(name);
        match File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file))) {
            Ok((size, file)) => Ok(Some((file, size))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(disk(&path, source)),
        }
    }

    /// Removes files whose time is over at `now`, at most 1,000 of them, and says how many. Only what this module wrote is
    /// touched. It blocks.
    ///
    /// # Errors
    /// The folder cannot be read. A file that cannot be removed stays until the next sweep.
    pub fn sweep(&self, now: SystemTime) -> Result<usize, ResultsError> {
        let entries = fs::read_dir(&self.folder).map_err(|source| disk(&self.folder, source))?;
        let mut swept = 0;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(kept) = name.to_str().and_then(kept) else { continue };
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            let over = written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > kept));
            if over && fs::remove_file(entry.path()).is_ok() {
                swept += 1;
            }
            if swept == SWEPT {
                break;
            }
        }
        Ok(swept)
    }
}

/// Whether `name` is one of a result: a report's id, a hyphen and sixteen digits of its digest.
fn is_name(name: &str) -> bool {
    let Some((id, digits)) = name.split_once('-') else { return false };
    let plain = |c: u8| c.is_ascii_digit() || c.is_ascii_lowercase();
    id.len() == ID && digits.len() == DIGITS && id.bytes().chain(digits.bytes()).all(plain)
}

/// How long a file of this name stays; none when it is not ours.
fn kept(name: &str) -> Option<Duration> {
    let unfinished = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    match unfinished {
        Some(name) => name.split_once('.').filter(|(name, _)| is_name(name)).map(|_| UNFINISHED),
        None => is_name(name).then_some(KEPT),
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn disk(path: &Path, source: io::Error) -> ResultsError {
    ResultsError::Disk { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    const ID: &str = "01j0000000000000000000000a";

    fn results() -> (tempfile::TempDir, Results) {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::open(&folder.path().join("large"), Url::parse("http://runner:8081/").unwrap()).unwrap();
        (folder, results)
    }

    #[test]
    fn what_is_kept_can_be_handed_out() {
        let (folder, results) = results();
        let kept = results.keep(ID, b"a document").unwrap();
        assert_eq!(kept.url, format!("http://runner:8081/results/{}", kept.name));
        assert_eq!(kept, results.keep(ID, b"a document").unwrap());
        let (mut file, size) = results.file(&kept.name).unwrap().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), size), ("a document", 10));
        let large = folder.path().join("large");
        assert_eq!(fs::read_dir(&large).unwrap().count(), 1);
        assert_eq!(fs::metadata(large.join(&kept.name)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&large).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn nothing_else_is_handed_out() {
        let (folder, results) = results();
        fs::write(folder.path().join("secret"), "x").unwrap();
        fs::write(folder.path().join("large/other"), "x").unwrap();
        for name in ["", "other", "../secret", "..", "/etc/passwd", &format!("{ID}-0123456789abcdef"), &"-".repeat(43)]
        {
            assert!(results.file(name).unwrap().is_none(), "{name}");
        }
    }

    #[test]
    fn a_sweep_takes_what_is_over_and_nothing_else() {
        let (folder, results) = results();
        let kept = results.keep(ID, b"a document").unwrap();
        let large = folder.path().join("large");
        let left = large.join(format!(".{}.77.tmp", kept.name));
        fs::write(&left, "half").unwrap();
        fs::write(large.join("other"), "x").unwrap();
        let now = SystemTime::now();
        assert_eq!(results.sweep(now).unwrap(), 0);
        assert_eq!(results.sweep(now + Duration::from_secs(2 * 3600)).unwrap(), 1);
        assert!(!left.exists());
        assert_eq!(results.sweep(now + KEPT - Duration::from_secs(60)).unwrap(), 0);
        assert_eq!(results.sweep(now + KEPT + Duration::from_secs(60)).unwrap(), 1);
        assert_eq!(fs::read_dir(&large).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = Results::open(&file.join("below"), Url::parse("http://runner/").unwrap()).unwrap_err();
        assert!(error.to_string().contains("file/below"), "{error}");
    }
}
