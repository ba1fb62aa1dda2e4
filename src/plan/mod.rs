//! What will be done: immutable values, made from the environment and the inventory and from nothing else.

pub mod action;
pub mod probe;
pub mod service;
pub mod step;
