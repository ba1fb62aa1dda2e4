//! The catalog and the validation of parameters.

use report_model::catalog::{ParameterError, Parameters, ReportType, catalog, validate};
use report_model::source::{ColumnKind, GAGE_COLUMNS, SourceColumn, SourceInfo};
use serde_json::{Value, json};

fn column(name: &str, kind: ColumnKind) -> SourceColumn {
    SourceColumn { name: name.to_owned(), kind }
}

fn sources() -> Vec<SourceInfo> {
    let mut gages: Vec<SourceColumn> = GAGE_COLUMNS.iter().map(|name| column(name, ColumnKind::Number)).collect();
    gages[0].kind = ColumnKind::Text;
    gages[1].kind = ColumnKind::Date;
    let nile = vec![column("year", ColumnKind::Date), column("volume", ColumnKind::Number)];
    let orders = vec![column("day", ColumnKind::Date), column("reading", ColumnKind::Number)];
    vec![
        SourceInfo::new("gages", "Gages (sample)", gages),
        SourceInfo::new("nile", "Nile (sample)", nile),
        SourceInfo::new("orders", "Orders", orders),
        SourceInfo::new("notes", "Notes", vec![column("text", ColumnKind::Text)]),
    ]
}

fn problems(report: ReportType, given: &Value) -> Vec<String> {
    validate(report, given, &sources()).unwrap_err().iter().map(ParameterError::to_string).collect()
}

#[test]
fn the_catalog_is_what_the_page_is_told() {
    insta::assert_json_snapshot!(catalog(&sources(), "2026-11-24".parse().unwrap()));
}

#[test]
fn what_a_form_puts_in_at_first_is_valid() {
    for report in catalog(&sources(), "2026-11-24".parse().unwrap()).reports {
        let defaults = report.parameters.iter().map(|spec| (spec.name.clone(), spec.default.clone().into()));
        let mut given: serde_json::Map<String, Value> = defaults.collect();
        if report.kind == ReportType::MovingAverage {
            given.insert("source".to_owned(), json!("nile"));
            given.insert("column".to_owned(), json!("volume"));
        }
        let parameters = validate(report.kind, &Value::Object(given), &sources()).unwrap();
        assert_eq!(parameters.report(), report.kind);
        // What is valid is written as it was sent, and is valid again.
        let written = serde_json::to_value(&parameters).unwrap();
        assert_eq!(written["type"], json!(report.kind));
        assert_eq!(validate(report.kind, &written["parameters"], &sources()).unwrap(), parameters);
        assert_eq!(serde_json::from_value::<Parameters>(written).unwrap(), parameters);
    }
}

#[test]
fn a_source_serves_what_its_columns_allow() {
    let serves: Vec<Vec<ReportType>> = sources().into_iter().map(|source| source.reports).collect();
    let (gages, series) = (ReportType::GageCalibration, ReportType::MovingAverage);
    assert_eq!(serves, [vec![gages, series], vec![series], vec![series], vec![]]);
}

#[test]
fn all_mistakes_are_told_at_once_and_in_the_forms_order() {
    let given = json!({"colour": "red", "max": 1, "min": 2.5, "ahead": 7, "order": 12, "source": "nile", "column": "level", "values": "readings"});
    insta::assert_snapshot!(problems(ReportType::MovingAverage, &given).join("\n"), @r"
    column: Choose one of: nominal, reading, tolerance, interval_days, volume.
    ahead: With the order 12 enter at most 6: half the order.
    max: Enter a number above the lowest, which is 2.5.
    colour: There is no such parameter. Those that there are: source, column, date_column, values, order, ahead, min, max.
    ");
    let given = json!({"source": "/etc/passwd", "as_of": "24.11.2026", "horizon_days": -1, "location": "a\nb"});
    insta::assert_snapshot!(problems(ReportType::GageCalibration, &given).join("\n"), @r"
    source: Choose one of: gages.
    as_of: Enter a day as year-month-day, such as 2026-03-31.
    horizon_days: Enter a whole number from 0 to 730.
    location: Enter one line of at most 100 characters.
    ");
    insta::assert_snapshot!(problems(ReportType::GageCalibration, &json!({})).join("\n"), @r"
    source: Source is missing.
    as_of: As of is missing.
    horizon_days: Look ahead is missing.
    ");
    assert_eq!(problems(ReportType::SystemCheck, &json!([])), ["Send the parameters as an object."]);
}

#[test]
fn a_column_must_be_one_of_the_chosen_source() {
    let given =
        json!({"source": "nile", "column": "reading", "date_column": "day", "values": "x", "order": 4, "ahead": 2});
    insta::assert_snapshot!(problems(ReportType::MovingAverage, &given).join("\n"), @r"
    column: The source nile has no such column. Choose one of: volume.
    date_column: The source nile has no such column. Choose one of: year.
    values: Choose one of: readings, counter.
    ");
}

#[test]
fn numbers_are_numbers_within_their_bounds() {
    let check = |seconds: Value| validate(ReportType::SystemCheck, &json!({"seconds": seconds}), &[]);
    for good in [json!(0), json!(60), json!(7.0)] {
        check(good).unwrap();
    }
    for bad in [json!(61), json!(-1), json!(0.5), json!("7"), json!(true), json!(1e300), json!(-0.5), json!([1])] {
        let errors = check(bad).unwrap_err();
        assert_eq!(errors[0].problem, "Enter a whole number from 0 to 60.");
    }
    for (order, ahead, good) in
        [(2, 1, true), (2, 2, false), (3, 1, true), (3, 2, false), (1, 1, false), (500, 250, true)]
    {
        let given = json!({"source": "nile", "column": "volume", "values": "counter", "order": order, "ahead": ahead});
        assert_eq!(validate(ReportType::MovingAverage, &given, &sources()).is_ok(), good, "{order} {ahead}");
    }
}

#[test]
fn any_json_is_judged_without_a_panic() {
    let mut random = fastrand::Rng::with_seed(7);
    let names =
        ["source", "column", "date_column", "order", "ahead", "min", "max", "as_of", "location", "seconds", "x"];
    let values =
        [json!(null), json!(""), json!("gages"), json!(1e308), json!(-3), json!({}), json!("9999-99-99"), json!("ж")];
    for _ in 0..3000 {
        let pairs = (0..random.usize(0..6))
            .map(|_| (names[random.usize(0..names.len())].to_owned(), values[random.usize(0..values.len())].clone()));
        let given = Value::Object(pairs.collect());
        for report in ReportType::ALL {
            if let Err(errors) = validate(report, &given, &sources()) {
                assert!(!errors.is_empty() && errors.iter().all(|error| !error.problem.is_empty()));
            }
        }
    }
}
