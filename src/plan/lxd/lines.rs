//! How what is done to LXD is shown.

use super::LxdAction;
use crate::model::argv;
use crate::model::environment::InstanceKind;
use crate::model::inventory::RootAccess;
use crate::model::lxd::{Devices, SNAPSHOT, Settings};
use crate::plan::commands;

/// The command that ends a daemon which [`LxdAction::StartDaemon`] has started.
pub(super) fn stop_daemon(root: RootAccess, unit: Option<&str>) -> String {
    match unit {
        Some(unit) => commands::stop_unit(root, unit).pasteable(),
        None => commands::stop_lxd(root).pasteable(),
    }
}

impl LxdAction {
    /// What would be typed to do the same by hand.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::StartDaemon { root, unit: Some(unit) } => vec![commands::start_unit(*root, unit).pasteable()],
            Self::StartDaemon { root, unit: None } => vec![commands::start_lxd(*root).pasteable()],
            Self::EnsurePool { name, id } => vec![format!("lxc storage create {name} dir {}", label(id))],
            Self::EnsureNetwork { name, id, subnet } => {
                let how = format!("ipv4.address={} ipv4.nat=true ipv6.address=none", subnet.gateway());
                vec![format!("lxc network create {name} {how} {}", label(id))]
            }
            Self::EnsureProfile { name, id, config, devices } => profile(name, id.as_str(), config, devices),
            Self::Image { step } => step.lines(),
            Self::Create { name, id, kind, image, profile, devices, .. } => {
                let vm = match kind {
                    InstanceKind::Container => "",
                    InstanceKind::VirtualMachine => " --vm",
                };
                let create = format!(
                    "lxc init {} {name}{vm} --profile {profile} --config {} < user-data.yaml",
                    argv::quote(&image.reference()),
                    label(id)
                );
                ["# the user-data that `reportctl render` shows, as user.user-data and cloud-init.user-data:"
                    .to_owned()]
                .into_iter()
                .chain([create])
                .chain(devices.iter().map(|(device, settings)| add_device("config", name, device, settings)))
                .collect()
            }
            Self::Adapt { name, profile, devices, .. } => [format!("lxc profile assign {name} {profile}")]
                .into_iter()
                .chain(devices.iter().map(|(device, settings)| add_device("config", name, device, settings)))
                .collect(),
            Self::Start { name, subnet, .. } => {
                vec![format!("lxc start {name}"), format!("lxc list {name}  # until it has an address in {subnet}")]
            }
            Self::Snapshot { name, .. } => vec![format!("lxc snapshot {name} {SNAPSHOT}")],
            Self::Restore { name, .. } => {
                vec![format!("lxc stop --force {name}"), format!("lxc restore {name} {SNAPSHOT}")]
            }
            Self::Stop { name, .. } => vec![format!("lxc stop {name}")],
            Self::Delete { name, .. } => vec![format!("lxc delete --force {name}")],
            Self::DeleteProfile { name, .. } => vec![format!("lxc profile delete {name}")],
            Self::DeleteNetwork { name, .. } => vec![format!("lxc network delete {name}")],
            Self::DeletePool { name, .. } => vec![format!("lxc storage delete {name}")],
        }
    }

    /// What it changes, in words.
    pub fn words(&self) -> String {
        match self {
            Self::StartDaemon { .. } => "start the daemon".to_owned(),
            Self::EnsurePool { name, .. } => format!("storage pool {name}"),
            Self::EnsureNetwork { name, subnet, .. } => format!("network {name} ({subnet})"),
            Self::EnsureProfile { name, .. } => format!("profile {name}"),
            Self::Image { step } => step.words(),
            Self::Create { name, kind: InstanceKind::Container, image, .. } => {
                format!("container {name} from {}", image.reference())
            }
            Self::Create { name, kind: InstanceKind::VirtualMachine, image, .. } => {
                format!("virtual machine {name} from {}", image.reference())
            }
            Self::Adapt { devices, .. } => format!("other devices ({})", devices.len()),
            Self::Start { .. } => "start".to_owned(),
            Self::Snapshot { .. } => format!("snapshot {SNAPSHOT}"),
            Self::Restore { .. } => format!("back to its snapshot {SNAPSHOT}"),
            Self::Stop { .. } => "stop".to_owned(),
            Self::Delete { name, .. } => format!("delete {name}"),
            Self::DeleteProfile { name, .. } => format!("delete the profile {name}"),
            Self::DeleteNetwork { name, .. } => format!("delete the network {name}"),
            Self::DeletePool { name, .. } => format!("delete the storage pool {name}"),
        }
    }
}

fn label(id: &crate::model::ids::EnvId) -> String {
    format!("user.reportctl.id={id}")
}

fn profile(name: &str, id: &str, config: &Settings, devices: &Devices) -> Vec<String> {
    let sets = config.iter().map(|(key, value)| format!("{key}={value}"));
    let sets = sets.chain([format!("user.reportctl.id={id}")]);
    let set = ["lxc", "profile", "set", name].map(str::to_owned).into_iter().chain(sets);
    [format!("lxc profile create {name}"), argv::join(set)]
        .into_iter()
        .chain(devices.iter().map(|(device, settings)| add_device("profile", name, device, settings)))
        .collect()
}

fn add_device(of: &str, name: &str, device: &str, settings: &Settings) -> String {
    let kind = settings.get("type").map(String::as_str).unwrap_or_default();
    let rest = settings.iter().filter(|(key, _)| *key != "type").map(|(key, value)| format!("{key}={value}"));
    let words = ["lxc", of, "device", "add", name, device, kind].map(str::to_owned);
    argv::join(words.into_iter().chain(rest))
}
