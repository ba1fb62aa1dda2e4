//! User-data: what a machine is initialised with, the same on every substrate.
//!
//! It is made once, as one `#cloud-config`: cloud-init replaces lists of others and does not add to them, and a substrate
//! may take nothing else. It holds no secret: those are brought in after the start, over the command channel.

mod given;
mod scalar;
mod template;

use super::RenderError;
use super::check;
use crate::model::blueprint::Blueprint;
use crate::model::diagnostic::Severity;
use crate::model::digest;
use crate::model::environment::Environment;
use crate::model::guest::Marker;
use given::Given;
use std::collections::BTreeSet;
use std::path::PathBuf;

pub use given::{TUNNEL_HOME, TUNNEL_USER};

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

pub use crate::model::guest::MARKER;

/// The user-data of an environment's machine. `keys` are those of people who may log in, each a line as in
/// `authorized_keys`.
///
/// The text is the same for each substrate; what one of them would not bear is an error there.
///
/// Errors: the template asks for what nobody gives, or comes to something that is no user-data.
pub fn user_data(
    env: &Environment,
    blueprint: &Blueprint,
    keys: &[String],
    substrate: Substrate,
    base: Base,
) -> Result<UserData, RenderError> {
    let plain = Given::new(env, blueprint, &[], Base::Plain)?;
    let bake = digest::sha256_hex(template::render(blueprint, &plain)?.as_bytes());
    let mut given = Given::new(env, blueprint, keys, base)?;
    // The mark is the digest of a text in which it is not yet: so it can stand in the text that it is about.
    let unmarked = template::render(blueprint, &given)?;
    given.marker.digest = digest::sha256_hex(unmarked.as_bytes());
    let text = template::render(blueprint, &given)?;
    if text == unmarked {
        let what = format!(
            "it never writes `marker.digest` into `marker.path` ({MARKER}), so nobody could tell that it was done"
        );
        return Err(template::error(blueprint, 1, 1, &what));
    }
    let wrong = check::user_data(&text, substrate);
    if wrong.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(RenderError::UserData { template: blueprint.cloud_init.template.clone(), text, wrong });
    }
    let marker = Marker { path: PathBuf::from(MARKER), text: given.marker.digest };
    Ok(UserData { text, marker, packages: plain.packages, bake })
}
