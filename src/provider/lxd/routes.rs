//! Which addresses this host reaches somebody in.

use crate::fs;
use crate::model::lxd::Subnet;
use std::collections::BTreeSet;
use std::path::Path;

/// The ranges in this host's tables of routes, those of VPNs with a table of their own included. Nothing where the kernel
/// does not show them: LXD then still refuses what is its own.
pub fn taken() -> BTreeSet<Subnet> {
    fs::read(Path::new("/proc/net/fib_trie")).map(|text| parse(&text)).unwrap_or_default()
}

/// Reads `/proc/net/fib_trie`: a leaf is a line with an address, and below it a line for each route, with its length.
fn parse(text: &str) -> BTreeSet<Subnet> {
    let mut ranges = BTreeSet::new();
    let mut address = None;
    for line in text.lines().map(str::trim_start) {
        if let Some(leaf) = line.strip_prefix("|-- ") {
            address = leaf.trim().parse().ok();
        } else if let Some(route) = line.strip_prefix('/')
            && let Some(address) = address
            && let Some(prefix) = route.split_whitespace().next().and_then(|prefix| prefix.parse().ok())
        {
            ranges.extend(Subnet::around(address, prefix));
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_every_table_are_read() {
        let text = include_str!("../../../tests/fixtures/lxd/fib_trie-6.18.txt");
        let ranges: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
        for expected in ["0.0.0.0/0", "10.77.0.0/24", "127.0.0.0/8", "192.0.2.0/24", "192.0.2.255/32"] {
            assert!(ranges.contains(&expected.to_owned()), "{expected} in {ranges:?}");
        }
        assert!(parse("").is_empty() && parse("|-- x\n/24 link").is_empty());
    }
}
