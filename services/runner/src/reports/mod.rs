//! The reports.

pub mod forecast;
