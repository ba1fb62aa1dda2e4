//! Gage calibration: which gages must be calibrated when, and how they drift.

mod history;
mod pairs;
mod view;

use super::ReportError;
use super::notes::Notes;
use crate::sources::{Table, Wanted};
use report_model::catalog::GageCalibration;
use report_model::document::Document;
use report_model::source::{GAGE_COLUMNS, GAGE_OPTIONAL_COLUMNS};
use tokio_util::sync::CancellationToken;

/// The columns that are read.
pub(super) fn wanted() -> Vec<Wanted> {
    let required = GAGE_COLUMNS.iter().map(|name| Wanted::required(name));
    required.chain(GAGE_OPTIONAL_COLUMNS.iter().map(|name| Wanted::optional(name))).collect()
}

/// Makes the report of a table.
pub(super) fn report(
    told: &GageCalibration,
    table: &Table,
    cancelled: &CancellationToken,
) -> Result<Document, ReportError> {
    let mut notes = Notes::default();
    let histories = history::read(table, told, &mut notes, cancelled)?;
    let mut gages = Vec::with_capacity(histories.len());
    for (index, history) in histories.iter().enumerate() {
        super::still_wanted(index, cancelled)?;
        gages.push(pairs::judge(history, told));
    }
    pairs::rank(&mut gages);
    Ok(view::document(told, table, &gages, &notes))
}
