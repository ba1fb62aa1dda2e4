//! A report's parameters once they are valid, and how they become so.

use super::reader::Reader;
use super::{ReportType, specs};
use crate::source::SourceInfo;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// What a report was told. It is written as in a request: `{"type":"system-check","parameters":{"seconds":1}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "parameters", rename_all = "kebab-case")]
pub enum Parameters {
    /// See [`ReportType::GageCalibration`].
    GageCalibration(GageCalibration),
    /// See [`ReportType::MovingAverage`].
    MovingAverage(MovingAverage),
    /// See [`ReportType::SystemCheck`].
    SystemCheck(SystemCheck),
}

/// What the report on gages is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GageCalibration {
    /// The source's name.
    pub source: String,
    /// The day as of which gages are due or overdue.
    pub as_of: Date,
    /// Gages that fall due within so many days are due soon; 0 to 730.
    pub horizon_days: u32,
    /// Only gages of this location, whatever the capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Only gages of this type, whatever the capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gage_type: Option<String>,
}

/// What the report on a series is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovingAverage {
    /// The source's name.
    pub source: String,
    /// The column of numbers.
    pub column: String,
    /// The column that orders the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_column: Option<String>,
    /// What the numbers are.
    pub values: Values,
    /// How many values an average covers; 2 to 500.
    pub order: u32,
    /// How many values to forecast; 1 to half the order.
    pub ahead: u32,
    /// No forecast goes below it. Below `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// No forecast goes above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// What the numbers of a series are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Values {
    /// Each stands for itself.
    #[default]
    Readings,
    /// They are counted up and now and then start anew at zero: their increases are what is averaged.
    Counter,
}

/// What the check of the system is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemCheck {
    /// How long it takes; 0 to 60.
    pub seconds: u32,
}

impl Parameters {
    /// Whose they are.
    pub const fn report(&self) -> ReportType {
        match self {
            Self::GageCalibration(_) => ReportType::GageCalibration,
            Self::MovingAverage(_) => ReportType::MovingAverage,
            Self::SystemCheck(_) => ReportType::SystemCheck,
        }
    }

    /// The name of the source that is read, where one is.
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::GageCalibration(told) => Some(&told.source),
            Self::MovingAverage(told) => Some(&told.source),
            Self::SystemCheck(_) => None,
        }
    }
}

/// A parameter that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterError {
    /// The parameter's name; empty when the parameters as a whole are meant.
    pub field: String,
    /// What to do, as a sentence that can stand beside the field.
    pub problem: String,
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.problem),
            field => write!(f, "{field}: {}", self.problem),
        }
    }
}

impl std::error::Error for ParameterError {}

/// Checks what was sent for `report` against what it wants to know and against the sources that there are.
///
/// Names that the report does not know are refused. Parameters that are not required may be null or empty.
///
/// # Errors
///
/// Everything that is wrong, in the order of the form.
pub fn validate(report: ReportType, given: &Value, sources: &[SourceInfo]) -> Result<Parameters, Vec<ParameterError>> {
    let specs = specs::parameters(report, sources);
    let mut reader = Reader::new(&specs, given)?;
    let parameters = match report {
        ReportType::GageCalibration => Parameters::GageCalibration(GageCalibration {
            source: reader.string("source"),
            as_of: reader.date("as_of"),
            horizon_days: reader.integer("horizon_days"),
            location: reader.text("location"),
            gage_type: reader.text("gage_type"),
        }),
        ReportType::MovingAverage => Parameters::MovingAverage(moving_average(&mut reader)),
        ReportType::SystemCheck => Parameters::SystemCheck(SystemCheck { seconds: reader.integer("seconds") }),
    };
    reader.finish(parameters)
}

fn moving_average(reader: &mut Reader<'_>) -> MovingAverage {
    let told = MovingAverage {
        source: reader.string("source"),
        column: reader.column("column").unwrap_or_default(),
        date_column: reader.column("date_column"),
        values: if reader.string("values") == "counter" { Values::Counter } else { Values::Readings },
        order: reader.integer("order"),
        ahead: reader.integer("ahead"),
        min: reader.number("min"),
        max: reader.number("max"),
    };
    if reader.good("order") && reader.good("ahead") && told.ahead > told.order / 2 {
        let most = told.order / 2;
        reader.refuse("ahead", format!("With the order {} enter at most {most}: half the order.", told.order));
    }
    if let (Some(min), Some(max)) = (told.min, told.max)
        && min >= max
    {
        reader.refuse("max", format!("Enter a number above the lowest, which is {min}."));
    }
    told
}
