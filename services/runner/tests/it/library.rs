//! The reports, made of files and of the samples.

use report_model::catalog::{ReportType, validate};
use report_model::document::{Cell, Document};
use report_runner::reports::{ReportError, Reports, Times};
use report_runner::sources::{Limits, Sources};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Reports of files of the test's own.
pub struct Library {
    folder: TempDir,
    settings: Vec<String>,
}

impl Library {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), settings: Vec::new() }
    }

    pub fn with(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        self.settings.push(format!("{name}=csv:{}", path.display()));
        self
    }

    pub fn sources(&self) -> Sources {
        Sources::parse(&self.settings).unwrap()
    }

    pub fn run(&self, report: ReportType, parameters: Value) -> Result<Document, ReportError> {
        run(self.sources(), report, parameters)
    }
}

pub fn run(sources: Sources, report: ReportType, parameters: Value) -> Result<Document, ReportError> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (infos, errors) = sources.describe().await;
        assert_eq!(errors, []);
        let parameters = validate(report, &parameters, &infos).unwrap_or_else(|errors| panic!("{errors:?}"));
        Reports::new(sources).run(&parameters, times(), &CancellationToken::new()).await
    })
}

pub fn times() -> Times {
    let at = |text: &str| text.parse().unwrap();
    Times { accepted: at("2026-11-24T06:00:00Z"), claimed: at("2026-11-24T06:00:00.25Z") }
}

/// A column of a document.
pub fn column<'a>(document: &'a Document, name: &str) -> Vec<&'a Cell> {
    let index = document.columns.iter().position(|column| column.name == name).unwrap();
    document.rows.iter().map(|row| &row[index]).collect()
}

pub fn words(cells: &[&Cell]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

/// The document as a person would read it, for snapshots.
pub fn shown(document: &Document, columns: &[&str]) -> String {
    let mut out = format!("{}\n", document.title);
    document.summary.iter().for_each(|sentence| writeln!(out, "- {sentence}").unwrap());
    document.warnings.iter().for_each(|sentence| writeln!(out, "! {sentence}").unwrap());
    writeln!(out, "{}", columns.join(" | ")).unwrap();
    let cells: Vec<Vec<&Cell>> = columns.iter().map(|name| column(document, name)).collect();
    for row in 0..document.rows.len() {
        let row: Vec<String> = cells.iter().map(|column| column[row].to_string()).collect();
        writeln!(out, "{}", row.join(" | ")).unwrap();
    }
    out
}

#[test]
fn the_samples_serve_what_they_are_for() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (infos, errors) = runtime.block_on(Sources::samples().describe());
    assert_eq!(errors, []);
    let serves: Vec<(&str, bool, bool)> = infos
        .iter()
        .map(|info| {
            (info.name.as_str(), info.serves(ReportType::GageCalibration), info.serves(ReportType::MovingAverage))
        })
        .collect();
    assert_eq!(serves, [("co2", false, true), ("gages", true, true)]);
}

#[test]
fn a_cancelled_report_stops_and_is_no_error_of_the_source() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        let reports = Reports::new(Sources::samples());
        let (infos, _) = reports.sources().describe().await;
        let given = json!({"source": "gages", "as_of": "2026-11-24", "horizon_days": 30});
        let gages = validate(ReportType::GageCalibration, &given, &infos).unwrap();
        let given = json!({"source": "co2", "column": "co2_ppm", "values": "readings", "order": 12, "ahead": 3});
        let series = validate(ReportType::MovingAverage, &given, &infos).unwrap();
        let check = validate(ReportType::SystemCheck, &json!({"seconds": 60}), &infos).unwrap();
        for parameters in [gages, series, check] {
            let error = reports.run(&parameters, times(), &cancelled).await.unwrap_err();
            assert!(error.is_cancelled() && !error.retry_helps(), "{error:?}");
        }
    });
}

#[test]
fn the_check_of_the_system_takes_as_long_as_asked_and_tells_its_hops() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let parameters = validate(ReportType::SystemCheck, &json!({"seconds": 60}), &[]).unwrap();
        let before = tokio::time::Instant::now();
        let reports = Reports::new(Sources::samples());
        let document = reports.run(&parameters, times(), &CancellationToken::new()).await.unwrap();
        assert_eq!(before.elapsed().as_secs(), 60);
        assert!(document.summary[1].contains("0.25 s for a worker"), "{:?}", document.summary);
        let hops = words(&column(&document, "hop"));
        assert_eq!(hops, ["accepted into the queue", "taken by a worker", "started", "finished"]);
        assert_eq!(words(&column(&document, "at"))[0], "2026-11-24T06:00:00.000Z");
    });
}

#[test]
fn a_large_table_is_made_into_a_report_quickly_and_a_larger_one_is_refused() {
    let mut text = "gage_id,measured_at,nominal,reading,tolerance,interval_days\n".to_owned();
    for index in 0..50_000 {
        writeln!(text, "G{},20{:02}-0{}-11,10,10.0{},0.5,90", index / 5, 10 + index % 10, 1 + index % 9, index % 10)
            .unwrap();
    }
    let library = Library::new().with("many", text);
    let given = json!({"source": "many", "as_of": "2026-11-24", "horizon_days": 30});
    let document = library.run(ReportType::GageCalibration, given.clone()).unwrap();
    assert_eq!(document.rows.len(), 10_000);
    let few = library.sources().with_limits(Limits { rows: 1_000, ..Limits::default() });
    let error = run(few, ReportType::GageCalibration, given).unwrap_err();
    assert_eq!(error.to_string(), "The source many cannot be used: it has more than 1000 rows.");
    assert!(!error.retry_helps());
}
