//! Moving average, double moving average, and the forecast of both.
//!
//! Of order `n`, the average is `M_t = (y_t + … + y_{t−n+1}) / n` and the double average `M'_t` is the same over `M`. On a
//! line of slope `β`, `M` lags by `β(n−1)/2` and `M'` by twice that, so `M − M'` is the lag: the level is `a = 2M − M'`,
//! the slope `b = 2/(n−1) · (M − M')`, and the forecast `m` steps ahead `a + b·m` is exact there. After a step it
//! overshoots, so it is clamped, and it is not asked for further ahead than half the order.

use std::collections::VecDeque;

/// The largest order. It bounds the memory: two windows of so many numbers.
pub const MAX_ORDER: usize = 10_000;

/// Beyond this (either way) a value is not a measurement; sums of so many stay finite.
const MAX_VALUE: f64 = 1e100;

/// What no forecast goes beyond. No bound where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounds {
    /// The lowest forecast, such as 0 for a rate.
    pub min: Option<f64>,
    /// The highest forecast, such as a capacity.
    pub max: Option<f64>,
}

/// A forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// What is expected, within the bounds.
    pub value: f64,
    /// Whether it was beyond the bounds before.
    pub clamped: bool,
}

/// Takes values at equal steps of time, one after the other, and forecasts the next ones. Each value costs the same small
/// time, however large the order is.
///
/// A gap is a gap: no average reaches over it, so after it everything begins anew.
#[derive(Debug, Clone)]
pub struct Forecaster {
    bounds: Bounds,
    first: Window,
    second: Window,
    last: Option<f64>,
}

impl Forecaster {
    /// One of `order` values; none when that is not from 2 to [`MAX_ORDER`].
    pub fn new(order: usize, bounds: Bounds) -> Option<Self> {
        let window = Window::new(order);
        (2..=MAX_ORDER).contains(&order).then(|| Self { bounds, first: window.clone(), second: window, last: None })
    }

    /// Takes the next value. What is no finite number, or beyond ±1e100, is a gap.
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() || value.abs() > MAX_VALUE {
            return self.gap();
        }
        self.last = Some(value);
        self.first.push(value);
        if let Some(average) = self.first.average() {
            self.second.push(average);
        }
    }

    /// Notes that the next value is not known.
    pub fn gap(&mut self) {
        self.last = None;
        self.first.clear();
        self.second.clear();
    }

    /// The last value, unless that is a gap.
    pub const fn last(&self) -> Option<f64> {
        self.last
    }

    /// The moving average; none until there are as many values as the order.
    pub fn average(&self) -> Option<f64> {
        self.first.average()
    }

    /// The moving average of the moving average; none until there are `2n − 1` values.
    pub fn double_average(&self) -> Option<f64> {
        self.second.average()
    }

    /// Where the line through the values stands now.
    pub fn level(&self) -> Option<f64> {
        let (average, double) = (self.average()?, self.double_average()?);
        Some(2.0 * average - double)
    }

    /// By how much the line rises with each step.
    pub fn slope(&self) -> Option<f64> {
        let (average, double) = (self.average()?, self.double_average()?);
        Some(2.0 / (self.first.order as f64 - 1.0) * (average - double))
    }

    /// How many values without a gap are still needed for the first forecast.
    pub fn needed(&self) -> usize {
        if self.second.full() {
            return 0;
        }
        let order = self.first.order;
        (order - self.first.values.len()) + (order - self.second.values.len()).min(order - 1)
    }

    /// How far ahead it may be asked: half the order, rounded down.
    pub const fn horizon(&self) -> usize {
        self.first.order / 2
    }

    /// The forecast of the double moving average `ahead` steps from the last value. None while values are
    /// [needed](Self::needed), or when `ahead` is beyond the [horizon](Self::horizon).
    pub fn forecast(&self, ahead: usize) -> Option<Forecast> {
        let (level, slope) = (self.level()?, self.slope()?);
        (ahead <= self.horizon()).then(|| self.bounds.clamp(level + slope * ahead as f64))
    }

    /// The forecast of the plain moving average: the same for all steps ahead, and on a line always late.
    pub fn flat_forecast(&self) -> Option<Forecast> {
        self.average().map(|average| self.bounds.clamp(average))
    }
}

impl Bounds {
    /// Brings a value within the bounds.
    pub fn clamp(&self, value: f64) -> Forecast {
        let low = self.min.map_or(value, |min| value.max(min));
        let within = self.max.map_or(low, |max| low.min(max));
        Forecast { value: within, clamped: within != value }
    }
}

/// The last values and their sum.
#[derive(Debug, Clone)]
struct Window {
    order: usize,
    values: VecDeque<f64>,
    sum: Sum,
}

impl Window {
    fn new(order: usize) -> Self {
        Self { order, values: VecDeque::new(), sum: Sum::default() }
    }

    fn push(&mut self, value: f64) {
        if self.full()
            && let Some(oldest) = self.values.pop_front()
        {
            self.sum.add(-oldest);
        }
        self.values.push_back(value);
        self.sum.add(value);
    }

    fn clear(&mut self) {
        self.values.clear();
        self.sum = Sum::default();
    }

    fn full(&self) -> bool {
        self.values.len() == self.order
    }

    fn average(&self) -> Option<f64> {
        self.full().then(|| self.sum.value() / self.order as f64)
    }
}

/// A running sum that keeps what each addition rounds away: what went in and came out again leaves nothing behind, after a
/// million steps as after one.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.high + value;
        // What of each of the two did not make it into the sum.
        let (of_value, of_high) = (sum - self.high, sum - (sum - self.high));
        self.low += (self.high - of_high) + (value - of_value);
        self.high = sum;
    }

    fn value(self) -> f64 {
        self.high + self.low
    }
}
