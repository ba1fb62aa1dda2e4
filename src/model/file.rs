//! Folders and files as they shall be.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A folder and who may enter it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// Whole path.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// The user that it belongs to, where that is not the one who runs the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A file as it shall be, with references where secrets go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenderedFile {
    /// Whole path.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// The text.
    pub text: String,
    /// The user that it belongs to, where that is not the one who runs the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}
