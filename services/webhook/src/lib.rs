//! Standard Webhooks: signing, verifying and sending, as <https://www.standardwebhooks.com> says.
//!
//! The receiver's durable part (to remember the id that was seen, in one step with what is done about it) belongs to the
//! receiver: [`Secrets::verify`] ends where the message is known to be genuine.

mod attempt;
mod breaker;
mod client;
mod endpoint;
mod id;
mod retry_after;
pub mod schedule;
mod secret;
mod sender;
mod sign;
mod verify;

pub use attempt::{Attempt, AttemptKind, Observer};
pub use client::{client, install_tls};
pub use endpoint::{Door, Endpoint};
pub use id::{IdError, WebhookId};
pub use secret::{SecretError, Secrets};
pub use sender::{MOST_BODY, Options, Sender, SenderError};
pub use sign::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP};
pub use verify::{TOLERANCE, VerifyError};
