//! The one way to a component.
