//! Moving-average forecast of any series of numbers.

mod backtest;
mod points;
mod view;

use super::forecast::{Bounds, Forecast, Forecaster};
use super::notes::Notes;
use super::{ReportError, still_wanted};
use crate::sources::{Table, Wanted};
use backtest::Backtest;
use points::Points;
use report_model::catalog::MovingAverage;
use report_model::document::Document;
use tokio_util::sync::CancellationToken;

/// The columns that are read.
pub(super) fn wanted(told: &MovingAverage) -> Vec<Wanted> {
    let mut wanted = vec![Wanted::required(&told.column)];
    // A column that is both is read once.
    let dates = told.date_column.as_ref().filter(|name| **name != told.column);
    wanted.extend(dates.map(|name| Wanted::required(name)));
    wanted
}

/// What is computed at a position.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    average: Option<f64>,
    double: Option<f64>,
    /// What the plain average of so many steps before expected here.
    flat: Option<Forecast>,
    /// What the double average of so many steps before expected here.
    trend: Option<Forecast>,
}

/// All that is computed of a series.
struct Computed {
    points: Points,
    steps: Vec<Step>,
    /// What comes after the last position.
    next: Vec<Step>,
    forecaster: Forecaster,
    backtest: Backtest,
}

/// Makes the report of a table.
pub(super) fn report(
    told: &MovingAverage,
    table: &Table,
    cancelled: &CancellationToken,
) -> Result<Document, ReportError> {
    let mut notes = Notes::default();
    let points = points::read(told, table, &mut notes, cancelled)?;
    let bounds = Bounds { min: told.min, max: told.max };
    let order = told.order as usize;
    let Some(forecaster) = Forecaster::new(order, bounds) else {
        return Err(ReportError::Broken { detail: format!("the order {order} passed the validation") });
    };
    let computed = compute(told, points, forecaster, cancelled)?;
    Ok(view::document(told, table, &computed, &notes))
}

fn compute(
    told: &MovingAverage,
    points: Points,
    mut forecaster: Forecaster,
    cancelled: &CancellationToken,
) -> Result<Computed, ReportError> {
    let ahead = told.ahead as usize;
    let mut backtest = Backtest::default();
    // Each forecast is put where it is for; those that are for later than the last position come after it.
    let mut steps = vec![Step::default(); points.values.len() + ahead];
    for (at, &value) in points.values.iter().enumerate() {
        still_wanted(at, cancelled)?;
        let expected = steps[at];
        match value {
            Some(value) => forecaster.push(value),
            None => forecaster.gap(),
        }
        let naive = at.checked_sub(ahead).and_then(|before| points.values[before]);
        backtest.compare(value, naive, expected.flat, expected.trend);
        steps[at].average = forecaster.average();
        steps[at].double = forecaster.double_average();
        steps[at + ahead].flat = forecaster.flat_forecast();
        steps[at + ahead].trend = forecaster.forecast(ahead);
    }
    let mut next = steps.split_off(points.values.len());
    // From the last position each step ahead has a newer forecast than the one that was made so many steps before.
    for (index, step) in next.iter_mut().enumerate() {
        step.flat = forecaster.flat_forecast();
        step.trend = forecaster.forecast(index + 1);
    }
    Ok(Computed { points, steps, next, forecaster, backtest })
}
