//! How the engine performs steps: order, parallelism, failures, time limits, interrupts, and what the journal holds when.

use crate::fake_world::quick_folder;
use reportctl::context::Context;
use reportctl::engine::interrupt::{self, Interrupt, Interrupter};
use reportctl::engine::{Engine, EngineError, RunResult};
use reportctl::event::{Event, EventKind, Teller};
use reportctl::journal::entry::{Outcome, Verb};
use reportctl::journal::log::{Log, Opening};
use reportctl::journal::store;
use reportctl::model::component::{ComponentName, PortKey};
use reportctl::model::ids::{EnvId, EnvName, StepId};
use reportctl::model::paths::Paths;
use reportctl::model::quantity::Span;
use reportctl::plan::action::{Action, HostAction};
use reportctl::plan::step::{Goal, Plan, Step};
use reportctl::provider::{Failure, FailureKind, Notes, World};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What a step does in these tests.
#[derive(Clone, Copy)]
enum Does {
    Sleep(u64),
    Fail,
    Panic,
    /// Never ends, and says so.
    Hang,
    /// The user asks to end while it acts, and it takes another 100 ms.
    Interrupt,
}

struct Scripted {
    does: BTreeMap<StepId, Does>,
    journal: PathBuf,
    interrupter: Interrupter,
    acting: Mutex<BTreeSet<StepId>>,
    /// What began and ended, in that order.
    log: Mutex<Vec<(StepId, bool)>>,
    most_at_once: Mutex<usize>,
}

impl World for Scripted {
    async fn perform(&self, step: &Step, notes: &Notes) -> Result<(), Failure> {
        let journal = std::fs::read_to_string(&self.journal).unwrap();
        assert!(journal.contains(&format!(r#"{{"entry":"started","step":"{}""#, step.id)), "it acts before its entry");
        self.log.lock().unwrap().push((step.id.clone(), false));
        {
            let mut acting = self.acting.lock().unwrap();
            acting.insert(step.id.clone());
            let mut most = self.most_at_once.lock().unwrap();
            *most = (*most).max(acting.len());
        }
        match self.does[&step.id] {
            Does::Sleep(millis) => sleep(Duration::from_millis(millis)).await,
            Does::Fail => return Err(Failure::new(FailureKind::Failed, "no")),
            Does::Panic => panic!("this step is broken"),
            Does::Hang => {
                notes.say("waiting for what never comes");
                std::future::pending().await
            }
            Does::Interrupt => {
                self.interrupter.press();
                sleep(Duration::from_millis(100)).await;
            }
        }
        self.acting.lock().unwrap().remove(&step.id);
        self.log.lock().unwrap().push((step.id.clone(), true));
        Ok(())
    }
}

struct Run {
    result: Result<RunResult, EngineError>,
    world: Arc<Scripted>,
    events: Vec<Event>,
    paths: Paths,
    elapsed: Duration,
    _folder: tempfile::TempDir,
}

impl Run {
    fn result(&self) -> &RunResult {
        self.result.as_ref().unwrap()
    }

    fn order_of(&self, what: impl Fn(&EventKind) -> Option<&StepId>) -> Vec<String> {
        self.events.iter().filter_map(|event| what(&event.kind)).map(StepId::to_string).collect()
    }
}

fn id(text: &str) -> StepId {
    StepId::parse(text).unwrap()
}

/// Steps as `(id, what it comes after, what it does)`.
type Script<'a> = &'a [(&'a str, &'a [&'a str], Does)];

fn plan(script: Script<'_>) -> Plan {
    let ports = BTreeMap::from([(PortKey::new(ComponentName::Redis, "redis"), 6379)]);
    let steps = script.iter().map(|(name, after, _)| Step {
        id: id(name),
        after: after.iter().map(|name| id(name)).collect(),
        because: "the test wants it".to_owned(),
        timeout: Span::seconds(60),
        action: Action::Host(HostAction::ReservePorts { ports: ports.clone() }),
    });
    Plan {
        schema: Plan::SCHEMA,
        env: EnvName::parse("local").unwrap(),
        id: EnvId::parse("local-00000000").unwrap(),
        goal: Goal::Up,
        inputs: String::new(),
        steps: steps.collect(),
        skipped: BTreeMap::new(),
        ports: BTreeMap::new(),
        left: Vec::new(),
    }
}

async fn run(script: Script<'_>, parallel: usize) -> Run {
    let folder = quick_folder();
    let plan = plan(script);
    let paths = Paths::new(folder.path(), &plan.env);
    let context = Context::fixed(BTreeMap::new(), folder.path().to_owned());
    let opening = Opening { env: plan.env.clone(), id: plan.id.clone(), verb: Verb::Up, version: "0".to_owned() };
    let mut log = Log::open(&context, &paths, &store::recall(&paths).unwrap(), opening).unwrap();
    let (interrupter, interrupt) = interrupt::channel();
    let world = Arc::new(Scripted {
        does: script.iter().map(|(name, _, does)| (id(name), *does)).collect(),
        journal: paths.journal(log.run_id()),
        interrupter,
        acting: Mutex::default(),
        log: Mutex::default(),
        most_at_once: Mutex::default(),
    });
    let events = Arc::new(Mutex::new(Vec::new()));
    let listener = events.clone();
    let teller = Teller::new(plan.env.clone(), String::new, move |event| listener.lock().unwrap().push(event));
    let engine = Engine { world: world.clone(), teller, parallel: NonZeroUsize::new(parallel).unwrap(), interrupt };
    let begun = Instant::now();
    let result = engine.run(&Arc::new(plan), &mut log).await;
    let elapsed = begun.elapsed();
    if let Ok(result) = &result {
        log.finish(result.outcome).unwrap();
    }
    let events = events.lock().unwrap().clone();
    Run { result, world, events, paths, elapsed, _folder: folder }
}

fn started(kind: &EventKind) -> Option<&StepId> {
    match kind {
        EventKind::StepStarted { step, .. } => Some(step),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_the_critical_path_and_not_the_sum() {
    use Does::Sleep;
    let run = run(
        &[
            ("s1", &[], Sleep(200)),
            ("s2", &[], Sleep(200)),
            ("s3", &[], Sleep(200)),
            ("s4", &["s1"], Sleep(200)),
            ("s5", &["s1", "s2"], Sleep(200)),
            ("s6", &["s3"], Sleep(200)),
            ("s7", &["s4"], Sleep(200)),
            ("s8", &["s5", "s6"], Sleep(200)),
            ("s9", &["s7"], Sleep(200)),
            ("s10", &["s8"], Sleep(200)),
            ("s11", &["s9", "s10"], Sleep(200)),
            ("s12", &["s10"], Sleep(200)),
        ],
        12,
    )
    .await;
    assert_eq!(run.result().outcome, Outcome::Succeeded);
    assert_eq!(run.elapsed, Duration::from_secs(1), "by the test's own clock");
}

#[tokio::test(start_paused = true)]
async fn no_step_begins_before_those_that_it_comes_after_and_no_more_than_allowed_act_at_once() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let names: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
        let after: Vec<Vec<&str>> = (0..20)
            .map(|place| (0..place).filter(|_| rng.u8(0..5) == 0).map(|before| names[before].as_str()).collect())
            .collect();
        let script: Vec<(&str, &[&str], Does)> = (0..20)
            .map(|place| (names[place].as_str(), after[place].as_slice(), Does::Sleep(rng.u64(1..50))))
            .collect();
        let parallel = rng.usize(1..5);
        let run = run(&script, parallel).await;
        assert_eq!(run.result().outcome, Outcome::Succeeded);
        assert!(*run.world.most_at_once.lock().unwrap() <= parallel);
        let log = run.world.log.lock().unwrap().clone();
        for (place, (name, after, _)) in script.iter().enumerate() {
            let begins = log.iter().position(|entry| *entry == (id(name), false)).unwrap();
            for before in *after {
                let ends = log.iter().position(|entry| *entry == (id(before), true)).unwrap();
                assert!(ends < begins, "seed {seed}, step {place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_a_failure_is_not_begun_and_everything_else_goes_on() {
    use Does::{Fail, Sleep};
    let run = run(
        &[
            ("bad", &[], Fail),
            ("beside", &[], Sleep(50)),
            ("after-bad", &["bad"], Sleep(1)),
            ("after-beside", &["beside"], Sleep(1)),
            ("after-both", &["after-bad", "after-beside"], Sleep(1)),
        ],
        4,
    )
    .await;
    let result = run.result();
    assert_eq!(result.outcome, Outcome::Failed);
    assert_eq!(result.failures.iter().map(|failed| failed.step.as_str()).collect::<Vec<_>>(), ["bad"]);
    assert_eq!(result.not_begun, [id("after-bad"), id("after-both")]);
    assert_eq!(run.order_of(started), ["bad", "beside", "after-beside"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_too_long_fails_with_what_it_waited_for() {
    let run = run(&[("slow", &[], Does::Hang)], 1).await;
    let failure = &run.result().failures[0].failure;
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.observed.as_deref(), Some("waiting for what never comes"));
    assert_eq!(run.elapsed, Duration::from_secs(60), "by the test's own clock");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_breaks_off_is_a_failure_and_not_a_success() {
    let run = run(&[("broken", &[], Does::Panic), ("after", &["broken"], Does::Sleep(1))], 2).await;
    assert_eq!(run.result().outcome, Outcome::Failed);
    assert!(run.result().failures[0].failure.cause.contains("broke off"), "{:?}", run.result());
    assert_eq!(run.result().not_begun, [id("after")]);
}

#[tokio::test(start_paused = true)]
async fn one_interrupt_lets_what_acts_come_to_its_end_and_begins_nothing() {
    let script: Script<'_> =
        &[("one", &[], Does::Interrupt), ("two", &[], Does::Sleep(300)), ("three", &["one"], Does::Sleep(1))];
    let run = run(script, 2).await;
    let result = run.result();
    assert_eq!(result.outcome, Outcome::Interrupted);
    assert_eq!((&result.not_begun, result.abandoned.len()), (&vec![id("three")], 0));
    let ended = run.events.iter().filter(|event| matches!(event.kind, EventKind::StepSucceeded { .. })).count();
    assert_eq!(ended, 2);
    let memory = store::recall(&run.paths).unwrap();
    assert!(memory.run_for(Verb::Up).1, "it can be gone on with");
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_that_comes_when_all_is_begun_changes_nothing() {
    let run = run(&[("one", &[], Does::Interrupt)], 2).await;
    assert_eq!(run.result().outcome, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn two_interrupts_break_off_what_acts() {
    let script: Script<'_> =
        &[("hangs", &[], Does::Hang), ("one", &[], Does::Interrupt), ("two", &[], Does::Interrupt)];
    let run = run(script, 3).await;
    let result = run.result();
    assert_eq!(result.outcome, Outcome::Interrupted);
    assert!(result.abandoned.contains(&id("hangs")), "{result:?}");
    assert!(run.elapsed < Duration::from_secs(1), "by the test's own clock");
    assert!(store::recall(&run.paths).unwrap().damage.is_empty());
}

#[tokio::test]
async fn a_plan_that_is_none_is_refused_before_anything_is_done() {
    let twice: Script<'_> = &[("one", &[], Does::Fail), ("one", &[], Does::Fail)];
    let dangling: Script<'_> = &[("one", &["two"], Does::Fail), ("two", &[], Does::Fail)];
    for script in [twice, dangling] {
        let run = run(script, 1).await;
        assert!(matches!(run.result, Err(EngineError::Plan(_))));
        assert!(run.world.log.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn events_tell_each_step_once_and_in_the_order_of_what_happened() {
    let run = run(&[("one", &[], Does::Sleep(5)), ("two", &["one"], Does::Sleep(5))], 2).await;
    let words: Vec<String> = run
        .events
        .iter()
        .map(|event| match &event.kind {
            EventKind::Planned { steps } => format!("planned {}", steps.len()),
            EventKind::StepStarted { step, .. } => format!("{step} started"),
            EventKind::StepSucceeded { step, .. } => format!("{step} succeeded"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(words, ["planned 2", "one started", "one succeeded", "two started", "two succeeded"]);
    let never = Interrupt::never();
    assert_eq!(never.pressed(), interrupt::Pressed::No);
}
