//! What people write and what it means: environments, the stack, and what was seen of the world.
//!
//! This module does no input or output and knows no clock. Text comes in as `&str`, and leaves as valid values or
//! as diagnostics that point at the text.

pub mod argv;
pub mod blueprint;
pub mod component;
pub mod cross;
pub mod diagnostic;
pub mod digest;
pub mod environment;
pub mod facts;
pub mod file;
pub mod guest;
pub mod here;
pub mod hide;
pub mod ids;
pub mod inventory;
pub mod json_schema;
pub mod library;
pub mod list;
pub mod lxd;
pub mod multipass;
pub mod node;
pub mod paths;
pub mod probe;
pub mod quantity;
pub mod reader;
pub mod scalars;
pub mod schema;
pub mod secret;
pub mod service;
pub mod shelf;
pub mod source;
pub mod suggest;
mod table;
pub mod unit;
pub mod valid;
pub mod written;
