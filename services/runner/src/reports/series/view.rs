//! The document of a series.

use super::super::forecast::Forecast;
use super::super::notes::Notes;
use super::super::{column, count, number, rounded, text};
use super::{Computed, Step};
use crate::sources::Table;
use report_model::catalog::{MovingAverage, Values};
use report_model::document::{Cell, Chart, Column, Document, Series};

/// The most positions of the table: the last ones.
const TABLED: usize = 3_000;

/// How many positions the chart shows, the last ones: so many times the order, since a forecast is seen beside the
/// stretch that it is made of.
const CHARTED_ORDERS: usize = 10;

/// The fewest and the most of them.
const CHARTED: (usize, usize) = (200, 1_000);

/// The document of what was computed.
pub(super) fn document(told: &MovingAverage, table: &Table, computed: &Computed, notes: &Notes) -> Document {
    let all = computed.points.values.len();
    // The newest first: what is expected is what people look for.
    let next = computed.next.iter().enumerate().rev().map(|(index, step)| future(computed, index + 1, step));
    let rows = next.chain((all.saturating_sub(TABLED)..all).rev().map(|at| row(told, table, computed, at)));
    Document {
        title: format!("Moving averages of {}", told.column),
        summary: summary(told, table, computed),
        warnings: warnings(told, table, computed, notes),
        columns: columns(told, table),
        rows: rows.collect(),
        chart: chart(told, table, computed),
    }
}

fn summary(told: &MovingAverage, table: &Table, computed: &Computed) -> Vec<String> {
    let values = &computed.points.values;
    let known = values.iter().flatten().count();
    let mut sentences = vec![format!("{} and {}.", count(known, "value"), count(values.len() - known, "gap"))];
    if let Some((at, value)) = values.iter().enumerate().rev().find_map(|(at, value)| Some((at, (*value)?))) {
        sentences.push(format!("The last value is {}, {}.", rounded(value), place(told, table, computed, at)));
    }
    let ahead = told.ahead as usize;
    if let (Some(last), Some(slope)) = (computed.next.last(), computed.forecaster.slope())
        && let (Some(trend), Some(flat)) = (last.trend, last.flat)
    {
        sentences.push(format!(
            "{} ahead ({}) the double moving average expects {}, at a slope of {} a value; the moving average expects {}.",
            count(ahead, "value"),
            computed.points.after(ahead),
            rounded(trend.value),
            rounded(slope),
            rounded(flat.value)
        ));
    }
    if let Some(errors) = computed.backtest.errors() {
        let mut ways = [
            ("the last value", errors.naive),
            ("the moving average", errors.flat),
            ("the double moving average", errors.trend),
        ];
        ways.sort_by(|left, right| left.1.total_cmp(&right.1));
        let said: Vec<String> = ways.iter().map(|(way, error)| format!("{way} {}", rounded(*error))).collect();
        sentences.push(format!(
            "Mean absolute error of {} that could be checked, {} ahead, best first: {}.",
            count(errors.count, "forecast"),
            count(ahead, "value"),
            said.join(", ")
        ));
    }
    sentences
}

/// Where a position is, in words.
fn place(told: &MovingAverage, table: &Table, computed: &Computed, at: usize) -> String {
    match label(told, table, computed, at) {
        label if told.date_column.is_some() => format!("of {label}"),
        label => format!("in {} {label}", table.word()),
    }
}

fn warnings(told: &MovingAverage, table: &Table, computed: &Computed, notes: &Notes) -> Vec<String> {
    let mut warnings = notes.sentences(table.word());
    let order = told.order as usize;
    let needed = computed.forecaster.needed();
    if needed > 0 {
        let all = 2 * order - 1;
        warnings.push(format!(
            "There is no forecast: the order {order} takes {all} values without a gap; {needed} more to go after the last one.",
        ));
    }
    let clamped =
        computed.backtest.clamped() + computed.next.iter().filter(|step| step.trend.is_some_and(|f| f.clamped)).count();
    if clamped > 0 {
        warnings.push(format!(
            "{} went beyond the bounds and {} held there.",
            count(clamped, "forecast"),
            if clamped == 1 { "was" } else { "were" }
        ));
    }
    if computed.backtest.errors().is_some_and(|errors| errors.naive < errors.flat.min(errors.trend)) {
        warnings.push(
            "Simply taking the last value would have been better than both averages: do not trust this forecast much."
                .to_owned(),
        );
    }
    let (positions, shown) = (computed.points.values.len(), charted(told));
    if positions > TABLED {
        warnings
            .push(format!("The table shows the last {TABLED} of {positions} positions, the chart the last {shown}."));
    } else if positions > shown {
        warnings.push(format!("The chart shows the last {shown} of {positions} positions."));
    }
    warnings
}

/// How many positions the chart shows.
fn charted(told: &MovingAverage) -> usize {
    (told.order as usize * CHARTED_ORDERS).clamp(CHARTED.0, CHARTED.1)
}

fn columns(told: &MovingAverage, table: &Table) -> Vec<Column> {
    let first = match &told.date_column {
        Some(name) => column(name, name, None),
        None => column(table.word(), "Position", None),
    };
    let value = match told.values {
        Values::Readings => column(&told.column, &told.column, None),
        Values::Counter => column(&format!("{}_increase", told.column), &format!("Increase of {}", told.column), None),
    };
    let ahead = told.ahead;
    vec![
        first,
        value,
        column("moving_average", "Moving average", None),
        column("double_moving_average", "Double moving average", None),
        column("forecast_moving_average", &format!("Moving average, expected {ahead} before"), None),
        column("forecast_double_moving_average", &format!("Double moving average, expected {ahead} before"), None),
        column("made_ahead", "Expected how far ahead", Some("values")),
    ]
}

fn row(told: &MovingAverage, table: &Table, computed: &Computed, at: usize) -> Vec<Cell> {
    let step = &computed.steps[at];
    let value = computed.points.values[at];
    let value = match told.values {
        // As it was read, with all its digits.
        Values::Readings => value.map_or(Cell::Empty, Cell::Number),
        Values::Counter => number(value),
    };
    let ahead = if step.flat.is_some() { Cell::Number(f64::from(told.ahead)) } else { Cell::Empty };
    let mut cells = vec![named(label(told, table, computed, at)), value];
    cells.extend(numbers(step));
    cells.push(ahead);
    cells
}

fn future(computed: &Computed, ahead: usize, step: &Step) -> Vec<Cell> {
    let mut cells = vec![named(computed.points.after(ahead)), Cell::Empty];
    cells.extend(numbers(step));
    cells.push(Cell::Number(ahead as f64));
    cells
}

fn numbers(step: &Step) -> [Cell; 4] {
    let value = |forecast: Option<Forecast>| number(forecast.map(|forecast| forecast.value));
    [number(step.average), number(step.double), value(step.flat), value(step.trend)]
}

/// A position's name as a cell: a day where it is one.
fn named(label: String) -> Cell {
    match label.parse() {
        Ok(day) if label.len() == 10 => Cell::Date(day),
        _ => text(&label),
    }
}

/// What a position is called: its date as it was written, or the number of its row.
fn label(told: &MovingAverage, table: &Table, computed: &Computed, at: usize) -> String {
    let Some(row) = computed.points.rows.get(at).copied().flatten() else { return "…".to_owned() };
    match &told.date_column {
        Some(name) => table.text(table.column(name), row).to_owned(),
        None => table.place(row).to_string(),
    }
}

fn chart(told: &MovingAverage, table: &Table, computed: &Computed) -> Option<Chart> {
    let all = computed.points.values.len();
    let from = all.saturating_sub(charted(told));
    let (steps, next) = (&computed.steps[from..], &computed.next);
    let blank = vec![None; next.len()];
    let over = |values: &mut dyn Iterator<Item = Option<f64>>, after: &[Option<f64>]| -> Vec<Option<f64>> {
        values.map(|value| value.map(rounded)).chain(after.iter().map(|value| value.map(rounded))).collect()
    };
    let known = over(&mut computed.points.values[from..].iter().copied(), &blank);
    known.iter().flatten().next()?;
    let flats: Vec<Option<f64>> = next.iter().map(|step| step.flat.map(|forecast| forecast.value)).collect();
    let trends: Vec<Option<f64>> = next.iter().map(|step| step.trend.map(|forecast| forecast.value)).collect();
    let line = |label: &str, forecast, values| Series { label: label.to_owned(), forecast, values };
    let (order, ahead) = (told.order, told.ahead);
    let series = vec![
        line(&told.column, false, known),
        line(&format!("Moving average of {order}"), false, over(&mut steps.iter().map(|step| step.average), &blank)),
        line(
            &format!("Double moving average of {order}"),
            false,
            over(&mut steps.iter().map(|step| step.double), &blank),
        ),
        line(
            &format!("Moving average, expected {ahead} before"),
            true,
            over(&mut steps.iter().map(|step| step.flat.map(|f| f.value)), &flats),
        ),
        line(
            &format!("Double moving average, expected {ahead} before"),
            true,
            over(&mut steps.iter().map(|step| step.trend.map(|f| f.value)), &trends),
        ),
    ];
    let names = (from..all).map(|at| label(told, table, computed, at));
    Some(Chart {
        title: format!("{} with its moving averages of order {order} and what they expect", told.column),
        x_label: told.date_column.clone().unwrap_or_else(|| format!("Position ({})", table.word())),
        y_label: told.column.clone(),
        x: names.chain((1..=next.len()).map(|ahead| computed.points.after(ahead))).collect(),
        series,
    })
}
