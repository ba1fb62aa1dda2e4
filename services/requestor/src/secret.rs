//! Secrets: read from files, never shown, compared in constant time; and tokens, of which only a digest is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// The fewest characters that a secret in a file must have.
const SHORTEST: usize = 16;

/// The most bytes of a file with secrets.
const LARGEST: u64 = 64 * 1024;

/// Why a secret is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file is not to be read.
    #[error("cannot read the secret in {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds nothing that could be a secret.
    #[error("{path}: {problem}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the secret.
        problem: String,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    NoRandomness(getrandom::Error),
}

/// A secret text. It shows itself to nobody who prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The one secret in a file: its first line. At least 16 characters.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let text = read(path)?;
        let line = text.lines().next().unwrap_or_default().trim();
        if line.len() < SHORTEST {
            let problem = format!("a secret of at least {SHORTEST} characters must stand in its first line");
            return Err(SecretError::Unfit { path: path.to_owned(), problem });
        }
        Ok(Self(line.to_owned()))
    }

    /// A password in a file: its first line, of any length but not empty.
    pub fn read_password(path: &Path) -> Result<Self, SecretError> {
        let text = read(path)?;
        match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
            Some(line) => Ok(Self(line.to_owned())),
            None => {
                let problem = "the password must stand in its first line".to_owned();
                Err(SecretError::Unfit { path: path.to_owned(), problem })
            }
        }
    }

    /// All the lines of a file that are not empty, each a secret.
    pub fn read_lines(path: &Path) -> Result<Vec<Self>, SecretError> {
        let text = read(path)?;
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| Self(line.to_owned())).collect())
    }

    /// The text, for the one place that sends it or computes with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this secret, in a time that does not tell how much of it is right.
    pub fn is(&self, text: &str) -> bool {
        let (ours, theirs) = (Sha256::digest(&self.0), Sha256::digest(text));
        ours.ct_eq(&theirs).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A token that stands for a right: 32 random bytes. Who holds it has the right; we keep only its digest.
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn new() -> Result<Self, SecretError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(SecretError::NoRandomness)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Reads one; none when it has not the form of a token.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        (text.len() == 43 && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// The token itself, for the one who gets it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it: 64 hexadecimal digits of SHA-256.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of a file with secrets: at most 64 KiB.
pub fn read(path: &Path) -> Result<String, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > LARGEST {
        let problem = format!("a file with secrets has at most {LARGEST} bytes");
        return Err(SecretError::Unfit { path: path.to_owned(), problem });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Secret, Token};

    #[test]
    fn a_secret_is_the_first_line_and_does_not_show_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "0123456789abcdef0123\nmore\n").unwrap();
        let secret = Secret::read(&path).unwrap();
        assert!(secret.is("0123456789abcdef0123"));
        assert!(!secret.is("0123456789abcdef012"));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        std::fs::write(&path, "short\n").unwrap();
        let message = Secret::read(&path).unwrap_err().to_string();
        assert!(message.contains("at least 16 characters") && !message.contains("short"), "{message}");
    }

    #[test]
    fn tokens_differ_and_only_their_form_is_read() {
        let (one, two) = (Token::new().unwrap(), Token::new().unwrap());
        assert_ne!(one.reveal(), two.reveal());
        assert_eq!(Token::parse(one.reveal()).unwrap().digest(), one.digest());
        assert_eq!(one.digest().len(), 64);
        for bad in ["", "abc", &"a".repeat(44), &format!("{}:", "a".repeat(42))] {
            assert!(Token::parse(bad).is_none(), "{bad:?}");
        }
    }
}
