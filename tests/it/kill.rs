//! What is killed without warning, at every moment that matters, is recovered from.

use crate::command::done;
use crate::stage::{COMPONENTS, Stage, UP, eventually, gated, lives, signal};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;

/// Every moment of a write that `REPORTCTL_TEST_KILL_AT` can place a kill at: before, within and after it.
const MOMENTS: [&str; 3] = ["", "/", "+"];

/// Runs the words of a line, killed at a write to the journal. False: it came to its end before that.
#[track_caller]
fn killed(stage: &Stage, line: &str, write: u32, moment: &str) -> bool {
    let output = stage.command(line).env("REPORTCTL_TEST_KILL_AT", format!("{write}{moment}")).output().unwrap();
    if output.status.signal() == Some(9) {
        return true;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line} killed at {write}{moment}: {}\n{said}", output.status);
    false
}

/// Kills `up` at every write to the journal, each time in a new environment, and then does `rest` to it.
#[track_caller]
fn kill_up_everywhere(moment: &str, rest: impl Fn(&Stage, u32)) {
    let mut write = 1;
    loop {
        let stage = Stage::new();
        let was_killed = killed(&stage, UP, write, moment);
        rest(&stage, write);
        if !was_killed {
            break;
        }
        write += 1;
    }
    // The first line, the plan, the claim, the ports, the starts and the end, at the very least.
    assert!(write > 10, "only {write} writes were tried");
}

/// `up` goes on with what was killed, and `down`, killed at a write of its own, goes on with that.
fn up_converges(moment: &str) {
    let was_killed = std::cell::Cell::new(true);
    kill_up_everywhere(moment, |stage, write| {
        let up = done(&mut stage.command(UP));
        assert_eq!(up.code, Some(0), "after a kill at {write}{moment}: {}", up.shown());
        stage.nothing_is_pending();
        stage.all_answer();
        stage.pids();
        let ports = stage.ports();
        was_killed.set(killed(stage, "down -y", write, moment));
        let down = done(&mut stage.command("down -y"));
        assert_eq!(down.code, Some(0), "after a kill at {write}{moment}: {}", down.shown());
        stage.is_gone(&ports);
    });
    assert!(!was_killed.get(), "`down` has more writes than `up`: not all of them were tried");
}

/// `down` takes away whatever a killed `up` has left.
fn down_leaves_nothing(moment: &str) {
    kill_up_everywhere(moment, |stage, write| {
        let ports = stage.ports();
        let down = done(&mut stage.command("down -y"));
        assert_eq!(down.code, Some(0), "after a kill at {write}{moment}: {}", down.shown());
        stage.is_gone(&ports);
    });
}

#[test]
fn up_converges_after_a_kill_before_every_write() {
    up_converges(MOMENTS[0]);
}

#[test]
fn up_converges_after_a_kill_within_every_write() {
    up_converges(MOMENTS[1]);
}

#[test]
fn up_converges_after_a_kill_after_every_write() {
    up_converges(MOMENTS[2]);
}

#[test]
fn down_leaves_nothing_after_a_kill_before_every_write() {
    down_leaves_nothing(MOMENTS[0]);
}

#[test]
fn down_leaves_nothing_after_a_kill_within_every_write() {
    down_leaves_nothing(MOMENTS[1]);
}

#[test]
fn down_leaves_nothing_after_a_kill_after_every_write() {
    down_leaves_nothing(MOMENTS[2]);
}

/// The processes as they are once all components answer again.
#[track_caller]
fn recovered(stage: &Stage) -> BTreeMap<String, u32> {
    for component in COMPONENTS {
        eventually(&format!("{component} answers again"), || stage.answers(component).is_ok());
    }
    stage.pids()
}

#[test]
fn a_service_that_is_killed_is_started_again_with_its_data() {
    let stage = Stage::new();
    stage.up();
    let before = stage.pids();
    assert_eq!(stage.redis("SET kept yes"), "OK");
    for component in ["redis", "prometheus"] {
        signal(before[component], "KILL");
        eventually("it is gone", || !lives(before[component]));
    }
    let after = recovered(&stage);
    for (component, pid) in &before {
        let was_killed = ["redis", "prometheus"].contains(&component.as_str());
        assert_eq!(after[component] != *pid, was_killed, "{component}");
    }
    assert_eq!(stage.redis("GET kept"), "yes");
    let up = stage.up();
    assert!(up.err.contains("nothing to do"), "{}", up.shown());
    assert_eq!(stage.pids(), after);
}

#[test]
fn services_that_were_killed_with_no_time_to_come_back_are_back_after_up() {
    let stage = Stage::new();
    stage.up();
    assert_eq!(stage.redis("SET kept yes"), "OK");
    let before = stage.pids();
    signal(before["redis"], "KILL");
    signal(before["alertmanager"], "KILL");
    stage.up();
    stage.all_answer();
    stage.pids();
    assert_eq!(stage.redis("GET kept"), "yes");
    stage.nothing_is_pending();
}

#[test]
fn an_agent_that_is_killed_leaves_orphans_and_up_starts_them_anew() {
    let stage = Stage::new();
    stage.up();
    let (before, ports, secrets) = (stage.pids(), stage.ports(), stage.secrets());
    assert_eq!(stage.redis("SET kept yes"), "OK");
    signal(before["agent"], "KILL");
    eventually("the agent is gone", || !lives(before["agent"]));
    assert!(stage.paths().agent().join("socket").exists(), "the socket stays behind");
    let alone: Vec<String> = stage.processes().into_iter().map(|process| process.component).collect();
    assert_eq!(alone.len(), COMPONENTS.len(), "its services live on without it: {alone:?}");
    let plan = stage.run("plan --detailed-exitcode");
    assert_eq!(plan.code, Some(5), "{}", plan.shown());
    let up = stage.up();
    assert!(up.err.contains("processes of this environment run without an agent"), "{}", up.shown());
    let after = stage.pids();
    for (component, pid) in &before {
        assert!(after[component] != *pid && !lives(*pid), "{component} was adopted");
    }
    stage.all_answer();
    assert_eq!((stage.ports(), stage.secrets()), (ports, secrets));
    assert_eq!(stage.redis("GET kept"), "yes");
    stage.nothing_is_pending();
}

#[test]
fn down_finds_what_a_killed_agent_has_left() {
    let stage = Stage::new();
    stage.up();
    let ports = stage.ports();
    signal(stage.pids()["agent"], "KILL");
    stage.down();
    stage.is_gone(&ports);
}

#[test]
fn down_by_identity_works_with_the_state_lost() {
    let stage = Stage::new();
    stage.up();
    let ports = stage.ports();
    let id = std::fs::read_to_string(stage.paths().identity()).unwrap();
    // What was started goes on in a folder of another name.
    std::fs::rename(stage.at("state"), stage.at("lost")).unwrap();
    std::fs::create_dir(stage.at("state")).unwrap();
    std::fs::remove_file(stage.file()).unwrap();
    let down = stage.run(&format!("down -y --id {}", id.trim()));
    assert_eq!(down.code, Some(0), "{}", down.shown());
    stage.is_gone(&ports);
}

#[test]
fn after_a_restart_of_the_host_up_brings_back_the_same_ports_and_data() {
    let stage = Stage::new();
    stage.up();
    let (ports, secrets) = (stage.ports(), stage.secrets());
    assert_eq!(stage.redis("SET kept yes"), "OK");
    // All processes end at once, and the kernel counts another boot.
    let pids = stage.pids();
    signal(pids["agent"], "KILL");
    eventually("nothing of it lives", || {
        stage.processes().iter().for_each(|process| signal(process.pid, "KILL"));
        stage.processes().is_empty()
    });
    let record = stage.paths().agent().join("agent.json");
    let text = std::fs::read_to_string(&record).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(text.contains(boot.trim()), "{text}");
    std::fs::write(&record, text.replace(boot.trim(), "11111111-2222-3333-4444-555555555555")).unwrap();
    let status = stage.run("status").ok();
    assert!(status.contains("restarted"), "{status}");
    let plan = stage.run("plan -v");
    assert!(plan.out.contains("the host was restarted"), "{}", plan.shown());
    stage.up();
    stage.all_answer();
    stage.pids();
    assert_eq!((stage.ports(), stage.secrets()), (ports, secrets));
    assert_eq!(stage.redis("GET kept"), "yes");
    stage.nothing_is_pending();
}

#[test]
fn an_agent_and_its_services_killed_while_up_waits_fail_the_run_and_the_next_one_converges() {
    let stage = Stage::new();
    let gate = stage.at("gate");
    let stage = gated(stage, "redis-server", &gate);
    let up = stage.begin(UP);
    up.says("start    redis/ready");
    signal(pid_of(&stage, "agent"), "KILL");
    let (code, said) = up.end();
    assert_eq!(code, Some(10), "{said}");
    assert!(said.contains("no agent listens"), "{said}");
    std::fs::write(&gate, "").unwrap();
    stage.up();
    stage.pids();
    stage.all_answer();
    stage.nothing_is_pending();
}

/// The process of one component, once it is there.
fn pid_of(stage: &Stage, component: &str) -> u32 {
    let find = || stage.processes().into_iter().find(|process| process.component == component);
    eventually("it runs", || find().is_some());
    find().unwrap().pid
}
