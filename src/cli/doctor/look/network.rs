//! What stands between machines and the world.

use reportctl::context::Context;
use reportctl::exec::{self, Command};
use reportctl::fs;
use reportctl::model::inventory::{Inventory, MachineState, Observed, RootAccess};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// The longest that a question may take.
const SHORT: Duration = Duration::from_secs(10);

/// What stands between machines and the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLook {
    /// Whether the kernel passes packets on from one network to another.
    pub forwards: Observed<bool>,
    /// Whether Docker has its bridge here.
    pub has_docker: bool,
    /// The rules of iptables' table `filter`, as `iptables -S` writes them. Absent where there is no iptables.
    pub rules: Observed<String>,
    /// What LXD makes its own rules with: `xtables` or `nftables`.
    pub firewall: Option<String>,
    /// Interfaces of virtual private networks.
    pub vpns: Vec<String>,
    /// Whether this host knows the address of the archive that its packages come from, and that archive's name. Not
    /// asked where packages come by way of a proxy.
    pub archive: Option<(String, Observed<()>)>,
}

/// Looks at it. What cannot be told is unknown.
pub async fn look(context: &Context, inventory: &Inventory) -> NetworkLook {
    let interfaces = fs::list(Path::new("/sys/class/net")).unwrap_or_default();
    let is_vpn = |name: &&String| ["tun", "tap", "wg", "ppp", "utun"].iter().any(|kind| name.starts_with(kind));
    let (rules, firewall, archive) = tokio::join!(
        rules(context, inventory.host.root_access.present().copied()),
        firewall(context, &inventory.machine),
        archive(context),
    );
    let forwards = match fs::read(Path::new("/proc/sys/net/ipv4/ip_forward")) {
        Ok(text) => Observed::Present(text.trim() == "1"),
        Err(error) => Observed::Unknown(error.to_string()),
    };
    NetworkLook {
        forwards,
        has_docker: interfaces.iter().any(|name| name == "docker0"),
        rules,
        firewall,
        vpns: interfaces.iter().filter(is_vpn).cloned().collect(),
        archive,
    }
}

/// Only root may see them.
async fn rules(context: &Context, root: Option<RootAccess>) -> Observed<String> {
    if exec::find(context, "iptables").is_none() {
        return Observed::Absent;
    }
    let list = ["iptables", "--wait", "2", "-S"];
    let words = match root {
        Some(RootAccess::Root) => list.to_vec(),
        Some(RootAccess::Sudo) => ["sudo", "-n"].into_iter().chain(list).collect(),
        None => return Observed::Unknown("only root may see the rules of this host's firewall".to_owned()),
    };
    match exec::start(Command::reads(context, words).deadline(SHORT)).await {
        Ok(output) => Observed::Present(output.stdout),
        Err(error) => Observed::Unknown(error.to_string()),
    }
}

#[derive(Deserialize)]
struct Server {
    environment: Surroundings,
}

#[derive(Deserialize)]
struct Surroundings {
    firewall: Option<String>,
}

async fn firewall(context: &Context, machine: &MachineState) -> Option<String> {
    let MachineState::Lxd(state) = machine else { return None };
    state.server.present()?;
    let query = Command::reads(context, ["lxc", "query", "/1.0"]).deadline(SHORT);
    let answer = exec::start(query).await.ok()?.stdout;
    serde_json::from_str::<Server>(&answer).ok()?.environment.firewall
}

async fn archive(context: &Context) -> Option<(String, Observed<()>)> {
    let proxy = Command::reads(context, ["apt-config", "dump", "--format", "%v%n", "Acquire::http::Proxy"]);
    let proxy = exec::start(proxy.deadline(SHORT)).await.ok()?.stdout;
    if !matches!(proxy.trim(), "" | "DIRECT") {
        return None;
    }
    let host = archive_host(&sources())?;
    let asked = Command::reads(context, ["getent", "ahosts", &host]).deadline(SHORT).accept(&[0, 2]);
    let known = match exec::start(asked).await {
        Ok(output) if output.code == 0 => Observed::Present(()),
        Ok(_) => Observed::Absent,
        Err(error) => Observed::Unknown(error.to_string()),
    };
    Some((host, known))
}

/// The text of all files that say where packages come from (sources.list(5)).
fn sources() -> String {
    let folder = Path::new("/etc/apt/sources.list.d");
    let files = fs::list(folder).unwrap_or_default().into_iter().map(|file| folder.join(file));
    let all = [Path::new("/etc/apt/sources.list").to_owned()].into_iter().chain(files);
    all.filter_map(|file| fs::read(&file).ok()).fold(String::new(), |all, text| all + &text + "\n")
}

/// The host of the first archive that is reached over the network.
fn archive_host(sources: &str) -> Option<String> {
    let lines = sources.lines().filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"));
    let url = lines.flat_map(str::split_whitespace).find_map(|word| word.strip_prefix("http"))?;
    let rest = url.split_once("://")?.1.split('/').next()?;
    let host = rest.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty() && !host.starts_with('-')).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_found_in_both_forms_of_its_file() {
        for (text, host) in [
            ("deb http://deb.debian.org/debian bookworm main\n", Some("deb.debian.org")),
            ("deb [signed-by=/a.gpg] https://me:x@mirror.example:8443/debian bookworm main\n", Some("mirror.example")),
            ("Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\n", Some("deb.debian.org")),
            ("# deb http://deb.debian.org/debian bookworm main\n", None),
            ("deb file:///srv/debian bookworm main\n", None),
            ("", None),
        ] {
            assert_eq!(archive_host(text).as_deref(), host, "{text}");
        }
    }
}
