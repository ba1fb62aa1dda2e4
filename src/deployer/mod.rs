//! How components get to a machine.

pub mod everywhere;
pub mod guest;
pub mod native;
mod ready;
