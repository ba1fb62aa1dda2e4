//! Scaling: how many workers the runner wants, and its door for alerts. An alert is a trigger and not a command: it makes
//! the runner look at its own queue now instead of at its next tick.

mod arrivals;
mod floors;
mod payload;
mod scaler;

pub use payload::{Alert, Payload, PayloadError, Status};
pub use scaler::{Decision, Direction, Limits, Load, Reason, Scaler};
