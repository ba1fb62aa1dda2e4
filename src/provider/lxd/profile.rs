//! Profiles, and what an instance has beside its profile.

use super::lxc::Sort;
use super::{Lxd, failure, path};
use crate::model::lxd::{Devices, Kind, LABELS, Settings};
use crate::provider::{Failure, FailureKind};
use serde_json::{Value, json};
use std::time::Duration;

impl Lxd {
    /// Makes the profile, or has it say this and nothing else. Its labels stay as they were.
    pub(super) async fn ensure_profile(
        &self,
        name: &str,
        config: &Settings,
        devices: &Devices,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let mut all = self.labels();
        all.extend(config.iter().map(|(key, value)| (key.clone(), value.clone())));
        let new = json!({"name": name, "description": self.description(), "config": all, "devices": devices});
        let lxc = self.lxc();
        let error = match lxc.send("POST", "/1.0/profiles", &new, timeout).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if error.sort() != Sort::Exists {
            return Err(failure(&format!("the profile {name} cannot be made"), &error));
        }
        let doing = format!("the profile {name} cannot be changed");
        let path = path(Kind::Profile, name);
        let found: super::answer::Profile = lxc.get(&path).await.map_err(|error| failure(&doing, &error))?;
        self.check(Kind::Profile, name, &found.config)?;
        let labels = found.config.into_iter().filter(|(key, _)| key.starts_with(LABELS));
        let config: Settings = config.iter().map(|(key, value)| (key.clone(), value.clone())).chain(labels).collect();
        let all = json!({"description": self.description(), "config": config, "devices": devices});
        lxc.send("PUT", &path, &all, timeout).await.map_err(|error| {
            let failure = failure(&doing, &error);
            if failure.advice.is_some() {
                return failure;
            }
            failure.advice(
                "what cannot be changed while it runs is changed while it does not: `reportctl down --keep-data`, then \
                 `reportctl up`",
            )
        })
    }

    /// Gives the instance that profile and those devices of its own, and takes away others.
    pub(super) async fn adapt(
        &self,
        name: &str,
        profile: &str,
        devices: &Devices,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let (lxc, path) = (self.lxc(), path(Kind::Instance, name));
        let doing = format!("the instance {name} cannot be changed");
        let found: Option<Value> = lxc.find(&path).await.map_err(|error| failure(&doing, &error))?;
        let Some(mut found) = found else {
            return Err(Failure::new(FailureKind::Failed, format!("the instance {name} is not there any more")));
        };
        let config: Settings = serde_json::from_value(found["config"].clone()).unwrap_or_default();
        self.check(Kind::Instance, name, &config)?;
        // LXD takes back what it says of an instance, as a whole.
        found["profiles"] = json!([profile]);
        found["devices"] = json!(devices);
        lxc.send("PUT", &path, &found, timeout).await.map_err(|error| failure(&doing, &error))
    }
}
