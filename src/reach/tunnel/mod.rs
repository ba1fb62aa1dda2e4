//! Tunnels into a machine: each of its ports by a free port of this host's loopback address, as long as the tunnel is held.
//!
//! ssh speaks to the machine through us: we hold the connection, and ssh our pipes. So it ends when we do, however we end: a
//! process that nobody knows of and that holds a way into a machine is never left behind.

mod ssh;

use crate::context::Context;
use crate::exec::ExecError;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// The user in a machine who may open tunnels, and nothing else.
pub const USER: &str = "report-tunnel";
/// The name of every machine in its own file of known keys: its address may change.
pub const HOST: &str = "reportctl-machine";

/// How long it may take to open one.
const OPENING: Duration = Duration::from_secs(30);
/// How often ports are chosen anew when somebody else was faster.
const ATTEMPTS: usize = 5;
/// The time between two looks whether it is open.
const LOOK: Duration = Duration::from_millis(10);

/// Where a tunnel leads, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The machine's address.
    pub address: IpAddr,
    /// Our key.
    pub key: PathBuf,
    /// The machine's own keys, each under the name [`HOST`].
    pub known_hosts: PathBuf,
}

/// An open tunnel. It is closed when it is dropped.
pub struct Tunnel {
    context: Context,
    door: Door,
    local: BTreeMap<u16, u16>,
    words: Words,
    relay: JoinHandle<()>,
}

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// It could not be opened.
    #[error("no tunnel to {address}: {reason}{}", advice(.reason))]
    Closed {
        /// The machine's address.
        address: IpAddr,
        /// ssh's own words, or those of the network.
        reason: String,
    },
    /// Somebody else listens on the port of this host that it was to have.
    #[error("somebody else listens on 127.0.0.1:{port} of this host")]
    Taken {
        /// The port.
        port: u16,
    },
    /// ssh could not be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// Words that tell what is wrong, and what can be done.
const ADVICE: [(&str, &str); 7] = [
    ("Host key verification failed", "the machine shows another key than it has: `reportctl up` reads its keys again"),
    ("IDENTIFICATION HAS CHANGED", "the machine shows another key than it has: `reportctl up` reads its keys again"),
    ("Permission denied", "`reportctl up` lets this environment's key in again"),
    ("administratively prohibited", "its ssh server forbids tunnels: look at /etc/ssh/sshd_config.d in the machine"),
    ("remote port forwarding failed", "somebody else listens on that port in the machine"),
    ("refused", "its ssh server does not run: `reportctl exec -- systemctl status ssh` shows why"),
    ("within", "this host's firewall or a VPN may stand between: `reportctl doctor` looks at it"),
];

fn advice(reason: &str) -> String {
    let found = ADVICE.iter().find(|(text, _)| reason.contains(text));
    found.map_or_else(String::new, |(_, advice)| format!("; {advice}"))
}

/// What ssh said last; shared with the task that listens to it.
type Words = Arc<Mutex<String>>;

impl Tunnel {
    /// Opens a tunnel to these ports of the machine's loopback address, each by a free port of this host. `back` are ports of the
    /// machine's loopback address that lead to the same port of this host's.
    ///
    /// Errors: it cannot be opened.
    pub async fn open(context: &Context, door: &Door, ports: &[u16], back: &[u16]) -> Result<Self, TunnelError> {
        let wanted: Vec<(u16, Option<u16>)> = ports.iter().map(|port| (*port, None)).collect();
        Self::open_at(context, door, &wanted, back).await
    }

    /// As [`Tunnel::open`], where the port of this host can be told beside each of the machine's.
    ///
    /// Errors: it cannot be opened, or a port that was told is taken.
    pub async fn open_at(
        context: &Context,
        door: &Door,
        ports: &[(u16, Option<u16>)],
        back: &[u16],
    ) -> Result<Self, TunnelError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let chosen = choose(door, ports)?;
            match Self::attempt(context, door, &chosen, back).await {
                // Somebody took a port in the moment between.
                Err(TunnelError::Closed { reason, .. }) if is_taken(&reason) && tried < ATTEMPTS => {}
                opened => return opened,
            }
        }
    }

    /// The port of this host that leads to `port` of the machine.
    pub fn local(&self, port: u16) -> Option<u16> {
        self.local.get(&port).copied()
    }

    /// Another tunnel to the same machine, which only leads back: `port` of its loopback address to the same of this host.
    ///
    /// Errors: it cannot be opened; somebody listens on the port there.
    pub async fn back(&self, port: u16) -> Result<Self, TunnelError> {
        Self::open(&self.context, &self.door, &[], &[port]).await
    }

    /// What ssh said when the tunnel broke; none while it is open.
    pub fn trouble(&self) -> Option<String> {
        self.relay.is_finished().then(|| self.said())
    }

    async fn attempt(context: &Context, door: &Door, chosen: &Chosen, back: &[u16]) -> Result<Self, TunnelError> {
        let closed = |reason: String| TunnelError::Closed { address: door.address, reason };
        let words = Words::default();
        let until = Instant::now() + OPENING;
        let stream = match timeout(OPENING / 2, TcpStream::connect((door.address, 22))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(closed(format!("port 22: {error}"))),
            Err(_) => return Err(closed(format!("port 22 does not answer within {}", seconds(OPENING / 2)))),
        };
        let relay = ssh::start(context, door, &chosen.all(), back, stream, Arc::clone(&words))?;
        let (context, door) = (context.clone(), door.clone());
        let tunnel = Self { context, door, local: chosen.local.clone(), words, relay };
        while Instant::now() < until {
            if tunnel.relay.is_finished() {
                return Err(closed(tunnel.said()));
            }
            match greeting(chosen.probe).await {
                Greeting::Ssh => return Ok(tunnel),
                Greeting::Nothing => sleep(LOOK).await,
                // The tunnel is there, and the machine lets nothing through.
                Greeting::Closed if !tunnel.said().is_empty() => return Err(closed(tunnel.said())),
                Greeting::Closed => sleep(LOOK).await,
            }
        }
        let said = tunnel.said();
        let said = if said.is_empty() { "ssh said nothing".to_owned() } else { said };
        Err(closed(format!("it did not open within {}: {said}", seconds(OPENING))))
    }

    fn said(&self) -> String {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).trim().to_owned()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("door", &self.door).field("local", &self.local).finish_non_exhaustive()
    }
}

fn seconds(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

/// Whether ssh says that it could not listen on this host.
fn is_taken(reason: &str) -> bool {
    reason.contains("cannot listen to port") || reason.contains("Could not request local forwarding")
}

/// The ports of this host that a tunnel will listen on.
struct Chosen {
    /// For each of the machine's ports.
    local: BTreeMap<u16, u16>,
    /// Leads to the machine's ssh server, whose greeting proves that the tunnel is open from end to end.
    probe: u16,
}

impl Chosen {
    /// Port of this host, port of the machine.
    fn all(&self) -> Vec<(u16, u16)> {
        let probe = (self.probe, 22);
        self.local.iter().map(|(port, local)| (*local, *port)).chain([probe]).collect()
    }
}

fn choose(door: &Door, ports: &[(u16, Option<u16>)]) -> Result<Chosen, TunnelError> {
    // All are held until all are chosen, so that none comes twice.
    let mut held = Vec::new();
    let mut take = |wanted: Option<u16>| {
        let listener = TcpListener::bind(("127.0.0.1", wanted.unwrap_or(0)));
        let listener = listener.map_err(|error| match wanted {
            Some(port) => TunnelError::Taken { port },
            None => TunnelError::Closed { address: door.address, reason: format!("no free port: {error}") },
        })?;
        let port = listener.local_addr().map(|address| address.port());
        held.push(listener);
        port.map_err(|error| TunnelError::Closed { address: door.address, reason: error.to_string() })
    };
    let mut local = BTreeMap::new();
    for (port, wanted) in ports {
        if !local.contains_key(port) {
            local.insert(*port, take(*wanted)?);
        }
    }
    let probe = take(None)?;
    Ok(Chosen { local, probe })
}

/// What is heard behind a port.
enum Greeting {
    /// An ssh server.
    Ssh,
    /// Nobody listens yet.
    Nothing,
    /// It was closed without a word, or something else speaks.
    Closed,
}

async fn greeting(port: u16) -> Greeting {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return Greeting::Nothing };
    let mut begin = [0; 4];
    match timeout(Duration::from_secs(10), stream.read_exact(&mut begin)).await {
        Ok(Ok(_)) if &begin == b"SSH-" => Greeting::Ssh,
        _ => Greeting::Closed,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    fn door() -> Door {
        Door { address: IpAddr::from([127, 0, 0, 1]), key: "/k".into(), known_hosts: "/h".into() }
    }

    #[test]
    fn ports_are_free_and_none_comes_twice() {
        let chosen = choose(&door(), &[(80, None), (81, None), (80, None)]).unwrap();
        let all: std::collections::BTreeSet<u16> = chosen.all().iter().map(|(local, _)| *local).collect();
        assert_eq!((all.len(), chosen.all().len()), (3, 3));
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = held.local_addr().unwrap().port();
        let error = choose(&door(), &[(80, Some(taken))]).err().unwrap();
        assert!(matches!(error, TunnelError::Taken { port } if port == taken), "{error}");
    }

    /// The words of OpenSSH 9.2.
    #[test]
    fn errors_say_what_to_do() {
        let told =
            |reason: &str| TunnelError::Closed { address: door().address, reason: reason.to_owned() }.to_string();
        let denied = told("report-tunnel@10.0.0.1: Permission denied (publickey).");
        assert!(denied.ends_with("`reportctl up` lets this environment's key in again"), "{denied}");
        assert!(is_taken(
            "bind [127.0.0.1]:4000: Address already in use\nchannel_setup_fwd_listener_tcpip: cannot listen to port: 4000"
        ));
        assert!(!is_taken("Error: remote port forwarding failed for listen port 4000"));
        assert_eq!(told("who knows"), "no tunnel to 127.0.0.1: who knows");
    }
}
