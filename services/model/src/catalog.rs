//! Which reports there are, and what each wants to know.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A type of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportType {
    /// Which gages must be calibrated when, and which are overdue.
    GageCalibration,
    /// A series and its forecast by moving averages.
    MovingAverage,
    /// Goes the way of a report and comes back, after the seconds that were asked for: shows that the system works.
    SystemCheck,
}

impl ReportType {
    /// All of them, in the order in which people see them.
    pub const ALL: [Self; 3] = [Self::GageCalibration, Self::MovingAverage, Self::SystemCheck];

    /// Its name in addresses, queues and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GageCalibration => "gage-calibration",
            Self::MovingAverage => "moving-average",
            Self::SystemCheck => "system-check",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for ReportType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
