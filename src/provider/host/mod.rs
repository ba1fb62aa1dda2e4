//! This host: its packages, ports and processes, and the agent that looks after the components.

pub mod agent;
pub mod apt;
pub mod cache;
pub mod claim;
pub mod ports;
pub mod processes;
pub mod programs;
pub mod secrets;
pub mod services;
pub mod users;
