//! The runner: runs the reports that users ask for, and calls back with what came of them.

pub mod reports;
pub mod scale;
pub mod settings;
