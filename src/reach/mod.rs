//! The one way to a component, and the one way to wait.

pub mod wait;
