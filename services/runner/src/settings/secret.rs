//! Secrets that are one line of a file: never shown, compared in a time that tells nothing.

use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use subtle::ConstantTimeEq;

/// The most bytes of a file with secrets.
const LARGEST: u64 = 64 * 1024;

/// A secret. It shows itself to nobody who prints it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The first line of `text`; none when it has fewer than `shortest` characters.
    pub fn first_line(text: &str, shortest: usize) -> Option<Self> {
        let line = text.lines().next().unwrap_or_default().trim();
        (line.len() >= shortest.max(1)).then(|| Self(line.to_owned()))
    }

    /// The text, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this secret. The time that it takes does not tell how much of it is right, nor how long it is.
    pub fn is(&self, text: &[u8]) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(text)).into()
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
    /// What its owner should know: that others may read it.
    pub warning: Option<String>,
}

/// Reads a file with secrets.
///
/// # Errors
/// What is wrong, for people: it cannot be read, is too large, is no text, or others may write it, so that it is not its
/// owner who decides who is let in.
pub fn read(path: &Path) -> Result<SecretFile, String> {
    let mut file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    let mode = metadata.permissions().mode();
    if mode & 0o002 != 0 {
        return Err(format!("everybody may write {0}; take that away: chmod 600 {0}", path.display()));
    }
    let mut text = String::new();
    file.by_ref().take(LARGEST + 1).read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    if text.len() as u64 > LARGEST {
        return Err(format!("{} is larger than the {LARGEST} bytes that a file with secrets may have", path.display()));
    }
    let warning = (mode & 0o004 != 0)
        .then(|| format!("everybody on this machine may read {0}; better: chmod 600 {0}", path.display()));
    Ok(SecretFile { text, warning })
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
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
        assert!(!secret.is(b"0123456789abcde") && !secret.is(b"") && !secret.is(b"0123456789abcdef\nmore"));
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert!(Secret::first_line("short", 16).is_none());
        assert!(Secret::first_line("\nsecond line", 0).is_none());
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
        assert!(read(&path).err().unwrap().contains("chmod 600"));
    }

    #[test]
    fn what_is_no_file_with_secrets_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(read(&path).err().unwrap().contains("cannot read"));
        assert!(read(folder.path()).is_err());
        write(&path, vec![b'a'; 70_000]).unwrap();
        assert!(read(&path).err().unwrap().contains("larger"));
        write(&path, [0xff, 0xfe]).unwrap();
        assert!(read(&path).is_err());
    }
}
