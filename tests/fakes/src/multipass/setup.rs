//! What the environment says: where the fake keeps what it knows, whose words it speaks, what is behind it.

use super::backend::Backend;
use super::lxd::Lxd;
use super::scripted::Scripted;
use crate::fault::{Active, Faults};
use crate::variable;
use std::path::PathBuf;

/// Whose words are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// 1.16.3.
    Stable,
    /// What becomes 1.17.
    Next,
}

impl Generation {
    pub(crate) const fn version(self) -> &'static str {
        match self {
            Self::Stable => "1.16.3",
            Self::Next => "1.17.0-dev.2186+g9b0af2ec",
        }
    }

    /// The least memory and disk of an instance, in bytes.
    pub(crate) const fn minimums(self) -> (u64, u64) {
        match self {
            Self::Stable => (128 << 20, 512 << 20),
            Self::Next => (512 << 20, 1 << 30),
        }
    }
}

/// All that a call goes by.
pub(crate) struct Setup {
    pub(crate) home: PathBuf,
    pub(crate) generation: Generation,
    pub(crate) faults: Active,
    /// Whether paths are seen as from within the snap.
    pub(crate) snap: bool,
}

impl Setup {
    /// Errors: a variable is missing or says something that nobody knows.
    pub(crate) fn from_environment() -> Result<Self, String> {
        let home = variable("FAKE_MULTIPASS_HOME").ok_or("set FAKE_MULTIPASS_HOME to a folder of its own")?;
        let generation = match variable("FAKE_MULTIPASS_GENERATION").as_deref() {
            None | Some("1.16.3") => Generation::Stable,
            Some("1.17") => Generation::Next,
            Some(other) => return Err(format!("FAKE_MULTIPASS_GENERATION is 1.16.3 or 1.17, not {other}")),
        };
        let snap = match variable("FAKE_MULTIPASS_SNAP").as_deref() {
            None | Some("1") => true,
            Some("0") => false,
            Some(other) => return Err(format!("FAKE_MULTIPASS_SNAP is 0 or 1, not {other}")),
        };
        let faults = Faults::from_environment("multipass").map_err(|refusal| refusal.text)?.now()?;
        Ok(Self { home: PathBuf::from(home), generation, faults, snap })
    }

    /// What runs the instances.
    ///
    /// Errors: nobody said which, or it lacks something.
    pub(crate) fn backend(&self) -> Result<Box<dyn Backend>, String> {
        match variable("FAKE_MULTIPASS_BACKEND").as_deref() {
            Some("lxd") => Ok(Box::new(Lxd::from_environment(&self.home)?)),
            Some("script") => Ok(Box::new(Scripted::from_environment(&self.home)?)),
            Some(other) => Err(format!("FAKE_MULTIPASS_BACKEND is lxd or script, not {other}")),
            None => Err("set FAKE_MULTIPASS_BACKEND to lxd or script".to_owned()),
        }
    }
}
