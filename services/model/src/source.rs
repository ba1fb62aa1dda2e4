//! The sources that reports may read, as the runner offers them and the page shows them: without what they stand on.
//! People choose a source by its name, never by a path or an address.

use crate::catalog::ReportType;
use serde::{Deserialize, Serialize};

/// The key in Redis under which a runner tells its sources: a JSON list of [`SourceInfo`]. All runners of a stack offer
/// the same ones. It expires [`SOURCES_KEPT_SECONDS`] after the last runner has ended.
pub const SOURCES_KEY: &str = "report:sources";

/// How long the list is kept after it was last told, in seconds. Runners tell it at their start and each minute.
pub const SOURCES_KEPT_SECONDS: u64 = 600;

/// The columns that a table of gage measurements must have. Their order in the table does not matter.
pub const GAGE_COLUMNS: [&str; 6] = ["gage_id", "measured_at", "nominal", "reading", "tolerance", "interval_days"];

/// The columns that a table of gage measurements may have besides.
pub const GAGE_OPTIONAL_COLUMNS: [&str; 4] = ["description", "type", "location", "unit"];

/// A source of data that reports may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// Its name in requests.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// The reports that can be made of it.
    pub reports: Vec<ReportType>,
    /// Its columns, in the order in which it has them.
    pub columns: Vec<SourceColumn>,
}

/// A column of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceColumn {
    /// Its name.
    pub name: String,
    /// What its cells hold.
    pub kind: ColumnKind,
}

/// What a column's cells hold, judged by their type or by the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// Days, or points in time.
    Date,
    /// Anything else.
    Text,
}

impl SourceInfo {
    /// A source with these columns. Which reports it serves follows from them: gage calibration wants all of
    /// [`GAGE_COLUMNS`], a moving average wants a column of numbers.
    pub fn new(name: &str, label: &str, columns: Vec<SourceColumn>) -> Self {
        let has = |wanted: &str| columns.iter().any(|column| column.name == wanted);
        let mut reports = Vec::new();
        if GAGE_COLUMNS.iter().all(|wanted| has(wanted)) {
            reports.push(ReportType::GageCalibration);
        }
        if columns.iter().any(|column| column.kind == ColumnKind::Number) {
            reports.push(ReportType::MovingAverage);
        }
        Self { name: name.to_owned(), label: label.to_owned(), reports, columns }
    }

    /// Whether `report` can be made of it.
    pub fn serves(&self, report: ReportType) -> bool {
        self.reports.contains(&report)
    }

    /// The names of its columns of one kind.
    pub fn columns_of(&self, kind: ColumnKind) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(move |column| column.kind == kind).map(|column| column.name.as_str())
    }
}
