//! What a person needs to know where LXD did not do what it should.

use super::lxc::{LxcError, Sort};
use crate::exec::ExecError;
use crate::provider::{Failure, FailureKind};

/// What LXD's words mean for whoever has to do something about it. The first that fits counts.
const ADVICE: [(&[&str], FailureKind, &str); 16] = [
    (
        &["no space left on device", "No space left on device", "disk quota exceeded", "out of space"],
        FailureKind::Precondition,
        "the storage pool or this host's disk is full: look at `lxc storage list`, `lxc storage info POOL` and `df -h`, and \
         delete what nobody needs",
    ),
    (
        &["KVM support is missing", "vhost_vsock", "\"virtual-machine\" is not supported", "qemu-system"],
        FailureKind::Precondition,
        "virtual machines need /dev/kvm, QEMU and the module vhost_vsock (`modprobe vhost_vsock`); or say \
         `instance: container` in the environment",
    ),
    (
        &["Asked for a VM but image", "Requested image's type", "image is of type"],
        FailureKind::Precondition,
        "the image is for another kind of instance: name another one in the blueprint, with `image.lxd`",
    ),
    (
        &["The remote \""],
        FailureKind::Precondition,
        "look at `lxc remote list`, and name one of them in the blueprint, with `image.lxd`",
    ),
    (
        &["Image not found", "Image alias not found", "image couldn't be found", "couldn't find a matching image"],
        FailureKind::Precondition,
        "look at `lxc image list` and `lxc image list REMOTE:`, and name an image in the blueprint, with `image.lxd`",
    ),
    (
        &["Failed getting remote image", "Failed remote image download", "no such host", "TLS handshake timeout"],
        FailureKind::Failed,
        "the image could not be fetched: see whether this host reaches the remote (`lxc remote list`), or copy the image \
         beforehand with `lxc image copy`",
    ),
    (
        &["Failed to setup firewall", "exec: \"iptables\"", "Failed to run: iptables", "Failed to run: nft", "xtables"],
        FailureKind::Precondition,
        "LXD's network needs iptables or nft, and a kernel that lets it use them: sudo apt-get install iptables",
    ),
    (
        &["Failed to run: dnsmasq", "exec: \"dnsmasq\"", "The DNS and DHCP service"],
        FailureKind::Precondition,
        "LXD's network needs dnsmasq, and its port 53 and 67 on the network's own address: sudo apt-get install dnsmasq-base",
    ),
    (
        &["is protected from being deleted", "is protected"],
        FailureKind::Precondition,
        "somebody has protected it: lxc config unset NAME security.protection.delete",
    ),
    (
        &["currently in use", "is in use"],
        FailureKind::Precondition,
        "something that is not this environment's uses it: delete that, or have it use something else",
    ),
    (
        &["Failed to load raw.lxc", "security.nesting", "nesting", "idmap", "newuidmap", "subuid", "subgid"],
        FailureKind::Precondition,
        "this host does not let LXD start unprivileged containers: where it is a container itself, it needs \
         `security.nesting=true`; else look at /etc/subuid and /etc/subgid",
    ),
    (
        &["apparmor", "AppArmor"],
        FailureKind::Precondition,
        "AppArmor is not as LXD needs it: look at `aa-status` and the end of `dmesg`",
    ),
    (
        &[
            "Invalid value",
            "Unknown configuration key",
            "Invalid config",
            "Invalid devices",
            "Device validation failed",
        ],
        FailureKind::Failed,
        "LXD does not take a value of the environment or its blueprint: mend it, and see what becomes of it with \
         `reportctl plan`",
    ),
    (
        &["Missing source path", "Missing source", "source path"],
        FailureKind::Precondition,
        "a folder that the blueprint mounts is not there, or LXD cannot see it: a snap sees neither hidden folders nor /tmp",
    ),
    (
        &["connection refused", "connection reset", "EOF", "daemon is shutting down", "is starting up"],
        FailureKind::Failed,
        "LXD's daemon went away meanwhile: see `lxc list`, and type the same command again",
    ),
    (
        &["not authorized", "permission denied", "Forbidden"],
        FailureKind::Precondition,
        "this user may not do that: sudo usermod --append --groups lxd \"$USER\", and sign in again",
    ),
];

/// What failed, by what `doing` says, such as `the instance x cannot be made`.
pub fn failure(doing: &str, error: &LxcError) -> Failure {
    let said = error.said();
    let (kind, advice) = match error {
        LxcError::Exec(ExecError::NotFound { .. }) => {
            (FailureKind::ForeignTool, Some("install LXD: sudo apt-get install lxd"))
        }
        LxcError::Exec(ExecError::Deadline { .. }) => (
            FailureKind::Timeout,
            Some("LXD may still be at it: see `lxc operation list`, and type the same command again"),
        ),
        _ => match advice(said) {
            Some((kind, advice)) => (kind, Some(advice)),
            None if error.sort() == Sort::Busy => {
                (FailureKind::Failed, Some("wait until `lxc operation list` is empty, and type the same command again"))
            }
            None => (FailureKind::Failed, None),
        },
    };
    let mut failure = Failure::new(kind, format!("{doing}: {error}"));
    if let LxcError::Said { command, .. } = error {
        failure = failure.observed(format!("LXD said so to `{}`", shortened(command)));
    }
    match advice {
        Some(advice) => failure.advice(advice),
        None => failure,
    }
}

fn advice(said: &str) -> Option<(FailureKind, &'static str)> {
    let fits = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    ADVICE.iter().find(|(texts, _, _)| fits(texts)).map(|(_, kind, advice)| (kind.clone(), *advice))
}

/// Data that was sent as an argument is left out.
fn shortened(command: &str) -> String {
    let short = |part: &str| part.chars().take(300).collect::<String>();
    if command.chars().count() > 300 { format!("{}…", short(command)) } else { command.to_owned() }
}

/// Something has the name that was to be used, and is not ours.
pub fn foreign(word: &str, name: &str, id: Option<&String>) -> Failure {
    let whose = match id {
        Some(id) => format!("it carries the identity {id}"),
        None => "it carries no identity of ours".to_owned(),
    };
    Failure::new(FailureKind::Precondition, format!("the {word} {name} is somebody else's: {whose}"))
        .advice(format!("it is never touched: rename it or delete it yourself, after a look at the {word} with `lxc`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lxd_says_comes_with_what_to_do() {
        let cases = [
            (
                "Failed creating instance record: Instance type \"virtual-machine\" is not supported on this server: vhost_vsock \
                 kernel module not loaded",
                FailureKind::Precondition,
                "instance: container",
            ),
            ("Create instance: write /var/x: no space left on device", FailureKind::Precondition, "lxc storage info"),
            ("Image alias not found", FailureKind::Precondition, "lxc image list"),
            ("The remote \"x\" doesn't exist", FailureKind::Precondition, "lxc remote list"),
            ("Failed creating instance record: Invalid value: banana", FailureKind::Failed, "reportctl plan"),
            ("The network is currently in use", FailureKind::Precondition, "uses it"),
            ("Instance is protected", FailureKind::Precondition, "security.protection.delete"),
            ("Asked for a VM but image is of type container", FailureKind::Precondition, "image.lxd"),
        ];
        for (said, kind, advice) in cases {
            let error = LxcError::Said { said: said.to_owned(), command: "lxc init".to_owned() };
            let failure = failure("it cannot be made", &error);
            assert_eq!(failure.kind, kind, "{said}");
            assert!(failure.cause.ends_with(said), "{}", failure.cause);
            assert!(failure.advice.as_ref().is_some_and(|text| text.contains(advice)), "{said}: {:?}", failure.advice);
        }
    }
}
