//! What is found where a machine is made, from what was seen.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use super::findings;
use super::tests::{one, well};
use crate::cli::doctor::finding::{Finding, State};
use crate::cli::doctor::look::{HostLook, Kvm, MachineLook, MountLook, NetworkLook, Way};
use reportctl::model::environment::{Environment, InstanceKind, Machine};
use reportctl::model::ids::EnvId;
use reportctl::model::inventory::{Inventory, MachineState, Observed};
use reportctl::model::lxd::{Instance, LxdState, Pool};
use reportctl::model::multipass::MultipassState;
use reportctl::model::quantity::{Size, Version};
use reportctl::project::Project;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The rules of a host with Docker on it.
pub(super) const DOCKER: &str = "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N DOCKER\n-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n\
                      -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i docker0 ! -o \
                      docker0 -j ACCEPT\n-A DOCKER-USER -j RETURN\n";
/// The rules of a host with ufw on it.
const UFW: &str = "-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N ufw-user-input\n-A INPUT -j ufw-user-input\n";

pub(super) fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

pub(super) fn id() -> EnvId {
    EnvId::parse("lxd-7f3k9q2m").unwrap()
}

/// What is seen of this host where all is well.
fn seen(client: &str) -> MachineLook {
    MachineLook {
        client: Some(PathBuf::from(client)),
        snap: None,
        ssh: Some(PathBuf::from("/usr/bin/ssh")),
        is_in_group: false,
        kvm: Kvm { device: Observed::Present(()), vsock: Observed::Present(()), can: Some(true) },
        memory: Observed::Present(32 << 30),
        cpus: 8,
        mounts: Vec::new(),
        instances: Observed::Present(BTreeMap::new()),
        network: NetworkLook {
            forwards: Observed::Present(true),
            has_docker: false,
            rules: Observed::Present("-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n".to_owned()),
            firewall: Some("nftables".to_owned()),
            vpns: Vec::new(),
            archive: Some(("deb.debian.org".to_owned(), Observed::Present(()))),
        },
        way: None,
    }
}

pub(super) struct World {
    pub(super) environment: Environment,
    pub(super) inventory: Inventory,
    look: HostLook,
    id: Option<EnvId>,
}

impl World {
    pub(super) fn lxd() -> Self {
        let (_, mut inventory, mut look) = well();
        let state = LxdState::unseen(Observed::Present(version("5.0.2")), Observed::Present(version("5.0.2")), "");
        let pool = Pool { driver: "zfs".to_owned(), free: Some(Size(50 << 30)), is_ours: false };
        inventory.machine = MachineState::Lxd(Box::new(LxdState {
            pools: BTreeMap::from([("default".to_owned(), pool)]),
            default_pool: Some("default".to_owned()),
            instance: Observed::Absent,
            remote: Observed::Present(()),
            ..state
        }));
        look.machine = Some(seen("/usr/bin/lxc"));
        Self { environment: Project::embedded().load("lxd").unwrap(), inventory, look, id: Some(id()) }
    }

    pub(super) fn multipass() -> Self {
        let (_, mut inventory, mut look) = well();
        inventory.machine = MachineState::Multipass(Box::new(multipass("1.16.3")));
        look.machine = Some(seen("/snap/bin/multipass"));
        let id = EnvId::parse("multipass-7f3k9q2m").ok();
        Self { environment: Project::embedded().load("multipass").unwrap(), inventory, look, id }
    }

    pub(super) fn state(&mut self) -> &mut LxdState {
        match &mut self.inventory.machine {
            MachineState::Lxd(state) => state,
            _ => unreachable!("the world has LXD"),
        }
    }

    pub(super) fn seen(&mut self) -> &mut MachineLook {
        self.look.machine.as_mut().unwrap()
    }

    pub(super) fn found(&self) -> Vec<Finding> {
        findings(&self.environment, self.id.as_ref(), &self.inventory, &self.look)
    }
}

fn multipass(text: &str) -> MultipassState {
    let state = MultipassState::unseen(Observed::Present(version(text)), Observed::Present(version(text)), "");
    MultipassState { instance: Observed::Absent, ..state }
}

pub(super) fn running() -> Instance {
    Instance {
        name: "report-lxd-7f3k9q2m".to_owned(),
        is_running: true,
        address: "10.9.8.7".parse().ok(),
        marker: Observed::Absent,
        kind: InstanceKind::Container,
        promised: None,
        profiles: Vec::new(),
        devices: BTreeMap::new(),
        snapshots: BTreeSet::new(),
        is_provisioned: false,
        image: None,
    }
}

/// What each change of a world where all is well makes of one finding: its name, its state, and what mends it.
pub(super) type Case = (&'static str, State, fn(&mut World), &'static str);

#[track_caller]
pub(super) fn hold(world: fn() -> World, cases: &[Case]) {
    for (name, state, change, mend) in cases {
        let mut world = world();
        change(&mut world);
        let found = one(&world.found(), name);
        assert_eq!(found.state, *state, "{found:?}");
        assert!(found.mend.as_ref().is_some_and(|found| found.contains(mend)), "{found:?}");
    }
}

#[test]
fn where_all_is_well_nothing_is_missing() {
    for world in [World::lxd(), World::multipass()] {
        let found = world.found();
        assert!(found.iter().all(|finding| finding.state != State::Missing), "{found:#?}");
        assert_eq!(one(&found, "components").state, State::Note);
        assert!(found.iter().all(|finding| finding.state == State::Ok || finding.name == "components"), "{found:#?}");
    }
}

pub(super) fn virtual_machine(world: &mut World) {
    if let Machine::Lxd(machine) = &mut world.environment.machine {
        machine.instance = InstanceKind::VirtualMachine;
    }
}

#[test]
fn what_this_host_lacks_for_a_machine_is_named_with_what_mends_it() {
    use State::{Missing, Note};
    hold(
        World::lxd,
        &[
            ("ssh", Missing, |world| world.seen().ssh = None, "apt-get install openssh-client"),
            (
                "KVM",
                Missing,
                |world| {
                    virtual_machine(world);
                    world.seen().kvm.device = Observed::Absent;
                },
                "modprobe kvm_intel",
            ),
            (
                "KVM",
                Missing,
                |world| {
                    virtual_machine(world);
                    world.seen().kvm.vsock = Observed::Absent;
                },
                "modprobe vhost_vsock",
            ),
            (
                "KVM",
                Missing,
                |world| {
                    virtual_machine(world);
                    world.seen().kvm.can = Some(false);
                },
                "vmx|svm",
            ),
            ("machine memory", Note, |world| world.seen().memory = Observed::Present(4 << 30), "smaller `memory`"),
            (
                "machine memory",
                Missing,
                |world| {
                    virtual_machine(world);
                    world.seen().memory = Observed::Present(4 << 30);
                },
                "smaller `memory`",
            ),
            ("machine cpus", Note, |world| world.seen().cpus = 1, "`cpus: 1`"),
            ("mount /srv/data", Missing, |world| mount(world, "/srv/data", Observed::Absent), "mkdir -p /srv/data"),
            (
                "mount /srv/data",
                Missing,
                |world| mount(world, "/srv/data", Observed::Present(false)),
                "ls -ld /srv/data",
            ),
            ("forwarding", Note, |world| world.seen().network.forwards = Observed::Present(false), "ip_forward=1"),
            (
                "forwarding",
                Missing,
                |world| {
                    world.state().instance = Observed::Present(running());
                    world.seen().network.forwards = Observed::Present(false);
                },
                "ip_forward=1",
            ),
            (
                "names",
                Missing,
                |world| {
                    world.seen().network.archive = Some(("deb.debian.org".to_owned(), Observed::Absent));
                },
                "getent hosts deb.debian.org",
            ),
            (
                "machine address",
                Missing,
                |world| {
                    world.state().instance = Observed::Present(Instance { address: None, ..running() });
                },
                "sport = :67",
            ),
            ("way out", Missing, |world| way(world, false, false), "resolv.conf"),
            ("way out", Missing, |world| way(world, true, false), "iptables -S FORWARD"),
            (
                "way out",
                Note,
                |world| {
                    way(world, true, false);
                    let marker = Observed::Present("digest".to_owned());
                    world.state().instance = Observed::Present(Instance { marker, ..running() });
                },
                "iptables -S FORWARD",
            ),
        ],
    );
}

fn mount(world: &mut World, source: &str, is_folder: Observed<bool>) {
    world.seen().mounts.push(MountLook { source: PathBuf::from(source), is_folder });
}

fn way(world: &mut World, resolves: bool, connects: bool) {
    world.state().instance = Observed::Present(running());
    world.seen().way = Some(Way { host: "deb.debian.org".to_owned(), resolves, connects });
}

#[test]
fn a_vpn_is_named_where_names_or_packets_are_lost() {
    let mut world = World::lxd();
    way(&mut world, false, false);
    world.seen().network.vpns = vec!["wg0".to_owned()];
    assert!(one(&world.found(), "way out").detail.contains("a VPN is up (wg0)"));
}

#[test]
fn a_shut_firewall_is_told_with_the_rules_that_open_it_for_machines_alone() {
    let rules = |world: &mut World, rules: &str| world.seen().network.rules = Observed::Present(rules.to_owned());
    let mut world = World::lxd();
    rules(&mut world, DOCKER);
    let found = one(&world.found(), "firewall");
    assert_eq!(
        found.mend.as_deref(),
        Some(
            "sudo iptables -I DOCKER-USER -i rc7f3k9q2m -j ACCEPT && sudo iptables -I DOCKER-USER -o rc7f3k9q2m -m conntrack \
             --ctstate RELATED,ESTABLISHED -j ACCEPT"
        )
    );
    assert_eq!((found.state, one(&world.found(), "DHCP and DNS").state), (State::Missing, State::Ok));
    // Those two rules open it, as does LXD itself where it makes rules of iptables.
    let opened = format!(
        "{DOCKER}-A DOCKER-USER -o rc7f3k9q2m -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A DOCKER-USER -i rc7f3k9q2m \
         -j ACCEPT\n"
    );
    rules(&mut world, &opened);
    assert_eq!(one(&world.found(), "firewall").state, State::Ok);
    rules(&mut world, &opened.replace("7f3k9q2m", "otherone"));
    assert_eq!(one(&world.found(), "firewall").state, State::Missing, "they open it for another network");
    rules(&mut world, &opened.replace("rc7f3k9q2m", "rc+"));
    assert_eq!(one(&world.found(), "firewall").state, State::Ok, "they open it for all of ours");
    rules(&mut world, DOCKER);
    world.seen().network.firewall = Some("xtables".to_owned());
    assert_eq!(one(&world.found(), "firewall").state, State::Ok);
    // Before there is an identity, a pattern stands for the network.
    world.seen().network.firewall = None;
    world.id = None;
    assert!(one(&world.found(), "firewall").mend.unwrap().contains("-i rc+ "));
    rules(&mut world, UFW);
    assert!(one(&world.found(), "firewall").mend.unwrap().contains("-I FORWARD -i rc+ "));
    assert!(one(&world.found(), "DHCP and DNS").mend.unwrap().contains("--dports 53,67"));
    world.id = Some(id());
    assert_eq!(one(&world.found(), "DHCP and DNS").mend.unwrap(), "sudo ufw allow in on rc7f3k9q2m");
    // An ordinary user cannot see the rules, which is worth a word only where Docker is.
    world.seen().network.rules = Observed::Unknown("only root may see them".to_owned());
    assert!(world.found().iter().all(|finding| finding.name != "firewall"));
    world.seen().network.has_docker = true;
    assert_eq!(one(&world.found(), "firewall").state, State::Note);
}
