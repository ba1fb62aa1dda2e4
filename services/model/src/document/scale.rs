//! An axis: from values to places, and where its marks are.

/// The most marks at an axis.
const MARKS: f64 = 6.0;

/// All is smaller by this inside, so that no difference of two finite numbers is infinite.
const SHRUNK: f64 = 8.0;

/// The range of an axis and the distance of its marks.
pub(super) struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    /// The axis that shows all of `values`; none when there are none.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let range = values.fold(None, |range: Option<(f64, f64)>, value| {
            let value = value / SHRUNK;
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        let (low, high) = range?;
        // A flat line is shown in the middle.
        let spread = if high > low { high - low } else { low.abs().max(1.0) };
        let margin = if high > low { spread * 0.05 } else { spread * 0.5 };
        let step = nice(spread / (MARKS - 1.0));
        Some(Self { low: low - margin, high: high + margin, step })
    }

    /// Where a value stands between the lower end (0) and the upper (1).
    pub(super) fn place(&self, value: f64) -> f64 {
        (value / SHRUNK - self.low) / (self.high - self.low)
    }

    /// The marks: where they stand and what is written there.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        let first = (self.low / self.step).ceil();
        let count = ((self.high / self.step).floor() - first).clamp(0.0, 3.0 * MARKS) as u32;
        let full_step = self.step * SHRUNK;
        let mark = |index: u32| {
            let value = (first + f64::from(index)) * full_step;
            (self.place(value), label(value, full_step))
        };
        (0..=count).map(mark).filter(|(place, _)| (0.0..=1.0).contains(place)).collect()
    }
}

/// The next larger of 1, 2, 5, 10, … (shrunk, as all here is).
fn nice(step: f64) -> f64 {
    let full = step * SHRUNK;
    let power = 10f64.powf(full.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= full * 0.999_999).unwrap_or(10.0);
    factor * power / SHRUNK
}

/// A mark's value with just the digits that tell it from its neighbours.
fn label(value: f64, step: f64) -> String {
    if value.abs() < step / 2.0 {
        return "0".to_owned();
    }
    if !(1e-6..1e9).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.decimals$}")
}
