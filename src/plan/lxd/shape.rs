//! What an environment's things in LXD look like.

use crate::model::blueprint::Mount;
use crate::model::digest;
use crate::model::environment::LxdMachine;
use crate::model::ids::EnvId;
use crate::model::lxd::{Devices, LABELS, Profile, Settings, Subnet};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The private ranges (RFC 1918) that are tried, one after the other: the first address and how many ranges of 24 bits. In
/// the middle of `10.0.0.0/8` first: below and above lie those that companies and their VPNs like best.
const RANGES: [(Ipv4Addr, u32); 3] = [
    (Ipv4Addr::new(10, 64, 0, 0), 160 * 256),
    (Ipv4Addr::new(172, 20, 0, 0), 12 * 256),
    (Ipv4Addr::new(192, 168, 100, 0), 150),
];

/// The profile, labels aside.
pub(super) fn profile(machine: &LxdMachine, pool: &str, network: &str) -> Profile {
    let blueprint = &machine.blueprint;
    let config =
        settings([("limits.cpu", blueprint.cpus.to_string()), ("limits.memory", blueprint.memory.to_string())]);
    let root = settings([
        ("type", "disk".to_owned()),
        ("path", "/".to_owned()),
        ("pool", pool.to_owned()),
        ("size", blueprint.disk.to_string()),
    ]);
    let nic = settings([("type", "nic".to_owned()), ("name", "eth0".to_owned()), ("network", network.to_owned())]);
    let devices = [("eth0".to_owned(), nic), ("root".to_owned(), root)].into();
    Profile { config, devices }
}

/// The folders of this host that the machine sees, as devices of its own.
pub(super) fn mounts(machine: &LxdMachine) -> Devices {
    machine.blueprint.mounts.iter().enumerate().map(|(place, mount)| (format!("mount{place}"), device(mount))).collect()
}

fn device(mount: &Mount) -> Settings {
    let mut device = settings([
        ("type", "disk".to_owned()),
        ("source", mount.source.display().to_string()),
        ("path", mount.target.display().to_string()),
    ]);
    if !mount.writable {
        device.insert("readonly".to_owned(), "true".to_owned());
    }
    device
}

/// Whether a profile says what it should, labels aside.
pub(super) fn is_same(found: &Profile, wanted: &Profile) -> bool {
    let plain = found.config.iter().filter(|(key, _)| !key.starts_with(LABELS));
    plain.eq(wanted.config.iter()) && found.devices == wanted.devices
}

/// The pool of the root disk that a profile gives.
pub(super) fn pool_of(profile: &Profile) -> Option<&String> {
    profile.devices.values().find(|device| device.get("path").is_some_and(|path| path == "/"))?.get("pool")
}

/// A range of addresses that nobody uses. Where it is looked first depends on the identity, so that environments side by
/// side hardly meet, and a plan that is made again is the same.
pub(super) fn free_subnet(id: &EnvId, taken: &BTreeSet<Subnet>) -> Option<Subnet> {
    let hash = digest::sha256_hex(id.as_str().as_bytes());
    let start = u32::from_str_radix(hash.get(..8).unwrap_or("0"), 16).unwrap_or(0);
    RANGES.into_iter().find_map(|(first, count)| {
        (0..count).find_map(|step| {
            let place = start.wrapping_add(step) % count;
            let subnet = Subnet::around(Ipv4Addr::from_bits(first.to_bits() + (place << 8)), 24)?;
            is_free(subnet, taken).then_some(subnet)
        })
    })
}

/// Whether nobody uses any of those addresses, as far as it is known.
pub(super) fn is_free(subnet: Subnet, taken: &BTreeSet<Subnet>) -> bool {
    !taken.iter().any(|other| !other.is_wide() && other.meets(subnet))
}

fn settings<const N: usize>(pairs: [(&str, String); N]) -> Settings {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
