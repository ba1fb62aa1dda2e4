//! What each report wants to know: the one place where names, words and bounds stand.

use super::{Choice, ParameterKind, ParameterSpec, ReportType};
use crate::source::{ColumnKind, SourceInfo};
use serde_json::Value;

/// The most characters of a text parameter.
const MAX_TEXT: u32 = 100;

/// What a report answers.
pub(super) const fn description(report: ReportType) -> &'static str {
    match report {
        ReportType::GageCalibration => {
            "Which gages must be calibrated when, which are overdue, and how they drift: each measurement beside the one \
             before it of the same gage."
        }
        ReportType::MovingAverage => {
            "A series with its moving average, its double moving average and the forecast of both, and how far each \
             would have been off in the past."
        }
        ReportType::SystemCheck => {
            "Goes the whole way of a report and comes back with the times of its hops, to show that the system works."
        }
    }
}

/// What a report wants to know, with the choices that `sources` give.
pub(super) fn parameters(report: ReportType, sources: &[SourceInfo]) -> Vec<ParameterSpec> {
    let serving: Vec<&SourceInfo> = sources.iter().filter(|source| source.serves(report)).collect();
    match report {
        ReportType::GageCalibration => gage_calibration(&serving),
        ReportType::MovingAverage => moving_average(&serving),
        ReportType::SystemCheck => system_check(),
    }
}

fn gage_calibration(sources: &[&SourceInfo]) -> Vec<ParameterSpec> {
    vec![
        source(sources),
        required("as_of", "As of", "The day as of which gages are due or overdue. Later measurements are left out.")
            .kind(ParameterKind::Date),
        required("horizon_days", "Look ahead", "Gages that fall due within so many days are listed as due soon.")
            .kind(ParameterKind::Integer)
            .between(0, 730, 30)
            .unit("days"),
        optional("location", "Location", "Only gages of this location; capitals do not matter. Empty for all."),
        optional("gage_type", "Type of gage", "Only gages of this type; capitals do not matter. Empty for all."),
    ]
}

fn moving_average(sources: &[&SourceInfo]) -> Vec<ParameterSpec> {
    vec![
        source(sources),
        required("column", "Column", "The column of numbers that is averaged.").columns(
            sources,
            ColumnKind::Number,
            true,
        ),
        optional("date_column", "Date column", "Orders the rows and labels the axis. Empty: the rows in their order.")
            .columns(sources, ColumnKind::Date, false),
        values(),
        required("order", "Order", "How many values each average covers. More are smoother and later.")
            .kind(ParameterKind::Integer)
            .between(2, 500, 12)
            .unit("values"),
        required("ahead", "Ahead", "How far to forecast: at most half the order.")
            .kind(ParameterKind::Integer)
            .between(1, 250, 3)
            .unit("values"),
        optional("min", "Lowest", "No forecast goes below it, such as 0 for quantities. Empty: no bound.")
            .kind(ParameterKind::Number),
        optional("max", "Highest", "No forecast goes above it, such as a capacity. Empty: no bound.")
            .kind(ParameterKind::Number),
    ]
}

fn values() -> ParameterSpec {
    let mut spec =
        required("values", "Values", "A counter is turned into its increases; where it starts anew that is seen.")
            .kind(ParameterKind::Choice);
    let choice =
        |(value, label): (&str, &str)| Choice { value: value.to_owned(), label: label.to_owned(), sources: None };
    spec.default = Some(Value::from("readings"));
    spec.choices =
        Some([("readings", "Readings: as they are"), ("counter", "Counter: by how much it rose")].map(choice).into());
    spec
}

fn system_check() -> Vec<ParameterSpec> {
    let seconds = required("seconds", "Duration", "How long the report takes.").kind(ParameterKind::Integer);
    vec![seconds.between(0, 60, 1).unit("s")]
}

fn source(sources: &[&SourceInfo]) -> ParameterSpec {
    let mut spec = required("source", "Source", "Where the data come from.").kind(ParameterKind::Choice);
    let choice =
        |source: &&SourceInfo| Choice { value: source.name.clone(), label: source.label.clone(), sources: None };
    spec.default = sources.first().map(|source| Value::from(source.name.as_str()));
    spec.choices = Some(sources.iter().map(choice).collect());
    spec
}

fn required(name: &str, label: &str, help: &str) -> ParameterSpec {
    ParameterSpec { required: true, ..optional(name, label, help) }
}

/// A text that may be left out; the methods below make other kinds of it.
fn optional(name: &str, label: &str, help: &str) -> ParameterSpec {
    ParameterSpec {
        name: name.to_owned(),
        label: label.to_owned(),
        help: help.to_owned(),
        kind: ParameterKind::Text,
        required: false,
        default: None,
        min: None,
        max: Some(Value::from(MAX_TEXT)),
        step: None,
        unit: None,
        choices: None,
    }
}

impl ParameterSpec {
    fn kind(self, kind: ParameterKind) -> Self {
        let step = match kind {
            ParameterKind::Integer => Some(Value::from(1)),
            ParameterKind::Number => Some(Value::from("any")),
            ParameterKind::Date | ParameterKind::Choice | ParameterKind::Text => None,
        };
        Self { kind, step, max: None, ..self }
    }

    fn between(self, min: u32, max: u32, default: u32) -> Self {
        let [min, max, default] = [min, max, default].map(|value| Some(Value::from(value)));
        Self { min, max, default, ..self }
    }

    fn unit(self, unit: &str) -> Self {
        Self { unit: Some(unit.to_owned()), ..self }
    }

    /// A choice of the sources' columns of one kind, each named once. With `first`, a form begins with the first column
    /// of the first source.
    fn columns(self, sources: &[&SourceInfo], kind: ColumnKind, first: bool) -> Self {
        let mut choices: Vec<Choice> = Vec::new();
        for source in sources {
            for column in source.columns_of(kind) {
                let known = choices.iter_mut().find(|choice| choice.value == column);
                match known.and_then(|choice| choice.sources.as_mut()) {
                    Some(having) => having.push(source.name.clone()),
                    None => choices.push(Choice {
                        value: column.to_owned(),
                        label: column.to_owned(),
                        sources: Some(vec![source.name.clone()]),
                    }),
                }
            }
        }
        let default = choices.first().filter(|_| first).map(|choice| Value::from(choice.value.as_str()));
        Self { default, choices: Some(choices), ..self.kind(ParameterKind::Choice) }
    }
}
