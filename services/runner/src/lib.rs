//! The runner: runs the reports that users ask for, and calls back with what came of them.

pub mod command;
pub mod http;
pub mod presence;
pub mod reports;
pub mod results;
pub mod scale;
pub mod serve;
pub mod settings;
pub mod sources;
pub mod work;
