//! From rows to a series: values at equal steps, with gaps where there are none.

use super::super::{ReportError, notes::Notes, still_wanted};
use crate::sources::{Moment, Table, Value};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use report_model::catalog::{MovingAverage, Values};
use tokio_util::sync::CancellationToken;

/// A step is a hole when it is longer than so many usual ones: a weekend between working days, or a long one, is none.
const HOLE: f64 = 4.5;

const DAY: i64 = 86_400;

/// The series.
pub(super) struct Points {
    /// The values; none where there is a gap.
    pub(super) values: Vec<Option<f64>>,
    /// The row of each value in the table; none for a hole between two rows.
    pub(super) rows: Vec<Option<usize>>,
    /// The last moment and the usual step in seconds, where moments are known.
    clock: Option<(Moment, i64)>,
}

/// Reads the series that was asked for.
pub(super) fn read(
    told: &MovingAverage,
    table: &Table,
    notes: &mut Notes,
    cancelled: &CancellationToken,
) -> Result<Points, ReportError> {
    let (rows, moments) = in_order(told, table, notes, cancelled)?;
    let column = table.column(&told.column);
    let step = usual_step(&moments);
    let mut points =
        Points { values: Vec::with_capacity(rows.len()), rows: Vec::with_capacity(rows.len()), clock: None };
    for (index, &row) in rows.iter().enumerate() {
        still_wanted(index, cancelled)?;
        if let (Some(step), Some(pair)) = (step, index.checked_sub(1).and_then(|before| moments.get(before..=index)))
            && (pair[1].seconds - pair[0].seconds) as f64 > HOLE * step as f64
        {
            notes.note("a hole in the dates before it, treated as a gap", table.place(row));
            points.values.push(None);
            points.rows.push(None);
        }
        let value = table.number(column, row);
        match value {
            Value::Missing => notes.note("no value, treated as a gap", table.place(row)),
            Value::Bad => notes.note("the value is no number, treated as a gap", table.place(row)),
            Value::Good(_) => {}
        }
        points.values.push(value.good());
        points.rows.push(Some(row));
    }
    points.clock = moments.last().copied().zip(step);
    if told.values == Values::Counter {
        points.count(table, notes);
    }
    Ok(points)
}

/// The rows in the order of time, and their moments; in their own order, without moments, where no date was asked for.
fn in_order(
    told: &MovingAverage,
    table: &Table,
    notes: &mut Notes,
    cancelled: &CancellationToken,
) -> Result<(Vec<usize>, Vec<Moment>), ReportError> {
    let Some(name) = &told.date_column else { return Ok(((0..table.rows()).collect(), Vec::new())) };
    let column = table.column(name);
    let mut all: Vec<(Moment, usize)> = Vec::with_capacity(table.rows());
    for row in 0..table.rows() {
        still_wanted(row, cancelled)?;
        match table.moment(column, row) {
            Value::Good(moment) => {
                if all.last().is_some_and(|(last, _)| *last > moment) {
                    notes.note("older than the row before it; sorted by date", table.place(row));
                }
                all.push((moment, row));
            }
            Value::Missing => notes.note("the date is missing; left out", table.place(row)),
            Value::Bad => notes.note("the date cannot be read, write it as 2026-03-31; left out", table.place(row)),
        }
    }
    all.sort();
    for pair in all.windows(2) {
        if let [(first, row), (second, other)] = pair
            && first.seconds == second.seconds
        {
            notes.note_pair("the same date twice; both values are taken", table.place(*row), table.place(*other));
        }
    }
    Ok(all.into_iter().map(|(moment, row)| (row, moment)).unzip())
}

/// The median of the steps; none without two different moments.
fn usual_step(moments: &[Moment]) -> Option<i64> {
    let mut steps: Vec<i64> = moments.windows(2).map(|pair| pair[1].seconds - pair[0].seconds).collect();
    let middle = steps.len() / 2;
    steps.get(middle)?;
    let (_, median, _) = steps.select_nth_unstable(middle);
    Some(*median).filter(|&step| step > 0)
}

impl Points {
    /// Turns what a counter showed into by how much it rose. Where it is less than before it began anew at zero.
    fn count(&mut self, table: &Table, notes: &mut Notes) {
        let mut before = None;
        for (value, row) in self.values.iter_mut().zip(&self.rows) {
            let now = *value;
            *value = match (before, now) {
                (Some(before), Some(now)) if now < before => {
                    notes.note("the counter began anew", row.map_or(0, |row| table.place(row)));
                    Some(now)
                }
                (Some(before), Some(now)) => Some(now - before),
                // By how much it rose over a gap is known, but not when.
                _ => None,
            };
            before = now;
        }
    }

    /// What stands at the axis `ahead` steps after the last position: a day, a time, or a count of steps.
    pub(super) fn after(&self, ahead: usize) -> String {
        let later = |(last, step): (Moment, i64)| {
            let steps = i64::try_from(ahead).ok()?;
            if let Some(day) = by_calendar(last.day, step, steps) {
                return Some(day.to_string());
            }
            let at = Timestamp::from_second(last.seconds.checked_add(step.checked_mul(steps)?)?).ok()?;
            let text = at.to_string();
            Some(text.trim_end_matches('Z').to_owned())
        };
        self.clock.and_then(later).unwrap_or_else(|| format!("+{ahead}"))
    }
}

/// Months and years are not all as long; none when a step is no whole number of days.
fn by_calendar(last: Date, step: i64, steps: i64) -> Option<Date> {
    let day = match step {
        _ if step % DAY != 0 => return None,
        step if (28 * DAY..=31 * DAY).contains(&step) && step != 28 * DAY => last.checked_add(steps.months()),
        step if (90 * DAY..=92 * DAY).contains(&step) => last.checked_add((3 * steps).months()),
        step if (365 * DAY..=366 * DAY).contains(&step) => last.checked_add(steps.years()),
        step => last.checked_add((step / DAY * steps).days()),
    };
    day.ok()
}
