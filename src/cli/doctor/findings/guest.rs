//! What any machine that is made on this host needs of it.

use crate::cli::doctor::finding::{Finding, missing, note, ok, rounded};
use crate::cli::doctor::look::MachineLook;
use reportctl::model::environment::{Environment, InstanceKind, LxdMachine, Machine};
use reportctl::model::inventory::Observed;

/// The way in, the size, and the folders that the machine sees.
pub fn findings(environment: &Environment, seen: &MachineLook) -> Vec<Finding> {
    let mut all = vec![ssh(seen)];
    let file = format!("environments/{}.yaml", environment.name);
    if is_virtual(&environment.machine) {
        all.push(kvm(matches!(environment.machine, Machine::Lxd(_)), seen));
    }
    if let Machine::Lxd(machine) = &environment.machine {
        all.extend(size(&file, machine, seen));
    }
    for mount in &seen.mounts {
        let name = format!("mount {}", mount.source.display());
        let source = mount.source.display();
        all.push(match &mount.is_folder {
            Observed::Present(true) => ok(name, "it is a folder"),
            Observed::Present(false) => missing(name, "it is no folder").mend(format!("ls -ld {source}")),
            Observed::Absent => missing(name, "it is not there").mend(format!("mkdir -p {source}")),
            Observed::Unknown(why) => missing(name, why.clone()).mend(format!("ls -ld {source}")),
        });
    }
    all
}

/// Whether this host has what the machine gets. Multipass's own state tells the same for its machines.
fn size(file: &str, machine: &LxdMachine, seen: &MachineLook) -> Vec<Finding> {
    let shape = &machine.blueprint;
    let mut all = Vec::new();
    if let Observed::Present(bytes) = seen.memory {
        let words = format!("{} in this host, {} for the machine", rounded(bytes), shape.memory);
        let edit = format!("$EDITOR {file}   # write a smaller `memory` under `machine`");
        all.push(match (bytes < shape.memory.bytes(), machine.instance) {
            (true, InstanceKind::VirtualMachine) => missing("machine memory", words).mend(edit),
            // There it is a limit and no more.
            (true, InstanceKind::Container) => note("machine memory", words).mend(edit),
            (false, _) => ok("machine memory", words),
        });
    }
    if seen.cpus < shape.cpus {
        let words = format!("{} processors in this host, {} for the machine", seen.cpus, shape.cpus);
        let edit = format!("$EDITOR {file}   # write `cpus: {}` under `machine`", seen.cpus);
        all.push(note("machine cpus", words).mend(edit));
    }
    all
}

/// Whether the machine has a kernel of its own.
const fn is_virtual(machine: &Machine) -> bool {
    match machine {
        Machine::Host { .. } => false,
        Machine::Lxd(machine) => matches!(machine.instance, InstanceKind::VirtualMachine),
        Machine::Multipass(_) => true,
    }
}

fn ssh(seen: &MachineLook) -> Finding {
    match &seen.ssh {
        Some(path) => ok("ssh", path.display().to_string()),
        None => missing("ssh", "no program `ssh`, by which the components in the machine are reached")
            .mend("sudo apt-get install openssh-client"),
    }
}

/// Whether virtual machines can run; for LXD `wants_vsock` holds.
fn kvm(wants_vsock: bool, seen: &MachineLook) -> Finding {
    let kvm = &seen.kvm;
    match (&kvm.device, kvm.can) {
        (_, Some(false)) => {
            let detail = "the processor has no virtualisation to give: it is switched off in the firmware, or this host is a \
                          virtual machine itself, without nested virtualisation";
            missing("KVM", detail).mend(
                "grep -cE 'vmx|svm' /proc/cpuinfo   # must not be 0: see the firmware, or whoever gives you this host",
            )
        }
        (Observed::Absent, _) => {
            missing("KVM", "there is no /dev/kvm").mend("sudo modprobe kvm_intel || sudo modprobe kvm_amd")
        }
        (Observed::Unknown(why), _) => note("KVM", why.clone()),
        (Observed::Present(()), _) if wants_vsock && kvm.vsock.is_absent() => {
            missing("KVM", "there is no /dev/vhost-vsock, by which LXD speaks to what runs in a virtual machine")
                .mend("sudo modprobe vhost_vsock")
        }
        (Observed::Present(()), _) => ok("KVM", "/dev/kvm is there"),
    }
}
