//! Scaling: how many workers the runner wants, and its door for alerts. An alert is a trigger and not a command: it makes
//! the runner look at its own queue now instead of at its next tick. Only an alert that carries `workers`, as an
//! annotation or a label, asks for a number: at least so many, for as long as it fires.

mod arrivals;
mod control;
mod floors;
mod payload;
mod scaler;

pub use control::{Control, Crew};
pub use payload::{Alert, Payload, PayloadError, Status};
pub use scaler::{Decision, Direction, Limits, Load, Reason, Scaler};
