//! Documents as CSV, HTML and JSON.

use report_model::document::{Cell, Chart, Column, Document, MAX_HTML_ROWS, Series};
use std::time::Instant;

fn column(name: &str, label: &str, unit: Option<&str>) -> Column {
    Column { name: name.to_owned(), label: label.to_owned(), unit: unit.map(str::to_owned) }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// A document with all there can be in one.
pub fn sample() -> Document {
    let values = [Some(1.0), Some(3.0), None, Some(2.5), None, Some(4.0), Some(4.5)];
    Document {
        title: "Gages <of> \"hall\" 3 & 4".to_owned(),
        summary: vec!["2 gages are overdue.".to_owned(), "The worst is M-17: 12 days.".to_owned()],
        warnings: vec!["Line 7: the reading is missing.".to_owned()],
        columns: vec![
            column("gage_id", "Gage", None),
            column("drift_per_year", "Drift a year", Some("µm")),
            column("due", "Due", None),
        ],
        rows: vec![
            vec![text("M-17"), Cell::Number(-0.5), Cell::Date("2026-11-12".parse().unwrap())],
            vec![text("=HYPERLINK(\"http://x\")"), Cell::Number(0.1 + 0.2), Cell::Empty],
            vec![text("a, \"b\"\nc"), Cell::Number(-0.0), Cell::Empty],
        ],
        chart: Some(Chart {
            title: "Readings & forecast".to_owned(),
            x_label: "Day".to_owned(),
            y_label: "Reading (mm)".to_owned(),
            x: (1..=7).map(|day| format!("2026-11-0{day}")).collect(),
            series: vec![
                Series { label: "Reading <mm>".to_owned(), forecast: false, values: values.to_vec() },
                Series {
                    label: "Forecast".to_owned(),
                    forecast: true,
                    values: vec![None, None, None, None, None, Some(4.0), Some(5.0)],
                },
            ],
        }),
    }
}

fn table(columns: usize, rows: Vec<Vec<Cell>>) -> Document {
    let columns = (0..columns).map(|index| column(&format!("c{index}"), "C", None)).collect();
    Document { title: "T".to_owned(), summary: vec![], warnings: vec![], columns, rows, chart: None }
}

#[test]
fn it_is_csv_with_units_and_without_formulas() {
    let csv = sample().csv();
    assert!(csv.starts_with('\u{feff}'), "the µ would be garbled");
    insta::assert_snapshot!(csv.trim_start_matches('\u{feff}').replace("\r\n", "<CRLF>\n"));
}

#[test]
fn it_is_html_with_a_chart() {
    insta::assert_snapshot!(sample().html());
}

#[test]
fn it_is_json_as_it_is_stored() {
    let json = serde_json::to_string(&sample()).unwrap();
    assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), sample());
    insta::assert_json_snapshot!(sample().rows[0], @r#"
    [
      {
        "kind": "text",
        "value": "M-17"
      },
      {
        "kind": "number",
        "value": -0.5
      },
      {
        "kind": "date",
        "value": "2026-11-12"
      }
    ]
    "#);
}

#[test]
fn nothing_that_comes_from_data_can_become_markup() {
    let evil = "<script>alert(1)</script>\" onload='x' &lt; \u{0}\u{7}\u{1b}";
    let mut document = sample();
    document.title = evil.to_owned();
    document.summary = vec![evil.to_owned()];
    document.warnings = vec![evil.to_owned()];
    document.columns = vec![column(evil, evil, Some(evil))];
    document.rows = vec![vec![text(evil)]];
    let chart = document.chart.as_mut().unwrap();
    (chart.title, chart.x_label, chart.y_label) = (evil.to_owned(), evil.to_owned(), evil.to_owned());
    chart.x = vec![evil.to_owned(); 7];
    chart.series[0].label = evil.to_owned();
    let html = document.html();
    assert!(!html.contains("<script") && !html.contains("onload='") && !html.contains(['\u{0}', '\u{7}', '\u{1b}']));
    assert!(!html.contains("\" onload"), "an attribute was left");
    assert!(!html.contains("style=") && !html.contains("<style"), "a strict policy would block it");
    assert_eq!(html.matches("&lt;script&gt;").count(), html.matches("alert(1)").count());
}

/// What a spreadsheet would make of a CSV file: the cells, by RFC 4180.
fn read_back(csv: &str) -> Vec<Vec<String>> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).from_reader(csv.trim_start_matches('\u{feff}').as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn every_cell_survives_in_csv_and_none_is_a_formula() {
    let mut random = fastrand::Rng::with_seed(11);
    let alphabet: Vec<char> = "=+-@\t\r\n'\",; abcäµ＝0159.e\u{feff}".chars().collect();
    for _ in 0..300 {
        let rows: Vec<Vec<Cell>> = (0..5)
            .map(|_| {
                (0..4)
                    .map(|_| match random.u8(0..4) {
                        0 => Cell::Empty,
                        1 => Cell::Number((random.f64() - 0.5) * 10f64.powi(random.i32(-20..20))),
                        2 => Cell::Date("2026-02-28".parse().unwrap()),
                        _ => text(
                            &(0..random.usize(0..8)).map(|_| random.choice(&alphabet).unwrap()).collect::<String>(),
                        ),
                    })
                    .collect()
            })
            .collect();
        let read = read_back(&table(4, rows.clone()).csv());
        assert_eq!(read.len(), 6);
        for (row, read) in rows.iter().zip(&read[1..]) {
            for (cell, read) in row.iter().zip(read) {
                match cell {
                    Cell::Text(text) => {
                        assert!(read == text || read.strip_prefix('\'') == Some(text), "{read:?} of {text:?}");
                        let seen = read.trim_start();
                        assert!(!seen.starts_with(['=', '+', '-', '@', '＝']), "{read:?} is a formula");
                    }
                    Cell::Number(number) => assert_eq!(read.parse::<f64>().unwrap(), *number),
                    other => assert_eq!(*read, other.to_string()),
                }
            }
        }
    }
}

#[test]
fn every_cell_survives_in_html() {
    let rows: Vec<Vec<Cell>> = (0..MAX_HTML_ROWS).map(|row| vec![text(&format!("row-{row}-é"))]).collect();
    let html = table(1, rows).html();
    assert!((0..MAX_HTML_ROWS).all(|row| html.contains(&format!("<td>row-{row}-é</td>"))));
    assert!(!html.contains("report-more"));
}

#[test]
fn long_tables_are_cut_in_html_only_and_quickly_made() {
    let row = |index: u32| vec![text("Caliper"), Cell::Number(f64::from(index) / 7.0), Cell::Empty, text("Hall 3")];
    let mut document = table(4, (0..100_000).map(row).collect());
    let values = (0..100_000).map(|index| Some(f64::from(index % 997))).collect();
    let series = vec![Series { label: "S".to_owned(), forecast: false, values }];
    let x = (0..100_000).map(|index| index.to_string()).collect();
    document.chart = Some(Chart { title: "C".to_owned(), x_label: "x".to_owned(), y_label: "y".to_owned(), x, series });
    let start = Instant::now();
    let (html, csv) = (document.html(), document.csv());
    assert!(start.elapsed().as_secs() < 10, "far more than the fraction of a second that it takes");
    assert_eq!(html.matches("<tr>").count(), MAX_HTML_ROWS + 1);
    assert!(html.contains("The first 2000 of 100000 rows.") && html.len() < 1_000_000, "{}", html.len());
    assert_eq!(csv.lines().count(), 100_001);
}

#[test]
fn charts_take_any_values() {
    let charts: [&[Option<f64>]; 7] = [
        &[],
        &[None, None],
        &[Some(5.0)],
        &[Some(0.0), Some(0.0)],
        &[Some(f64::MAX), Some(f64::MIN), Some(0.0)],
        &[Some(1e-300), Some(2e-300)],
        &[Some(f64::NAN), Some(f64::INFINITY), Some(1e15), Some(1e15 + 1.0)],
    ];
    for values in charts {
        let mut document = sample();
        document.chart.as_mut().unwrap().series.truncate(1);
        document.chart.as_mut().unwrap().series[0].values = values.to_vec();
        let html = document.html();
        assert!(!html.contains("NaN") && !html.contains("inf"), "{values:?}: {html}");
        let seen = values.iter().flatten().any(|value| value.is_finite());
        assert_eq!(html.contains("report-chart"), seen, "{values:?}");
        if seen {
            assert!(html.contains("<path d=\"M") && html.contains("text-anchor=\"end\">"), "{html}");
        }
    }
}
