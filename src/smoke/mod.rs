//! Proves that the stack works: checks, and the evidence that they leave.
//!
//! Guarantees: no check passes on a status code alone where the body can lie; nothing is skipped without its reason; what
//! a check makes it takes away again, whatever happens; each check ends within a bound of its own.

mod checks;
pub mod evidence;
mod exposition;
mod figure;
mod lab;
mod receiver;
mod run;
mod selection;
mod target;
mod visitor;

pub use checks::{Check, Manner, all};
pub use run::{Options, SmokeError, run};
pub use selection::{Selection, UnknownCheck};
pub use target::{Placed, Target, TargetError};
