//! This host: its packages, ports and processes, and the agent that looks after the components.

pub mod agent;
