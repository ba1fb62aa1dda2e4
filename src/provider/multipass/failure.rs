//! What each error of Multipass means for whoever sees it.

use super::call::Said;
use super::words::Trouble;
use crate::exec::ExecError;
use crate::model::multipass::Refusal;
use crate::provider::{Failure, FailureKind};

/// What to do about a daemon that refuses.
pub const fn advice_for(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Down => {
            "start it with `sudo snap start multipass`, and look into `journalctl --unit 'snap.multipass*'`"
        }
        Refusal::Denied => {
            "see which group may with `ls -l /var/snap/multipass/common/multipass_socket`, join it, and sign in again"
        }
        Refusal::Unauthenticated => "multipass authenticate",
    }
}

/// The failure that an error of `multipass` comes to.
pub fn of(said: &Said, name: &str) -> Failure {
    let cause = said.words();
    let Some(trouble) = said.trouble() else {
        return Failure::new(FailureKind::Failed, cause)
            .advice(format!("multipass info {name}   # and look into `journalctl --unit 'snap.multipass*'`"));
    };
    let (kind, advice) = meaning(trouble, name);
    Failure::new(kind, cause).advice(advice)
}

/// What sort of failure it is, and what to do about it.
fn meaning(trouble: Trouble, name: &str) -> (FailureKind, String) {
    let precondition = |advice: &str| (FailureKind::Precondition, advice.to_owned());
    let timeout = |advice: &str| (FailureKind::Timeout, advice.to_owned());
    match trouble {
        Trouble::Refused(refusal) => precondition(advice_for(refusal)),
        Trouble::Missing => (FailureKind::Failed, "reportctl up   # which makes it anew".to_owned()),
        Trouble::Taken => precondition(&format!(
            "a deleted instance keeps its name: look at `multipass info {name}`, and bring it back with `multipass recover \
             {name}` or remove it with `multipass delete --purge {name}`"
        )),
        Trouble::Preparing => {
            timeout("Multipass is still making it: type the same command again in some minutes")
        }
        Trouble::NoImage => precondition("see what there is with `multipass find`, and name it as `image.multipass`"),
        Trouble::NoRemote => precondition("name one of the remotes of `multipass find` in `image.multipass`, or none"),
        Trouble::OldImage => precondition("name a newer image of `multipass find` as `image.multipass`"),
        Trouble::Download => (
            FailureKind::Failed,
            "see whether this host reaches https://cloud-images.ubuntu.com: a proxy, a VPN or a firewall may stand between; \
             `multipass get local.image.mirror` names a mirror, where one was set"
                .to_owned(),
        ),
        Trouble::Hash => (
            FailureKind::Failed,
            "what was fetched is broken, also after its list was fetched anew: a proxy may keep an old one; try again later"
                .to_owned(),
        ),
        Trouble::SmallDisk => precondition("give the machine a larger disk with `disk` in the environment"),
        Trouble::FullDisk => precondition(
            "make room on this host; `multipass list` shows instances that were deleted and still keep their disks, and \
             `multipass delete --purge NAME` removes one",
        ),
        Trouble::NoKvm => precondition(
            "turn virtualisation on in the firmware, or nested virtualisation where this host is a machine itself, and see \
             to it that /dev/kvm is there; where it is: `sudo snap connect multipass:kvm`",
        ),
        Trouble::Hypervisor => precondition("end the other hypervisor (VirtualBox, VMware), or use LXD"),
        Trouble::Stopped => (
            FailureKind::Failed,
            format!(
                "see whether /dev/kvm can be used, another hypervisor runs, or the machine has too little memory (1GiB at \
                 least); `multipass start {name}` says more, and `journalctl --unit 'snap.multipass*'` all"
            ),
        ),
        Trouble::NoSsh => timeout(
            "the machine has no way to this host: a firewall or a VPN may stand between; look at the rules for the bridge \
             mpqemubr0, and type the same command again",
        ),
        Trouble::NoInit | Trouble::ClientTimer => timeout(
            "the machine is there and goes on by itself: type the same command again, or give it more time with \
             `timeouts.cloud-init` in the blueprint",
        ),
        Trouble::Mount => precondition(&format!(
            "the folder must be there and lie below /home, not hidden; `multipass mount SOURCE {name}:TARGET` says more"
        )),
        Trouble::UserData => precondition("reportctl validate"),
        Trouble::Invalid => precondition("change what it names in the environment or its blueprint"),
        Trouble::Unsupported => precondition("see `multipass get local.driver`: the driver qemu can do that"),
        Trouble::NotStopped => (FailureKind::Failed, format!("multipass stop {name}")),
        Trouble::Unreachable => {
            timeout("the machine runs and lets nobody in: type the same command again, which starts it anew")
        }
    }
}

/// The failure that it comes to when `multipass` could not be run to its end.
pub fn broken(error: &ExecError) -> Failure {
    match error {
        ExecError::NotFound { .. } => {
            Failure::new(FailureKind::ForeignTool, error.to_string()).advice("sudo snap install multipass")
        }
        ExecError::Deadline { .. } => Failure::new(FailureKind::Timeout, error.to_string())
            .advice("look into `journalctl --unit 'snap.multipass*'`, and type the same command again"),
        _ => Failure::new(FailureKind::Failed, error.to_string()),
    }
}
