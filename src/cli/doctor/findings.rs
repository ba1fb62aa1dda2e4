//! What is well and what is missing, from what was seen.

use reportctl::model::component::{ComponentName, Source};
use reportctl::model::environment::{Component, Environment, PortPolicy};
use reportctl::model::inventory::{Inventory, Observed, Policy, PortUse, RootAccess};
use reportctl::model::quantity::{Size, Version};
use serde::Serialize;
use std::path::PathBuf;

/// The free disk space below which components soon cannot write.
const LEAST_DISK: Size = Size(1 << 30);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Worth knowing, but nothing that `up` needs.
    Note,
    /// `up` needs it.
    Missing,
}

/// What is seen of this host beside the inventory.
#[derive(Debug, Clone)]
pub struct HostLook {
    /// The folder of all state, and why it cannot be written, if it cannot.
    pub state: (PathBuf, Result<(), String>),
    /// Bytes that are free there.
    pub disk: Observed<u64>,
    /// Bytes of memory that programs can have.
    pub memory: Observed<u64>,
    /// Why `/proc` cannot be read, if it cannot.
    pub proc: Result<(), String>,
}

fn finding(name: impl Into<String>, state: State, detail: impl Into<String>) -> Finding {
    Finding { name: name.into(), state, detail: detail.into(), mend: None }
}

impl Finding {
    fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend = Some(command.into());
        self
    }
}

/// Everything that was looked at, the host first.
pub fn findings(environment: &Environment, inventory: &Inventory, look: &HostLook) -> Vec<Finding> {
    let mut all = host(environment, look);
    let programs: Vec<Finding> =
        environment.stack.components.values().map(|component| program(component, inventory)).collect();
    // apt and root matter only as far as something is to be installed.
    let wants_packages = programs.iter().any(|finding| finding.state == State::Missing);
    all.extend(packages(inventory, wants_packages));
    all.extend(programs);
    all.extend(ports(environment, inventory));
    if !inventory.orphans.is_empty() {
        let pids: Vec<String> = inventory.orphans.iter().map(|orphan| orphan.pid.to_string()).collect();
        let detail = format!("processes that no agent looks after: {}", pids.join(", "));
        all.push(finding("agent", State::Note, detail).mend(format!("reportctl up -e {}", environment.name)));
    }
    all
}

fn host(environment: &Environment, look: &HostLook) -> Vec<Finding> {
    let folder = look.state.0.display().to_string();
    let writable = match &look.state.1 {
        Ok(()) => finding("state folder", State::Ok, folder.clone()),
        Err(why) => finding("state folder", State::Missing, why.clone())
            .mend("export XDG_STATE_HOME=/a/folder/that/you/may/write"),
    };
    let disk = match &look.disk {
        Observed::Present(bytes) if *bytes < LEAST_DISK.0 => {
            let detail = format!("{} free, {LEAST_DISK} wanted", rounded(*bytes));
            finding("disk", State::Missing, detail).mend(format!("df -h {folder}   # and make room there"))
        }
        Observed::Present(bytes) => finding("disk", State::Ok, format!("{} free", rounded(*bytes))),
        Observed::Absent => finding("disk", State::Note, "free space cannot be told"),
        Observed::Unknown(why) => finding("disk", State::Note, why.clone()),
    };
    let wanted: u64 = environment.stack.components.values().map(|component| component.memory.0).sum();
    let memory = match &look.memory {
        Observed::Present(bytes) if *bytes < wanted => {
            let detail = format!("{} available, the components may use {}", rounded(*bytes), rounded(wanted));
            finding("memory", State::Note, detail)
                .mend(format!("$EDITOR environments/{}.yaml   # smaller sizes", environment.name))
        }
        Observed::Present(bytes) => {
            let detail = format!("{} available, the components may use {}", rounded(*bytes), rounded(wanted));
            finding("memory", State::Ok, detail)
        }
        Observed::Absent => finding("memory", State::Note, "available memory cannot be told"),
        Observed::Unknown(why) => finding("memory", State::Note, why.clone()),
    };
    let proc = match &look.proc {
        Ok(()) => finding("/proc", State::Ok, "processes can be told apart"),
        Err(why) => finding("/proc", State::Missing, why.clone()).mend("sudo mount -t proc proc /proc"),
    };
    vec![writable, disk, memory, proc]
}

fn packages(inventory: &Inventory, wanted: bool) -> Vec<Finding> {
    let needed = if wanted { State::Missing } else { State::Note };
    let apt = match &inventory.host.apt {
        Observed::Present(path) => finding("apt", State::Ok, path.display().to_string()),
        Observed::Absent => finding("apt", needed, "there is no apt-get: this is no Debian or Ubuntu")
            .mend("install the programs below by other means, on the search path"),
        Observed::Unknown(why) => finding("apt", needed, why.clone()),
    };
    let root = match &inventory.host.root_access {
        Observed::Present(RootAccess::Root) => finding("root", State::Ok, "you are root"),
        Observed::Present(RootAccess::Sudo) => finding("root", State::Ok, "sudo is here; it is used for apt only"),
        Observed::Absent => finding("root", needed, "neither root nor sudo, which apt needs")
            .mend("have an administrator install the packages that are named below"),
        Observed::Unknown(why) => finding("root", needed, why.clone()),
    };
    let policy = match &inventory.host.policy {
        Observed::Absent => finding("policy-rc.d", State::Ok, "none stands; one is put in place while apt runs"),
        Observed::Present(Policy::Foreign) => {
            finding("policy-rc.d", State::Ok, "one of somebody else stands, and is left as it is")
        }
        Observed::Present(Policy::Ours) => {
            finding("policy-rc.d", State::Note, "an interrupted install left ours").mend("reportctl up   # removes it")
        }
        Observed::Unknown(why) => finding("policy-rc.d", State::Note, why.clone()),
    };
    vec![apt, root, policy]
}

fn program(component: &Component, inventory: &Inventory) -> Finding {
    let name = component.name.as_str();
    let absent = if component.required { State::Missing } else { State::Note };
    let (program, package) = match component.name.source() {
        Source::Package { package, program, .. } => (program, Some(package)),
        Source::Program { program, .. } => (program, None),
        Source::Ours { program } => (program, None),
    };
    let seen = match inventory.programs.get(&component.name) {
        Some(Observed::Present(seen)) => seen,
        Some(Observed::Unknown(why)) => {
            return with_mend(finding(name, absent, why.clone()), component.name, package, inventory);
        }
        Some(Observed::Absent) | None if is_built(component.name, inventory) => {
            return finding(name, State::Ok, "not installed; `up` builds it from the checkout that this is typed in");
        }
        Some(Observed::Absent) | None => {
            let optional = if component.required { "" } else { "; it is optional and will be skipped" };
            let detail = format!("no program `{program}` on the search path{optional}");
            return with_mend(finding(name, absent, detail), component.name, package, inventory);
        }
    };
    if seen.version.at_least(&component.version) {
        return finding(name, State::Ok, format!("{} {}", seen.path.display(), seen.version));
    }
    let detail = format!("{} is {}, at least {} is wanted", seen.path.display(), seen.version, component.version);
    with_mend(finding(name, absent, detail), component.name, package, inventory)
}

/// Whether it is a service of ours that can be built here.
fn is_built(component: ComponentName, inventory: &Inventory) -> bool {
    let can_build = inventory.checkout.present().is_some_and(|checkout| checkout.cargo.present().is_some());
    matches!(component.source(), Source::Ours { .. }) && can_build
}

/// Adds how the program is got.
fn with_mend(found: Finding, component: ComponentName, package: Option<&str>, inventory: &Inventory) -> Finding {
    let Some(package) = package else {
        return match component.source() {
            Source::Program { program, from } => found.mend(format!("install `{program}` from {from}")),
            _ => found,
        };
    };
    let sudo = if inventory.host.root_access.present() == Some(&RootAccess::Root) { "" } else { "sudo " };
    let candidate: Option<&Version> = inventory.packages.get(package).and_then(|package| package.candidate.present());
    match candidate {
        Some(version) => found.mend(format!("reportctl up   # installs {package} {version}")),
        None => found.mend(format!("{sudo}apt-get update   # then {sudo}apt-get install {package}")),
    }
}

fn ports(environment: &Environment, inventory: &Inventory) -> Vec<Finding> {
    let policy = environment.machine.ports();
    let taken: Vec<_> =
        environment.stack.ports().filter(|(_, number)| inventory.ports.get(number) == Some(&PortUse::Taken)).collect();
    if taken.is_empty() {
        return vec![finding("ports", State::Ok, "every wanted port is free or ours")];
    }
    let one = |(key, number): &(reportctl::model::component::PortKey, u16)| {
        let name = format!("port {key}");
        match policy {
            PortPolicy::Free => {
                finding(name, State::Note, format!("{number} is taken by somebody else; another is chosen"))
            }
            PortPolicy::Exact => finding(name, State::Missing, format!("{number} is taken by somebody else"))
                .mend(format!("ss -ltnp 'sport = :{number}'   # shows who")),
        }
    };
    taken.iter().map(one).collect()
}

/// Whole GiB from ten on, whole MiB below: nobody counts closer.
fn rounded(bytes: u64) -> String {
    let unit = if bytes >= 10 << 30 { 30 } else { 20 };
    Size(bytes >> unit << unit).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use reportctl::model::component::PortKey;
    use reportctl::model::environment::Machine;
    use reportctl::model::inventory::{Host, MachineState, Orphan, Package, Program};
    use reportctl::project::Project;
    use std::collections::BTreeMap;

    /// A host on which everything is as it should be, but for what no Debian has.
    fn well() -> (Environment, Inventory, HostLook) {
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
            machine: MachineState::Host,
        };
        let look = HostLook {
            state: (PathBuf::from("/state"), Ok(())),
            disk: Observed::Present(20 << 30),
            memory: Observed::Present(20 << 30),
            proc: Ok(()),
        };
        (environment, inventory, look)
    }

    fn all(change: impl FnOnce(&mut Environment, &mut Inventory, &mut HostLook)) -> Vec<Finding> {
        let (mut environment, mut inventory, mut look) = well();
        change(&mut environment, &mut inventory, &mut look);
        findings(&environment, &inventory, &look)
    }

    #[track_caller]
    fn one(found: &[Finding], name: &str) -> Finding {
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
            let old = Program {
                path: PathBuf::from("/opt/redis-server"),
                version: Version::parse("6.0").unwrap(),
                build: None,
            };
            seen.programs.insert(ComponentName::Redis, Observed::Present(old));
        };
        let candidate: Change = |_, seen, _| {
            seen.programs.insert(ComponentName::Redis, Observed::Absent);
            let version = Observed::Present(Version::parse("7.0.15").unwrap());
            seen.packages
                .insert("redis-server".to_owned(), Package { installed: Observed::Absent, candidate: version });
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
            let Machine::Host { ports, .. } = &mut environment.machine else { panic!("another machine") };
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
}
