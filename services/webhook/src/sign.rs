//! Signing: HMAC-SHA256 over `id.timestamp.body`.

use super::id::WebhookId;
use super::secret::Secrets;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header with the webhook's id, the same over retries.
pub const HEADER_ID: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since 1970.
pub const HEADER_TIMESTAMP: &str = "webhook-timestamp";
/// The header with one signature or several, separated by blanks.
pub const HEADER_SIGNATURE: &str = "webhook-signature";
/// The version of the signatures that are made and read, with its comma.
pub(crate) const VERSION: &str = "v1,";

impl Secrets {
    /// The value of the header `webhook-signature`: a signature for each secret, the first one's first, separated by
    /// blanks. `timestamp` is in seconds since 1970.
    pub fn sign(&self, id: &WebhookId, timestamp: i64, body: &[u8]) -> String {
        let signatures = self.keys().filter_map(|key| digest(key, id, timestamp, body));
        let written: Vec<_> = signatures.map(|digest| format!("{VERSION}{}", STANDARD.encode(digest))).collect();
        written.join(" ")
    }
}

/// The signature made with one secret. There is none only if HMAC refused the key, and it takes keys of any length.
pub(crate) fn digest(key: &[u8], id: &WebhookId, timestamp: i64, body: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(id.as_str().as_bytes());
    mac.update(format!(".{timestamp}.").as_bytes());
    mac.update(body);
    Some(mac.finalize().into_bytes().into())
}
