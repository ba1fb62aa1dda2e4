//! Results that are too large for Redis.

use crate::stage::{Stage, TOKEN};
use report_model::catalog::{GageCalibration, Parameters};
use report_model::event::EventType;
use report_model::result::{FileReference, StoredResult};
use report_queue::{JobId, State};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::read_dir;

/// So many gages make a document of some megabytes.
const GAGES: usize = 6_000;

/// A stage with a file of many gages, and the setting that makes it a source.
fn stage() -> (Stage, String) {
    let stage = Stage::new();
    let mut text = "gage_id,measured_at,nominal,reading,tolerance,interval_days,description\n".to_owned();
    for gage in 0..GAGES {
        let description = "a gage with a long description as they are so that there is much to keep";
        writeln!(text, "G-{gage:05},2026-01-05,10,10.001,0.05,180,{description}").unwrap();
        writeln!(text, "G-{gage:05},2026-06-05,10,10.002,0.05,180,{description}").unwrap();
    }
    let path = stage.folder.path().join("gages.csv");
    std::fs::write(&path, text).unwrap();
    let source = format!("many=csv:{}", path.display());
    (stage, source)
}

fn ask(stage: &Stage) -> JobId {
    stage.ask(&Parameters::GageCalibration(GageCalibration {
        source: "many".to_owned(),
        as_of: "2026-11-24".parse().unwrap(),
        horizon_days: 30,
        location: None,
        gage_type: None,
    }))
}

#[test]
fn a_large_result_is_kept_in_a_file_and_handed_out_with_the_token() {
    let (stage, source) = stage();
    let runner = stage.runner(&["--source", &source]);
    let id = ask(&stage);
    stage.until_told(&id, EventType::Finished);
    let stored: StoredResult = serde_json::from_value(stage.result(&id)).unwrap();
    let StoredResult::File(FileReference { name, size, sha256, url }) = stored else { panic!("it is in Redis") };
    assert!(size > 1024 * 1024, "{size}");
    assert_eq!(url, format!("http://127.0.0.1:{}/results/{name}", runner.port));

    let (status, body) = runner.send("GET", &format!("/results/{name}"), Some(TOKEN), "").unwrap();
    assert_eq!((status, body.len() as u64), (200, size));
    let digest: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, sha256);
    let document: report_model::document::Document = serde_json::from_str(&body).unwrap();
    assert_eq!(document.rows.len(), GAGES);
    assert_eq!(runner.send("GET", &format!("/results/{name}"), None, "").unwrap().0, 401);
    // Nothing half written is left beside it.
    assert_eq!(read_dir(stage.folder.path().join("results")).unwrap().count(), 1);
}

#[test]
fn a_result_that_cannot_be_kept_fails_with_its_reason() {
    let (stage, source) = stage();
    let results = stage.folder.path().join("results");
    let runner = stage.runner(&["--source", &source]);
    std::fs::remove_dir_all(&results).unwrap();
    let id = ask(&stage);
    report_testing::eventually("it went wrong", || stage.job(&id).error.is_some());
    let error = stage.job(&id).error.unwrap();
    assert!(error.contains("cannot be kept") && !error.contains('/'), "{error}");
    assert!(runner.log().contains("No such file"), "{}", runner.log());
    // When the disk is there again, it goes right.
    std::fs::create_dir(&results).unwrap();
    stage.until(&id, State::Done);
}
