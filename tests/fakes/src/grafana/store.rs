//! What outlives a restart: the administrator, from the first start on.

use super::ini::Settings;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    fake: bool,
    user: String,
    password_sha256: String,
}

/// Makes the administrator on the first start. Later a changed setting has no effect, as with the real one.
pub(super) fn first_start(settings: &Settings) -> Result<(), String> {
    if path(settings).exists() {
        return read(settings).map(|_| ());
    }
    write(settings, &settings.admin_user, &settings.admin_password)
}

/// Whether these are the administrator's.
pub(super) fn is_admin(settings: &Settings, user: &str, password: &str) -> Result<bool, String> {
    let database = read(settings)?;
    Ok(database.user == user && database.password_sha256 == digest(password))
}

/// The administrator's name.
pub(super) fn admin(settings: &Settings) -> Result<String, String> {
    Ok(read(settings)?.user)
}

/// Changes the password.
///
/// Errors: there was no start yet.
pub(super) fn reset(settings: &Settings, password: &str) -> Result<(), String> {
    let user = read(settings)?.user;
    write(settings, &user, password)
}

fn path(settings: &Settings) -> PathBuf {
    settings.data.join("grafana.db")
}

fn read(settings: &Settings) -> Result<Database, String> {
    let path = path(settings);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: no database of the fake: {error}", path.display()))
}

fn write(settings: &Settings, user: &str, password: &str) -> Result<(), String> {
    let database = Database { fake: true, user: user.to_owned(), password_sha256: digest(password) };
    let text = serde_json::to_string(&database).map_err(|error| error.to_string())?;
    let path = path(settings);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

fn digest(password: &str) -> String {
    Sha256::digest(password.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
