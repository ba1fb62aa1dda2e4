//! The document of the gages.

use super::super::notes::Notes;
use super::super::{column, count, number, rough, text};
use super::pairs::{Condition, Gage, Status};
use crate::sources::Table;
use report_model::catalog::GageCalibration;
use report_model::document::{Cell, Chart, Column, Document, Series};

/// How many measurements of a gage the chart shows.
const SHOWN: usize = 8;

/// How many gages the chart shows.
const CHARTED: usize = 2;

/// The document of the gages in the order of the list.
pub(super) fn document(told: &GageCalibration, table: &Table, gages: &[Gage<'_>], notes: &Notes) -> Document {
    let mut warnings = notes.sentences(table.word());
    if gages.is_empty() {
        warnings.push("No gage is left: look at source, day, location and type.".to_owned());
    }
    Document {
        title: format!("Gage calibration as of {}", told.as_of),
        summary: summary(told, gages),
        warnings,
        columns: columns(),
        rows: gages.iter().enumerate().map(|(index, gage)| row(index + 1, gage)).collect(),
        chart: chart(gages),
    }
}

fn summary(told: &GageCalibration, gages: &[Gage<'_>]) -> Vec<String> {
    let number_of = |is: &dyn Fn(&Gage<'_>) -> bool| gages.iter().filter(|gage| is(gage)).count();
    let overdue = number_of(&|gage| matches!(gage.status, Status::Overdue(_)));
    let soon = number_of(&|gage| matches!(gage.status, Status::DueSoon(_)));
    let outside = number_of(&|gage| gage.condition == Condition::Outside);
    let leaving = number_of(&|gage| gage.condition == Condition::Leaving);
    let unknown = number_of(&|gage| gage.status == Status::Unknown);
    let mut sentences = vec![format!(
        "{}: {overdue} overdue, {soon} due within {}.",
        count(gages.len(), "gage"),
        count(told.horizon_days as usize, "day")
    )];
    if let Some((gage, days)) = gages.first().and_then(|gage| match gage.status {
        Status::Overdue(days) => Some((gage, days)),
        Status::DueSoon(_) | Status::Fine(_) | Status::Unknown => None,
    }) {
        sentences.push(format!("Longest overdue is {}, for {}.", gage.history.id, count(days as usize, "day")));
    }
    if outside > 0 {
        let ids = named(gages, Condition::Outside);
        sentences.push(format!("Outside of tolerance at the last calibration: {outside} ({ids})."));
    }
    if leaving > 0 {
        let ids = named(gages, Condition::Leaving);
        sentences
            .push(format!("Early warning, expected outside of tolerance at the next calibration: {leaving} ({ids})."));
    }
    if unknown > 0 {
        sentences.push(format!("Without an interval, so nobody knows when they are due: {unknown}."));
    }
    sentences
}

/// The first few gages of a condition.
fn named(gages: &[Gage<'_>], condition: Condition) -> String {
    let ids = gages.iter().filter(|gage| gage.condition == condition).map(|gage| gage.history.id);
    let (mut first, more): (Vec<&str>, usize) = (ids.clone().take(5).collect(), ids.count().saturating_sub(5));
    if more > 0 {
        first.push("…");
    }
    first.join(", ")
}

fn columns() -> Vec<Column> {
    vec![
        column("rank", "Rank", None),
        column("gage_id", "Gage", None),
        column("status", "Status", None),
        column("next_calibration", "Next calibration", None),
        column("days_overdue", "Overdue", Some("days")),
        column("days_left", "Left", Some("days")),
        column("condition", "Condition", None),
        column("deviation", "Deviation", None),
        column("tolerance", "Tolerance ±", None),
        column("unit", "Unit", None),
        column("deviation_of_tolerance", "Deviation of tolerance", Some("%")),
        column("drift_per_year", "Drift a year", None),
        column("drift_of_tolerance", "Drift of tolerance a year", Some("%")),
        column("expected_of_tolerance", "Expected next, of tolerance", Some("%")),
        column("largest_step_of_tolerance", "Largest step, of tolerance", Some("%")),
        column("last_calibration", "Last calibration", None),
        column("previous_calibration", "The one before", None),
        column("previous_deviation", "Deviation then", None),
        column("measurements", "Measurements", None),
        column("description", "Description", None),
        column("type", "Type", None),
        column("location", "Location", None),
    ]
}

fn row(rank: usize, gage: &Gage<'_>) -> Vec<Cell> {
    let day = |day: Option<jiff::civil::Date>| day.map_or(Cell::Empty, Cell::Date);
    let whole = |days: i64| Cell::Number(days as f64);
    let percent = |deviation: Option<f64>| {
        gage.of_tolerance(deviation).map_or(Cell::Empty, |part| Cell::Number((part * 1_000.0).round() / 10.0))
    };
    let (status, overdue, left) = match gage.status {
        Status::Overdue(days) => ("overdue", whole(days), Cell::Empty),
        Status::DueSoon(days) => ("due soon", Cell::Empty, whole(days)),
        Status::Fine(days) => ("calibrated", Cell::Empty, whole(days)),
        Status::Unknown => ("no interval", Cell::Empty, Cell::Empty),
    };
    let history = gage.history;
    vec![
        Cell::Number(rank as f64),
        text(history.id),
        text(status),
        day(gage.due),
        overdue,
        left,
        text(condition(gage.condition)),
        number(Some(gage.last.deviation)),
        number(gage.last.tolerance),
        text(history.unit),
        percent(Some(gage.last.deviation)),
        rough(gage.drift),
        percent(gage.drift),
        percent(gage.forecast),
        percent(gage.largest_step),
        Cell::Date(gage.last.at.day),
        day(gage.previous.map(|previous| previous.at.day)),
        number(gage.previous.map(|previous| previous.deviation)),
        Cell::Number(history.measurements.len() as f64),
        text(history.description),
        text(history.kind),
        text(history.location),
    ]
}

const fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Outside => "outside of tolerance",
        Condition::Leaving => "early warning",
        Condition::Inside => "inside",
        Condition::Unknown => "no tolerance",
    }
}

/// The gages that use most of their tolerance, now or as expected: their last deviations and the next one.
fn chart(gages: &[Gage<'_>]) -> Option<Chart> {
    let mut worst: Vec<&Gage<'_>> = gages.iter().filter(|gage| gage.forecast.is_some() && gage.worst() > 0.0).collect();
    worst.sort_by(|left, right| {
        right.worst().total_cmp(&left.worst()).then_with(|| left.history.id.cmp(right.history.id))
    });
    worst.truncate(CHARTED);
    let ids: Vec<&str> = worst.iter().map(|gage| gage.history.id).collect();
    if ids.is_empty() {
        return None;
    }
    let limit = |label: &str, value: f64| Series {
        label: label.to_owned(),
        forecast: false,
        values: vec![Some(value); SHOWN + 1],
    };
    let mut series: Vec<Series> = worst.iter().flat_map(|gage| lines(gage)).collect();
    series.push(limit("Upper limit", 100.0));
    series.push(limit("Lower limit", -100.0));
    let before = (1..SHOWN).rev().map(|index| format!("−{index}"));
    Some(Chart {
        title: format!("Nearest to their limits or beyond: {}, with what is to be expected next", ids.join(" and ")),
        x_label: "Calibrations, from the last one back".to_owned(),
        y_label: "Deviation (% of tolerance)".to_owned(),
        x: before.chain(["last".to_owned(), "next".to_owned()]).collect(),
        series,
    })
}

/// What was measured of a gage, and the line to what is expected.
fn lines(gage: &Gage<'_>) -> [Series; 2] {
    let percent = |deviation: f64| gage.of_tolerance(Some(deviation)).map(|part| (part * 1_000.0).round() / 10.0);
    let measurements = &gage.history.measurements;
    let shown = &measurements[measurements.len().saturating_sub(SHOWN)..];
    let mut values = vec![None; SHOWN - shown.len()];
    values.extend(shown.iter().map(|measurement| percent(measurement.deviation)));
    values.push(None);
    let mut expected = vec![None; SHOWN - 1];
    expected.extend([percent(gage.last.deviation), gage.forecast.and_then(percent)]);
    let id = gage.history.id;
    [
        Series { label: id.to_owned(), forecast: false, values },
        Series { label: format!("{id}, expected"), forecast: true, values: expected },
    ]
}
