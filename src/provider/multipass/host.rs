//! What this host must have before an instance is made: Multipass itself does not look, or says something else.

use crate::context::Context;
use crate::exec;
use crate::fs;
use crate::model::blueprint::Blueprint;
use crate::model::multipass::Lack;
use std::path::{Component, Path};

/// Where Multipass keeps disks.
const STORE: &str = "/var/snap/multipass/common";
/// What an image needs before anything is in it.
const LEAST: u64 = 4 << 30;

/// What this host lacks, and what is to be known.
pub fn look(context: &Context, blueprint: &Blueprint) -> (Vec<Lack>, Vec<String>) {
    let (mut lacks, mut remarks) = (Vec::new(), Vec::new());
    for mount in &blueprint.mounts {
        if let Some(reason) = hidden(&mount.source) {
            let source = mount.source.display();
            lacks.push(Lack {
                cause: format!("Multipass cannot see the folder {source}: {reason}"),
                advice: "mount a folder below /home that is not hidden: Multipass's package sees nothing else"
                    .to_owned(),
            });
        }
    }
    if let Some(total) = memory(&fs::read(Path::new("/proc/meminfo")).unwrap_or_default())
        && total < blueprint.memory.bytes()
    {
        lacks.push(Lack {
            cause: format!(
                "the machine is to have {} of memory, and this host has {} MiB",
                blueprint.memory,
                total >> 20
            ),
            advice: "give the machine less with `memory` in the environment".to_owned(),
        });
    }
    let store = fs::nearest_folder(Path::new(STORE));
    if let Ok(free) = fs::free_bytes(&store) {
        let (at, mib) = (store.display(), free >> 20);
        if free < LEAST {
            lacks.push(Lack {
                cause: format!("{at} has {mib} MiB free, and an image alone needs {} MiB", LEAST >> 20),
                advice:
                    "make room; `multipass list` shows instances that were deleted and still keep their disks, and \
                         `multipass delete --purge NAME` removes one"
                        .to_owned(),
            });
        } else if free < blueprint.disk.bytes() {
            // Multipass promises it all the same.
            remarks.push("this host's disk has less free than the machine may use".to_owned());
        }
    }
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < blueprint.cpus as usize) {
        remarks.push("the machine gets more processors than this host has".to_owned());
    }
    if exec::find(context, "docker").is_some() {
        remarks.push(
            "Docker is here, and may keep machines from reaching out: `sudo iptables -I DOCKER-USER -i mpqemubr0 -j ACCEPT` \
             and the same with `-o` let them"
                .to_owned(),
        );
    }
    (lacks, remarks)
}

/// Why the snap does not see a folder; none where it does.
fn hidden(path: &Path) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let names: Vec<String> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["mnt" | "media", ..] => None,
        ["home", _, top, ..] if top.starts_with('.') => Some("it is hidden at the top of a home".to_owned()),
        ["home", _, ..] => None,
        _ => Some("it does not lie below /home".to_owned()),
    }
}

/// The bytes of memory that `/proc/meminfo` tells.
fn memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snap_sees_the_homes_without_what_is_hidden_at_their_top() {
        for seen in ["/home/a/data", "/home/a/data/.git", "/mnt/data", "/media/disk"] {
            assert_eq!(hidden(Path::new(seen)), None, "{seen}");
        }
        for unseen in ["/tmp/data", "/home/a/.cache/data", "/root/data", "/srv", "/var/lib/x", "/"] {
            assert!(hidden(Path::new(unseen)).is_some(), "{unseen}");
        }
    }

    #[test]
    fn the_kernel_tells_the_memory() {
        assert_eq!(memory("MemTotal:       24685140 kB\nMemFree: 1 kB\n"), Some(24_685_140 << 10));
        assert_eq!(memory("nothing"), None);
    }
}
