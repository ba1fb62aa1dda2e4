//! Values to text: every configuration file, rule and dashboard, and how each component is started. No input or output.

pub mod native;
