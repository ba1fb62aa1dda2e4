//! How far each way to forecast would have been off.

use super::super::forecast::Forecast;

/// The sums of the errors, over the positions at which all three ways had a forecast: so they can be compared.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backtest {
    count: usize,
    naive: f64,
    flat: f64,
    trend: f64,
    clamped: usize,
}

/// The mean absolute errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Errors {
    /// Over how many forecasts.
    pub(super) count: usize,
    /// Of taking the last value.
    pub(super) naive: f64,
    /// Of the moving average.
    pub(super) flat: f64,
    /// Of the double moving average.
    pub(super) trend: f64,
}

impl Backtest {
    /// Compares what came with what was expected.
    pub(super) fn compare(
        &mut self,
        value: Option<f64>,
        naive: Option<f64>,
        flat: Option<Forecast>,
        trend: Option<Forecast>,
    ) {
        self.clamped += usize::from(trend.is_some_and(|trend| trend.clamped));
        let (Some(value), Some(naive), Some(flat), Some(trend)) = (value, naive, flat, trend) else { return };
        self.count += 1;
        self.naive += (value - naive).abs();
        self.flat += (value - flat.value).abs();
        self.trend += (value - trend.value).abs();
    }

    /// The errors; none when nothing could be compared.
    pub(super) fn errors(&self) -> Option<Errors> {
        let mean = |sum: f64| sum / self.count as f64;
        (self.count > 0).then(|| Errors {
            count: self.count,
            naive: mean(self.naive),
            flat: mean(self.flat),
            trend: mean(self.trend),
        })
    }

    /// How many forecasts of the double average were held at a bound.
    pub(super) const fn clamped(&self) -> usize {
        self.clamped
    }
}
