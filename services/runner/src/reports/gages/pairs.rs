//! Each measurement beside the one before it: drift, what is due, what is to be expected.

use super::super::forecast::{Bounds, Forecaster};
use super::history::{History, Measurement};
use jiff::ToSpan;
use jiff::civil::Date;
use report_model::catalog::GageCalibration;
use std::cmp::Ordering;

const DAYS_A_YEAR: f64 = 365.25;

/// Two measurements closer than this say nothing of a drift: their noise would be taken for it.
const CLOSEST_DAYS: f64 = 7.0;

/// What is known of a gage.
#[derive(Debug)]
pub(super) struct Gage<'a> {
    pub(super) history: &'a History<'a>,
    pub(super) last: Measurement,
    pub(super) previous: Option<Measurement>,
    /// When it is to be calibrated next.
    pub(super) due: Option<Date>,
    pub(super) status: Status,
    pub(super) condition: Condition,
    /// By how much the deviation changes in a year, from the last two measurements.
    pub(super) drift: Option<f64>,
    /// The largest change from one measurement to the next, over all of them.
    pub(super) largest_step: Option<f64>,
    /// The deviation to be expected at the next calibration.
    pub(super) forecast: Option<f64>,
}

/// When a gage must be calibrated. The order is that of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    /// For so many days.
    Overdue(i64),
    /// In so many days.
    DueSoon(i64),
    /// In so many days.
    Fine(i64),
    /// Nobody said how long a calibration is good.
    Unknown,
}

/// How a gage stands to its tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// It was outside at the last measurement.
    Outside,
    /// It is expected outside at the next one.
    Leaving,
    /// It is inside and expected to stay so.
    Inside,
    /// Its tolerance is not known.
    Unknown,
}

impl Gage<'_> {
    /// A deviation as a part of the tolerance.
    pub(super) fn of_tolerance(&self, deviation: Option<f64>) -> Option<f64> {
        deviation.zip(self.last.tolerance).map(|(deviation, tolerance)| deviation / tolerance)
    }

    /// The most of the tolerance that is used now or expected to be used next, either way.
    pub(super) fn worst(&self) -> f64 {
        let parts = [self.of_tolerance(Some(self.last.deviation)), self.of_tolerance(self.forecast)];
        parts.into_iter().flatten().map(f64::abs).fold(0.0, f64::max)
    }
}

/// What the measurements of a gage say.
pub(super) fn judge<'a>(history: &'a History<'a>, told: &GageCalibration) -> Gage<'a> {
    let measurements = &history.measurements;
    // A history has at least one.
    let last = measurements[measurements.len() - 1];
    let previous = measurements.len().checked_sub(2).and_then(|at| measurements.get(at)).copied();
    let steps = measurements.windows(2).map(|pair| pair[1].deviation - pair[0].deviation);
    let due = last.interval.and_then(|days| last.at.day.checked_add(days.days()).ok());
    let mut gage = Gage {
        history,
        last,
        previous,
        due,
        status: status(due, told),
        condition: Condition::Unknown,
        drift: previous.and_then(|previous| drift(&previous, &last)),
        largest_step: steps.max_by(|left, right| left.abs().total_cmp(&right.abs())),
        forecast: forecast(measurements),
    };
    gage.condition = condition(&gage);
    gage
}

fn status(due: Option<Date>, told: &GageCalibration) -> Status {
    let Some(due) = due else { return Status::Unknown };
    let days = i64::from((due - told.as_of).get_days());
    match days {
        ..0 => Status::Overdue(-days),
        _ if days <= i64::from(told.horizon_days) => Status::DueSoon(days),
        _ => Status::Fine(days),
    }
}

fn condition(gage: &Gage<'_>) -> Condition {
    let part = gage.of_tolerance(Some(gage.last.deviation));
    let next = gage.of_tolerance(gage.forecast);
    match (part, next) {
        (None, _) => Condition::Unknown,
        (Some(part), _) if outside(part) => Condition::Outside,
        (Some(_), Some(next)) if outside(next) => Condition::Leaving,
        (Some(_), _) => Condition::Inside,
    }
}

/// At the very limit is inside, and 10.3 − 10 is a little more than 0.3 to a computer.
fn outside(part: f64) -> bool {
    part.abs() > 1.0 + 1e-9
}

/// The change of the deviation in a year.
fn drift(previous: &Measurement, last: &Measurement) -> Option<f64> {
    let days = (last.at.seconds - previous.at.seconds) as f64 / 86_400.0;
    (days >= CLOSEST_DAYS).then(|| (last.deviation - previous.deviation) / days * DAYS_A_YEAR)
}

/// The deviation to be expected at the next calibration: one step ahead of the double moving average, of the order 3 where
/// there are the five measurements that it takes, else of the order 2, which takes three. Calibrations come at about equal
/// steps, as the interval says.
fn forecast(measurements: &[Measurement]) -> Option<f64> {
    let believed = measurements.iter().filter(|measurement| !measurement.is_slip());
    let order = if believed.clone().count() >= 5 { 3 } else { 2 };
    let mut forecaster = Forecaster::new(order, Bounds::default())?;
    believed.for_each(|measurement| forecaster.push(measurement.deviation));
    forecaster.forecast(1).map(|forecast| forecast.value)
}

/// Puts the gages in the order of the list: the overdue first, those longest so at the top, and of those that are as long
/// so the ones that drift most for their tolerance. Then by when they are due.
pub(super) fn rank(gages: &mut [Gage<'_>]) {
    gages.sort_by(|left, right| {
        let by_status = match (left.status, right.status) {
            (Status::Overdue(left), Status::Overdue(right)) => right.cmp(&left),
            (left, right) => left.cmp(&right),
        };
        let drift = |gage: &Gage<'_>| gage.of_tolerance(gage.drift).map_or(-1.0, f64::abs);
        let by_drift = || drift(right).total_cmp(&drift(left));
        by_status.then_with(by_drift).then_with(|| -> Ordering { left.history.id.cmp(right.history.id) })
    });
}
