//! The requestor and the runner in the stack: built, brought up, checked, killed, taken away.

use crate::command::done;
use crate::stage::{Stage, eventually, signal, tree, within};
use std::path::Path;
use std::time::Duration;

#[test]
fn the_stack_with_its_services_is_green_from_click_to_result_and_lets_people_in() {
    let stage = Stage::new().with_services();
    // Not below a checkout: nothing is built.
    let up = done(stage.command("up -y").env("USER", "Anna"));
    assert_eq!(up.code, Some(0), "{}", up.shown());
    for check in ["requestor/answers", "runner/report-arrives", "runner/scales"] {
        let passed = up.out.lines().any(|line| line.starts_with("passed") && line.contains(check));
        assert!(passed, "{check}: {}", up.out);
    }
    let port = stage.port("requestor/http");
    let first = up.out.lines().find_map(|line| line.strip_prefix("reports, for anna, once: ")).unwrap();
    assert!(first.starts_with(&format!("http://127.0.0.1:{port}/link/")), "{first}");
    let alone = stage.run("user link bob --mail bob@example.com");
    assert_eq!((alone.code, alone.out.lines().count()), (Some(0), 1), "{}", alone.shown());
    assert!(alone.err.contains("it lets bob in once"), "{}", alone.err);
    let json: serde_json::Value = serde_json::from_str(&stage.run("user link bob -o json").out).unwrap();
    assert!(json["url"].as_str().unwrap().contains("/link/") && json["user"] == "bob", "{json}");
    for (line, code) in [("user link Not-A-Name", 1), ("user link bob --mail nonsense", 1), ("queue status", 0)] {
        assert_eq!(stage.run(line).code, Some(code), "{line}");
    }
    assert!(stage.run("queue dead -o json").out.contains("\"dead\""));
    assert_eq!(stage.run("queue nonsense").code, Some(2));
    let again = stage.up();
    assert!(again.err.contains("nothing to do, it is as it should be"), "{}", again.shown());
    // An address lets in whoever has it, so it is kept nowhere.
    let tokens = [first, alone.out.trim(), json["url"].as_str().unwrap()].map(|url| url.rsplit('/').next().unwrap());
    for (path, content) in tree(&stage.at("state")) {
        let shown = String::from_utf8_lossy(&content).into_owned();
        assert!(tokens.iter().all(|token| !shown.contains(token)), "{} holds an address", path.display());
    }
    let ports = stage.ports();
    stage.down();
    stage.is_gone(&ports);
}

#[test]
fn a_service_that_is_killed_comes_back_and_the_other_goes_on() {
    let stage = Stage::new().with_services();
    stage.up();
    let before = stage.pids();
    for name in ["requestor", "runner"] {
        signal(before[name], "KILL");
    }
    eventually("both are back", || {
        let now = stage.processes();
        let other = |name: &str| now.iter().any(|one| one.component == name && one.pid != before[name]);
        other("requestor") && other("runner") && stage.answers("requestor").and(stage.answers("runner")).is_ok()
    });
    stage.nothing_is_pending();
    stage.down();
}

/// A checkout of which Cargo is a script: it does what `body` says, and writes down how it was called.
fn checkout(stage: &Stage, body: &str) {
    let project = stage.at("project");
    for file in ["Cargo.lock", "Cargo.toml", "services/requestor/Cargo.toml", "services/runner/src/main.rs"] {
        write(&project.join(file), "as it is");
    }
    write(&project.join("services/runner/Cargo.toml"), "as it is");
    let cargo = stage.at("scripts/cargo");
    write(&cargo, &format!("#!/bin/sh\necho \"$@\" >>'{}'\n{body}\n", stage.at("called").display()));
    std::fs::set_permissions(&cargo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A stage whose reportctl stands alone, so that no service is beside it.
fn alone() -> Stage {
    let stage = Stage::new().with_services().standing_alone();
    let path = std::env::join_paths(
        [stage.at("scripts")].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    stage.with_path(path.unwrap())
}

#[test]
fn services_are_built_from_the_checkout_once_and_again_when_their_source_changes() {
    let stage = alone();
    let built = Path::new(env!("CARGO_BIN_EXE_reportctl")).parent().unwrap();
    let (from, to) = (built.display(), stage.at("project/target/release"));
    let to = to.display();
    checkout(
        &stage,
        &format!("mkdir -p '{to}' && cp --remove-destination '{from}'/report-requestor '{from}'/report-runner '{to}'/"),
    );
    let dry = stage.run("up --dry-run");
    assert!(dry.out.contains("cargo build --release --locked --target-dir"), "{}", dry.out);
    let calls = || std::fs::read_to_string(stage.at("called")).unwrap_or_default().lines().count();
    assert_eq!(calls(), 0, "a dry run builds nothing");
    stage.up();
    assert_eq!(calls(), 1);
    stage.all_answer();
    stage.up();
    stage.nothing_is_pending();
    assert_eq!(calls(), 1, "what is built is not built again");
    let before = stage.pids();
    write(&stage.at("project/services/runner/src/main.rs"), "as it is now");
    assert_eq!(stage.run("plan --detailed-exitcode").code, Some(5));
    stage.up();
    assert_eq!(calls(), 2);
    let after = stage.pids();
    assert!(before["runner"] != after["runner"] && before["redis"] == after["redis"], "{before:?} {after:?}");
    stage.nothing_is_pending();
    stage.down();
}

#[test]
fn a_build_that_fails_says_why_in_cargos_words_and_what_else_was_begun_runs() {
    let stage = alone();
    checkout(
        &stage,
        "echo 'error[E0308]: mismatched types' >&2; echo ' --> services/runner/src/main.rs:1:1' >&2; exit 101",
    );
    let up = stage.run("up -y --no-smoke");
    assert_eq!(up.code, Some(10), "{}", up.shown());
    for words in
        ["services/build", "error[E0308]: mismatched types", "services/runner/src/main.rs:1:1", "enabled: false"]
    {
        assert!(up.err.contains(words), "{words}: {}", up.err);
    }
    assert!(within(Duration::from_secs(20), || stage.answers("redis").is_ok()), "redis does not wait for a build");
    let log = std::fs::read_to_string(stage.paths().logs().join("build.log")).unwrap();
    assert!(log.contains("mismatched types"), "{log}");
    stage.down();
}
