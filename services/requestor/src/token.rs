//! Tokens that stand for a right, of which only a digest is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;

/// A token that stands for a right: 32 random bytes. Who holds it has the right; we keep only its digest.
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::Token;

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
