//! The report on gages.

use super::library::{Library, column, run, shown, words};
use report_model::catalog::ReportType;
use report_model::document::{Cell, Document};
use report_runner::sources::Sources;
use serde_json::json;

const HEADER: &str = "gage_id,description,type,location,unit,measured_at,nominal,reading,tolerance,interval_days\n";

fn of(rows: &str) -> Document {
    let library = Library::new().with("gages", format!("{HEADER}{rows}"));
    let given = json!({"source": "gages", "as_of": "2026-06-30", "horizon_days": 30});
    library.run(ReportType::GageCalibration, given).unwrap()
}

/// A row of a gage whose tolerance is 0.1 and whose interval is a year.
fn row(id: &str, day: &str, reading: f64) -> String {
    format!("{id},Caliper,Caliper,Hall 1,mm,{day},10,{reading},0.1,365\n")
}

#[test]
fn each_measurement_is_compared_with_the_one_before_it() {
    let rows = row("A", "2024-07-01", 10.0)
        + &row("B", "2025-01-01", 10.05)
        + &row("A", "2025-07-01", 10.02)
        + &row("A", "2026-01-01", 10.04);
    let document = of(&rows);
    let columns = [
        "gage_id",
        "status",
        "next_calibration",
        "deviation",
        "drift_per_year",
        "drift_of_tolerance",
        "expected_of_tolerance",
        "previous_calibration",
        "previous_deviation",
        "measurements",
    ];
    insta::assert_snapshot!(shown(&document, &columns));
}

#[test]
fn overdue_gages_come_first_by_days_and_then_by_drift() {
    let late = "2025-03-01";
    let rows = [
        row("fine", "2026-05-01", 10.0),
        row("soon", "2025-07-15", 10.0),
        row("late", late, 10.0),
        // As late as the others, and of these the one that drifts most, whichever way, is the first.
        row("drift-a", "2024-03-01", 10.0) + &row("drift-a", late, 10.01),
        row("drift-b", "2024-03-01", 10.0) + &row("drift-b", late, 9.96),
        row("later", "2025-02-28", 10.0),
        "none,Plate,Plate,Hall 2,mm,2026-01-01,10,10,0.1,\n".to_owned(),
    ];
    let document = of(&rows.concat());
    assert_eq!(words(&column(&document, "gage_id")), ["later", "drift-b", "drift-a", "late", "soon", "fine", "none"]);
    assert_eq!(words(&column(&document, "days_overdue"))[..4], ["122", "121", "121", "121"]);
    assert_eq!(words(&column(&document, "status"))[3..], ["overdue", "due soon", "calibrated", "no interval"]);
    assert_eq!(words(&column(&document, "rank")), ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(document.summary[0], "7 gages: 4 overdue, 1 due within 30 days.");
    assert_eq!(document.summary[1], "Longest overdue is later, for 122 days.");
}

#[test]
fn due_on_the_day_is_not_overdue_and_the_horizon_counts() {
    let rows = row("today", "2025-06-30", 10.0)
        + &row("yesterday", "2025-06-29", 10.0)
        + &row("last", "2025-07-30", 10.0)
        + &row("beyond", "2025-07-31", 10.0);
    let document = of(&rows);
    assert_eq!(words(&column(&document, "gage_id")), ["yesterday", "today", "last", "beyond"]);
    assert_eq!(words(&column(&document, "status")), ["overdue", "due soon", "due soon", "calibrated"]);
    assert_eq!(words(&column(&document, "days_left")), ["", "0", "30", "31"]);
}

#[test]
fn a_gage_that_is_about_to_leave_its_tolerance_is_an_early_warning() {
    let history = |id: &str, readings: &[f64]| -> String {
        readings
            .iter()
            .enumerate()
            .map(|(year, reading)| row(id, &format!("{}-07-01", 2021 + year), *reading))
            .collect()
    };
    let rows = history("steady", &[10.05, 10.05, 10.05, 10.05, 10.05])
        + &history("leaving", &[10.01, 10.03, 10.05, 10.07, 10.09])
        + &history("edge", &[10.02, 10.04, 10.06, 10.08, 10.1])
        + &history("outside", &[10.04, 10.06, 10.08, 10.1, 10.12])
        + &history("new", &[10.09, 10.0]);
    let document = of(&rows);
    let conditions: Vec<(String, String)> =
        words(&column(&document, "gage_id")).into_iter().zip(words(&column(&document, "condition"))).collect();
    let condition = |id: &str| conditions.iter().find(|(gage, _)| gage == id).unwrap().1.as_str();
    assert_eq!(condition("steady"), "inside");
    assert_eq!(condition("leaving"), "early warning");
    assert_eq!(condition("edge"), "early warning");
    assert_eq!(condition("outside"), "outside of tolerance");
    assert_eq!(condition("new"), "inside", "two measurements say nothing of the next");
    // On a line the forecast is exact: 90 % and 20 % a year.
    let at = words(&column(&document, "gage_id")).iter().position(|id| id == "leaving").unwrap();
    assert_eq!(column(&document, "expected_of_tolerance")[at], &Cell::Number(110.0));
    let chart = document.chart.unwrap();
    let labels: Vec<&str> = chart.series.iter().map(|series| series.label.as_str()).collect();
    assert_eq!(labels, ["outside", "outside, expected", "edge", "edge, expected", "Upper limit", "Lower limit"]);
    assert!(chart.series.iter().all(|series| series.values.len() == chart.x.len()));
}

#[test]
fn what_is_wrong_in_the_rows_is_named_with_their_lines() {
    let rows = [
        row("A", "2025-01-01", 10.01),
        row("A", "2025-01-01", 10.01),
        row("A", "2024-01-01", 10.0),
        row("A", "2025-01-01", 10.02),
        "A,Caliper,Caliper,Hall 1,mm,2026-01-01,10,,0.1,365\n".to_owned(),
        "A,Caliper,Caliper,Hall 1,mm,2026-01-02,10,ten,0.1,365\n".to_owned(),
        "A,Caliper,Caliper,Hall 1,mm,01/02/2026,10,10,0.1,365\n".to_owned(),
        "A,Caliper,Caliper,Hall 1,mm,,10,10,0.1,365\n".to_owned(),
        ",Caliper,Caliper,Hall 1,mm,2026-01-01,10,10,0.1,365\n".to_owned(),
        row("A", "2026-12-01", 10.0),
        "A,Caliper,Caliper,Hall 1,mm,2026-02-01,,10,0.1,365\n".to_owned(),
        "A,Caliper,Caliper,Hall 1,mm,2026-03-01,10,10.03,-1,0\n".to_owned(),
    ];
    let document = of(&rows.concat());
    insta::assert_snapshot!(shown(
        &document,
        &["gage_id", "last_calibration", "next_calibration", "deviation", "tolerance", "measurements"]
    ));
}

#[test]
fn location_and_type_choose_whatever_the_capitals() {
    let run = |location: &str, kind: &str| {
        let given = json!({"source": "gages", "as_of": "2026-11-24", "horizon_days": 30, "location": location, "gage_type": kind});
        let document = run(Sources::samples(), ReportType::GageCalibration, given).unwrap();
        (words(&column(&document, "location")), words(&column(&document, "type")), document.warnings)
    };
    let (locations, types, _) = run("tool ROOM", "");
    assert!(!locations.is_empty() && locations.iter().all(|location| location == "Tool room"));
    assert!(types.iter().any(|kind| kind != &types[0]));
    let (locations, types, _) = run("", "torque wrench");
    assert!(locations.len() == 7 && types.iter().all(|kind| kind == "Torque wrench"));
    let (none, _, warnings) = run("Moon", "");
    assert!(none.is_empty() && warnings.last().unwrap().starts_with("No gage is left"));
}

#[test]
fn the_sample_is_reported_with_all_its_faults() {
    let given = json!({"source": "gages", "as_of": "2026-11-24", "horizon_days": 30});
    let document = run(Sources::samples(), ReportType::GageCalibration, given).unwrap();
    let columns = [
        "rank",
        "gage_id",
        "status",
        "next_calibration",
        "days_overdue",
        "condition",
        "deviation_of_tolerance",
        "drift_of_tolerance",
        "expected_of_tolerance",
    ];
    insta::assert_snapshot!(shown(&document, &columns));
    assert!(document.rows.iter().all(|row| row.len() == document.columns.len()));
}
