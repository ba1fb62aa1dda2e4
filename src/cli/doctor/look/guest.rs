//! What is seen of this host where a machine is made on it.

use super::memory;
use super::network::{self, NetworkLook};
use crate::cli::Session;
use crate::cli::site::Look;
use reportctl::context::Context;
use reportctl::exec::{self, Command};
use reportctl::fs;
use reportctl::model::blueprint::Blueprint;
use reportctl::model::environment::{Environment, Machine};
use reportctl::model::guest::Guest;
use reportctl::model::inventory::Observed;
use reportctl::reach::guest::{Inside, Run};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What matters where a machine is made.
#[derive(Debug, Clone)]
pub struct MachineLook {
    /// The program of LXD or Multipass.
    pub client: Option<PathBuf>,
    /// The program `snap`.
    pub snap: Option<PathBuf>,
    /// The program `ssh`.
    pub ssh: Option<PathBuf>,
    /// Whether the user is in the group `lxd` by the file of groups, which counts from the next sign-in on.
    pub is_in_group: bool,
    /// What virtual machines need.
    pub kvm: Kvm,
    /// All memory of this host.
    pub memory: Observed<u64>,
    /// The processors of this host.
    pub cpus: u32,
    /// The folders that the machine is to see.
    pub mounts: Vec<MountLook>,
    /// The instances of Multipass and their states.
    pub instances: Observed<BTreeMap<String, String>>,
    /// What stands between machines and the world.
    pub network: NetworkLook,
    /// How far the machine gets, where one runs.
    pub way: Option<Way>,
}

/// What virtual machines need of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kvm {
    /// The device `/dev/kvm`.
    pub device: Observed<()>,
    /// The device `/dev/vhost-vsock`, by which LXD speaks to what runs in one.
    pub vsock: Observed<()>,
    /// Whether the processor says that it can; none where that is told otherwise than on x86.
    pub can: Option<bool>,
}

/// A folder that the machine is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountLook {
    /// Its whole path.
    pub source: PathBuf,
    /// Whether it is a folder.
    pub is_folder: Observed<bool>,
}

/// How far a machine gets on its way to the archive that its packages come from, or to the proxy before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Whose name is asked for.
    pub host: String,
    /// Whether it is known there.
    pub resolves: bool,
    /// Whether a connection is made.
    pub connects: bool,
}

/// Tells where the archive or the proxy is, and how far one gets. Whoever may be named by a proxy's address is left out.
const WAY: &str = r#"
url=$(apt-config dump --format '%v%n' Acquire::http::Proxy 2>/dev/null | head -n 1)
case $url in
  '' | DIRECT)
    url=$(sed -n 's/^URIs: *//p; s/^deb [^h]*\(http[^ ]*\).*/\1/p' \
      /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1) ;;
esac
rest=${url#*://} rest=${rest%%/*} rest=${rest##*@}
host=${rest%%:*} port=${rest##*:}
case $rest in
  *:*) ;;
  *) case $url in https:*) port=443 ;; *) port=80 ;; esac ;;
esac
echo "host $host"
timeout 8 getent ahostsv4 "$host" >/dev/null 2>&1 && echo resolves
timeout 8 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null && echo connects
exit 0
"#;

/// Looks at all of it. What cannot be told is unknown.
pub async fn look(session: &Session<'_>, env: &Environment, shape: &Blueprint, seen: &Look) -> MachineLook {
    let context = session.context;
    let is_multipass = matches!(env.machine, Machine::Multipass(_));
    let client = exec::find(context, if is_multipass { "multipass" } else { "lxc" });
    let (network, way, instances) = tokio::join!(
        network::look(context, &seen.inventory),
        way(context, seen),
        instances(context, client.is_some() && is_multipass),
    );
    let base = session.project.folder().unwrap_or(&context.cwd);
    MachineLook {
        client,
        snap: exec::find(context, "snap"),
        ssh: exec::find(context, "ssh"),
        is_in_group: is_in_group(context),
        kvm: kvm(),
        memory: memory("MemTotal:"),
        cpus: std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
        mounts: shape.mounts.iter().map(|mount| mount_look(base.join(&mount.source))).collect(),
        instances,
        network,
        way,
    }
}

fn mount_look(source: PathBuf) -> MountLook {
    let is_folder = match fs::observe_meta(&source) {
        Observed::Present(meta) => Observed::Present(meta.is_dir),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why),
    };
    MountLook { source, is_folder }
}

fn kvm() -> Kvm {
    let device = |path: &str| match fs::observe_meta(Path::new(path)) {
        Observed::Present(_) => Observed::Present(()),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why),
    };
    let text = fs::read(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags"));
    let can = flags.map(|flags| flags.split_whitespace().any(|flag| matches!(flag, "vmx" | "svm")));
    Kvm { device: device("/dev/kvm"), vsock: device("/dev/vhost-vsock"), can }
}

/// Whether the file of groups (group(5)) names the user in `lxd`.
fn is_in_group(context: &Context) -> bool {
    let Some(user) = context.var("USER").or_else(|| context.var("LOGNAME")) else { return false };
    let text = fs::read(Path::new("/etc/group")).unwrap_or_default();
    let members = text.lines().find_map(|line| line.strip_prefix("lxd:")?.rsplit(':').next());
    members.is_some_and(|members| members.split(',').any(|member| member == user))
}

/// How far the machine gets, where one runs.
async fn way(context: &Context, seen: &Look) -> Option<Way> {
    let told = seen.inventory.machine.told();
    let guest: &Guest = &told.present().filter(|told| told.is_running)?.guest;
    let run = Run::new(["sh", "-c", WAY]).deadline(Duration::from_secs(30));
    let said = Inside::new(context, guest).run(run).await.ok()?.stdout;
    let host = said.lines().find_map(|line| line.strip_prefix("host "))?.to_owned();
    let says = |word: &str| said.lines().any(|line| line == word);
    Some(Way { host, resolves: says("resolves"), connects: says("connects") })
}

#[derive(Deserialize)]
struct Listing {
    list: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    state: String,
}

/// The instances of Multipass, also those that are deleted and can be recovered.
async fn instances(context: &Context, is_asked: bool) -> Observed<BTreeMap<String, String>> {
    if !is_asked {
        return Observed::Absent;
    }
    let list = Command::reads(context, ["multipass", "list", "--format", "json"]).deadline(Duration::from_secs(20));
    let output = match exec::start(list).await {
        Ok(output) => output,
        Err(error) => return Observed::Unknown(error.to_string()),
    };
    match serde_json::from_str::<Listing>(&output.stdout) {
        Ok(listing) => Observed::Present(listing.list.into_iter().map(|found| (found.name, found.state)).collect()),
        Err(error) => Observed::Unknown(format!("`multipass list` says what is not understood: {error}")),
    }
}
