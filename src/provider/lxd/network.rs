//! Networks and storage pools: made where they are not there.

use super::lxc::Sort;
use super::{Lxd, failure};
use crate::model::lxd::{Kind, Subnet};
use crate::provider::{Failure, FailureKind};
use serde_json::json;
use std::time::Duration;

impl Lxd {
    /// Makes the network behind this host's address. One of ours gets these addresses.
    pub(super) async fn ensure_network(&self, name: &str, subnet: Subnet, timeout: Duration) -> Result<(), Failure> {
        let mut config = self.labels();
        let how =
            [("ipv4.address", subnet.gateway()), ("ipv4.nat", "true".to_owned()), ("ipv6.address", "none".to_owned())];
        config.extend(how.map(|(key, value)| (key.to_owned(), value)));
        let new = json!({"name": name, "type": "bridge", "description": self.description(), "config": config});
        let doing = format!("the network {name} cannot be made");
        match self.lxc().send("POST", "/1.0/networks", &new, timeout).await {
            Ok(()) => Ok(()),
            Err(error) if error.sort() == Sort::Exists => {
                self.claim(Kind::Network, name).await?;
                let changed = json!({"config": config});
                let path = super::path(Kind::Network, name);
                self.lxc().send("PATCH", &path, &changed, timeout).await.map_err(|error| failure(&doing, &error))
            }
            Err(error) => Err(failure(&doing, &error)),
        }
    }

    /// Makes the storage pool, a plain folder of LXD's.
    pub(super) async fn ensure_pool(&self, name: &str, timeout: Duration) -> Result<(), Failure> {
        let new = json!({"name": name, "driver": "dir", "description": self.description(), "config": self.labels()});
        match self.lxc().send("POST", "/1.0/storage-pools", &new, timeout).await {
            Ok(()) => Ok(()),
            Err(error) if error.sort() == Sort::Exists => match self.claim(Kind::Pool, name).await? {
                true => Ok(()),
                false => Err(Failure::new(FailureKind::Failed, format!("the storage pool {name} came and went"))),
            },
            Err(error) => Err(failure(&format!("the storage pool {name} cannot be made"), &error)),
        }
    }

    /// For people who come across it.
    pub(super) fn description(&self) -> String {
        format!("made by reportctl for the environment {}", self.id.name())
    }
}
