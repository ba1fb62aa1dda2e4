//! Images: those that are made from Debian's archive, and those that are baked of a machine.

mod base;
mod folder;
mod sources;

use super::Lxd;
use super::answer;
use super::lxc::{Lxc, LxcError};
use crate::model::lxd::Image;
use crate::plan::bake::ImageAction;
use crate::provider::{Failure, Notes};
use std::time::Duration;

impl Lxd {
    /// Does a part of making an image. Safe twice.
    pub(super) async fn image(&self, step: &ImageAction, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        match step {
            ImageAction::EnsureBase { release, digest, cache } => {
                base::Base { lxd: self, release, digest, cache }.ensure(timeout, notes).await
            }
            ImageAction::Copy { from, copy, .. } => self.bake_copy(from, copy, timeout, notes).await,
            ImageAction::Clean { copy, marker, .. } => self.bake_clean(copy, marker, timeout, notes).await,
            ImageAction::Publish { copy, key, blueprint, of, .. } => {
                self.bake_publish(copy, [key, blueprint, of], timeout, notes).await
            }
            ImageAction::Tidy { copy, .. } => self.delete(copy, timeout, notes).await,
        }
    }
}

/// All images of this host.
///
/// Errors: LXD does not say.
pub(super) async fn all(lxc: &Lxc) -> Result<Vec<Image>, LxcError> {
    let images: Vec<answer::Image> = lxc.get("/1.0/images?recursion=1").await?;
    Ok(images.into_iter().map(Into::into).collect())
}
