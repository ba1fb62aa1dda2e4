//! Values to text: every configuration file, rule and dashboard, and how each component is started. No input or output.

pub mod check;
pub mod cloud_init;
pub mod dashboard;
pub mod native;
pub mod rules;
pub mod tree;
pub mod units;
mod yaml;

use crate::model::component::{ComponentName, PortKey};
use crate::model::diagnostic::Severity;
use crate::model::ids::BadId;
use std::path::PathBuf;

/// Why something cannot be rendered. Each is a mistake in how the view was made, or a path that no file can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The component, or one that it cannot do without, is not part of what runs.
    #[error("{0} does not run here, so nothing is rendered for it")]
    NotActive(ComponentName),
    /// No number was chosen for a port.
    #[error("no number was chosen for port {0}")]
    NoPort(PortKey),
    /// A component has the options of another kind.
    #[error("{0} has options that are not its own")]
    Options(ComponentName),
    /// A secret has no valid name.
    #[error("a secret's name is malformed: {0}")]
    Secret(#[from] BadId),
    /// A path cannot stand in a configuration file.
    #[error("the path {} holds characters that a configuration file cannot: use a folder without them", .0.display())]
    Path(PathBuf),
    /// A folder's path is longer than a socket in it may have.
    #[error("the path {} is too long for a socket: use a shorter state folder (XDG_STATE_HOME)", .0.display())]
    SocketPath(PathBuf),
    /// A template of user-data is wrong, or asks for what nobody gives.
    #[error("cloud-init/{template}.yaml.tera:{line}:{column}: {what}")]
    Template {
        /// The template.
        template: String,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// A template comes to what is no user-data.
    #[error("cloud-init/{template}.yaml.tera comes to user-data that will not do: {}", in_words(wrong))]
    UserData {
        /// The template.
        template: String,
        /// The user-data.
        text: String,
        /// What is wrong with it or might be, by its place in it.
        wrong: Vec<check::Finding>,
    },
    /// A value has no text form.
    #[error("{0}")]
    Text(String),
}

fn in_words(wrong: &[check::Finding]) -> String {
    let errors = wrong.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The comment at the head of a file whose comments begin with `#`.
fn banner(made_for: &str) -> String {
    format!(
        "# Made by reportctl for environment {made_for}. Changes here are overwritten by the next `reportctl up`.\n"
    )
}
