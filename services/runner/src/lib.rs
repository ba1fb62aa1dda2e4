//! Runs the reports.
