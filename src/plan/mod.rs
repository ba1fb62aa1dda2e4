//! What will be done: immutable values, made from the environment and the inventory and from nothing else.

pub use crate::model::{probe, service};

pub mod action;
pub mod step;
