//! Tunnels into a machine: each of its ports by a free port of this host's loopback address, as long as the tunnel is held.

use crate::context::Context;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// The user in a machine who may open tunnels, and nothing else.
pub const USER: &str = "report-tunnel";

/// Where a tunnel leads, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The machine's address.
    pub address: IpAddr,
    /// Our key.
    pub key: PathBuf,
    /// The machine's own keys.
    pub known_hosts: PathBuf,
}

/// An open tunnel. It is closed when it is dropped.
#[derive(Debug)]
pub struct Tunnel {
    local: BTreeMap<u16, u16>,
}

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// It could not be opened.
    #[error("no tunnel to {address}: {reason}")]
    Closed {
        /// The machine's address.
        address: IpAddr,
        /// ssh's own words.
        reason: String,
    },
}

impl Tunnel {
    /// Opens a tunnel to these ports of the machine's loopback address. `back` are ports of the machine's loopback address
    /// that lead to the same port of this host's.
    ///
    /// Errors: it cannot be opened.
    pub async fn open(context: &Context, door: &Door, ports: &[u16], back: &[u16]) -> Result<Self, TunnelError> {
        let _ = (context, back);
        Err(TunnelError::Closed { address: door.address, reason: format!("{ports:?}") })
    }

    /// The port of this host that leads to `port` of the machine.
    pub fn local(&self, port: u16) -> Option<u16> {
        self.local.get(&port).copied()
    }
}
