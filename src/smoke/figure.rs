//! A figure that node-exporter is told for a while, so that a rule of Prometheus raises an alert.

use super::lab::Fault;
use crate::fs;
use std::path::{Path, PathBuf};

/// A file with a figure. It is removed however the check ends.
pub struct Figure {
    path: PathBuf,
    /// Whether an earlier check, which must have been killed, had left its file behind.
    pub left_behind: bool,
}

impl Figure {
    /// Writes the file, with one name for all runs, so that what a killed one left is found. `series` is one line in the
    /// form of Prometheus's exposition, without its value, which is 1.
    ///
    /// Errors: it cannot be written.
    pub fn write(folder: &Path, file: &str, series: &str) -> Result<Self, Fault> {
        let path = folder.join(file);
        let figure = Self { left_behind: !fs::observe_meta(&path).is_absent(), path };
        let name = series.split('{').next().unwrap_or(series);
        let text = format!(
            "# HELP {name} 1 while a smoke test of reportctl wants an alert to be raised.\n# TYPE {name} gauge\n{series} 1\n"
        );
        let written = fs::replace(&figure.path, text.as_bytes(), 0o600);
        written.map_err(|error| Fault::new(error.to_string(), "a file that node-exporter reads"))?;
        Ok(figure)
    }

    /// Takes the figure away.
    ///
    /// Errors: the file cannot be removed.
    pub fn remove(self) -> Result<(), Fault> {
        fs::remove_file(&self.path).map_err(|error| Fault::new(error.to_string(), "the file is removed"))
    }
}

impl Drop for Figure {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
