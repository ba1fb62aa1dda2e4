//! Proves that the stack works: checks, and the evidence that they leave.

pub mod evidence;
