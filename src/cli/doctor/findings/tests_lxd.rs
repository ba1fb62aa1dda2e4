//! What is found of LXD, from what was seen of it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use super::tests_guest::{World, hold, version, virtual_machine};
use crate::cli::doctor::finding::State::{Missing, Note};
use reportctl::model::environment::Machine;
use reportctl::model::inventory::{Observed, Package};
use reportctl::model::lxd::{Foreign, Kind, Leftover, LxdState};
use reportctl::model::quantity::Size;
use std::collections::BTreeSet;

fn package(candidate: Option<&str>) -> Package {
    let candidate = candidate.map_or(Observed::Absent, |text| Observed::Present(version(text)));
    Package { installed: Observed::Absent, candidate }
}

#[test]
fn what_lxd_lacks_is_named_with_what_mends_it() {
    hold(
        World::lxd,
        &[
            (
                "lxc",
                Missing,
                |world| {
                    *world.state() = LxdState::unseen(Observed::Absent, Observed::Absent, "");
                    world.seen().client = None;
                },
                "apt-get install lxd",
            ),
            (
                "LXD",
                Missing,
                |world| {
                    let why = "dial unix /var/lib/lxd/unix.socket: connect: permission denied";
                    world.state().server = Observed::Unknown(why.to_owned());
                    world.state().is_denied = true;
                },
                "usermod --append --groups lxd",
            ),
            (
                "LXD",
                Missing,
                |world| {
                    world.state().server = Observed::Unknown("permission denied".to_owned());
                    world.state().is_denied = true;
                    world.seen().is_in_group = true;
                },
                "newgrp lxd",
            ),
            ("LXD", Missing, |world| world.state().server = Observed::Absent, "reportctl up -e lxd"),
            (
                "LXD",
                Missing,
                |world| {
                    world.state().server = Observed::Absent;
                    world.state().units.insert("lxd.socket".to_owned());
                },
                "systemctl start lxd.socket",
            ),
            (
                "LXD",
                Missing,
                |world| world.state().lacks = BTreeSet::from(["cloud_init".to_owned()]),
                "LXD 5.0 or newer",
            ),
            (
                "dnsmasq-base",
                Missing,
                |world| {
                    world.state().packages.insert("dnsmasq-base".to_owned(), package(Some("2.89")));
                },
                "installs dnsmasq-base 2.89",
            ),
            (
                "storage pool",
                Missing,
                |world| {
                    world.state().pools.get_mut("default").unwrap().free = Some(Size(1 << 30));
                },
                "lxc storage info default",
            ),
            (
                "storage pool",
                Note,
                |world| {
                    world.state().pools.get_mut("default").unwrap().free = Some(Size(6 << 30));
                },
                "bake prune",
            ),
            (
                "storage pool",
                Missing,
                |world| {
                    if let Machine::Lxd(machine) = &mut world.environment.machine {
                        machine.pool = Some("fast".to_owned());
                    }
                },
                "name another `pool`",
            ),
            (
                "storage pool",
                Missing,
                |world| {
                    let pool = world.state().pools["default"].clone();
                    world.state().pools.insert("other".to_owned(), pool);
                    world.state().default_pool = None;
                },
                "say which `pool`",
            ),
            (
                "image",
                Missing,
                |world| {
                    world.state().remote = Observed::Unknown("no such host".to_owned());
                    world.state().image_tools.insert("mmdebstrap".to_owned(), package(Some("1.3")));
                },
                "installs mmdebstrap",
            ),
            (
                "image",
                Missing,
                |world| {
                    world.state().remote = Observed::Unknown("no such host".to_owned());
                    if let Machine::Lxd(machine) = &mut world.environment.machine {
                        machine.blueprint.image.debian = None;
                    }
                },
                "lxc remote list",
            ),
            (
                "name taken",
                Missing,
                |world| {
                    let foreign = Foreign { kind: Kind::Network, name: "rc7f3k9q2m".to_owned(), id: None };
                    world.state().foreign.push(foreign);
                },
                "lxc network show rc7f3k9q2m",
            ),
            (
                "left over",
                Note,
                |world| {
                    world.state().leftovers.push(Leftover { kind: Kind::Instance, name: "report-x".to_owned() });
                },
                "reportctl up -e lxd",
            ),
            (
                "virtual machines",
                Missing,
                |world| {
                    virtual_machine(world);
                    world.state().no_machines = Some("this host has no /dev/kvm".to_owned());
                },
                "lxc info",
            ),
        ],
    );
}
