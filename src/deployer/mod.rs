//! How components get to a machine.

pub mod native;
