//! The snapshot of an instance that was initialised, and the way back to it.

use super::lxc::Sort;
use super::start::gone;
use super::{Lxd, failure, path};
use crate::model::lxd::{Kind, PROVISIONED, SNAPSHOT};
use crate::provider::{Failure, FailureKind};
use serde_json::json;
use std::time::Duration;

impl Lxd {
    /// Takes the snapshot, unless it was taken.
    pub(super) async fn snapshot(&self, name: &str, timeout: Duration) -> Result<(), Failure> {
        let (lxc, path) = (self.lxc(), path(Kind::Instance, name));
        let Some(found) = self.instance(name).await? else { return Err(gone(name)) };
        if found.is_provisioned() {
            return Ok(());
        }
        let doing = format!("the snapshot of the instance {name} cannot be taken");
        match lxc.send("POST", &format!("{path}/snapshots"), &json!({"name": SNAPSHOT}), timeout).await {
            Ok(()) => {}
            Err(error) if error.sort() == Sort::Exists => {}
            Err(error) => return Err(failure(&doing, &error)),
        }
        let said = json!({"config": {PROVISIONED: "true"}});
        lxc.send("PATCH", &path, &said, timeout).await.map_err(|error| failure(&doing, &error))
    }

    /// Stops the instance and puts it back to the snapshot.
    pub(super) async fn restore(&self, name: &str, timeout: Duration) -> Result<(), Failure> {
        let Some(found) = self.instance(name).await? else { return Err(gone(name)) };
        if !found.snapshots.iter().any(|snapshot| snapshot.name == SNAPSHOT) {
            let cause = format!("the instance {name} has no snapshot {SNAPSHOT}");
            return Err(Failure::new(FailureKind::Precondition, cause)
                .advice("`reportctl down` and `reportctl up` make the machine anew"));
        }
        // All that is in it is given up, so nothing needs to be put in order first.
        if found.status != "Stopped" {
            self.stop_now(name, timeout).await?;
        }
        self.lxc()
            .send("PUT", &path(Kind::Instance, name), &json!({"restore": SNAPSHOT}), timeout)
            .await
            .map_err(|error| failure(&format!("the instance {name} cannot be put back to its snapshot"), &error))
    }
}
