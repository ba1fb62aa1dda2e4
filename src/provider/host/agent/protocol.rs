//! What the agent is asked and what it answers: one JSON value a line, over its socket.
//!
//! A client sends one request and reads answers until one that ends them: all but [`Answer::Line`] do.

use crate::model::component::ComponentName;
use crate::model::ids::EnvId;
use crate::model::inventory::{AgentState, ServiceState};
use crate::model::service::ServiceSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of this protocol. [`Request::Version`] and its answer stay the same in all versions.
pub const PROTOCOL: u32 = AgentState::PROTOCOL;
/// The longest request or answer, in bytes.
pub const LONGEST_LINE: usize = 1 << 20;

/// What the agent is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Who are you?
    Version,
    /// How do the services do?
    Status,
    /// Run these services: start what does not run or waits to be started again, replace what runs differently, leave
    /// the rest as it is.
    Apply {
        /// The services.
        services: Vec<ServiceSpec>,
        /// Whether every other service is stopped.
        only_these: bool,
    },
    /// Stop a component and forget it; without one, stop everything in reverse order, and end.
    Stop {
        /// Which one.
        component: Option<ComponentName>,
    },
    /// Show log lines.
    Logs {
        /// Whose; everybody's when empty.
        components: Vec<ComponentName>,
        /// How many old lines of each.
        lines: u32,
        /// Whether to go on with new ones until the connection is closed.
        follow: bool,
    },
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// To `version`.
    Version {
        /// The version of the protocol that it speaks.
        protocol: u32,
        /// The version of reportctl that it is part of.
        version: String,
        /// The environment that it looks after.
        id: EnvId,
        /// Its process.
        pid: u32,
    },
    /// To `status`.
    Status {
        /// The services.
        services: BTreeMap<ComponentName, ServiceState>,
    },
    /// To `apply`, `stop` and `logs`: all is done.
    Done,
    /// To `logs`: one line. More follow.
    Line(LogLine),
    /// It cannot be done.
    Refused {
        /// Why.
        reason: String,
    },
}

/// One line of a component's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLine {
    /// Whose.
    pub component: ComponentName,
    /// When it reached the agent, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// The line, without its end; bytes that are no UTF-8 are replaced.
    pub text: String,
}
