//! What is found on a host, from what was seen of it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use super::findings;
use crate::cli::doctor::finding::{Finding, State};
use crate::cli::doctor::look::HostLook;
use reportctl::model::component::PortKey;
use reportctl::model::component::{ComponentName, Source};
use reportctl::model::environment::Machine;
use reportctl::model::environment::{Environment, PortPolicy};
use reportctl::model::inventory::{Host, MachineState, Orphan, Package, Program};
use reportctl::model::inventory::{Inventory, Observed, Policy, PortUse, RootAccess};
use reportctl::model::quantity::Version;
use reportctl::project::Project;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A host on which everything is as it should be, but for what no Debian has.
pub(super) fn well() -> (Environment, Inventory, HostLook) {
    let environment = Project::embedded().load("local").unwrap();
    let programs = environment.stack.components.values().map(|component| {
        let seen = match component.name.source() {
            Source::Package { program, .. } => {
                let path = PathBuf::from("/usr/bin").join(program);
                Observed::Present(Program { path, version: component.version.clone(), build: None })
            }
            Source::Program { .. } | Source::Ours { .. } => Observed::Absent,
        };
        (component.name, seen)
    });
    let inventory = Inventory {
        identity: Observed::Absent,
        root: Observed::Absent,
        programs: programs.collect(),
        checkout: Observed::Absent,
        packages: BTreeMap::new(),
        ports: BTreeMap::new(),
        secrets: BTreeMap::new(),
        files: BTreeMap::new(),
        agent: Observed::Absent,
        orphans: Vec::new(),
        rebooted: false,
        prepared: BTreeMap::new(),
        host: Host {
            uid: 1000,
            apt: Observed::Present(PathBuf::from("/usr/bin/apt-get")),
            root_access: Observed::Present(RootAccess::Sudo),
            systemd: false,
            policy: Observed::Absent,
            units: BTreeMap::new(),
        },
        installed: BTreeMap::new(),
        way: Observed::Absent,
        machine: MachineState::Host,
    };
    let look = HostLook {
        state: (PathBuf::from("/state"), Ok(())),
        disk: Observed::Present(20 << 30),
        memory: Observed::Present(20 << 30),
        proc: Ok(()),
        machine: None,
    };
    (environment, inventory, look)
}

fn all(change: impl FnOnce(&mut Environment, &mut Inventory, &mut HostLook)) -> Vec<Finding> {
    let (mut environment, mut inventory, mut look) = well();
    change(&mut environment, &mut inventory, &mut look);
    findings(&environment, None, &inventory, &look)
}

#[track_caller]
pub(super) fn one(found: &[Finding], name: &str) -> Finding {
    found.iter().find(|finding| finding.name == name).unwrap().clone()
}

#[test]
fn where_all_is_well_nothing_is_missing_and_what_is_optional_is_noted() {
    let found = all(|_, _, _| {});
    assert!(found.iter().all(|finding| finding.state != State::Missing), "{found:#?}");
    assert_eq!(one(&found, "grafana").state, State::Note);
    assert!(one(&found, "grafana").mend.unwrap().contains("Grafana's own repository"));
    assert_eq!(one(&found, "redis").detail, "/usr/bin/redis-server 7.0");
}

#[test]
fn each_thing_that_is_missing_is_named_with_what_mends_it() {
    type Change = fn(&mut Environment, &mut Inventory, &mut HostLook);
    let absent: Change = |_, seen, _| drop(seen.programs.insert(ComponentName::Redis, Observed::Absent));
    let old: Change = |_, seen, _| {
        let old =
            Program { path: PathBuf::from("/opt/redis-server"), version: Version::parse("6.0").unwrap(), build: None };
        seen.programs.insert(ComponentName::Redis, Observed::Present(old));
    };
    let candidate: Change = |_, seen, _| {
        seen.programs.insert(ComponentName::Redis, Observed::Absent);
        let version = Observed::Present(Version::parse("7.0.15").unwrap());
        seen.packages.insert("redis-server".to_owned(), Package { installed: Observed::Absent, candidate: version });
    };
    let no_root: Change = |_, seen, _| {
        seen.programs.insert(ComponentName::Redis, Observed::Absent);
        seen.host.root_access = Observed::Absent;
    };
    let no_apt: Change = |_, seen, _| {
        seen.programs.insert(ComponentName::Redis, Observed::Absent);
        seen.host.apt = Observed::Absent;
    };
    let port: Change = |environment, seen, _| {
        let Machine::Host { ports, .. } = &mut environment.machine else { unreachable!("another machine") };
        *ports = PortPolicy::Exact;
        seen.ports.insert(6379, PortUse::Taken);
    };
    let cases: [(&str, Change, &str); 10] = [
        ("redis", absent, "sudo apt-get install redis-server"),
        ("redis", old, "sudo apt-get install redis-server"),
        ("redis", candidate, "reportctl up   # installs redis-server 7.0.15"),
        ("root", no_root, "have an administrator install"),
        ("apt", no_apt, "install the programs below"),
        ("port redis/redis", port, "ss -ltnp 'sport = :6379'"),
        ("disk", |_, _, look| look.disk = Observed::Present(100 << 20), "df -h /state"),
        ("/proc", |_, _, look| look.proc = Err("it is not mounted".to_owned()), "sudo mount -t proc proc /proc"),
        ("state folder", |_, _, look| look.state.1 = Err("read-only".to_owned()), "export XDG_STATE_HOME="),
        ("redis", |_, seen, _| drop(seen.programs.remove(&ComponentName::Redis)), "apt-get install redis-server"),
    ];
    for (name, change, mend) in cases {
        let found = one(&all(change), name);
        assert_eq!(found.state, State::Missing, "{found:?}");
        assert!(found.mend.as_ref().unwrap().contains(mend), "{found:?}");
    }
}

#[test]
fn what_up_can_do_without_is_only_noted() {
    let found = all(|_, seen, look| {
        seen.host.root_access = Observed::Absent;
        seen.host.policy = Observed::Present(Policy::Ours);
        seen.ports.insert(6379, PortUse::Taken);
        seen.orphans.push(Orphan { pid: 42, started: 1, component: None });
        look.memory = Observed::Present(1 << 20);
    });
    for name in ["root", "policy-rc.d", "port redis/redis", "agent", "memory"] {
        assert_eq!(one(&found, name).state, State::Note, "{name}");
    }
    assert!(one(&found, "agent").detail.contains("42"));
    let key = PortKey::new(ComponentName::Redis, "redis");
    assert!(one(&found, &format!("port {key}")).detail.contains("another is chosen"));
}
