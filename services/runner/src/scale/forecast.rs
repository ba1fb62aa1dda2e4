//! The double moving average, one step ahead.

/// The next value after `values` by the double moving average of `order`; none when there are fewer than
/// `2 * order - 1`.
pub fn forecast(values: &[f64], order: usize) -> Option<f64> {
    let n = u32::try_from(order).ok().map(f64::from).filter(|n| *n >= 2.0)?;
    let from = values.len().checked_sub(2 * order - 1)?;
    let averages: Vec<f64> = values[from..].windows(order).map(|window| window.iter().sum::<f64>() / n).collect();
    let first = *averages.last()?;
    let second = averages.iter().sum::<f64>() / n;
    Some(2.0 * first - second + 2.0 / (n - 1.0) * (first - second))
}
