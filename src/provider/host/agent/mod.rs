//! One background process of ours per environment: it starts the components' processes, starts them again when they
//! end, keeps their logs, and stops them in reverse order. It needs no system service and survives the terminal.
//!
//! Guarantees: at most one agent per environment; it answers its own user (and root) only; what it starts carries the
//! environment's marker, so that it can be found when the agent was killed; it never takes over a process that it did
//! not start.

mod client;
mod logs;
mod protocol;
mod records;
mod server;
mod services;
mod supervisor;

pub use client::{Client, ClientError, Followed};
pub use logs::{Limits as LogLimits, tail};
pub use protocol::{Answer, LogLine, PROTOCOL, Request};
pub use records::{AgentRecord, ServiceRecord, boot_id, observe_agent_record, observe_service_records};
pub use server::{AgentError, Settings, launch, serve};
pub use supervisor::Pace;

/// The variable in the environment of everything that we start which holds the environment's identity.
pub const MARKER: &str = "REPORTCTL_ID";
/// The variable beside it that holds the component's name, or `agent`.
pub const COMPONENT_MARKER: &str = "REPORTCTL_COMPONENT";
/// What [`COMPONENT_MARKER`] holds for the agent itself.
pub const AGENT: &str = "agent";
