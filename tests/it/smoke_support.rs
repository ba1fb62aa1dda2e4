//! What the tests of smoke checks share: a stack on free ports as a target, and a scripted HTTP server that can be
//! anybody.

use crate::render_support::{Running, Stage, program_of};
use reportctl::context::Context;
use reportctl::model::component::ComponentName;
use reportctl::model::environment::Options as ComponentOptions;
use reportctl::model::quantity::{Span, Version};
use reportctl::reach::{Direct, holds};
use reportctl::smoke::evidence::{CheckResult, Evidence, Outcome};
use reportctl::smoke::{Options, Placed, Selection, SmokeError, Target, run};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A stack that is scraped each second, with the programs of this host at their real versions.
pub fn stage(components: &[ComponentName]) -> Stage {
    let mut stage = Stage::new(components);
    scrape_each(&mut stage, Span::seconds(1));
    for (name, (program, _)) in &mut stage.active {
        if let Some(version) = version_of(*name) {
            program.version = version;
        }
    }
    stage.env.stack.components.retain(|name, _| components.contains(name));
    stage
}

/// Sets the time between two scrapes.
pub fn scrape_each(stage: &mut Stage, interval: Span) {
    for component in stage.env.stack.components.values_mut() {
        if let ComponentOptions::Prometheus { scrape_interval, evaluation_interval, .. } = &mut component.options {
            (*scrape_interval, *evaluation_interval) = (interval, interval);
        }
    }
}

/// What the program on this host says of itself.
pub fn version_of(name: ComponentName) -> Option<Version> {
    let output = std::process::Command::new(program_of(name)).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Version::find(&text)
}

/// The stage as a target.
pub fn target(stage: &Stage) -> Target {
    let placed =
        |(program, ports): &(_, BTreeMap<String, u16>)| Placed { program: Clone::clone(program), ports: ports.clone() };
    Target {
        env: stage.env.clone(),
        id: stage.id.clone(),
        paths: stage.paths.clone(),
        records: stage.paths.clone(),
        machine: None,
        uid: stage.uid,
        active: stage.active.iter().map(|(name, active)| (*name, placed(active))).collect(),
        skipped: BTreeMap::new(),
        secrets: stage.secrets.clone(),
    }
}

/// Options that give up soon.
pub fn hasty() -> Options {
    Options { patience: Duration::from_millis(500), ..Options::default() }
}

/// Options of a real run.
pub fn patient() -> Options {
    Options { patience: Duration::from_secs(20), ..Options::default() }
}

/// Runs the selected checks.
pub async fn smoke(target: Target, patterns: &[&str], options: Options) -> Result<Evidence, SmokeError> {
    let selection = Selection::parse(patterns).unwrap();
    run(&Context::real().unwrap(), target, &selection, &options, |_| {}).await
}

/// Runs one check.
pub async fn check(target: Target, name: &str, options: Options) -> CheckResult {
    let mut evidence = smoke(target, &[name], options).await.unwrap();
    assert_eq!(evidence.checks.len(), 1, "{evidence:#?}");
    evidence.checks.remove(0)
}

/// The check must hold. Returns its proof.
pub async fn passes(target: Target, name: &str) -> String {
    let result = check(target, name, patient()).await;
    assert_eq!(result.outcome, Outcome::Passed, "{result:#?}");
    assert_eq!((&result.expected, &result.advice), (&None, &None));
    result.detail
}

/// The check must fail, and say what was seen; it always says what was expected and what to type next.
pub async fn fails(target: Target, name: &str, seen: &str) -> CheckResult {
    fails_within(target, name, seen, hasty()).await
}

/// The same for what takes its time before it can be told.
pub async fn fails_slowly(target: Target, name: &str, seen: &str) -> CheckResult {
    fails_within(target, name, seen, Options { patience: Duration::from_secs(8), ..Options::default() }).await
}

async fn fails_within(target: Target, name: &str, seen: &str, options: Options) -> CheckResult {
    let result = check(target, name, options).await;
    assert_eq!(result.outcome, Outcome::Failed, "{result:#?}");
    assert!(result.detail.contains(seen), "{result:#?}");
    assert!(result.expected.as_ref().is_some_and(|expected| !expected.is_empty()), "{result:#?}");
    assert!(result.advice.as_ref().is_some_and(|advice| !advice.is_empty()), "{result:#?}");
    result
}

/// The check must come to fail, as soon as the servers have noticed what was done to them.
pub async fn comes_to_fail(target: Target, name: &str, seen: &str) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let result = check(target.clone(), name, hasty()).await;
        if result.outcome == Outcome::Failed && result.detail.contains(seen) {
            return;
        }
        assert!(Instant::now() < until, "{result:#?}");
    }
}

/// Starts components and waits until they are ready.
pub async fn start(stage: &Stage, components: &[ComponentName]) -> Vec<Running> {
    let running: Vec<Running> = components.iter().map(|name| stage.start(*name)).collect();
    for name in components {
        await_ready(stage, *name).await;
    }
    running
}

/// Waits until a component is ready, at most twenty seconds.
pub async fn await_ready(stage: &Stage, name: ComponentName) {
    let (direct, context) = (Direct::new().unwrap(), Context::real().unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    for probe in stage.native(name).ready {
        while let Err(why) = holds(&direct, &context, &stage.secrets, &probe).await {
            assert!(Instant::now() < until, "{name}: {why}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Status, content type and body.
pub type Said = (u16, &'static str, String);

/// JSON with status 200.
pub fn json(body: impl Into<String>) -> Said {
    (200, "application/json", body.into())
}

/// A text with status 200.
pub fn plain(body: impl Into<String>) -> Said {
    (200, "text/plain; version=0.0.4", body.into())
}

/// A page with status 200, as many programs answer whatever is asked.
pub fn page() -> Said {
    (200, "text/html; charset=utf-8", "<!doctype html><title>Welcome</title>".to_owned())
}

/// Until the test ends, listens on `port` and answers each question, such as `GET /metrics`, by the script; what that
/// has no answer for is 404.
pub fn scripted(port: u16, script: impl Fn(&str) -> Option<Said> + Send + Sync + 'static) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let script = Arc::new(script);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let script = Arc::clone(&script);
            std::thread::spawn(move || {
                let _ = answer(stream.unwrap(), script.as_ref());
            });
        }
    });
}

fn answer(stream: TcpStream, script: &(impl Fn(&str) -> Option<Said> + ?Sized)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().to_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    let question = line.trim_end().trim_end_matches(" HTTP/1.1");
    let (status, kind, text) = script(question).unwrap_or((404, "text/plain", "404 page not found\n".to_owned()));
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}
