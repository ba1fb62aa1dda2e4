//! What differs in a machine of its own: everything of a component belongs to its own user, and systemd is told of it.

use super::{Native, RenderError, View, folder};
use crate::model::{digest, unit};
use crate::render::units;

/// Gives what a component needs to its own user, and adds its unit.
///
/// The unit is one of the files that the service is made from: where it changes, the service is started anew.
pub fn settle(view: &View<'_>, mut native: Native) -> Result<Native, RenderError> {
    let name = native.service.component;
    let secrets = view.paths.config(name).join("secrets");
    if native.files.iter().any(|file| file.path.starts_with(&secrets)) {
        native.folders.push(folder(secrets));
    }
    let owner = unit::user(name);
    native.folders.iter_mut().for_each(|folder| folder.owner = Some(owner.clone()));
    native.files.iter_mut().for_each(|file| file.owner = Some(owner.clone()));
    let unit = units::file(view, name, &native)?;
    native.service.files.insert(unit.path.clone(), digest::sha256_hex(unit.text.as_bytes()));
    native.files.push(unit);
    Ok(native)
}
