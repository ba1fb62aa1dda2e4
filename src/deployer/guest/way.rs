//! The way in: our key is let into the machine, the machine's own keys are remembered, and one tunnel is shared by all that
//! is asked.

use super::{Place, hand};
use crate::exec::{self, Command};
use crate::fs;
use crate::model::inventory::Observed;
use crate::model::paths::Paths;
use crate::provider::Failure;
use crate::provider::FailureKind;
use crate::reach::tunnel::{self, Door, HOST, Tunnel};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long each small deed may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The tunnels that are open.
#[derive(Default)]
pub struct Way {
    open: Mutex<Option<Opened>>,
}

struct Opened {
    tunnel: Tunnel,
    ports: BTreeSet<u16>,
}

#[derive(Serialize)]
struct Admit {
    deed: &'static str,
    user: &'static str,
    line: String,
}

/// Lets this environment's key open tunnels, and remembers the machine's own keys, which are read over the channel by which
/// commands get in: nothing is trusted on first use. Safe twice.
pub(super) async fn open(place: &Place<'_>, paths: &Paths) -> Result<(), Failure> {
    let public = own_key(place, paths).await?;
    let request = Admit { deed: "admit", user: tunnel::USER, line: line(&public) };
    let keys: Vec<String> = hand::ask(&place.inside, &request, PATIENCE).await?;
    Ok(fs::replace(&paths.known_hosts(), known(&keys).as_bytes(), 0o600)?)
}

/// Who is let in: our key, for tunnels to and from the machine's loopback address (sshd(8), `AUTHORIZED_KEYS FILE FORMAT`).
fn line(public: &str) -> String {
    format!("restrict,port-forwarding,permitopen=\"127.0.0.1:*\",permitlisten=\"127.0.0.1:*\" {public}")
}

/// The machine's own keys, as ssh reads them.
fn known(keys: &[String]) -> String {
    keys.iter().map(|key| format!("{HOST} {key}\n")).collect()
}

/// Who is let into a machine, and its own keys, as they were seen there.
#[derive(Debug, Deserialize)]
pub struct Seen {
    admitted: String,
    keys: Vec<String>,
}

/// Whether the way is as `open` leaves it, on both of its sides.
pub fn observe(paths: &Paths, seen: &Seen) -> Observed<()> {
    let public = match fs::observe(&paths.key().with_extension("pub")) {
        Observed::Present(public) if fs::observe_meta(&paths.key()).present().is_some() => public,
        Observed::Present(_) | Observed::Absent => return Observed::Absent,
        Observed::Unknown(reason) => return Observed::Unknown(reason),
    };
    let remembered = fs::observe(&paths.known_hosts());
    let is_known = !seen.keys.is_empty() && remembered.present() == Some(&known(&seen.keys));
    let is_open = is_known && seen.admitted.trim_end() == line(public.trim());
    if is_open { Observed::Present(()) } else { Observed::Absent }
}

/// The public half of this environment's key, which is made where there is none.
async fn own_key(place: &Place<'_>, paths: &Paths) -> Result<String, Failure> {
    let key = paths.key();
    let public = key.with_extension("pub");
    if fs::observe_meta(&key).present().is_none() || fs::observe_meta(&public).present().is_none() {
        if let Some(folder) = key.parent() {
            fs::ensure_dir(folder, 0o700)?;
        }
        fs::remove_file(&key)?;
        let name = key.display().to_string();
        let argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", place.guests.id.as_str(), "-f", &name];
        exec::start(Command::changes(&place.guests.context, argv).deadline(PATIENCE)).await.map_err(|error| {
            let kind = if error.is_not_found() { FailureKind::ForeignTool } else { FailureKind::Failed };
            Failure::new(kind, error.to_string())
        })?;
    }
    Ok(fs::read(&public)?.trim().to_owned())
}

/// The address that the machine is reached at, as it says itself.
async fn address(place: &Place<'_>) -> Result<IpAddr, Failure> {
    #[derive(Serialize)]
    struct Address {
        deed: &'static str,
    }
    Ok(hand::ask(&place.inside, &Address { deed: "address" }, PATIENCE).await?)
}

impl Way {
    /// The ports of this host that lead to these ports of the machine. One tunnel is shared: where it lacks a port, another
    /// one that has all takes its place.
    ///
    /// Errors: it cannot be opened.
    pub(super) async fn through(
        &self,
        place: &Place<'_>,
        ports: &BTreeSet<u16>,
    ) -> Result<BTreeMap<u16, u16>, Failure> {
        let mut open = self.open.lock().await;
        let leads = |open: &Opened| {
            open.tunnel.trouble().is_none() && ports.iter().all(|port| open.tunnel.local(*port).is_some())
        };
        if !open.as_ref().is_some_and(leads) {
            let all: BTreeSet<u16> = open.iter().flat_map(|open| &open.ports).chain(ports).copied().collect();
            let paths = &place.guests.paths;
            let door = Door { address: address(place).await?, key: paths.key(), known_hosts: paths.known_hosts() };
            let list: Vec<u16> = all.iter().copied().collect();
            let tunnel = Tunnel::open(&place.guests.context, &door, &list, &[]).await;
            let tunnel = tunnel.map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
            *open = Some(Opened { tunnel, ports: all });
        }
        let local = |port: &u16| Some((*port, open.as_ref()?.tunnel.local(*port)?));
        Ok(ports.iter().filter_map(local).collect())
    }
}
