//! A figure that node-exporter is told for a while, so that a rule of Prometheus raises an alert.

use super::lab::{Fault, Lab};
use crate::fs;
use crate::model::component::ComponentName::NodeExporter;
use crate::model::unit;
use crate::reach::guest::{GuestError, Inside, Put, Run};
use std::path::PathBuf;

/// A file with a figure. It is removed however the check ends.
pub struct Figure {
    path: PathBuf,
    /// The machine that it is in; none where that is this host.
    inside: Option<Inside>,
    /// Whether an earlier check, which must have been killed, had left its file behind.
    pub left_behind: bool,
    removed: bool,
}

impl Figure {
    /// Writes the file, with one name for all runs, so that what a killed one left is found. `series` is one line in the
    /// form of Prometheus's exposition, without its value, which is 1.
    ///
    /// Errors: it cannot be written.
    pub async fn write(lab: &Lab, file: &str, series: &str) -> Result<Self, Fault> {
        let (path, inside) = (lab.target.view().textfile().join(file), lab.direct.inside().cloned());
        let name = series.split('{').next().unwrap_or(series);
        let text = format!(
            "# HELP {name} 1 while a smoke test of reportctl wants an alert to be raised.\n# TYPE {name} gauge\n{series} 1\n"
        );
        let cannot = |error: String| Fault::new(error, "a file that node-exporter reads");
        let left_behind = match &inside {
            None => !fs::observe_meta(&path).is_absent(),
            Some(inside) => {
                let test = ["test".to_owned(), "-e".to_owned(), path.display().to_string()];
                inside.run(Run::new(test)).await.map_err(|error| cannot(error.to_string()))?.code == 0
            }
        };
        // From here on it is removed, also when it is dropped while it is being written.
        let figure = Self { path, inside, left_behind, removed: false };
        match &figure.inside {
            None => fs::replace(&figure.path, text.as_bytes(), 0o600).map_err(|error| cannot(error.to_string()))?,
            Some(inside) => {
                let (path, owner) = (figure.path.clone(), unit::user(NodeExporter));
                let put = inside.put(vec![Put { path, bytes: text.into_bytes(), mode: 0o600, owner }]).await;
                put.map_err(|error: GuestError| cannot(error.to_string()))?;
            }
        }
        Ok(figure)
    }

    /// Takes the figure away.
    ///
    /// Errors: the file cannot be removed.
    pub async fn remove(mut self) -> Result<(), Fault> {
        let removed = match &self.inside {
            None => fs::remove_file(&self.path).map_err(|error| error.to_string()),
            Some(inside) => {
                let remove = ["rm".to_owned(), "-f".to_owned(), self.path.display().to_string()];
                inside.check(Run::new(remove)).await.map(drop).map_err(|error| error.to_string())
            }
        };
        self.removed = removed.is_ok();
        removed.map_err(|error| Fault::new(error, "the file is removed"))
    }
}

impl Drop for Figure {
    fn drop(&mut self) {
        match &self.inside {
            _ if self.removed => {}
            None => drop(fs::remove_file(&self.path)),
            Some(inside) => inside.remove_now(&self.path),
        }
    }
}
