//! The whole program, from the queue to the callback, whatever dies in between.

use crate::stage::{Stage, TRACE};
use report_model::catalog::{MovingAverage, Parameters, Values};
use report_model::event::EventType;
use report_queue::{JobId, State};
use report_testing::{Answer, eventually};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::Instant;

/// A report that can never be made.
fn impossible() -> Parameters {
    Parameters::MovingAverage(MovingAverage {
        source: "nowhere".to_owned(),
        column: "reading".to_owned(),
        date_column: None,
        values: Values::Readings,
        order: 3,
        ahead: 1,
        min: None,
        max: None,
    })
}

#[test]
fn a_report_is_made_stored_and_told() {
    let stage = Stage::new();
    let runner = stage.runner(&[]);
    let id = stage.check(0);
    let (webhook, event) = stage.until_told(&id, EventType::Finished);
    assert_eq!(webhook, format!("{id}.report-finished"));
    assert_eq!((event.data.attempt, event.data.error), (1, None));
    assert_eq!(stage.job(&id).state, State::Done);
    assert_eq!(stage.result(&id)["document"]["title"], "System check");
    // A quick report is not told of as started.
    assert_eq!(stage.told().len(), 1);
    assert_eq!(runner.figure(r#"report_jobs_total{type="system-check",outcome="done"}"#), Some(1.0));
    assert_eq!(runner.figure(r#"webhook_attempts_total{outcome="delivered"}"#), Some(1.0));
    let log = runner.log();
    assert!(log.lines().any(|line| line.contains("report done") && line.contains(TRACE)), "{log}");
}

#[test]
fn a_report_that_takes_a_moment_is_told_of_as_started() {
    let stage = Stage::new();
    let runner = stage.runner(&[]);
    let id = stage.check(1);
    stage.until_told(&id, EventType::Started);
    assert_eq!(stage.job(&id).state, State::Running);
    assert_eq!(runner.figure("report_jobs_running"), Some(1.0));
    stage.until_told(&id, EventType::Finished);
    assert_eq!(runner.figure("report_jobs_running"), Some(0.0));
}

#[test]
fn a_callback_keeps_its_id_until_it_is_taken() {
    let stage = Stage::new();
    stage.hook.script([Answer::Status(503), Answer::Cut, Answer::Status(429)]);
    let runner = stage.runner(&[]);
    let id = stage.check(0);
    eventually("it is taken at the fourth attempt", || {
        runner.figure(r#"webhook_attempts_total{outcome="delivered"}"#) == Some(1.0)
    });
    let told = stage.told();
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|(webhook, _)| *webhook == format!("{id}.report-finished")), "{told:?}");
}

#[test]
fn a_runner_that_is_killed_in_the_middle_loses_no_report() {
    let stage = Stage::new();
    let mut first = stage.runner(&["--workers-min", "4"]);
    let ids: Vec<JobId> = (0..4).map(|_| stage.check(2)).collect();
    ids.iter().for_each(|id| stage.until(id, State::Running));
    first.kill();
    let killed = Instant::now();
    let second = stage.runner(&["--workers-min", "4"]);
    for id in &ids {
        stage.until_told(id, EventType::Finished);
        assert_eq!(stage.job(id).attempts, 2);
    }
    // The lease, and the report itself.
    assert!(killed.elapsed() < crate::stage::LEASE * 3, "{:?}", killed.elapsed());
    let mut finished: BTreeMap<String, u32> = BTreeMap::new();
    for (_, event) in stage.told().into_iter().filter(|(_, event)| event.kind == EventType::Finished) {
        *finished.entry(event.data.id).or_default() += 1;
    }
    assert!(finished.len() == 4 && finished.values().all(|times| *times == 1), "{finished:?}");
    assert_eq!(second.figure("report_jobs_recovered_total"), Some(4.0));
}

#[test]
fn a_report_that_runs_is_cancelled_by_the_command_line() {
    let stage = Stage::new();
    let _runner = stage.runner(&[]);
    let id = stage.check(60);
    stage.until(&id, State::Running);
    let output = stage.queue(&["cancel", id.as_str()]);
    assert!(output.status.success(), "{output:?}");
    stage.until_told(&id, EventType::Cancelled);
    assert_eq!(stage.job(&id).state, State::Cancelled);
    let output = stage.queue(&["cancel", id.as_str()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it has ended"), "{output:?}");
}

#[test]
fn a_dead_letter_is_listed_and_requeued_by_the_command_line() {
    let stage = Stage::new();
    let _runner = stage.runner(&[]);
    let id = stage.ask(&impossible());
    let (_, event) = stage.until_told(&id, EventType::Failed);
    assert!(event.data.error.is_some_and(|error| error.contains("nowhere")));
    let shown = String::from_utf8(stage.queue(&["dead"]).stdout).unwrap();
    assert!(shown.contains(id.as_str()) && shown.contains("nowhere") && shown.contains("anna"), "{shown}");
    let json: serde_json::Value = serde_json::from_slice(&stage.queue(&["dead", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["dead"][0]["id"], id.as_str());
    assert_eq!(json["dead"][0]["trace_id"], TRACE);

    // It gets a new life, in which it fails as before.
    let first_death = stage.job(&id).finished_at;
    assert!(stage.queue(&["requeue", id.as_str()]).status.success());
    eventually("it died once more", || {
        let job = stage.job(&id);
        job.state == State::Dead && job.finished_at > first_death && job.attempts == 1
    });
    let output = stage.queue(&["requeue", "--all", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["requeued"][0], id.as_str());
}

#[test]
fn a_paused_queue_holds_reports_back() {
    let stage = Stage::new();
    let _runner = stage.runner(&[]);
    assert!(stage.queue(&["pause"]).status.success());
    let id = stage.check(0);
    let json: serde_json::Value = serde_json::from_slice(&stage.queue(&["status", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["queues"][0]["paused"], true);
    assert_eq!(json["queues"][0]["waiting"], 1);
    assert_eq!(stage.job(&id).state, State::Queued);
    assert!(stage.queue(&["resume"]).status.success());
    stage.until_told(&id, EventType::Finished);
}

#[test]
fn told_to_end_it_finishes_what_runs_and_takes_no_more() {
    let stage = Stage::new();
    let mut runner = stage.runner(&[]);
    let id = stage.check(2);
    stage.until(&id, State::Running);
    runner.signal(Signal::TERM);
    eventually("it says that it ends", || runner.get("/readyz").is_some_and(|(status, _)| status == 503));
    let late = stage.check(0);
    assert_eq!(runner.ended().code(), Some(0));
    assert_eq!(stage.job(&id).state, State::Done);
    assert_eq!(stage.job(&late).state, State::Queued);
    // The callback went out before the end.
    assert!(stage.told().iter().any(|(_, event)| event.data.id == id.as_str() && event.kind == EventType::Finished));
}

#[test]
fn told_twice_it_hands_back_at_once() {
    let stage = Stage::new();
    let mut runner = stage.runner(&[]);
    let id = stage.check(60);
    stage.until(&id, State::Running);
    runner.signal(Signal::TERM);
    eventually("it says that it ends", || runner.get("/readyz").is_some_and(|(status, _)| status == 503));
    runner.signal(Signal::TERM);
    assert_eq!(runner.ended().code(), Some(0));
    assert_eq!(stage.job(&id).state, State::Queued);
    // Another takes it at once, and that was no attempt.
    let begun = Instant::now();
    let _second = stage.runner(&[]);
    stage.until(&id, State::Running);
    assert!(begun.elapsed() < crate::stage::LEASE, "{:?}", begun.elapsed());
    assert_eq!(stage.job(&id).attempts, 1);
    assert!(stage.queue(&["cancel", id.as_str()]).status.success());
}

#[test]
fn a_report_that_runs_too_long_is_stopped_and_tried_again() {
    let stage = Stage::new();
    let runner = stage.runner(&["--run-timeout", "1"]);
    let id = stage.check(60);
    eventually("it went wrong", || stage.job(&id).error.is_some());
    assert!(stage.job(&id).error.is_some_and(|error| error.contains("longer than the 1 s")));
    eventually("it is counted", || runner.figure(r#"report_job_retries_total{type="system-check"}"#) >= Some(1.0));
    assert!(stage.queue(&["cancel", id.as_str()]).status.success());
    stage.until_told(&id, EventType::Cancelled);
}

#[test]
fn no_more_reports_of_a_type_run_than_may() {
    let stage = Stage::new();
    let runner = stage.runner(&["--limit", "system-check=1", "--workers-min", "4"]);
    let ids: Vec<JobId> = (0..3).map(|_| stage.check(1)).collect();
    let mut most: f64 = 0.0;
    let mut started = 0;
    eventually("all are done", || {
        most = most.max(runner.figure("report_jobs_running").unwrap());
        started = started.max(stage.told().iter().filter(|(_, event)| event.kind == EventType::Started).count());
        ids.iter().all(|id| stage.job(id).state == State::Done)
    });
    let mut times: Vec<_> = ids.iter().map(|id| stage.job(id).finished_at.unwrap()).collect();
    times.sort_unstable();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 950), "{times:?}");
}
