//! The one way to a component, and the one way to wait.

mod direct;
pub mod guest;
mod link;
pub mod machine;
mod probe;
mod query;
mod socket;
pub mod tunnel;
pub mod wait;

pub use direct::{Direct, ReachError, redis_error};
pub use link::{Link, LinkError, link};
pub use probe::holds;
pub use query::{Method, Query, Reply, begin};
pub use socket::{Socket, SocketError};
