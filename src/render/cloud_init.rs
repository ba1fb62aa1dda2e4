//! User-data: what a machine is initialised with, the same on every substrate.

use super::RenderError;
use crate::model::blueprint::Blueprint;
use crate::model::environment::Environment;
use crate::model::guest::Marker;
use std::collections::BTreeSet;

/// What takes the user-data, each with its own limits and ways to change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Substrate {
    /// LXD.
    Lxd,
    /// Multipass, which parses it and writes it anew, without the quotes.
    Multipass,
}

/// What the machine's image holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Nothing of ours.
    Plain,
    /// All that the user-data of a plain image does, but for what is each machine's own.
    Baked,
}

/// What a machine is initialised with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserData {
    /// The text, from `#cloud-config` on. It holds no secret.
    pub text: String,
    /// What is left in the machine when all of it was done.
    pub marker: Marker,
    /// The packages that it installs.
    pub packages: BTreeSet<String>,
    /// The digest of what an image that was baked from it would hold: of the user-data for a plain image, which is the same
    /// for every environment with the same stack and blueprint.
    pub bake: String,
}

/// The user-data of an environment's machine.
///
/// Errors: the template asks for what nobody gives, or comes to something that is no user-data.
pub fn user_data(
    env: &Environment,
    blueprint: &Blueprint,
    keys: &[String],
    substrate: Substrate,
    base: Base,
) -> Result<UserData, RenderError> {
    let _ = (env, blueprint, keys, substrate, base);
    Err(RenderError::Text("there is no user-data".to_owned()))
}
