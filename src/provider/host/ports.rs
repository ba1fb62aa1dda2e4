//! Who uses the ports of the loopback address.

use crate::fs;
use crate::model::inventory::{Observed, PortUse};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// Who uses each of these ports. `ours` are the processes of this environment.
///
/// A port is free when we can listen on it ourselves, which is tried and at once undone.
pub fn observe(ports: &BTreeSet<u16>, ours: &BTreeSet<u32>) -> BTreeMap<u16, PortUse> {
    let taken: BTreeSet<u16> = ports.iter().copied().filter(|port| !is_free(*port)).collect();
    let held = held_by(&taken, ours);
    let judge = |port: u16| match (taken.contains(&port), held.contains(&port)) {
        (false, _) => PortUse::Free,
        (true, true) => PortUse::Ours,
        (true, false) => PortUse::Taken,
    };
    ports.iter().map(|port| (*port, judge(*port))).collect()
}

/// Whether we could listen on that port of the loopback address now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Those of the ports on which one of these processes listens.
pub fn held_by(ports: &BTreeSet<u16>, processes: &BTreeSet<u32>) -> BTreeSet<u16> {
    if ports.is_empty() || processes.is_empty() {
        return BTreeSet::new();
    }
    let listening = listening(ports);
    let sockets: BTreeSet<u64> = processes.iter().flat_map(|pid| sockets_of(*pid)).collect();
    listening.into_iter().filter(|(inode, _)| sockets.contains(inode)).map(|(_, port)| port).collect()
}

/// The listening sockets on these ports, whatever their address: their inodes.
fn listening(ports: &BTreeSet<u16>) -> BTreeMap<u64, u16> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| match fs::observe(Path::new(path)) {
            Observed::Present(text) => Some(parse_listening(&text)),
            Observed::Absent | Observed::Unknown(_) => None,
        })
        .flatten()
        .filter(|(_, port)| ports.contains(port))
        .collect()
}

/// Reads `/proc/net/tcp` (proc_net_tcp in the kernel's documentation): state `0A` is listening.
fn parse_listening(text: &str) -> Vec<(u64, u16)> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        let inode = fields.get(9)?.parse().ok()?;
        (*fields.get(3)? == "0A").then_some((inode, u16::from_str_radix(port, 16).ok()?))
    };
    text.lines().skip(1).filter_map(parse).collect()
}

/// The inodes of a process's sockets; none when it is gone or not ours to look at.
fn sockets_of(pid: u32) -> Vec<u64> {
    let folder = Path::new("/proc").join(pid.to_string()).join("fd");
    let inode = |name: &String| {
        let target = fs::read_link(&folder.join(name)).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    fs::list(&folder).unwrap_or_default().iter().filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    #[test]
    fn only_listening_sockets_are_read() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   112        0 4711 1 0 100 0 0 10 0\n   1: 0100007F:18EB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   112        0 4712 1 0 20 4 0 10 -1\n";
        assert_eq!(parse_listening(text), [(4711, 6379)]);
        assert!(parse_listening("").is_empty());
    }

    #[test]
    fn a_port_is_ours_only_through_a_process_of_ours() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ports = BTreeSet::from([port]);
        let own = BTreeSet::from([std::process::id()]);
        assert_eq!(observe(&ports, &own)[&port], PortUse::Ours);
        assert_eq!(observe(&ports, &BTreeSet::new())[&port], PortUse::Taken);
        assert_eq!(observe(&ports, &BTreeSet::from([1]))[&port], PortUse::Taken);
        drop(listener);
        assert_eq!(observe(&ports, &own)[&port], PortUse::Free);
    }
}
