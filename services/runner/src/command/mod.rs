//! What the command line can be asked for beside `serve`.

pub mod queue;
mod table;
