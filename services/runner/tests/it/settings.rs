//! The settings, as a whole.

use clap::{CommandFactory, Parser};
use report_model::catalog::ReportType;
use report_runner::settings::Settings;
use report_runner::settings::args::{Cli, Command, ServeArgs};
use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU";

fn args(given: &[&str]) -> ServeArgs {
    Cli::try_parse_from([&["report-runner"], given].concat()).unwrap().serve
}

fn secret(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    write(&path, text).unwrap();
    set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn serve_is_what_it_does_when_nothing_is_said() {
    assert!(Cli::try_parse_from(["report-runner"]).unwrap().command.is_none());
    let said = Cli::try_parse_from(["report-runner", "serve", "--workers-max", "7"]).unwrap().command;
    assert!(matches!(said, Some(Command::Serve(args)) if args.workers_max == "7"));
    assert!(Cli::try_parse_from(["report-runner", "queue", "requeue"]).is_err());
    assert!(Cli::try_parse_from(["report-runner", "queue", "requeue", "--all", "--queue", "webhooks"]).is_ok());
}

#[test]
fn a_secret_is_all_that_must_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = secret(folder.path(), "webhook", SECRET);
    let settings = Settings::read(&args(&["--webhook-secret-file", &file])).unwrap();
    assert_eq!(settings.advertise.as_str(), "http://127.0.0.1:8081/");
    assert_eq!((settings.workers.min, settings.workers.max), (1, 32));
    assert_eq!(settings.limits.get(&ReportType::GageCalibration), Some(&8));
    assert_eq!(settings.limits.get(&ReportType::SystemCheck), None);
    assert_eq!(settings.drain, Duration::from_secs(25));
    assert!(settings.alerts_token.is_none() && settings.warnings.is_empty());
    let shown = format!("{settings:?}");
    assert!(!shown.contains("MfKQ9r8"), "{shown}");
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let token = secret(folder.path(), "token", "short");
    let error = Settings::read(&args(&[
        "--listen=here",
        "--redis=redis://u:hunter2@localhost",
        "--redis-user=u",
        "--callback-url=ftp://x",
        "--webhook-secret-file=/nowhere/secret",
        "--alerts-token-file",
        &token,
        "--results-dir=/tmp",
        "--workers-min=5",
        "--workers-max=4",
        "--limit=gages=3,system-check=0",
        "--max-rows=0",
        "--max-mib=many",
        "--run-timeout=0",
        "--drain=soon",
    ]))
    .unwrap_err();
    let flags: Vec<_> = error.0.iter().map(|problem| problem.flag).collect();
    let expected = [
        "--listen",
        "--redis",
        "--redis-password-file",
        "--callback-url",
        "--webhook-secret-file",
        "--alerts-token-file",
        "--workers-max",
        "--limit",
        "--limit",
        "--max-rows",
        "--max-mib",
        "--run-timeout",
        "--drain",
        "--results-token-file",
    ];
    assert_eq!(flags, expected);
    let message = error.to_string();
    assert!(message.contains("REPORT_WORKERS_MAX") && message.contains("--workers-min, which is 5"), "{message}");
    assert!(!message.contains("hunter2") && !message.contains("short\n"), "{message}");
}

#[test]
fn a_runner_that_listens_everywhere_says_where_others_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = secret(folder.path(), "webhook", SECRET);
    let given = ["--webhook-secret-file", file.as_str(), "--listen", "0.0.0.0:8081"];
    let error = Settings::read(&args(&given)).unwrap_err();
    assert_eq!(error.0[0].flag, "--advertise-url");
    let given = [&given[..], &["--advertise-url", "http://runner.plant:8081"]].concat();
    assert_eq!(Settings::read(&args(&given)).unwrap().advertise.as_str(), "http://runner.plant:8081/");
}

#[test]
fn a_secret_that_everybody_may_read_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = secret(folder.path(), "webhook", SECRET);
    set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let settings = Settings::read(&args(&["--webhook-secret-file", &file])).unwrap();
    assert!(settings.warnings[0].contains("chmod 600"), "{:?}", settings.warnings);
}
