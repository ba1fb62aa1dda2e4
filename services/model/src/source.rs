//! The sources that reports may read, as the runner offers them and the page shows them.

use serde::{Deserialize, Serialize};

/// The key in Redis under which a runner tells its sources: a JSON list of [`SourceOffer`]. All runners of a stack offer
/// the same ones. It expires [`SOURCES_KEPT_SECONDS`] after the last runner has ended.
pub const SOURCES_KEY: &str = "report:sources";

/// How long the list is kept after it was last told, in seconds. Runners tell it at their start and each minute.
pub const SOURCES_KEPT_SECONDS: u64 = 600;

/// A source of data that reports may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceOffer {
    /// Its name in the parameters of a report.
    pub name: String,
    /// What people read, such as `Gages (sample)`.
    pub label: String,
}
