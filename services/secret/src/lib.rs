//! Secrets that lie in files: read with a look at who else may read or write them, never shown, compared in a time that tells
//! nothing. Both services read all of theirs here.

use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// The fewest characters that a secret in a file must have. A password may be shorter: it is another's choice.
pub const SHORTEST: usize = 16;

/// The most bytes of a file with secrets.
const LARGEST: u64 = 64 * 1024;

/// Why a secret is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file is not to be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds nothing that could be a secret, or something that everybody could have written.
    #[error("{}: {problem}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do, without the secret.
        problem: String,
    },
}

/// A secret. It shows itself to nobody who prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The one secret in a file: its first line, of at least [`SHORTEST`] characters.
    ///
    /// # Errors
    /// The file cannot be read, or holds no such line.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        Self::of(path, SHORTEST)
    }

    /// A password in a file: its first line, of any length but not empty.
    ///
    /// # Errors
    /// As [`Secret::read`].
    pub fn read_password(path: &Path) -> Result<Self, SecretError> {
        Self::of(path, 1)
    }

    /// All the lines of a file that are not empty, each a secret.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_lines(path: &Path) -> Result<Vec<Self>, SecretError> {
        let SecretFile { text, .. } = read(path)?;
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| Self(line.to_owned())).collect())
    }

    /// The first line of `text`; none when it has fewer than `shortest` characters, or nothing at all.
    pub fn first_line(text: &str, shortest: usize) -> Option<Self> {
        let line = text.lines().next().unwrap_or_default().trim();
        (line.len() >= shortest.max(1)).then(|| Self(line.to_owned()))
    }

    /// The text, for the one place that sends it or computes with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this secret. The time that it takes does not tell how much of it is right, nor how long it is.
    pub fn is(&self, text: impl AsRef<[u8]>) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(text)).into()
    }

    fn of(path: &Path, shortest: usize) -> Result<Self, SecretError> {
        let SecretFile { text, .. } = read(path)?;
        Self::first_line(&text, shortest).ok_or_else(|| {
            let problem = match shortest {
                1 => "the password must stand in its first line".to_owned(),
                _ => format!("a secret of at least {shortest} characters must stand in its first line"),
            };
            SecretError::Unfit { path: path.to_owned(), problem }
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A file with secrets, as it was read.
pub struct SecretFile {
    /// Its text.
    pub text: String,
    /// What its owner should know: that everybody may read it.
    pub warning: Option<String>,
}

/// Reads a file with secrets.
///
/// # Errors
/// It cannot be read, has more than 64 KiB, is no text, or everybody may write it, so that it is not its owner who decides
/// who is let in.
pub fn read(path: &Path) -> Result<SecretFile, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let unfit = |problem| SecretError::Unfit { path: path.to_owned(), problem };
    let mut file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & 0o002 != 0 {
        return Err(unfit(format!("everybody may write it; take that away: chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    file.by_ref().take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST {
        return Err(unfit(format!("it is larger than the {LARGEST} bytes that a file with secrets may have")));
    }
    // No error: a secret that Kubernetes mounts is so unless somebody says otherwise.
    let warning = (mode & 0o004 != 0)
        .then(|| format!("everybody on this machine may read {0}; better: chmod 600 {0}", path.display()));
    Ok(SecretFile { text, warning })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    #[test]
    fn a_secret_is_the_first_line_and_shows_itself_to_nobody() {
        let secret = Secret::first_line("  0123456789abcdef \nmore", 16).unwrap();
        assert!(secret.is(b"0123456789abcdef"));
        assert!(!secret.is("0123456789abcde") && !secret.is("") && !secret.is("0123456789abcdef\nmore"));
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert!(Secret::first_line("short", 16).is_none());
        assert!(Secret::first_line("\nsecond line", 0).is_none());
    }

    #[test]
    fn a_secret_is_long_and_a_password_is_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write(&path, "short\n\nother\n").unwrap();
        let message = Secret::read(&path).unwrap_err().to_string();
        assert!(message.contains("at least 16 characters") && !message.contains("short"), "{message}");
        assert!(Secret::read_password(&path).unwrap().is("short"));
        assert_eq!(Secret::read_lines(&path).unwrap().len(), 2);
        write(&path, "\n").unwrap();
        assert!(Secret::read_password(&path).is_err());
    }

    #[test]
    fn who_may_read_or_write_the_file_matters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write(&path, "0123456789abcdef").unwrap();
        for (mode, warns) in [(0o600, false), (0o640, false), (0o644, true)] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap().warning.is_some(), warns, "{mode:o}");
        }
        set_permissions(&path, Permissions::from_mode(0o606)).unwrap();
        assert!(read(&path).err().unwrap().to_string().contains("chmod 600"));
    }

    #[test]
    fn what_is_no_file_with_secrets_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(read(&path).err().unwrap().to_string().contains("cannot read"));
        assert!(read(folder.path()).is_err());
        write(&path, vec![b'a'; 70_000]).unwrap();
        assert!(read(&path).err().unwrap().to_string().contains("larger"));
        write(&path, [0xff, 0xfe]).unwrap();
        assert!(read(&path).is_err());
    }
}
