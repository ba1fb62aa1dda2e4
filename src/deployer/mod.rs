//! How components get to a machine.
