//! The systemd unit of each component in a machine of its own.

use super::RenderError;
use super::native::{Native, View};
use crate::model::component::ComponentName;
use crate::model::file::RenderedFile;
use std::path::PathBuf;

/// The unit's name, such as `report-redis.service`.
pub fn unit(component: ComponentName) -> String {
    format!("report-{component}.service")
}

/// The system user that a component runs as, which is also its group.
pub fn user(component: ComponentName) -> String {
    format!("report-{component}")
}

/// The file that a unit waits for: without it, it does not start. It holds the unit's variables, the identity
/// (`REPORTCTL_ID`) and the digest of what it was started with (`REPORTCTL_DIGEST`), and is put in place by its start.
pub fn variables(component: ComponentName) -> PathBuf {
    PathBuf::from("/etc/reportctl").join(component.as_str()).join("unit.env")
}

/// The unit's file.
///
/// Errors: something in it has no text form.
pub fn file(view: &View<'_>, component: ComponentName, native: &Native) -> Result<RenderedFile, RenderError> {
    let _ = (view, native);
    let path = PathBuf::from("/etc/systemd/system").join(unit(component));
    Ok(RenderedFile { path, mode: 0o644, text: String::new(), owner: Some("root".to_owned()) })
}
