//! What the queue keeps as a report's result: the document, or where it is when it is too large for Redis.

use crate::document::Document;
use serde::{Deserialize, Serialize};

/// The stored result of a report that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredResult {
    /// The document itself.
    Document(Document),
    /// The document is in a file of the runner that made it.
    File(FileReference),
}

/// Where a large document is. The file holds the JSON of a [`Document`] and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReference {
    /// The file's name: the report's id, a hyphen and the first 16 digits of the digest.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in lower-case hexadecimal digits. Who fetches it checks it.
    pub sha256: String,
    /// Where the runner hands it out, to those with its results token. Only an address below the configured address of
    /// a runner may be believed.
    pub url: String,
}
