//! What holds for any plan: it is made from generated stacks and hosts, cut off anywhere, and gone on with.

use crate::fake_world::{Faults, Host, Moment, Stage, Stopped, assert_same, generate};
use reportctl::engine::converge::ConvergeError;
use reportctl::event::{EventKind, Teller};
use reportctl::journal::JournalError;
use reportctl::journal::entry::Outcome;
use reportctl::model::component::{ComponentName, PortKey};
use reportctl::model::inventory::ServiceStatus;
use reportctl::model::quantity::Size;
use reportctl::plan::error::PlanError;
use reportctl::provider::FailureKind;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// The generated stacks and hosts that are cut off at each moment. Others are cut off at some moments only.
const THOROUGH: std::ops::Range<u64> = 0..1;
/// The generated stacks and hosts that are cut off at some moments.
const WIDE: std::ops::Range<u64> = 1..18;
/// At how many moments those are cut off.
const SAMPLES: usize = 2;

/// What an undisturbed run comes to, and the moments at which it might have been killed.
async fn undisturbed(seed: u64) -> (Stage, Vec<Moment>) {
    let (env, host) = generate(seed);
    let stage = Stage::with(env, host, Faults::default(), true);
    stage.up_well().await;
    stage.assert_is_up();
    let moments = stage.world.recorded();
    (stage, moments)
}

/// The moments, counted from 1, of a run with so many that are tried for that seed.
fn tried(seed: u64, moments: usize) -> BTreeSet<usize> {
    if THOROUGH.contains(&seed) {
        return (1..=moments).collect();
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..SAMPLES).map(|_| rng.usize(1..=moments)).collect()
}

#[tokio::test]
async fn up_converges_and_down_leaves_nothing() {
    for seed in THOROUGH.chain(WIDE) {
        let (env, host) = generate(seed);
        let stage = Stage::new(env, host.clone());
        stage.up_well().await;
        stage.assert_is_up();
        stage.down_well().await;
        stage.assert_is_gone(&host);
    }
}

#[tokio::test]
async fn a_failure_at_any_moment_is_made_good_by_another_up() {
    for seed in THOROUGH.chain(WIDE) {
        let (whole, moments) = undisturbed(seed).await;
        let wanted = whole.world.host().essence();
        for fail_at in tried(seed, moments.len()) {
            let (env, host) = generate(seed);
            let faults = Faults { fail_at: Some(fail_at), ..Faults::default() };
            let stage = Stage::with(env, host, faults, false);
            let when = format!("seed {seed}, moment {fail_at}");
            let result = stage.up().await.unwrap().unwrap();
            assert_eq!(result.outcome, Outcome::Failed, "{when}");
            assert_eq!(result.failures.len(), 1, "{when}");
            let stage = stage.later(Faults::default());
            stage.up_well().await;
            stage.assert_is_up();
            assert_same(&stage.world.host().essence(), &wanted, &when);
        }
    }
}

#[tokio::test]
async fn a_kill_at_any_moment_is_made_good_by_another_up() {
    for seed in THOROUGH.chain(WIDE) {
        let (whole, moments) = undisturbed(seed).await;
        let wanted = whole.world.host().essence();
        for at in tried(seed, moments.len()) {
            let stage = whole.after_kill(&moments[at - 1]);
            stage.up_well().await;
            stage.assert_is_up();
            assert_same(&stage.world.host().essence(), &wanted, &format!("seed {seed}, moment {at}"));
            let memory = stage.memory();
            assert_eq!(memory.last.unwrap().header.run.number(), 1, "it goes on under the same number");
        }
    }
}

#[tokio::test]
async fn a_kill_at_any_moment_leaves_nothing_after_down() {
    for seed in THOROUGH.chain(WIDE) {
        let (whole, moments) = undisturbed(seed).await;
        let (_, before) = generate(seed);
        for at in tried(seed, moments.len()) {
            let stage = whole.after_kill(&moments[at - 1]);
            stage.down_well().await;
            stage.assert_is_gone(&before);
        }
    }
}

#[tokio::test]
async fn down_that_is_killed_at_any_moment_is_finished_by_another_down() {
    for seed in THOROUGH.chain(WIDE) {
        let (env, before) = generate(seed);
        let stage = Stage::new(env, before.clone());
        stage.up_well().await;
        let journals = stage.journals();
        let host = stage.world.host().clone();
        let stage = Stage::with(stage.env.clone(), host, Faults::default(), true);
        journals.iter().for_each(|(name, bytes)| stage.put_journal(name, bytes));
        stage.down_well().await;
        let moments = stage.world.recorded();
        for at in tried(seed, moments.len()) {
            let killed = stage.after_kill(&moments[at - 1]);
            killed.down_well().await;
            killed.assert_is_gone(&before);
        }
    }
}

#[tokio::test]
async fn a_journal_that_is_cut_inside_a_line_is_gone_on_with() {
    for seed in THOROUGH.chain(WIDE) {
        let (whole, moments) = undisturbed(seed).await;
        let wanted = whole.world.host().essence();
        let journal = whole.journals().remove("0001.journal").unwrap();
        for at in tried(seed, moments.len()) {
            let moment = &moments[at - 1];
            let written = moment.journals["0001.journal"].len();
            let Some(line) = journal[written..].iter().position(|byte| *byte == b'\n') else { continue };
            // In the checksum, after it, within the text, before the line's end.
            let cuts = [1, 8, 9, line / 2, line - 1, line];
            for cut in [cuts[at % 6], cuts[(at / 6 + at) % 6]] {
                let stage = whole.after_kill(moment);
                stage.put_journal("0001.journal", &journal[..written + cut]);
                stage.up_well().await;
                stage.assert_is_up();
                assert_same(&stage.world.host().essence(), &wanted, &format!("seed {seed}, moment {at}, cut {cut}"));
            }
        }
    }
}

#[tokio::test]
async fn every_action_may_be_performed_twice() {
    for seed in THOROUGH.chain(WIDE) {
        let (whole, _) = undisturbed(seed).await;
        let (env, host) = generate(seed);
        let stage = Stage::with(env, host.clone(), Faults { twice: true, ..Faults::default() }, false);
        stage.up_well().await;
        stage.assert_is_up();
        assert_same(&stage.world.host().essence(), &whole.world.host().essence(), &format!("seed {seed}"));
        stage.down_well().await;
        stage.assert_is_gone(&host);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_parallel_run_reaches_the_same_world_and_may_be_killed_too() {
    for seed in THOROUGH.chain(WIDE) {
        let (whole, _) = undisturbed(seed).await;
        let wanted = whole.world.host().essence();
        let (env, host) = generate(seed);
        let stage = Stage { parallel: 6, ..Stage::with(env, host, Faults::default(), true) };
        stage.up_well().await;
        stage.assert_is_up();
        assert_same(&stage.world.host().essence(), &wanted, &format!("seed {seed}"));
        let moments = stage.world.recorded();
        let mut rng = fastrand::Rng::with_seed(seed);
        for at in (0..SAMPLES).map(|_| rng.usize(0..moments.len())) {
            let killed = Stage { parallel: 6, ..stage.after_kill(&moments[at]) };
            killed.up_well().await;
            killed.assert_is_up();
            assert_same(&killed.world.host().essence(), &wanted, &format!("seed {seed}, moment {at}"));
        }
    }
}

#[tokio::test]
async fn whatever_happened_to_it_another_up_mends_it_even_if_that_is_killed() {
    for seed in THOROUGH.chain(WIDE) {
        let (env, before) = generate(seed);
        let stage = Stage::new(env, before.clone());
        stage.up_well().await;
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let mut stage = stage.recording();
        let what = disturb(&mut stage, &mut rng);
        stage.up_well().await;
        stage.assert_is_up();
        let moments = stage.world.recorded();
        for at in tried(seed, moments.len()) {
            let killed = stage.after_kill(&moments[at - 1]);
            killed.up_well().await;
            killed.assert_is_up();
            // Which ports and secrets it has may depend on when it was killed, so only that is left out.
            let without = |host: &Host| Host { draws: Default::default(), ..host.essence() };
            let when = format!("seed {seed}, {what:?}, moment {at}");
            assert_same(&without(&killed.world.host()), &without(&stage.world.host()), &when);
            let killed = stage.after_kill(&moments[at - 1]);
            killed.down_well().await;
            let foreign_ports = stage.world.host().foreign_ports.clone();
            killed.assert_is_gone(&Host { foreign_ports, ..before.clone() });
        }
    }
}

/// One to three things that happen to a stack that is up.
fn disturb(stage: &mut Stage, rng: &mut fastrand::Rng) -> Vec<&'static str> {
    let config = stage.paths.root.join("config");
    let secrets = stage.paths.secrets();
    let mut what = Vec::new();
    for _ in 0..rng.usize(1..4) {
        let host = &mut *stage.world.host();
        let files: Vec<_> = host.files.keys().filter(|path| path.starts_with(&config)).cloned().collect();
        let secret_files: Vec<_> = host.files.keys().filter(|path| path.starts_with(&secrets)).cloned().collect();
        what.push(match rng.u8(0..13) {
            0 if !files.is_empty() => {
                host.files.remove(&files[rng.usize(0..files.len())]);
                "a file is removed"
            }
            1 if !files.is_empty() => {
                host.files.get_mut(&files[rng.usize(0..files.len())]).unwrap().0.push_str("# changed by hand\n");
                "a file is changed"
            }
            2 if !files.is_empty() => {
                host.files.get_mut(&files[rng.usize(0..files.len())]).unwrap().1 = 0o644;
                "a file is opened to all"
            }
            3 if !files.is_empty() => {
                let beside = files[rng.usize(0..files.len())].with_file_name("old.conf");
                host.files.insert(beside, ("old".to_owned(), 0o600));
                "a file is added"
            }
            4 if !secret_files.is_empty() => {
                host.files.remove(&secret_files[rng.usize(0..secret_files.len())]);
                "a secret is removed"
            }
            5 => {
                host.kill_agent();
                "the agent is killed"
            }
            6 => {
                host.reboot();
                "the host is restarted"
            }
            7 => {
                if let Some(agent) = &mut host.agent {
                    agent.protocol = 0;
                }
                "the agent is of another release"
            }
            8 => {
                if let Some(service) = host.agent.as_mut().and_then(|agent| agent.services.values_mut().next()) {
                    service.status = ServiceStatus::BackOff { reason: "exit status 1".to_owned() };
                    service.ready = false;
                }
                "a service has ended"
            }
            9 => {
                host.reboot();
                let remembered = stage.memory().facts.ports;
                host.foreign_ports.extend(remembered.values().copied().filter(|_| rng.bool()));
                "the host is restarted, and others take ports"
            }
            10 => {
                let names: Vec<_> = stage.env.stack.components.keys().copied().collect();
                let name = names[rng.usize(0..names.len())];
                let is_needed = stage.env.stack.components.values().any(|other| other.needs.contains(&name));
                if !is_needed {
                    stage.env.stack.components.remove(&name);
                }
                "a component is removed from the environment"
            }
            11 => {
                for component in stage.env.stack.components.values_mut() {
                    component.memory = Size(component.memory.0 * 2);
                }
                "memory is changed"
            }
            _ => {
                for number in stage.env.stack.components.values_mut().flat_map(|component| component.ports.values_mut())
                {
                    *number += 1;
                }
                "the wanted ports are changed"
            }
        });
    }
    what
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile_is_chosen_again_once() {
    let (env, mut host) = generate(0);
    host.foreign_ports.clear();
    let first = Stage::new(env.clone(), host.clone());
    first.up_well().await;
    let ports = first.memory().facts.ports;
    let redis = ports.iter().find(|(key, _)| key.to_string() == "redis/redis").map(|(_, number)| *number).unwrap();
    let moment_of_start = 1 + first.world.moment_of("redis/start");
    let steal = move |host: &mut Host| host.foreign_ports.extend([redis]);
    let faults = Faults { meanwhile: Some((moment_of_start, Box::new(steal))), ..Faults::default() };
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let mut stage = Stage::with(env.clone(), host.clone(), faults, false);
    stage.teller = Teller::new(env.name.clone(), String::new, move |event| listener.lock().unwrap().push(event.kind));
    stage.up_well().await;
    stage.assert_is_up();
    assert_ne!(stage.memory().facts.ports[&PortKey::new(ComponentName::Redis, "redis")], redis);
    let replans = told.lock().unwrap().iter().filter(|kind| **kind == replanning("ports")).count();
    assert_eq!(replans, 1);
    assert_eq!(stage.world.performed().iter().filter(|step| *step == "redis/start").count(), 2);
}

#[tokio::test]
async fn a_port_that_is_taken_again_and_again_is_a_failure() {
    let (env, mut host) = generate(0);
    host.foreign_ports.clear();
    host.steals_ports_of = Some(ComponentName::Redis);
    let stage = Stage::new(env, host);
    let result = stage.up().await.unwrap().unwrap();
    assert_eq!(result.outcome, Outcome::Failed);
    assert!(matches!(result.failures[0].failure.kind, FailureKind::PortTaken(_)), "{result:?}");
    assert_eq!(stage.world.performed().iter().filter(|step| *step == "redis/start").count(), 2);
}

fn replanning(layer: &str) -> EventKind {
    EventKind::Replanning { layer: layer.to_owned() }
}

#[tokio::test]
async fn packages_are_installed_first_and_what_follows_is_planned_then() {
    let (env, mut host) = generate(1);
    host.packages.clear();
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let mut stage = Stage::new(env.clone(), host);
    stage.teller = Teller::new(env.name.clone(), String::new, move |event| listener.lock().unwrap().push(event.kind));
    stage.up_well().await;
    stage.assert_is_up();
    assert!(told.lock().unwrap().contains(&replanning("packages")));
    let performed = stage.world.performed();
    assert_eq!(performed[..3], ["env/claim", "packages/install", "env/replan"]);
    assert!(performed.contains(&"redis/start".to_owned()));
}

#[tokio::test]
async fn a_precondition_that_fails_after_the_install_ends_the_run() {
    let (mut env, mut host) = generate(1);
    host.packages.clear();
    env.stack.components.get_mut(&ComponentName::Redis).unwrap().required = true;
    // An old program stands before the package's own on the search path.
    host.programs.insert(ComponentName::Redis, "6.0.16".to_owned());
    let stage = Stage::new(env, host);
    let error = stage.up().await.unwrap_err();
    let Stopped::Run(ConvergeError::Plan(PlanError::CannotBeHad(lacks))) = error else { panic!("{error:?}") };
    assert_eq!(lacks[0].component, ComponentName::Redis);
    assert_eq!(stage.memory().last.unwrap().outcome, Some(Outcome::Failed));
}

#[tokio::test]
async fn an_install_that_does_not_bring_what_it_should_is_not_repeated_for_ever() {
    let (env, mut host) = generate(1);
    host.packages.clear();
    host.installs_instead.insert("redis-server".to_owned(), "6.0.16".to_owned());
    let stage = Stage::new(env, host);
    let error = stage.up().await.unwrap_err();
    assert!(matches!(error, Stopped::Run(ConvergeError::Endless(_))), "{error:?}");
}

#[tokio::test]
async fn with_its_journals_lost_it_is_found_by_its_folder_and_keeps_its_ports() {
    for seed in THOROUGH.chain(WIDE) {
        let (env, host) = generate(seed);
        let stage = Stage::new(env, host.clone());
        stage.up_well().await;
        let before = stage.world.host().essence();
        std::fs::remove_dir_all(&stage.disk.root).unwrap();
        stage.up_well().await;
        stage.assert_is_up();
        assert_same(&stage.world.host().essence(), &before, &format!("seed {seed}"));
        std::fs::remove_dir_all(&stage.disk.root).unwrap();
        stage.down_well().await;
        stage.assert_is_gone(&host);
    }
}

#[tokio::test]
async fn a_damaged_journal_stops_up_and_does_not_stop_down() {
    let (env, host) = generate(0);
    let stage = Stage::new(env, host.clone());
    stage.up_well().await;
    let (name, mut bytes) = stage.journals().pop_first().unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    stage.put_journal(&name, &bytes);
    let error = stage.up().await.unwrap_err();
    assert!(matches!(&error, Stopped::Journal(JournalError::Damaged(_))), "{error:?}");
    stage.down_well().await;
    stage.assert_is_gone(&host);
}

#[tokio::test]
async fn down_with_kept_data_keeps_it_and_up_brings_back_the_same() {
    for seed in THOROUGH.chain(WIDE) {
        let (env, host) = generate(seed);
        let stage = Stage::new(env, host);
        stage.up_well().await;
        let before = stage.world.host().essence();
        stage.down(true).await.unwrap();
        {
            let host = stage.world.host();
            assert!(host.agent.is_none() && host.orphans.is_empty());
            assert_eq!(host.files, before.files);
        }
        assert!(stage.plan_down(&stage.memory().facts, true).unwrap().is_empty());
        stage.up_well().await;
        stage.assert_is_up();
        assert_same(&stage.world.host().essence(), &before, &format!("seed {seed}"));
    }
}
