//! The way to the components of a machine, made ready: its tunnel and the way inside.

use super::direct::{Direct, ReachError};
use super::guest::Inside;
use super::tunnel::{Door, Tunnel, TunnelError};
use crate::context::Context;
use crate::model::guest::Guest;
use crate::model::paths::Paths;
use crate::model::secret::Secrets;
use std::net::IpAddr;
use std::sync::Arc;

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// This host has no means to ask.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// No tunnel leads there.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
}

/// A machine that was seen, and where the records of its environment are on this host.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The machine.
    pub guest: &'a Guest,
    /// Its address.
    pub address: IpAddr,
    /// The records, in which its keys are.
    pub records: &'a Paths,
}

impl Seen<'_> {
    /// What opens a tunnel into it.
    pub fn door(&self) -> Door {
        Door { address: self.address, key: self.records.key(), known_hosts: self.records.known_hosts() }
    }

    /// Opens the way to these ports of it. `secrets` are masked in all that is told.
    ///
    /// Errors: no tunnel can be opened.
    pub async fn open(&self, context: &Context, secrets: &Secrets, ports: &[u16]) -> Result<Direct, WayError> {
        let inside = Inside::new(context, self.guest).mask(secrets);
        let tunnel = Tunnel::open(context, &self.door(), ports, &[]).await?;
        Ok(Direct::new()?.through(Arc::new(tunnel), &inside))
    }
}
