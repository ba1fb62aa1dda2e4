//! What happens in a report's life, as the runner tells the requestor and the requestor tells the browser.

use crate::catalog::ReportType;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What happened. The order is that of a report's life: what comes later in it is never undone by what comes earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// It was accepted and waits.
    #[serde(rename = "report.queued")]
    Queued,
    /// It has been running for a moment. Of reports that are quick this is never told.
    #[serde(rename = "report.started")]
    Started,
    /// It ended well, and its result can be had.
    #[serde(rename = "report.finished")]
    Finished,
    /// It ended badly, for good.
    #[serde(rename = "report.failed")]
    Failed,
    /// It was cancelled.
    #[serde(rename = "report.cancelled")]
    Cancelled,
}

impl EventType {
    /// Its name, such as `report.finished`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "report.queued",
            Self::Started => "report.started",
            Self::Finished => "report.finished",
            Self::Failed => "report.failed",
            Self::Cancelled => "report.cancelled",
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The body of a webhook, and of an entry in a user's log: the form that Standard Webhooks recommends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When it happened, in RFC 3339.
    pub timestamp: jiff::Timestamp,
    /// To what.
    pub data: ReportEvent,
}

/// The report that an event tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportEvent {
    /// The report's id, which is its job's name.
    pub id: String,
    /// What report it is.
    pub report: ReportType,
    /// The id of the trace that goes from the click to the result: the number to give to support. Empty when nothing is
    /// traced.
    pub trace_id: String,
    /// Which attempt this was, from 1; 0 before the first.
    pub attempt: u32,
    /// What went wrong, for people, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
