//! What people are to be told, one thing at a time, as it is kept until it is told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most characters of a text that is kept.
const LONGEST: usize = 1000;
/// The most characters of a name or a label's value.
const LONGEST_NAME: usize = 200;
/// The most labels of an alert.
const MOST_LABELS: usize = 30;

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub(crate) enum Item {
    /// An alert fires, or is over.
    Alert(Alert),
    /// A report failed for good.
    Report(FailedReport),
    /// Another channel could not be told what it was to be told.
    Undelivered(Undelivered),
    /// There was more than is kept.
    More {
        /// How much more.
        count: u64,
    },
}

/// Whether an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It does.
    Firing,
    /// It is over.
    Resolved,
}

/// An alert as it was last heard of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Which alert it is, at Alertmanager.
    pub fingerprint: String,
    /// Whether it fires.
    pub status: AlertStatus,
    /// Its name, such as `QueueTooLong`.
    pub name: String,
    /// How bad it is, such as `critical`; may be empty.
    pub severity: String,
    /// What it says, in one sentence; may be empty.
    pub summary: String,
    /// What it says at length; may be empty.
    #[serde(default)]
    pub description: String,
    /// Since when.
    pub starts_at: Option<Timestamp>,
    /// Until when; none while it fires.
    pub ends_at: Option<Timestamp>,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// Where its figures can be seen; may be empty.
    #[serde(default)]
    pub source: String,
}

/// A report that failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailedReport {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// Whose it is.
    pub user: String,
    /// What went wrong.
    pub error: String,
    /// The number for support; may be empty.
    pub trace_id: String,
    /// When it failed.
    pub at: Timestamp,
}

/// What another channel was to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Undelivered {
    /// Which channel, for people, such as `Teams`.
    pub channel: String,
    /// Why it could not be told.
    pub error: String,
    /// What it was to be told, in a few words each.
    pub titles: Vec<String>,
    /// How many things more.
    pub more: usize,
}

impl Alert {
    /// The alert within the bounds of what is kept: texts and labels are cut.
    pub(crate) fn bounded(mut self) -> Self {
        for text in [&mut self.summary, &mut self.description] {
            *text = cut(text, LONGEST);
        }
        for text in [&mut self.name, &mut self.severity, &mut self.fingerprint] {
            *text = cut(text, LONGEST_NAME);
        }
        // Half an address leads nowhere.
        if self.source.len() > LONGEST {
            self.source.clear();
        }
        let labels = std::mem::take(&mut self.labels).into_iter().take(MOST_LABELS);
        self.labels = labels.map(|(name, value)| (cut(&name, LONGEST_NAME), cut(&value, LONGEST_NAME))).collect();
        self
    }
}

impl Item {
    /// It in a few words.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Alert(alert) => match alert.status {
                AlertStatus::Firing => format!("{} is firing", alert.name),
                AlertStatus::Resolved => format!("{} is resolved", alert.name),
            },
            Self::Report(report) => format!("the report “{}” of {} failed ({})", report.title, report.user, report.id),
            Self::Undelivered(undelivered) => format!("{} could not be told", undelivered.channel),
            Self::More { count } => format!("{count} more, which found no place"),
        }
    }
}

/// The text with at most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}
