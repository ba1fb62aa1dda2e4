//! From rows to gages: what was measured of each, in the order of time.

use super::super::{ReportError, notes::Notes, still_wanted};
use crate::sources::{Moment, Table, Value};
use report_model::catalog::GageCalibration;
use std::collections::HashMap;
use tokio_util::sync::CancellationToken;

/// The longest interval that is believed, in days: a hundred years.
const MAX_INTERVAL: f64 = 36_525.0;

/// A deviation of more than so many tolerances is rather a mistake in the writing than in the gage.
const SLIP: f64 = 10.0;

/// A gage and its measurements, oldest first; at least one.
#[derive(Debug)]
pub(super) struct History<'a> {
    pub(super) id: &'a str,
    pub(super) description: &'a str,
    pub(super) kind: &'a str,
    pub(super) location: &'a str,
    pub(super) unit: &'a str,
    pub(super) measurements: Vec<Measurement>,
}

/// A calibration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measurement {
    pub(super) at: Moment,
    /// What was read, less what should have been.
    pub(super) deviation: f64,
    reading: f64,
    /// How far it may be off, either way; above 0.
    pub(super) tolerance: Option<f64>,
    /// After how many days the next calibration is due.
    pub(super) interval: Option<i64>,
    /// Its row in the table.
    row: usize,
}

impl Measurement {
    /// Whether it is rather a mistake in the writing: nothing is to be expected from it.
    pub(super) fn is_slip(&self) -> bool {
        self.tolerance.is_some_and(|tolerance| self.deviation.abs() > SLIP * tolerance)
    }
}

/// Reads the gages that were asked for, in the order of their ids.
pub(super) fn read<'a>(
    table: &'a Table,
    told: &GageCalibration,
    notes: &mut Notes,
    cancelled: &CancellationToken,
) -> Result<Vec<History<'a>>, ReportError> {
    let reader = Reader::new(table, told);
    let mut by_id: HashMap<&str, Vec<Measurement>> = HashMap::new();
    for row in 0..table.rows() {
        still_wanted(row, cancelled)?;
        if let Some((id, measurement)) = reader.measurement(row, notes) {
            by_id.entry(id).or_default().push(measurement);
        }
    }
    let mut histories = Vec::with_capacity(by_id.len());
    let mut all: Vec<_> = by_id.into_iter().collect();
    all.sort_unstable_by_key(|&(id, _)| id);
    for (index, (id, measurements)) in all.into_iter().enumerate() {
        still_wanted(index, cancelled)?;
        let measurements = in_order(measurements, table, notes);
        // Where a gage is and what it is its last row says.
        let Some(last) = measurements.last().map(|last| last.row) else { continue };
        let history = reader.history(id, last, measurements);
        let matches = |wanted: &Option<String>, has: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.to_lowercase() == has.to_lowercase())
        };
        if matches(&told.location, history.location) && matches(&told.gage_type, history.kind) {
            histories.push(history);
        }
    }
    Ok(histories)
}

struct Reader<'a> {
    table: &'a Table,
    as_of: jiff::civil::Date,
    columns: Columns,
}

struct Columns {
    id: Option<usize>,
    at: Option<usize>,
    nominal: Option<usize>,
    reading: Option<usize>,
    tolerance: Option<usize>,
    interval: Option<usize>,
    description: Option<usize>,
    kind: Option<usize>,
    location: Option<usize>,
    unit: Option<usize>,
}

impl<'a> Reader<'a> {
    fn new(table: &'a Table, told: &GageCalibration) -> Self {
        let columns = Columns {
            id: table.column("gage_id"),
            at: table.column("measured_at"),
            nominal: table.column("nominal"),
            reading: table.column("reading"),
            tolerance: table.column("tolerance"),
            interval: table.column("interval_days"),
            description: table.column("description"),
            kind: table.column("type"),
            location: table.column("location"),
            unit: table.column("unit"),
        };
        Self { table, as_of: told.as_of, columns }
    }

    /// The measurement of a row, or a note why it is left out.
    fn measurement(&self, row: usize, notes: &mut Notes) -> Option<(&'a str, Measurement)> {
        let (table, columns, place) = (self.table, &self.columns, self.table.place(row));
        let id = table.text(columns.id, row);
        if id.is_empty() {
            notes.note("the gage's id is missing; left out", place);
            return None;
        }
        let at = match table.moment(columns.at, row) {
            Value::Good(at) if at.day <= self.as_of => at,
            Value::Good(_) => {
                notes.note("measured after the day of the report; left out", place);
                return None;
            }
            Value::Missing => {
                notes.note("the day of the measurement is missing; left out", place);
                return None;
            }
            Value::Bad => {
                notes.note("the day of the measurement cannot be read, write it as 2026-03-31; left out", place);
                return None;
            }
        };
        let reading = match table.number(columns.reading, row) {
            Value::Good(reading) => reading,
            Value::Missing => {
                notes.note("the reading is missing; left out, so the gage counts as not calibrated then", place);
                return None;
            }
            Value::Bad => {
                notes.note("the reading is no number; left out, so the gage counts as not calibrated then", place);
                return None;
            }
        };
        let Some(nominal) = table.number(columns.nominal, row).good() else {
            notes.note("the nominal value is missing or no number; left out", place);
            return None;
        };
        let tolerance = table.number(columns.tolerance, row).good().filter(|&tolerance| tolerance > 0.0);
        if tolerance.is_none() {
            notes.note(
                "the tolerance is missing or not above 0; that of the measurement before is taken, if there is one",
                place,
            );
        }
        let interval = table.number(columns.interval, row).good().filter(|days| (1.0..=MAX_INTERVAL).contains(days));
        if interval.is_none() {
            notes.note(
                "the interval is missing or not above 0; that of the measurement before is taken, if there is one",
                place,
            );
        }
        let interval = interval.map(|days| days.round() as i64);
        let measurement = Measurement { at, deviation: reading - nominal, reading, tolerance, interval, row };
        if measurement.is_slip() {
            notes.note(
                "the reading is off by more than ten tolerances, perhaps a slip; no forecast is made of it",
                place,
            );
        }
        Some((id, measurement))
    }

    fn history(&self, id: &'a str, last: usize, measurements: Vec<Measurement>) -> History<'a> {
        let text = |column: Option<usize>| self.table.text(column, last);
        let columns = &self.columns;
        History {
            id,
            description: text(columns.description),
            kind: text(columns.kind),
            location: text(columns.location),
            unit: text(columns.unit),
            measurements,
        }
    }
}

/// A gage's measurements in the order of time, each moment once, with what was left open taken from the one before.
fn in_order(mut all: Vec<Measurement>, table: &Table, notes: &mut Notes) -> Vec<Measurement> {
    let place = |measurement: &Measurement| table.place(measurement.row);
    for pair in all.windows(2) {
        if let [first, second] = pair
            && second.at < first.at
        {
            notes.note("older than the row of the same gage before it; sorted by time", place(second));
        }
    }
    all.sort_by_key(|measurement| (measurement.at, measurement.row));
    let mut kept: Vec<Measurement> = Vec::with_capacity(all.len());
    for mut next in all {
        if let Some(last) = kept.last_mut() {
            next.tolerance = next.tolerance.or(last.tolerance);
            next.interval = next.interval.or(last.interval);
            if last.at == next.at {
                if last.reading == next.reading {
                    notes.note_pair("the same measurement twice; one is left out", place(last), place(&next));
                } else {
                    let what = "two readings of one gage at one time; the later row is taken";
                    notes.note_pair(what, place(last), place(&next));
                }
                *last = next;
                continue;
            }
        }
        kept.push(next);
    }
    kept
}
