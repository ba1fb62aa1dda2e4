//! Reports of sources, made by the whole program.

use super::stage::Stage;
use report_model::catalog::{ReportType, validate};
use report_model::event::EventType;
use report_model::source::{SOURCES_KEY, SourceInfo};
use report_queue::State;
use report_testing::eventually;
use serde_json::json;

/// The sources that the runner tells of.
fn offered(stage: &Stage) -> Vec<SourceInfo> {
    let told = || redis::cmd("GET").arg(SOURCES_KEY).query::<Option<String>>(&mut stage.redis.connection()).unwrap();
    eventually("sources are told", || told().is_some_and(|text| text != "[]"));
    serde_json::from_str(&told().unwrap()).unwrap()
}

#[test]
fn the_samples_are_offered_and_reports_are_made_of_them() {
    let stage = Stage::new();
    let _runner = stage.runner(&[]);
    let sources = offered(&stage);
    let gages = json!({"source": "gages", "as_of": "2026-11-24", "horizon_days": 30});
    let series = json!({"source": "co2", "column": "co2_ppm", "values": "readings", "order": 12, "ahead": 3});
    let ids = [(ReportType::GageCalibration, gages), (ReportType::MovingAverage, series)]
        .map(|(report, given)| stage.ask(&validate(report, &given, &sources).unwrap()));
    for (id, title) in ids.iter().zip(["Gage calibration as of 2026-11-24", "Moving averages of co2_ppm"]) {
        stage.until_told(id, EventType::Finished);
        assert_eq!(stage.result(id)["document"]["title"], title);
    }
}

#[test]
fn a_file_of_ones_own_is_read_and_a_bad_one_fails_the_report_for_good() {
    let stage = Stage::new();
    let path = stage.folder.path().join("parts.csv");
    std::fs::write(&path, "day,parts\n2026-01-01,3\n2026-01-02,4\n2026-01-03,5\n").unwrap();
    let gone = stage.folder.path().join("gone.csv");
    let settings = [format!("parts=csv:{}", path.display()), format!("gone=csv:{}", gone.display())];
    let runner = stage.runner(&["--source", &settings[0], "--source", &settings[1]]);
    let sources = offered(&stage);
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["parts"], "what cannot be read is not offered");
    let log = runner.log();
    assert!(log.contains("The source gone cannot be read now") && log.contains("gone.csv"), "{log}");
    let given = json!({"source": "parts", "column": "parts", "values": "readings", "order": 2, "ahead": 1});
    let parameters = validate(ReportType::MovingAverage, &given, &sources).unwrap();
    let id = stage.ask(&parameters);
    stage.until_told(&id, EventType::Finished);
    // Somebody spoils the file.
    std::fs::write(&path, "day,parts\n2026-01-01,3\n2026-01-02\n").unwrap();
    let id = stage.ask(&parameters);
    let (_, event) = stage.until_told(&id, EventType::Failed);
    let said = "The source parts cannot be used: line 3 has 1 cells where the header has 2.";
    assert_eq!((event.data.attempt, event.data.error.as_deref()), (1, Some(said)));
    assert_eq!(stage.job(&id).state, State::Dead);
}

#[test]
fn settings_that_name_no_source_are_told_at_the_start() {
    let output = super::stage::program().args(["--source", "gages=odbc:plant"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("`gages=odbc:plant` names no source: write NAME=csv:/path"), "{said}");
}
