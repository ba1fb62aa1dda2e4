//! Questions to a running component whose answer tells whether it is ready, as data.

use super::ids::SecretName;
use serde::{Deserialize, Serialize};

/// A question and the answer that counts. A status code alone never does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Probe {
    /// `GET http://127.0.0.1:PORT/PATH` answers 200 and its body satisfies `expect`.
    Http {
        /// The port on the loopback address.
        port: u16,
        /// The path, from the slash on.
        path: String,
        /// What the body must be.
        expect: Body,
    },
    /// Redis answers `PING` with `PONG` to that user, and is not loading.
    Redis {
        /// The port on the loopback address.
        port: u16,
        /// The ACL user.
        user: String,
        /// That user's password.
        password: SecretName,
    },
    /// PostgreSQL accepts a login (`pg_isready` exits 0).
    Postgres {
        /// The port on the loopback address.
        port: u16,
        /// `pg_isready`, whole path.
        program: String,
    },
}

/// What a body must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Body {
    /// It contains this text.
    Contains(String),
    /// It is JSON, and at this pointer (RFC 6901) stands this text.
    Json {
        /// The pointer.
        pointer: String,
        /// The text there.
        equals: String,
    },
}
