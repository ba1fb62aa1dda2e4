//! Digests of values: what makes two plans, files or services the same.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The lower-case hexadecimal SHA-256 of `bytes`.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The digest of a value's JSON form. Equal values have equal digests.
pub fn of<T: Serialize>(value: &T) -> String {
    // A value of ours always has a JSON form; were it otherwise, the empty text would only make two values look alike.
    sha256_hex(&serde_json::to_vec(value).unwrap_or_default())
}
