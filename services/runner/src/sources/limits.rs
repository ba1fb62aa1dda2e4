//! How much of a source is read.

/// The most that is read of a source. What has more is refused, never cut: a report over a part would be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows.
    pub rows: usize,
    /// Bytes: of a file its size, of a table its text.
    pub bytes: u64,
}

impl Default for Limits {
    /// A million rows, 256 MiB.
    fn default() -> Self {
        Self { rows: 1_000_000, bytes: 256 << 20 }
    }
}
