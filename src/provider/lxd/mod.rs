//! LXD on this host: what is there for an environment, and each thing that is done to it.
//!
//! Guarantees: each action is safe twice. What is changed or deleted carries the environment's identity, which is looked at
//! just before; what is made carries it from its first moment on, since the labels are in the call that makes it.

mod answer;
pub mod bake;
mod create;
mod daemon;
mod delete;
mod failure;
mod image;
mod lxc;
mod network;
mod observe;
mod profile;
mod routes;
mod snapshot;
mod start;

pub use observe::{observe, tools};

use super::{Failure, Notes};
use crate::context::Context;
use crate::model::guest::label;
use crate::model::ids::{EnvId, RunId};
use crate::model::lxd::{Kind, LABELS, Settings};
use crate::model::paths::Paths;
use crate::plan::lxd::LxdAction;
use answer::identity;
use failure::{failure, foreign};
use lxc::Lxc;
use serde::Deserialize;
use std::time::Duration;

/// LXD on this host, as the place where one environment has its machine.
pub struct Lxd {
    /// The world outside.
    pub context: Context,
    /// The environment's records.
    pub paths: Paths,
    /// Its identity, which everything that is touched must carry.
    pub id: EnvId,
    /// The run that acts.
    pub run: RunId,
}

/// Something that may have a label.
#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    config: Option<Settings>,
}

impl Lxd {
    /// Does it. Safe twice.
    pub async fn perform(&self, action: &LxdAction, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        match action {
            LxdAction::StartDaemon { root, unit } => self.start_daemon(*root, unit.as_deref(), timeout, notes).await,
            LxdAction::EnsurePool { name, .. } => self.ensure_pool(name, timeout).await,
            LxdAction::EnsureNetwork { name, subnet, .. } => self.ensure_network(name, *subnet, timeout).await,
            LxdAction::EnsureProfile { name, config, devices, .. } => {
                self.ensure_profile(name, config, devices, timeout).await
            }
            LxdAction::Image { step } => self.image(step, timeout, notes).await,
            LxdAction::Create { name, kind, image, profile, devices, user_data, marker, .. } => {
                let new = create::New { name, kind: *kind, image, profile, devices, user_data, marker };
                self.create(&new, timeout, notes).await
            }
            LxdAction::Adapt { name, profile, devices, .. } => self.adapt(name, profile, devices, timeout).await,
            LxdAction::Start { name, subnet, .. } => self.start(name, *subnet, timeout, notes).await,
            LxdAction::Snapshot { name, .. } => self.snapshot(name, timeout).await,
            LxdAction::Restore { name, .. } => self.restore(name, timeout).await,
            LxdAction::Stop { name, .. } => self.stop(name, timeout).await,
            LxdAction::Delete { name, .. } => self.delete(name, timeout, notes).await,
            LxdAction::DeleteProfile { name, .. } => self.delete_record(Kind::Profile, name, timeout).await,
            LxdAction::DeleteNetwork { name, .. } => self.delete_record(Kind::Network, name, timeout).await,
            LxdAction::DeletePool { name, .. } => self.delete_record(Kind::Pool, name, timeout).await,
        }
    }

    fn lxc(&self) -> Lxc {
        Lxc::new(&self.context)
    }

    /// What everything that is made carries.
    fn labels(&self) -> Settings {
        let owner = self
            .context
            .var("SUDO_USER")
            .or_else(|| self.context.var("USER"))
            .map_or_else(|| rustix::process::getuid().as_raw().to_string(), str::to_owned);
        let all = [
            (label::ID, self.id.as_str().to_owned()),
            (label::ENV, self.id.name().to_owned()),
            (label::OWNER, owner),
            (label::RUN, self.run.as_str().to_owned()),
        ];
        all.into_iter().map(|(name, value)| (format!("{LABELS}{name}"), value)).collect()
    }

    /// Whether something of that name is there and ours.
    ///
    /// Errors: it is somebody else's, or nobody can say.
    async fn claim(&self, kind: Kind, name: &str) -> Result<bool, Failure> {
        let found: Option<Labelled> = self
            .lxc()
            .find(&path(kind, name))
            .await
            .map_err(|error| failure(&format!("it cannot be told whose the {} {name} is", kind.word()), &error))?;
        match found {
            None => Ok(false),
            Some(found) => self.check(kind, name, &found.config.unwrap_or_default()).map(|()| true),
        }
    }

    /// Whether these are the settings of something that is ours.
    ///
    /// Errors: they are not.
    fn check(&self, kind: Kind, name: &str, config: &Settings) -> Result<(), Failure> {
        match identity(config) {
            Some(id) if id == self.id.as_str() => Ok(()),
            other => Err(foreign(kind.word(), name, other)),
        }
    }
}

/// Where something is in LXD's interface.
fn path(kind: Kind, name: &str) -> String {
    let folder = match kind {
        Kind::Instance => "instances",
        Kind::Profile => "profiles",
        Kind::Network => "networks",
        Kind::Pool => "storage-pools",
    };
    format!("/1.0/{folder}/{name}")
}
