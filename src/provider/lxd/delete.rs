//! What is ours, deleted.

use super::lxc::Sort;
use super::{Lxd, failure, path};
use crate::model::lxd::Kind;
use crate::provider::{Failure, Notes};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

impl Lxd {
    /// Deletes the instance and its snapshots, whether it runs or not. What LXD is still at is waited for: it would be there
    /// afterwards.
    pub(super) async fn delete(&self, name: &str, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        let until = Instant::now() + timeout;
        let target = format!("local:{name}");
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if !self.claim(Kind::Instance, name).await? {
                // It may be being made: its record comes after the image.
                self.await_idle(name, left, notes).await?;
                if !self.claim(Kind::Instance, name).await? {
                    return Ok(());
                }
            }
            match self.lxc().verb(&["delete", &target, "--force"], None, left).await {
                Ok(_) => return Ok(()),
                Err(error) if error.sort() == Sort::NotFound => return Ok(()),
                Err(error) if error.sort() == Sort::Busy && Instant::now() < until => {
                    self.await_idle(name, until.saturating_duration_since(Instant::now()), notes).await?;
                }
                Err(error) => return Err(failure(&format!("the instance {name} cannot be deleted"), &error)),
            }
        }
    }

    /// Deletes a profile, a network or a storage pool.
    pub(super) async fn delete_record(&self, kind: Kind, name: &str, timeout: Duration) -> Result<(), Failure> {
        if !self.claim(kind, name).await? {
            return Ok(());
        }
        match self.lxc().send("DELETE", &path(kind, name), &Value::Null, timeout).await {
            Ok(()) => Ok(()),
            Err(error) if error.sort() == Sort::NotFound => Ok(()),
            Err(error) => Err(failure(&format!("the {} {name} cannot be deleted", kind.word()), &error)),
        }
    }
}
