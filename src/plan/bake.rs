//! What an instance of LXD is made from, and images that are made for that.

use super::Inputs;
use super::action::Teardown;
use super::draft::Draft;
use super::error::PlanError;
use crate::model::environment::LxdMachine;
use crate::model::facts::Facts;
use crate::model::inventory::{Observed, Package};
use crate::model::lxd::{ImageChoice, Instance, LxdState};
use crate::model::quantity::Span;
use crate::render::cloud_init::{Base, UserData};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parts of making an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ImageAction {
    /// Makes a plain image of a release of Debian, unless it is there.
    EnsureBase {
        /// The release, such as `bookworm`.
        release: String,
        /// The digest of its recipe.
        digest: String,
    },
}

/// What an instance is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The image.
    pub image: ImageChoice,
    /// What it holds already, which decides the user-data.
    pub base: Base,
    /// How the image is made first, where it is not there.
    pub make: Option<Make>,
    /// The packages of this host that it is made with, where some are missing.
    pub tools: Option<BTreeMap<String, Package>>,
}

/// How an image is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Make {
    /// Why.
    pub because: String,
    /// How long it may take.
    pub timeout: Span,
    /// What is done.
    pub step: ImageAction,
}

/// What the environment's instance is made from.
///
/// Errors: there is no image, and none can be made.
pub(super) fn choose(
    inputs: &Inputs<'_>,
    machine: &LxdMachine,
    state: &LxdState,
    plain: &UserData,
) -> Result<Chosen, PlanError> {
    let _ = (inputs, plain);
    let wanted = &machine.blueprint.image.lxd;
    let of = |image| Ok(Chosen { image, base: Base::Plain, make: None, tools: None });
    let alias = wanted.strip_prefix("local:").unwrap_or(wanted);
    if state.alias(alias).is_some() {
        return of(ImageChoice::Alias { alias: alias.to_owned() });
    }
    match &state.remote {
        Observed::Present(()) => of(ImageChoice::Remote { image: wanted.clone() }),
        Observed::Absent | Observed::Unknown(_) => Err(PlanError::Machine {
            cause: format!("LXD has no image {wanted}, and its remote does not answer"),
            advice: format!("lxc image list {}", wanted.split_once(':').map_or("local:", |(remote, _)| remote)),
            is_tool: false,
        }),
    }
}

/// Adds the steps that bake an image from the machine, where one is wanted.
///
/// Errors: something that matters cannot be told.
pub(super) fn add(
    inputs: &Inputs<'_>,
    machine: &LxdMachine,
    state: &LxdState,
    instance: &Instance,
    draft: &mut Draft,
) -> Result<(), PlanError> {
    let _ = (inputs, machine, state, instance, draft);
    Ok(())
}

impl ImageAction {
    /// How what it makes is taken away again.
    pub const fn teardown(&self) -> Teardown {
        match self {
            Self::EnsureBase { .. } => Teardown::Left("image"),
        }
    }

    /// What the journal must remember before it is begun.
    pub fn facts(&self) -> Facts {
        match self {
            Self::EnsureBase { .. } => Facts::default(),
        }
    }

    /// What would be typed to do the same by hand.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::EnsureBase { release, digest } => {
                vec![format!(
                    "# make an image of Debian {release} with mmdebstrap, as {}",
                    ImageChoice::base_alias(digest)
                )]
            }
        }
    }

    /// What it changes, in words.
    pub fn words(&self) -> String {
        match self {
            Self::EnsureBase { release, .. } => format!("image of Debian {release}"),
        }
    }
}
