//! Why there is no plan.

use super::commands;
use crate::model::component::{ComponentName, PortKey};
use crate::model::guest::MadeBy;
use crate::model::ids::{BadId, EnvName};
use crate::model::inventory::RootAccess;
use crate::render::native::RenderError;
use std::fmt;
use std::path::PathBuf;

/// Why there is no plan. All of them say what must be so before a plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The environment's folder belongs to somebody else, or nobody can say whose it is.
    #[error("the folder {} is not this environment's: {reason}", root.display())]
    Foreign {
        /// The folder.
        root: PathBuf,
        /// Why not.
        reason: String,
        /// What to do about it.
        advice: String,
    },
    /// The environment was made by something else than its file says now.
    #[error("{env} was made by {was}, and its file says {says} now")]
    Elsewhere {
        /// The environment.
        env: EnvName,
        /// What made it.
        was: MadeBy,
        /// What the file says.
        says: MadeBy,
    },
    /// What makes the machine is missing, cannot be used, or has something of our name that is not ours.
    #[error("{cause}")]
    Machine {
        /// What is wrong.
        cause: String,
        /// What to do about it.
        advice: String,
        /// Whether a foreign tool is missing or too old.
        is_tool: bool,
    },
    /// Something that matters could not be told.
    #[error("it cannot be told {what}: {reason}")]
    Unknown {
        /// What, as a half sentence: `whether the agent runs`.
        what: String,
        /// Why not.
        reason: String,
        /// What to do about it.
        advice: String,
    },
    /// Components that the environment requires cannot be had.
    #[error("{}", Lacks(.0))]
    CannotBeHad(Vec<Lack>),
    /// A port that the environment insists on is in use.
    #[error("port {number}, which {key} must have, is in use by another program")]
    PortTaken {
        /// Which port.
        key: PortKey,
        /// Its number.
        number: u16,
    },
    /// None of the ports that might be used is free.
    #[error("none of the ports that {key} might use is free: {tried:?}")]
    NoPort {
        /// Which port.
        key: PortKey,
        /// What was tried.
        tried: Vec<u16>,
    },
    /// Components need each other in a circle.
    #[error("these steps wait for each other: {0}")]
    Circle(String),
    /// Something cannot be rendered.
    #[error("{component} cannot be configured: {source}")]
    Render {
        /// For whom.
        component: ComponentName,
        /// Why not.
        source: RenderError,
    },
    /// A name is malformed: a mistake in this program.
    #[error(transparent)]
    Id(#[from] BadId),
}

/// A component that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// Which one.
    pub component: ComponentName,
    /// Why not.
    pub reason: String,
    /// The package whose installation would mend it.
    pub package: Option<String>,
    /// What else would mend it.
    pub mend: Option<String>,
}

struct Lacks<'a>(&'a [Lack]);

impl fmt::Display for Lacks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, lack) in self.0.iter().enumerate() {
            write!(f, "{}{}: {}", if index == 0 { "" } else { "; " }, lack.component, lack.reason)?;
        }
        Ok(())
    }
}

impl PlanError {
    /// What to type or do next, when there is something.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Foreign { advice, .. } | Self::Unknown { advice, .. } | Self::Machine { advice, .. } => {
                Some(advice.clone())
            }
            Self::Elsewhere { env, .. } => Some(format!(
                "run `reportctl down -e {env}` first, which takes away what was made; or let the file say again what it said"
            )),
            Self::CannotBeHad(lacks) => lack_advice(lacks),
            Self::PortTaken { key, number } => Some(format!(
                "see who listens there with `ss -ltnp 'sport = :{number}'`; end it, give {} another number, or let the \
                 environment choose with `ports: free`",
                key
            )),
            Self::NoPort { key, .. } => Some(format!("give {key} a number that is free")),
            Self::Render { source: RenderError::Path(_), .. } => {
                Some("set XDG_STATE_HOME to a folder whose path has no quotes, dollars or backslashes".to_owned())
            }
            Self::Circle(_) | Self::Render { .. } | Self::Id(_) => None,
        }
    }
}

/// One command for all packages, then what else there is to do.
fn lack_advice(lacks: &[Lack]) -> Option<String> {
    let packages: Vec<&str> = lacks.iter().filter_map(|lack| lack.package.as_deref()).collect();
    let install = (!packages.is_empty()).then(|| {
        format!("as root, run `{}`", commands::install_by_hand(RootAccess::Root, packages.iter().copied()).pasteable())
    });
    let rest = lacks.iter().filter_map(|lack| Some(format!("{}: {}", lack.component, lack.mend.as_deref()?)));
    let all: Vec<String> = install.into_iter().chain(rest).collect();
    (!all.is_empty()).then(|| all.join("; "))
}
