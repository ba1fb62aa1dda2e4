//! Runs the reports.

pub mod reports;
