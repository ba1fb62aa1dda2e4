//! What is found of Multipass, from what was seen of it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
use super::tests::one;
use super::tests_guest::{DOCKER, World, hold};
use crate::cli::doctor::finding::State::{self, Missing, Note};
use reportctl::model::inventory::{MachineState, Observed};
use reportctl::model::multipass::{Instance, Lack, MultipassState, Refusal, Status};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn state(world: &mut World) -> &mut MultipassState {
    match &mut world.inventory.machine {
        MachineState::Multipass(state) => state,
        _ => unreachable!("the world has Multipass"),
    }
}

fn refuse(world: &mut World, refusal: Refusal) {
    let state = state(world);
    state.server = Observed::Unknown("it does not answer".to_owned());
    state.refusal = Some(refusal);
}

fn instance(world: &mut World, status: Status) {
    state(world).instance = Observed::Present(Instance {
        name: "report-multipass-7f3k9q2m".to_owned(),
        status,
        is_running: false,
        address: None,
        marker: Observed::Absent,
        snapshots: 0,
    });
}

#[test]
fn what_multipass_lacks_is_named_with_what_mends_it() {
    let install = "apt-get install snapd && sudo snap install multipass";
    let with_snap = |world: &mut World| {
        state(world).client = Observed::Absent;
        world.seen().snap = Some(PathBuf::from("/usr/bin/snap"));
    };
    let lack = |world: &mut World| {
        let (cause, advice) = ("there is 1 MiB free".to_owned(), "make room".to_owned());
        state(world).lacks.push(Lack { cause, advice });
    };
    let other = |world: &mut World| {
        let deleted = ("primary".to_owned(), "Deleted".to_owned());
        world.seen().instances = Observed::Present(BTreeMap::from([deleted]));
    };
    let docker = |world: &mut World| world.seen().network.rules = Observed::Present(DOCKER.to_owned());
    let purge = "multipass delete --purge report-multipass-7f3k9q2m";
    hold(
        World::multipass,
        &[
            ("multipass", Missing, |world| state(world).client = Observed::Absent, install),
            ("multipass", Missing, with_snap, "sudo snap install multipass"),
            ("multipassd", Missing, |world| refuse(world, Refusal::Down), "snap restart multipass"),
            ("multipassd", Missing, |world| refuse(world, Refusal::Denied), "usermod --append"),
            ("multipassd", Missing, |world| refuse(world, Refusal::Unauthenticated), "multipass authenticate"),
            ("KVM", Missing, |world| world.seen().kvm.device = Observed::Absent, "modprobe kvm_intel"),
            ("machine", Missing, lack, "make room"),
            ("machine", Note, |world| instance(world, Status::Unknown), "multipass stop --force"),
            ("name taken", Missing, |world| instance(world, Status::Deleted), purge),
            ("deleted machine", Note, other, "multipass recover primary"),
            ("firewall", Missing, docker, "-I DOCKER-USER -i mpqemubr0 -j ACCEPT"),
        ],
    );
    let mut world = World::multipass();
    world.seen().kvm.vsock = Observed::Absent;
    assert_eq!(one(&world.found(), "KVM").state, State::Ok, "Multipass does without it");
    state(&mut world).remarks.push("the machine gets more processors than this host has".to_owned());
    assert_eq!(one(&world.found(), "machine").state, Note);
}
