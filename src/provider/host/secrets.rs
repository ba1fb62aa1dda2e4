//! The secrets of one environment: one file each, of mode 0600, in a folder of mode 0700.

use crate::context::Context;
use crate::fs::{self, FsError};
use crate::model::ids::SecretName;
use crate::model::inventory::Observed;
use crate::model::paths::Paths;
use crate::model::secret::{SecretSource, SecretValue, Secrets};
use std::collections::BTreeMap;

/// Why a secret is not there. No value is ever part of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable that holds it is not set.
    #[error("secret {name} comes from the environment variable {variable}, which is not set")]
    NoVariable {
        /// Which secret.
        name: SecretName,
        /// The variable.
        variable: String,
    },
    /// The file that holds it cannot be read.
    #[error("secret {name}: {source}")]
    Unreadable {
        /// Which secret.
        name: SecretName,
        /// The cause.
        #[source]
        source: FsError,
    },
    /// The value cannot be used.
    #[error("secret {name}, from {from}: {why}")]
    Unfit {
        /// Which secret.
        name: SecretName,
        /// Where it came from.
        from: String,
        /// What is wrong with it.
        why: String,
    },
    /// It cannot be stored.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Stores the secrets that are not stored yet. One that is stored is never overwritten, whatever its source says now.
///
/// Errors: a source has nothing, or something that cannot be a secret; a file cannot be written.
pub fn ensure(
    context: &Context,
    paths: &Paths,
    wanted: &BTreeMap<SecretName, SecretSource>,
) -> Result<(), SecretError> {
    fs::ensure_dir(&paths.secrets(), 0o700)?;
    for (name, source) in wanted {
        let path = paths.secret(name);
        match fs::observe_meta(&path) {
            Observed::Present(_) => {
                read(paths, name)?;
                fs::set_mode(&path, 0o600)?;
            }
            Observed::Absent => fs::write(&path, draw(context, name, source)?.expose().as_bytes(), 0o600)?,
            Observed::Unknown(why) => {
                let from = path.display().to_string();
                return Err(SecretError::Unfit { name: name.clone(), from, why });
            }
        }
    }
    Ok(())
}

fn draw(context: &Context, name: &SecretName, source: &SecretSource) -> Result<SecretValue, SecretError> {
    let unfit = |from: String| move |why| SecretError::Unfit { name: name.clone(), from, why };
    match source {
        SecretSource::Generate(length) => {
            let text = context.random_alphanumeric(usize::from(*length)).map_err(unfit("this host".to_owned()))?;
            SecretValue::parse(&text).map_err(unfit("this host".to_owned()))
        }
        SecretSource::Env(variable) => {
            let text = context.var(variable);
            let text =
                text.ok_or_else(|| SecretError::NoVariable { name: name.clone(), variable: variable.clone() })?;
            SecretValue::parse(text).map_err(unfit(format!("the environment variable {variable}")))
        }
        SecretSource::File(file) => {
            let path = context.cwd.join(file);
            let text = fs::read(&path).map_err(|source| SecretError::Unreadable { name: name.clone(), source })?;
            SecretValue::parse(without_line_end(&text)).map_err(unfit(path.display().to_string()))
        }
    }
}

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn read(paths: &Paths, name: &SecretName) -> Result<SecretValue, SecretError> {
    let path = paths.secret(name);
    let text = fs::read(&path).map_err(|source| SecretError::Unreadable { name: name.clone(), source })?;
    let unfit = |why| SecretError::Unfit { name: name.clone(), from: path.display().to_string(), why };
    SecretValue::parse(&text).map_err(unfit)
}

/// Every secret that is stored. A file whose name is no secret's is not one.
///
/// Errors: one cannot be read, or is not what we stored.
pub fn load(paths: &Paths) -> Result<Secrets, SecretError> {
    let mut secrets = Secrets::default();
    for name in fs::list(&paths.secrets())?.iter().filter_map(|name| SecretName::parse(name).ok()) {
        let value = read(paths, &name)?;
        secrets.insert(name, value);
    }
    Ok(secrets)
}

/// Whether each secret of these names, and each that is stored, is there and can be used.
pub fn observe(paths: &Paths, names: impl IntoIterator<Item = SecretName>) -> BTreeMap<SecretName, Observed<()>> {
    let stored = fs::list(&paths.secrets()).unwrap_or_default();
    let stored = stored.iter().filter_map(|name| SecretName::parse(name).ok());
    names
        .into_iter()
        .chain(stored)
        .map(|name| {
            let seen = match fs::observe_meta(&paths.secret(&name)) {
                Observed::Absent => Observed::Absent,
                Observed::Unknown(reason) => Observed::Unknown(reason),
                Observed::Present(_) => match read(paths, &name) {
                    Ok(_) => Observed::Present(()),
                    Err(error) => Observed::Unknown(error.to_string()),
                },
            };
            (name, seen)
        })
        .collect()
}
