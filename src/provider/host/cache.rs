//! Answers that cost too much to ask for each time, kept as long as the files that they depend on are the same.

use crate::fs;
use crate::model::inventory::Observed;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of answers. It may be lost at any time; what cannot be read of it counts as not there.
#[derive(Debug)]
pub struct Cache<T> {
    path: Option<PathBuf>,
    entries: BTreeMap<String, Entry<T>>,
    changed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry<T> {
    stamp: String,
    value: T,
}

impl<T: Clone + Serialize + DeserializeOwned> Cache<T> {
    /// Opens the file of that name in `folder`; without a folder, nothing is kept.
    pub fn open(folder: Option<&Path>, name: &str) -> Self {
        let path = folder.map(|folder| folder.join(name));
        let entries = match path.as_deref().map(fs::observe) {
            Some(Observed::Present(text)) => serde_json::from_str(&text).unwrap_or_default(),
            _ => BTreeMap::new(),
        };
        Self { path, entries, changed: false }
    }

    /// The answer that was given while the stamp was the same.
    pub fn get(&self, key: &str, stamp: &str) -> Option<T> {
        self.entries.get(key).filter(|entry| entry.stamp == stamp).map(|entry| entry.value.clone())
    }

    /// Keeps an answer.
    pub fn put(&mut self, key: &str, stamp: &str, value: T) {
        self.entries.insert(key.to_owned(), Entry { stamp: stamp.to_owned(), value });
        self.changed = true;
    }

    /// Writes what was added. That it cannot be written costs time later, and no more.
    pub fn save(self) {
        let Some(path) = self.path.filter(|_| self.changed) else { return };
        let Some(folder) = path.parent() else { return };
        if let (Ok(()), Ok(text)) = (fs::ensure_dir(folder, 0o700), serde_json::to_vec(&self.entries)) {
            let _ = fs::replace(&path, &text, 0o600);
        }
    }
}
