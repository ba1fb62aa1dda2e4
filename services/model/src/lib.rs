//! What both services agree on: the types of report and their parameters, the document that a report makes, and the
//! events that tell of a report's life. Values only: nothing here touches the world.

pub mod catalog;
pub mod document;
pub mod event;
pub mod result;
pub mod source;
