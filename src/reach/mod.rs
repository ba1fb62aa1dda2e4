//! The one way to a component, and the one way to wait.

mod direct;
pub mod guest;
mod link;
mod probe;
mod socket;
pub mod tunnel;
pub mod wait;

pub use direct::{Direct, Method, Query, ReachError, Reply, begin, redis_error};
pub use link::{Link, LinkError, link};
pub use probe::holds;
pub use socket::{Socket, SocketError};
