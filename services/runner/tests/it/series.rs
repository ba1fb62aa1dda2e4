//! The report on a series.

use super::library::{Library, column, run, shown, words};
use report_model::catalog::ReportType;
use report_model::document::{Cell, Document};
use report_runner::sources::Sources;
use serde_json::{Value, json};

fn of(content: &str, parameters: Value) -> Document {
    let mut given = json!({"source": "data", "column": "v", "values": "readings", "order": 4, "ahead": 2});
    given.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    oldest_first(Library::new().with("data", content).run(ReportType::MovingAverage, given).unwrap())
}

/// As the series is written: the report has the newest first.
fn oldest_first(mut document: Document) -> Document {
    document.rows.reverse();
    document
}

fn dated(days: &[(&str, &str)]) -> String {
    days.iter().fold("day,v\n".to_owned(), |text, (day, value)| format!("{text}{day},{value}\n"))
}

const COLUMNS: [&str; 6] = [
    "v",
    "moving_average",
    "double_moving_average",
    "forecast_moving_average",
    "forecast_double_moving_average",
    "made_ahead",
];

#[test]
fn a_line_is_continued_exactly() {
    let text: String = "v\n".to_owned() + &(0..12).map(|t| format!("{}\n", 100 - 3 * t)).collect::<String>();
    insta::assert_snapshot!(shown(
        &of(&text, json!({})),
        &["line", COLUMNS[0], COLUMNS[1], COLUMNS[2], COLUMNS[3], COLUMNS[4], COLUMNS[5]]
    ));
}

#[test]
fn forecasts_are_held_at_the_bounds() {
    let text: String = "v\n".to_owned() + &(0..12).map(|t| format!("{}\n", 33 - 3 * t)).collect::<String>();
    let document = of(&text, json!({"min": 0}));
    assert_eq!(words(&column(&document, COLUMNS[4]))[12..], ["0", "0"]);
    assert!(
        document.warnings.iter().any(|warning| warning == "2 forecasts went beyond the bounds and were held there."),
        "{:?}",
        document.warnings
    );
}

#[test]
fn gaps_are_gaps_and_holes_in_the_dates_too() {
    let days = [
        ("2026-01-01", "1"),
        ("2026-01-02", "2"),
        ("2026-01-03", "3"),
        ("2026-01-04", "NA"),
        ("2026-01-05", "4"),
        ("2026-01-06", "5"),
        ("2026-01-08", "6"),
        ("2026-01-18", "x"),
        ("2026-01-17", "7"),
        ("2026-01-19", "8"),
        ("2026-01-19", "9"),
        ("", "9"),
        ("soon", "9"),
    ];
    let document = of(&dated(&days), json!({"date_column": "day", "order": 2, "ahead": 1}));
    insta::assert_snapshot!(shown(
        &document,
        &["day", COLUMNS[0], COLUMNS[1], COLUMNS[2], COLUMNS[3], COLUMNS[4], COLUMNS[5]]
    ));
}

#[test]
fn too_few_values_give_averages_and_no_forecast() {
    let document = of("v\n1\n2\n3\n4\n5\n", json!({}));
    let warning = "There is no forecast: the order 4 takes 7 values without a gap; 2 more to go after the last one.";
    assert_eq!(document.warnings, [warning]);
    assert!(column(&document, "double_moving_average").iter().all(|cell| **cell == Cell::Empty));
    let document = of("v,w\n,1\n", json!({"column": "w"}));
    assert_eq!(document.summary[0], "1 value and 0 gaps.");
}

#[test]
fn a_counter_is_turned_into_its_increases() {
    let document =
        of("v\n100\n110\n125\n5\n10\n\n\"\"\n20\n40\n", json!({"values": "counter", "order": 2, "ahead": 1}));
    assert_eq!(words(&column(&document, "v_increase"))[..8], ["", "10", "15", "5", "5", "", "", "20"]);
    assert!(document.warnings.contains(&"Line 5: the counter began anew.".to_owned()), "{:?}", document.warnings);
}

#[test]
fn the_next_positions_go_on_by_the_calendar() {
    let next = |days: &[&str], count: usize| {
        let rows: Vec<(&str, &str)> = days.iter().map(|day| (*day, "1")).collect();
        let document = of(&dated(&rows), json!({"date_column": "day"}));
        words(&column(&document, "day")).split_off(days.len())[..count].to_vec()
    };
    assert_eq!(next(&["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"], 2), ["2026-05-30", "2026-06-30"]);
    assert_eq!(next(&["2022-06-30", "2023-06-30", "2024-06-30"], 2), ["2025-06-30", "2026-06-30"]);
    assert_eq!(next(&["2026-01-01", "2026-01-08", "2026-01-15"], 1), ["2026-01-22"]);
    assert_eq!(
        next(&["2026-01-01T22:00:00", "2026-01-01T23:00:00"], 2),
        ["2026-01-02T00:00:00", "2026-01-02T01:00:00"]
    );
    assert_eq!(next(&["2026-01-01"], 2), ["+1", "+2"]);
}

#[test]
fn all_ways_are_compared_over_the_same_positions() {
    // On a line the last value is off by twice the slope, the average by that and its lag, the double one not at all.
    let text: String = "v\n".to_owned() + &(0..40).map(|t| format!("{t}\n")).collect::<String>();
    let document = of(&text, json!({}));
    let said = "Mean absolute error of 32 forecasts that could be checked, 2 values ahead, best first: \
                the double moving average 0, the last value 2, the moving average 3.5.";
    assert_eq!(document.summary.last().unwrap(), said);
    // Where the last value is the best, that is a warning.
    let mut random = fastrand::Rng::with_seed(5);
    let mut level = 0.0;
    let walk: String = (0..400)
        .map(|_| {
            level += random.f64() - 0.5;
            format!("{level}\n")
        })
        .collect();
    let document = of(&("v\n".to_owned() + &walk), json!({"order": 20, "ahead": 1}));
    assert!(document.warnings.iter().any(|warning| warning.starts_with("Simply taking the last value")));
}

#[test]
fn long_series_are_cut_to_their_end() {
    let text: String = "v\n".to_owned() + &(0..20_000).map(|t| format!("{}\n", t % 7)).collect::<String>();
    let document = of(&text, json!({}));
    assert_eq!(document.rows.len(), 3_002);
    assert_eq!(document.chart.as_ref().unwrap().x.len(), 202);
    assert!(
        document
            .warnings
            .contains(&"The table shows the last 3000 of 20000 positions, the chart the last 200.".to_owned())
    );
    assert!(serde_json::to_vec(&document).unwrap().len() < 1 << 20, "it fits into the queue");
}

#[test]
fn the_public_series_is_reported() {
    let given = json!({"source": "co2", "column": "co2_ppm", "date_column": "date", "values": "readings", "order": 8, "ahead": 4, "min": 0});
    let document = run(Sources::samples(), ReportType::MovingAverage, given).unwrap();
    let mut end = document.clone();
    end.rows.truncate(12);
    insta::assert_snapshot!(shown(
        &end,
        &["date", "co2_ppm", COLUMNS[1], COLUMNS[2], COLUMNS[3], COLUMNS[4], COLUMNS[5]]
    ));
    assert!(document.rows.iter().all(|row| row.len() == document.columns.len()));
    let chart = document.chart.unwrap();
    assert!(chart.series.iter().all(|series| series.values.len() == chart.x.len()));
}
