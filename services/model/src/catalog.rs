//! Which reports there are, and what each wants to know.
//!
//! What is said here of a parameter (its kind, its bounds, its choices) is what the page shows and what [`validate`]
//! demands: it is written once, in `specs`.

mod parameters;
mod reader;
mod specs;

pub use parameters::{GageCalibration, MovingAverage, ParameterError, Parameters, SystemCheck, Values, validate};

use crate::source::SourceInfo;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::GageCalibration => "Gage calibration",
            Self::MovingAverage => "Moving-average forecast",
            Self::SystemCheck => "System check",
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

/// Everything that a person can ask for: what `GET /api/catalog` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// The reports, in the order in which people see them.
    pub reports: Vec<ReportSpec>,
}

/// A report that a person can ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportSpec {
    /// Which one.
    #[serde(rename = "type")]
    pub kind: ReportType,
    /// Its name for people.
    pub title: String,
    /// What it answers, in a sentence or two.
    pub description: String,
    /// What it wants to know, in the order of a form.
    pub parameters: Vec<ParameterSpec>,
}

/// Something that a report wants to know. What is not there does not apply and is not written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterSpec {
    /// Its name in requests.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// What to put in, in a sentence.
    pub help: String,
    /// What it holds.
    pub kind: ParameterKind,
    /// Whether a request without it is refused. What is not required may also be empty or null.
    pub required: bool,
    /// What a form puts in at first. A request that lacks the parameter does not get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The smallest that is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The largest that is taken; of a text the most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// By how much a form's field goes up and down; `any` where all numbers are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Value>,
    /// The unit of the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What there is to choose from; only with [`ParameterKind::Choice`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Choice>>,
}

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// A day as a string: `2026-11-24`.
    Date,
    /// A whole number.
    Integer,
    /// Any finite number.
    Number,
    /// The value of one of the choices.
    Choice,
    /// A line of text.
    Text,
}

/// One of several that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is shown.
    pub label: String,
    /// The names of the sources that have it: with another source a request for it is refused, so a form offers it only
    /// with these. Not written where the source does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
}

/// The reports that can be asked for of `sources`. Days that must be said are `today` at first.
pub fn catalog(sources: &[SourceInfo], today: Date) -> Catalog {
    let reports = ReportType::ALL.into_iter().map(|kind| {
        let mut parameters = specs::parameters(kind, sources);
        for parameter in &mut parameters {
            if parameter.kind == ParameterKind::Date && parameter.required {
                parameter.default = Some(Value::from(today.to_string()));
            }
        }
        let description = specs::description(kind).to_owned();
        ReportSpec { kind, title: kind.title().to_owned(), description, parameters }
    });
    Catalog { reports: reports.collect() }
}
