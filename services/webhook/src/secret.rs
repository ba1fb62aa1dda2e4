//! The secrets that sender and receiver share.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// What every secret begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a secret may have.
const SIZES: std::ops::RangeInclusive<usize> = 24..=64;
/// How many secrets may be in use at once: the new one, the old one, and room for a mishap.
const MOST: usize = 4;

/// One to four secrets. Messages are signed with all of them, the first one's signature first, and a message is genuine
/// when it is signed with any of them: so a new secret can be brought in on either side first.
///
/// They are never shown: not by `Debug`, not in errors.
#[derive(Clone)]
pub struct Secrets(Vec<Vec<u8>>);

/// Why a text holds no usable secrets. It names lines, never what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("there is no webhook secret; put one into it: `whsec_` and 24 to 64 random bytes in base64")]
    None,
    /// There are too many.
    #[error("there are {0} webhook secrets; at most 4 can be in use at once, so remove the oldest")]
    TooMany(usize),
    /// A line does not begin as secrets do.
    #[error("line {line}: a webhook secret begins with `whsec_`")]
    Prefix {
        /// Which line, from 1.
        line: usize,
    },
    /// A line is not base64.
    #[error("line {line}: what follows `whsec_` is not base64 (letters, digits, `+`, `/`, with `=` at the end)")]
    Encoding {
        /// Which line, from 1.
        line: usize,
    },
    /// A secret is too short or too long.
    #[error("line {line}: the webhook secret has {size} bytes; it must have 24 to 64")]
    Size {
        /// Which line, from 1.
        line: usize,
        /// How many bytes it has.
        size: usize,
    },
}

impl Secrets {
    /// Reads secrets, one a line: `whsec_` and base64. Blanks around them and empty lines do not count.
    ///
    /// # Errors
    /// There is none, there are more than four, or one of them is malformed, shorter than 24 or longer than 64 bytes.
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let secrets: Vec<_> = lines.map(|(index, line)| read(index + 1, line)).collect::<Result<_, _>>()?;
        match secrets.len() {
            0 => Err(SecretError::None),
            count if count > MOST => Err(SecretError::TooMany(count)),
            _ => Ok(Self(secrets)),
        }
    }

    /// The bytes of each, the first first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

fn read(line: usize, text: &str) -> Result<Vec<u8>, SecretError> {
    let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix { line })?;
    let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::Encoding { line })?;
    if SIZES.contains(&bytes.len()) { Ok(bytes) } else { Err(SecretError::Size { line, size: bytes.len() }) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn secret(size: usize) -> String {
        format!("{PREFIX}{}", STANDARD.encode(vec![7; size]))
    }

    #[test]
    fn secrets_are_read_one_a_line() {
        let text = format!("{}\r\n\n  {}  \n", secret(24), secret(64));
        let secrets = Secrets::from_text(&text).unwrap();
        assert_eq!(secrets.keys().map(<[u8]>::len).collect::<Vec<_>>(), [24, 64]);
    }

    #[test]
    fn what_is_no_secret_is_refused_by_its_line() {
        let error = |text: &str| Secrets::from_text(text).unwrap_err();
        assert_eq!(error(""), SecretError::None);
        assert_eq!(error(" \n\n"), SecretError::None);
        assert_eq!(error("whsec_"), SecretError::Size { line: 1, size: 0 });
        assert_eq!(error(&secret(23)), SecretError::Size { line: 1, size: 23 });
        assert_eq!(error(&format!("{}\n{}", secret(32), secret(65))), SecretError::Size { line: 2, size: 65 });
        assert_eq!(error("\n\nhunter2"), SecretError::Prefix { line: 3 });
        assert_eq!(error("whsec_not base64!"), SecretError::Encoding { line: 1 });
        assert_eq!(error(secret(32).trim_end_matches('=')), SecretError::Encoding { line: 1 });
        assert_eq!(error(&[secret(32).as_str(); 5].join("\n")), SecretError::TooMany(5));
    }

    #[test]
    fn secrets_are_not_shown() {
        let text = secret(32);
        let shown = format!("{:?}", Secrets::from_text(&text).unwrap());
        assert_eq!(shown, "Secrets(1 hidden)");
        let spoilt = text.replace("whsec_", "whsec-");
        assert!(!Secrets::from_text(&spoilt).unwrap_err().to_string().contains(&spoilt[6..]));
    }
}
