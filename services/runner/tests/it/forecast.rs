//! The properties of the moving averages.

use report_runner::reports::forecast::{Bounds, Forecaster, MAX_ORDER};

fn forecaster(order: usize) -> Forecaster {
    Forecaster::new(order, Bounds::default()).unwrap()
}

fn of(order: usize, values: &[f64]) -> Forecaster {
    let mut forecaster = forecaster(order);
    values.iter().for_each(|&value| forecaster.push(value));
    forecaster
}

fn random(seed: u64, count: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| random.f64() * 200.0 - 100.0).collect()
}

/// The average by its definition.
fn naive(values: &[f64], order: usize) -> Vec<f64> {
    values.windows(order).map(|window| window.iter().sum::<f64>() / order as f64).collect()
}

/// The least-squares line through values at 0, 1, …, and what it says `ahead` steps after the last.
fn least_squares(values: &[f64], ahead: usize) -> f64 {
    let count = values.len() as f64;
    let (mean_x, mean_y) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let (mut above, mut below) = (0.0, 0.0);
    for (x, y) in values.iter().enumerate() {
        above += (x as f64 - mean_x) * (y - mean_y);
        below += (x as f64 - mean_x).powi(2);
    }
    mean_y + above / below * (count - 1.0 + ahead as f64 - mean_x)
}

#[track_caller]
fn close(left: f64, right: f64) {
    let scale = left.abs().max(right.abs()).max(1.0);
    assert!((left - right).abs() <= 1e-9 * scale, "{left} is not {right}");
}

#[test]
fn the_order_is_at_least_two_and_bounded() {
    for (order, good) in [(0, false), (1, false), (2, true), (MAX_ORDER, true), (MAX_ORDER + 1, false)] {
        assert_eq!(Forecaster::new(order, Bounds::default()).is_some(), good, "{order}");
    }
}

#[test]
fn the_first_forecast_comes_after_twice_the_order_less_one() {
    for order in [2, 3, 7, 10] {
        let mut forecaster = forecaster(order);
        for count in 0..(2 * order - 1) {
            assert_eq!(forecaster.needed(), 2 * order - 1 - count);
            assert_eq!(forecaster.forecast(1), None, "order {order} after {count}");
            assert_eq!(forecaster.average().is_some(), count >= order);
            forecaster.push(5.0);
        }
        assert_eq!(forecaster.needed(), 0);
        assert_eq!(forecaster.forecast(1).unwrap().value, 5.0);
    }
}

#[test]
fn no_forecast_goes_further_than_half_the_order() {
    for (order, most) in [(2, 1), (3, 1), (10, 5), (11, 5)] {
        let forecaster = of(order, &random(1, 50));
        assert_eq!(forecaster.horizon(), most);
        assert!(forecaster.forecast(most).is_some());
        assert_eq!(forecaster.forecast(most + 1), None);
    }
}

#[test]
fn it_is_exact_on_a_line_and_says_what_least_squares_says() {
    for order in [2, 5, 12, 100] {
        for (start, slope) in [(0.0, 1.0), (50.0, -3.0), (-7.25, 0.125), (1e6, 0.0)] {
            let line: Vec<f64> = (0..3 * order).map(|t| start + slope * t as f64).collect();
            let forecaster = of(order, &line);
            close(forecaster.slope().unwrap(), slope);
            close(forecaster.level().unwrap(), *line.last().unwrap());
            for ahead in 0..=order / 2 {
                let truth = start + slope * (line.len() - 1 + ahead) as f64;
                close(forecaster.forecast(ahead).unwrap().value, truth);
                close(least_squares(&line[line.len() - order..], ahead), truth);
            }
            // The plain average is late by half the order.
            close(forecaster.average().unwrap(), line.last().unwrap() - slope * (order as f64 - 1.0) / 2.0);
        }
    }
}

#[test]
fn it_is_what_the_definition_says() {
    let values = random(2, 300);
    for order in [2, 3, 10, 31] {
        let first = naive(&values, order);
        let second = naive(&first, order);
        let mut forecaster = forecaster(order);
        for (index, &value) in values.iter().enumerate() {
            forecaster.push(value);
            assert_eq!(forecaster.last(), Some(value));
            let Some(at) = (index + 1).checked_sub(2 * order - 1) else { continue };
            let (average, double) = (first[at + order - 1], second[at]);
            close(forecaster.average().unwrap(), average);
            close(forecaster.double_average().unwrap(), double);
            let slope = 2.0 / (order as f64 - 1.0) * (average - double);
            close(forecaster.forecast(1).unwrap().value, 2.0 * average - double + slope);
        }
    }
}

#[test]
fn it_follows_a_shift_and_a_scale() {
    let values = random(3, 200);
    let plain = of(10, &values).forecast(5).unwrap().value;
    for (scale, shift) in [(1.0, 1000.0), (-2.0, 0.0), (0.001, -3.0), (1e9, 1e9)] {
        let moved: Vec<f64> = values.iter().map(|value| scale * value + shift).collect();
        close(of(10, &moved).forecast(5).unwrap().value, scale * plain + shift);
    }
}

#[test]
fn the_sums_do_not_drift_over_a_million_steps() {
    let mut random = fastrand::Rng::with_seed(4);
    let mut forecaster = forecaster(60);
    let mut tail = Vec::new();
    for step in 0..1_000_000 {
        // Large and small ones in turn are what a plain running sum loses digits over.
        let value = if step % 1000 < 3 { random.f64() * 1e15 } else { random.f64() };
        forecaster.push(value);
        if step >= 1_000_000 - 119 {
            tail.push(value);
        }
    }
    let first = naive(&tail, 60);
    close(forecaster.average().unwrap(), *first.last().unwrap());
    close(forecaster.double_average().unwrap(), naive(&first, 60)[0]);
    assert!(forecaster.average().unwrap() < 1.0);
}

#[test]
fn forecasts_are_clamped_and_say_so() {
    let step_down: Vec<f64> = [50.0; 20].into_iter().chain([0.0; 10]).collect();
    let step_up: Vec<f64> = [0.0; 20].into_iter().chain([50.0; 10]).collect();
    // Without bounds a step is overshot.
    let forecasts = |values: &[f64]| -> Vec<f64> {
        (20..=values.len()).map(|end| of(10, &values[..end]).forecast(5).unwrap().value).collect()
    };
    assert!(forecasts(&step_down).iter().any(|&value| value < -40.0));
    assert!(forecasts(&step_up).iter().any(|&value| value > 90.0));
    for values in [step_down, step_up] {
        let bounds = Bounds { min: Some(0.0), max: Some(60.0) };
        let mut forecaster = Forecaster::new(10, bounds).unwrap();
        let mut clamped = 0;
        for value in values {
            forecaster.push(value);
            if let Some(forecast) = forecaster.forecast(5) {
                assert!((0.0..=60.0).contains(&forecast.value));
                clamped += usize::from(forecast.clamped);
            }
        }
        assert!(clamped > 0);
    }
    let within = Bounds { min: Some(0.0), max: None }.clamp(3.0);
    assert!(!within.clamped && within.value == 3.0);
}

#[test]
fn a_gap_is_a_gap_and_not_a_zero() {
    for gap in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e101, f64::MAX] {
        let mut forecaster = of(3, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(forecaster.forecast(1).is_some());
        forecaster.push(gap);
        assert_eq!((forecaster.last(), forecaster.average(), forecaster.forecast(1)), (None, None, None));
        assert_eq!(forecaster.needed(), 5);
        for value in [10.0, 20.0, 30.0, 40.0, 50.0] {
            forecaster.push(value);
        }
        close(forecaster.forecast(1).unwrap().value, 60.0);
    }
}
