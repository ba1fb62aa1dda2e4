//! The agent, as a process of its own, with real processes under it.

use crate::place::{Place, eventually, lives};
use reportctl::exec::{Identity, identity};
use reportctl::model::component::ComponentName::{self, Alertmanager, NodeExporter, Prometheus, Redis, RedisExporter};
use reportctl::model::inventory::{Observed, ServiceStatus};
use reportctl::provider::host::agent::{self, AgentError, Client, ClientError, LogLine};
use reportctl::provider::host::processes::{Marked, Snapshot, orphans, stop_orphans};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

/// Longer than anything that is asked for here takes.
const LONG: Duration = Duration::from_secs(60);

fn pid_of(place: &Place, component: ComponentName) -> Option<u32> {
    place.block(async { Client::new(&place.paths).status().await.ok() }).and_then(|services| {
        match services.get(&component)?.status {
            ServiceStatus::Running { pid } => Some(pid),
            _ => None,
        }
    })
}

fn restarts(place: &Place, component: ComponentName) -> u32 {
    place.block(async { Client::new(&place.paths).status().await.unwrap()[&component].restarts })
}

fn apply(place: &Place, specs: Vec<reportctl::model::service::ServiceSpec>) -> Result<(), ClientError> {
    place.block(async { Client::new(&place.paths).apply(specs, false, LONG).await })
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

/// Every file below a folder, with what it is.
fn below(folder: &Path) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    let mut next = vec![folder.to_owned()];
    while let Some(at) = next.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            found.insert(path.strip_prefix(folder).unwrap().display().to_string(), meta.permissions().mode() & 0o7777);
            if meta.is_dir() {
                next.push(path);
            }
        }
    }
    found
}

#[test]
fn it_lives_in_a_session_of_its_own_answers_and_leaves_nothing_but_its_log() {
    let place = Place::new();
    let pid = place.launch().unwrap();
    let Observed::Present(reading) = identity(pid) else { panic!("it is not there") };
    assert_eq!((reading.session, reading.group), (pid, pid));
    let state = place.block(async { Client::new(&place.paths).observe(&place.id).await });
    let state = state.present().unwrap().clone();
    assert_eq!((state.pid, state.protocol, state.services.len()), (pid, agent::PROTOCOL, 0));
    let Observed::Present(record) = agent::observe_agent_record(&place.paths) else { panic!("no record") };
    assert_eq!(record.process, reading.identity);
    assert_eq!(agent::boot_id(), Observed::Present(record.boot));
    let modes = below(&place.paths.root);
    assert_eq!((modes["agent"], modes["agent/socket"], modes["agent/agent.json"]), (0o700, 0o600, 0o600));
    place.block(async { Client::new(&place.paths).stop(None, LONG).await }).unwrap();
    eventually("it is gone", || !lives(pid));
    let left: Vec<String> = below(&place.paths.root).into_keys().collect();
    assert_eq!(left, ["agent", "identity", "logs", "logs/agent.log", "work"]);
    assert!(place.block(async { Client::new(&place.paths).observe(&place.id).await }).is_absent());
}

#[test]
fn a_folder_of_another_environment_is_refused() {
    let place = Place::new();
    std::fs::write(place.paths.identity(), "local-bbbbbbbb\n").unwrap();
    let error = place.launch().unwrap_err();
    assert!(
        matches!(&error, AgentError::NotReady(why) if why.contains("it carries local-bbbbbbbb") || why.contains("local-bbbbbbbb")),
        "{error}"
    );
    std::fs::remove_file(place.paths.identity()).unwrap();
    assert!(place.launch().is_err());
}

#[test]
fn of_two_that_are_started_at_once_one_lives() {
    let place = Place::new();
    let outcomes: Vec<Result<u32, AgentError>> = std::thread::scope(|scope| {
        let both: Vec<_> = (0..4).map(|_| scope.spawn(|| place.launch())).collect();
        both.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let living: Vec<u32> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).copied().collect();
    assert_eq!(living.len(), 1, "{outcomes:?}");
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(error.to_string().contains("has an agent already"), "{error}");
    }
    let state = place.block(async { Client::new(&place.paths).observe(&place.id).await });
    assert_eq!(state.present().unwrap().pid, living[0]);
}

#[test]
fn a_folder_with_a_very_long_path_will_do() {
    let place = Place::deep(&"a-rather-long-name-for-a-folder/".repeat(8));
    assert!(place.paths.agent().as_os_str().len() > 250);
    place.launch().unwrap();
    apply(&place, vec![place.spec(Redis, "sleep 600", &[])]).unwrap();
    assert!(pid_of(&place, Redis).is_some());
}

#[test]
fn a_service_gets_its_own_variables_the_marker_and_little_else() {
    let place = Place::new().with_var("http_proxy", "http://127.0.0.1:1").with_var("SECRET", "canary");
    place.launch().unwrap();
    let mut spec = place.spec(Redis, "env; umask; sleep 600", &[]);
    spec.env.insert("OWN".to_owned(), "value".to_owned());
    apply(&place, vec![spec]).unwrap();
    let umask_is_there = || place.log(Redis).iter().any(|line| line == "0077");
    eventually("it has said all", umask_is_there);
    let said = place.log(Redis);
    let names: BTreeSet<&str> = said.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let shells_own = ["PWD", "SHLVL", "_", "OLDPWD"];
    let names: Vec<&str> = names.into_iter().filter(|name| !shells_own.contains(name)).collect();
    assert_eq!(names, ["HOME", "LANG", "OWN", "PATH", "REPORTCTL_COMPONENT", "REPORTCTL_ID"]);
    assert!(
        said.contains(&format!("REPORTCTL_ID={}", place.id)) && said.contains(&"REPORTCTL_COMPONENT=redis".to_owned())
    );
}

#[test]
fn what_runs_as_it_should_is_left_and_what_differs_is_replaced() {
    let place = Place::new();
    place.launch().unwrap();
    apply(&place, vec![place.spec(Redis, "sleep 600", &[]), place.spec(Prometheus, "sleep 600", &[])]).unwrap();
    let before = (pid_of(&place, Redis).unwrap(), pid_of(&place, Prometheus).unwrap());
    apply(&place, vec![place.spec(Redis, "sleep 600", &[])]).unwrap();
    assert_eq!((pid_of(&place, Redis).unwrap(), pid_of(&place, Prometheus).unwrap()), before);
    apply(&place, vec![place.spec(Redis, "sleep 601", &[])]).unwrap();
    assert_ne!(pid_of(&place, Redis).unwrap(), before.0);
    assert!(!lives(before.0), "the old one is gone before the new one starts");
    place.block(async { Client::new(&place.paths).apply(vec![], true, LONG).await }).unwrap();
    assert!(!lives(before.1) && pid_of(&place, Redis).is_none());
}

#[test]
fn a_program_that_cannot_be_started_is_an_error_that_names_it() {
    let place = Place::new();
    place.launch().unwrap();
    let mut spec = place.spec(Redis, "true", &[]);
    spec.argv = vec!["/no/such/program".to_owned()];
    let error = apply(&place, vec![spec, place.spec(Prometheus, "sleep 600", &[])]).unwrap_err();
    assert!(error.to_string().contains("redis: cannot start `/no/such/program`"), "{error}");
    assert!(pid_of(&place, Prometheus).is_some(), "the others run");
    let services = place.block(async { Client::new(&place.paths).status().await.unwrap() });
    assert!(!services.contains_key(&Redis));
}

#[test]
fn a_service_that_is_killed_is_started_again() {
    let place = Place::new().with_agent_flags(&["--first-delay", "1"]);
    place.launch().unwrap();
    // The second process belongs to the group, and must not outlive the first.
    apply(&place, vec![place.spec(Redis, "sleep 600 & echo child $!; wait", &[])]).unwrap();
    let child = || place.log(Redis).iter().rev().find_map(|line| line.strip_prefix("child ")?.parse::<u32>().ok());
    eventually("it has a child", || child().is_some());
    let (first, first_child) = (pid_of(&place, Redis).unwrap(), child().unwrap());
    place.kill(first, "KILL");
    eventually("there is a new one", || pid_of(&place, Redis).is_some_and(|pid| pid != first));
    assert!(!lives(first) && !lives(first_child));
    assert_eq!(restarts(&place, Redis), 1);
    assert!(place.log(Redis).iter().any(|line| line.contains("was ended by signal 9; it is started again")));
}

#[test]
fn one_that_keeps_ending_is_started_ever_more_rarely() {
    let place = Place::new().with_agent_flags(&["--first-delay", "10", "--longest-delay", "40", "--ran-well", "60000"]);
    place.launch().unwrap();
    apply(&place, vec![place.spec(Redis, "exit 7", &[])]).unwrap();
    let delays = || -> Vec<String> {
        let said = place.log(Redis);
        said.iter().filter_map(|line| Some(line.split_once("started again in ")?.1.to_owned())).collect()
    };
    eventually("it has ended five times", || delays().len() >= 5);
    assert_eq!(delays()[..5], ["10ms", "20ms", "40ms", "40ms", "40ms"]);
    let services = place.block(async { Client::new(&place.paths).status().await.unwrap() });
    match &services[&Redis].status {
        ServiceStatus::BackOff { reason } => assert_eq!(reason, "ended with exit code 7"),
        ServiceStatus::Running { .. } => {}
        ServiceStatus::Stopped => panic!("nobody stopped it"),
    }
    // One that waits can be stopped, and one that is asked for again is started at once.
    place.block(async { Client::new(&place.paths).stop(Some(Redis), LONG).await }).unwrap();
    assert!(place.block(async { Client::new(&place.paths).status().await.unwrap() }).is_empty());
}

#[test]
fn counting_begins_anew_after_it_ran_well() {
    let place = Place::new().with_agent_flags(&["--first-delay", "10", "--longest-delay", "40", "--ran-well", "1"]);
    place.launch().unwrap();
    apply(&place, vec![place.spec(Redis, "sleep 0.01; exit 7", &[])]).unwrap();
    eventually("it has ended three times", || restarts(&place, Redis) >= 3);
    assert!(!place.log(Redis).iter().any(|line| line.contains("started again in 20ms")));
}

#[test]
fn a_thousand_new_starts_cost_neither_memory_nor_descriptors() {
    let place = Place::new().with_agent_flags(&["--first-delay", "0", "--longest-delay", "0", "--log-bytes", "20000"]);
    let pid = place.launch().unwrap();
    apply(&place, vec![place.spec(Redis, "echo line", &[])]).unwrap();
    let reach = |count| eventually("it was started often enough", || restarts(&place, Redis) >= count);
    reach(200);
    let (memory, descriptors) = (place.memory_kib(pid), place.descriptors(pid));
    reach(1200);
    // A pipe or a process may be open at the moment of either look.
    assert!(place.descriptors(pid) <= descriptors + 8, "{} after {descriptors}", place.descriptors(pid));
    assert!(place.memory_kib(pid) <= memory + 1024, "{} KiB after {memory} KiB", place.memory_kib(pid));
}

#[test]
fn output_is_kept_line_by_line_with_the_time_and_in_its_order() {
    let place = Place::new();
    place.launch().unwrap();
    let script = "echo one; echo two >&2; printf 'three\\r\\n\\377four'; head -c 20000 /dev/zero | tr '\\0' x; echo; printf rest; exec sleep 600";
    apply(&place, vec![place.spec(Redis, script, &[])]).unwrap();
    eventually("all is there", || place.log(Redis).len() >= 6);
    // What has no line end yet comes when the process ends.
    place.block(async { Client::new(&place.paths).stop(Some(Redis), LONG).await }).unwrap();
    let lines = agent::tail(Redis, &place.paths.log(Redis), 100).unwrap();
    let said: Vec<&str> = texts(&lines).into_iter().filter(|text| !text.starts_with("[reportctl]")).collect();
    assert_eq!(said[..3], ["one", "two", "three"]);
    assert!(said[3].starts_with("\u{fffd}fourxxx"), "{}", said[3]);
    assert_eq!((said[3].len() - "\u{fffd}".len() + 1 + said[4].len(), said[5]), (20_005, "rest"));
    assert!(lines.iter().all(|line| line.at.len() == "2026-01-01T00:00:00.000Z".len() && line.at.ends_with('Z')));
}

#[test]
fn logs_have_a_bound() {
    let place = Place::new().with_agent_flags(&["--log-bytes", "10000"]);
    place.launch().unwrap();
    apply(&place, vec![place.spec(Redis, "seq 1 20000; echo end; exec sleep 600", &[])]).unwrap();
    eventually("the end is there", || place.log(Redis).last().is_some_and(|line| line == "end"));
    let logs: Vec<_> = below(&place.paths.logs()).into_keys().filter(|name| name.starts_with("redis")).collect();
    assert_eq!(logs, ["redis.log", "redis.log.1", "redis.log.2"]);
    for name in logs {
        let path = place.paths.logs().join(name);
        assert!(path.metadata().unwrap().len() <= 10_000, "{}", path.display());
    }
    // The newest lines are whole and without a gap over the border of two files.
    let last = agent::tail(Redis, &place.paths.log(Redis), 200).unwrap();
    let numbers: Vec<u32> = texts(&last).iter().filter_map(|text| text.parse().ok()).collect();
    assert!(numbers.len() > 100 && numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
}

#[test]
fn logs_of_all_components_are_merged_and_followed() {
    let place = Place::new();
    place.launch().unwrap();
    let talk = |word: &str| {
        format!("echo {word} old; while ! [ -e go ]; do sleep 0.01; done; echo {word} new; exec sleep 600")
    };
    apply(&place, vec![place.spec(Redis, &talk("redis"), &[]), place.spec(Prometheus, &talk("prometheus"), &[])])
        .unwrap();
    eventually("both have spoken", || place.log(Redis).len() > 1 && place.log(Prometheus).len() > 1);
    place.block(async {
        let mut all = Client::new(&place.paths).logs(vec![], 100, true).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let line = all.next().await.unwrap().unwrap();
            if line.text.ends_with("old") {
                seen.push(line);
            }
        }
        assert!(seen[0].at <= seen[1].at);
        std::fs::write(place.work().join("go"), "").unwrap();
        let mut new = BTreeSet::new();
        while new.len() < 2 {
            let line = all.next().await.unwrap().unwrap();
            assert!(!line.text.ends_with("old"), "no line comes twice");
            new.insert(format!("{} {}", line.component, line.text));
        }
        assert_eq!(new.into_iter().collect::<Vec<_>>(), ["prometheus prometheus new", "redis redis new"]);
        // Without following there is an end; and only what was asked for comes.
        let mut some = Client::new(&place.paths).logs(vec![Redis], 1, false).await.unwrap();
        assert_eq!(some.next().await.unwrap().unwrap().text, "redis new");
        assert_eq!(some.next().await.unwrap(), None);
    });
}

/// A service that writes its name into a file when it is told to end. It then has nothing more to say to the agent: a shell
/// whose agent is gone would die of the broken pipe when it tells of its `sleep` that was told to end too.
fn in_order(
    place: &Place,
    component: ComponentName,
    needs: &[ComponentName],
) -> reportctl::model::service::ServiceSpec {
    let script = format!(
        "trap 'echo {component} >>order; exit 0' TERM; echo up; exec >/dev/null 2>&1; while :; do sleep 0.01; done"
    );
    place.spec(component, &script, needs)
}

fn start_in_order(place: &Place) {
    let specs = [
        in_order(place, Prometheus, &[RedisExporter, Alertmanager]),
        in_order(place, RedisExporter, &[Redis]),
        in_order(place, Redis, &[]),
        in_order(place, Alertmanager, &[]),
    ];
    apply(place, specs.to_vec()).unwrap();
    for component in [Prometheus, RedisExporter, Redis, Alertmanager] {
        eventually("it is up", || place.log(component).iter().any(|line| line == "up"));
    }
}

fn assert_order(place: &Place) {
    let order = std::fs::read_to_string(place.work().join("order")).unwrap();
    let at = |name: &str| order.lines().position(|line| line == name).unwrap();
    assert_eq!(order.lines().count(), 4, "{order}");
    assert!(at("prometheus") < at("redis-exporter") && at("redis-exporter") < at("redis"), "{order}");
    assert!(at("prometheus") < at("alertmanager"), "{order}");
}

#[test]
fn everything_stops_in_reverse_order() {
    let place = Place::new();
    let pid = place.launch().unwrap();
    start_in_order(&place);
    place.block(async { Client::new(&place.paths).stop(None, LONG).await }).unwrap();
    assert_order(&place);
    eventually("the agent is gone", || !lives(pid));
}

#[test]
fn a_signal_stops_everything_in_reverse_order_too() {
    let place = Place::new();
    let pid = place.launch().unwrap();
    start_in_order(&place);
    place.kill(pid, "TERM");
    eventually("the agent is gone", || !lives(pid));
    assert_order(&place);
    assert!(place.marked().is_empty());
}

#[test]
fn one_that_does_not_end_is_killed_with_its_group() {
    let place = Place::new();
    place.launch().unwrap();
    let mut spec = place.spec(Redis, "trap '' TERM; sleep 600 & echo child $!; while :; do sleep 0.1; done", &[]);
    spec.stop_timeout = reportctl::model::quantity::Span(100);
    apply(&place, vec![spec]).unwrap();
    let child = || place.log(Redis).iter().find_map(|line| line.strip_prefix("child ")?.parse::<u32>().ok());
    eventually("it has a child", || child().is_some());
    let pid = pid_of(&place, Redis).unwrap();
    place.block(async { Client::new(&place.paths).stop(Some(Redis), LONG).await }).unwrap();
    assert!(!lives(pid) && !lives(child().unwrap()));
}

#[test]
fn while_it_stops_it_still_answers_and_starts_nothing() {
    let place = Place::new();
    place.launch().unwrap();
    let script = "trap 'while ! [ -e go ]; do sleep 0.01; done; exit 0' TERM; echo up; while :; do sleep 0.01; done";
    apply(&place, vec![place.spec(Redis, script, &[])]).unwrap();
    eventually("it is up", || place.log(Redis).iter().any(|line| line == "up"));
    place.block(async {
        let client = Client::new(&place.paths);
        let stop = client.stop(None, LONG);
        let meanwhile = async {
            // It may be asked to start something before it has heard that it shall stop.
            loop {
                let refused = client
                    .apply(vec![place.spec(Prometheus, "sleep 600", &[])], false, Duration::from_millis(200))
                    .await;
                if refused.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            client.status().await.unwrap();
            std::fs::write(place.work().join("go"), "").unwrap();
        };
        let (stopped, ()) = tokio::join!(stop, meanwhile);
        stopped.unwrap();
    });
    eventually("nothing is left", || place.marked().is_empty());
}

#[test]
fn what_a_killed_agent_leaves_is_found_and_stopped_in_order() {
    let place = Place::new();
    let pid = place.launch().unwrap();
    start_in_order(&place);
    let pids: BTreeSet<u32> =
        [Prometheus, RedisExporter, Redis, Alertmanager].map(|name| pid_of(&place, name).unwrap()).into();
    assert!(
        orphans(&Snapshot::take().unwrap(), &place.paths, &place.id, Some(pid)).is_empty(),
        "they are looked after"
    );
    place.kill(pid, "KILL");
    eventually("the agent is gone", || !lives(pid));
    let found = orphans(&Snapshot::take().unwrap(), &place.paths, &place.id, None);
    let components: BTreeSet<ComponentName> = found.iter().filter_map(|marked| marked.component).collect();
    assert_eq!(components, BTreeSet::from([Prometheus, RedisExporter, Redis, Alertmanager]));
    assert!(pids.iter().all(|pid| found.iter().any(|marked| marked.reading.identity.pid == *pid)));
    let rank = |marked: &&Marked| {
        [Prometheus, RedisExporter, Redis, Alertmanager].iter().position(|name| Some(*name) == marked.component)
    };
    let mut ordered: Vec<&Marked> = found.iter().collect();
    ordered.sort_by_key(rank);
    let ordered: Vec<_> = ordered.into_iter().map(Marked::orphan).collect();
    place.block(stop_orphans(&place.paths, &place.id, &ordered, None, &|_| {})).unwrap();
    assert_order(&place);
    assert!(place.marked().is_empty());
    // A second time there is nothing to do, and the next agent starts.
    place.block(stop_orphans(&place.paths, &place.id, &ordered, None, &|_| {})).unwrap();
    place.launch().unwrap();
}

#[test]
fn one_that_overwrites_its_marker_is_found_by_what_the_agent_wrote_down() {
    let place = Place::new();
    let pid = place.launch().unwrap();
    let argv = ["redis-server", "--port", "0", "--unixsocket", "socket", "--set-proc-title", "yes", "--save", ""];
    let mut spec = place.spec(Redis, "", &[]);
    spec.argv = argv.map(str::to_owned).to_vec();
    spec.argv[0] = place.find("redis-server");
    apply(&place, vec![spec]).unwrap();
    let server = pid_of(&place, Redis).unwrap();
    let marker_is_gone =
        || !std::fs::read_to_string(format!("/proc/{server}/environ")).unwrap_or_default().contains("REPORTCTL_ID");
    eventually("it has overwritten its environment", marker_is_gone);
    place.kill(pid, "KILL");
    eventually("the agent is gone", || !lives(pid));
    let found = orphans(&Snapshot::take().unwrap(), &place.paths, &place.id, None);
    assert!(found.iter().any(|marked| marked.reading.identity.pid == server && marked.component == Some(Redis)));
    place.block(stop_orphans(&place.paths, &place.id, &[], None, &|_| {})).unwrap();
    eventually("it is gone", || !lives(server));
}

#[test]
fn another_environments_processes_and_strangers_are_left() {
    let (place, other) = (Place::new(), Place::new().with_id("local-bbbbbbbb"));
    other.launch().unwrap();
    apply(&other, vec![other.spec(NodeExporter, "exec sleep 600", &[])]).unwrap();
    let stranger = pid_of(&other, NodeExporter).unwrap();
    // Their number with another start is somebody else's.
    let Observed::Present(reading) = identity(stranger) else { panic!("it is not there") };
    let Identity { pid, started } = reading.identity;
    let wrong = [(pid, started), (pid, started + 1)].map(|(pid, started)| reportctl::model::inventory::Orphan {
        pid,
        started,
        component: Some(NodeExporter),
    });
    place.block(stop_orphans(&place.paths, &place.id, &wrong, None, &|_| {})).unwrap();
    assert!(lives(stranger));
    assert!(Snapshot::take().unwrap().marked().iter().any(|marked| marked.id == other.id));
}

#[test]
fn an_agent_that_hangs_is_unknown_and_not_absent() {
    let place = Place::new();
    let pid = place.launch().unwrap();
    place.kill(pid, "STOP");
    let state = place.block(async { Client::new(&place.paths).observe(&place.id).await });
    place.kill(pid, "CONT");
    assert!(matches!(&state, Observed::Unknown(reason) if reason.contains("did not answer")), "{state:?}");
}

#[test]
fn what_is_no_request_is_refused_in_words() {
    let place = Place::new();
    place.launch().unwrap();
    let ask = |text: &str| -> String {
        use std::io::{Read as _, Write as _};
        let mut stream = std::os::unix::net::UnixStream::connect(place.paths.agent().join("socket")).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    insta::assert_snapshot!(ask("{\"request\":\"dance\"}\n"), @r#"{"answer":"refused","reason":"this is no request that agent protocol 1 has: unknown variant `dance`, expected one of `version`, `status`, `apply`, `stop`, `logs` at line 1 column 18"}"#);
    assert!(ask("\n").contains("refused"));
    assert!(ask("{\"request\":\"stop\",\"component\":\"nobody\"}\n").contains("refused"));
    assert!(pid_of(&place, Redis).is_none() && place.marked().len() == 1, "it lives on");
}

#[test]
fn a_loose_umask_and_an_odd_home_change_nothing() {
    for umask in ["000", "077", "777"] {
        let place = Place::new().with_var("HOME", "/nowhere").with_umask(umask);
        place.launch().unwrap();
        apply(&place, vec![place.spec(Redis, "echo said; touch made; exec sleep 600", &[])]).unwrap();
        eventually("it has spoken", || place.log(Redis).iter().any(|line| line == "said"));
        eventually("it has made a file", || place.work().join("made").exists());
        let modes = below(&place.paths.root);
        for (name, mode) in modes.iter().filter(|(name, _)| *name != "identity" && *name != "work") {
            let expected = if place.paths.root.join(name).is_dir() { 0o700 } else { 0o600 };
            assert_eq!(*mode, expected, "{name} with umask {umask}");
        }
    }
}

#[test]
fn an_ordinary_user_is_enough() {
    Place::run_alone_as(12345, "agent::alone_as_an_ordinary_user");
}

#[test]
#[ignore = "an_ordinary_user_is_enough runs it, as another user"]
fn alone_as_an_ordinary_user() {
    let place = Place::new();
    let own = rustix::process::geteuid().as_raw();
    let pid = place.launch().unwrap();
    apply(&place, vec![place.spec(Redis, "id -u; touch made; exec sleep 600", &[])]).unwrap();
    eventually("it has made a file", || place.work().join("made").exists());
    eventually("it has spoken", || place.log(Redis).iter().any(|line| *line == own.to_string()));
    assert_eq!(std::fs::metadata(format!("/proc/{pid}")).unwrap().uid(), own);
    let service = pid_of(&place, Redis).unwrap();
    place.kill(pid, "KILL");
    eventually("the agent is gone", || !lives(pid));
    place.block(stop_orphans(&place.paths, &place.id, &[], None, &|_| {})).unwrap();
    assert!(!lives(service));
    let again = place.launch().unwrap();
    place.block(async { Client::new(&place.paths).stop(None, LONG).await }).unwrap();
    eventually("it is gone", || !lives(again));
}

#[test]
fn somebody_else_is_not_answered() {
    let place = Place::new();
    place.launch().unwrap();
    // Even where the folders let them in.
    let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let mut folder = place.paths.agent();
    open(&folder.join("socket"), 0o666);
    while folder != std::env::temp_dir() {
        open(&folder, 0o755);
        folder.pop();
    }
    let variables = [("REPORTCTL_TEST_ROOT", place.paths.root.display().to_string())];
    Place::run_alone_with(12345, "agent::alone_as_somebody_else", &variables);
    assert!(pid_of(&place, Redis).is_none() && place.marked().len() == 1);
}

#[test]
#[ignore = "somebody_else_is_not_answered runs it, as another user"]
fn alone_as_somebody_else() {
    let root = std::env::var("REPORTCTL_TEST_ROOT").unwrap();
    let mut paths = Place::new().paths.clone();
    paths.root = root.into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(Client::new(&paths).stop(None, LONG));
    assert!(
        matches!(&answer, Err(ClientError::Refused { reason }) if reason == "this agent does not answer user 12345"),
        "{answer:?}"
    );
}
