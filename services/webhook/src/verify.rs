//! Verifying what came in, before anybody looks into it.

use super::id::WebhookId;
use super::secret::Secrets;
use super::sign::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, VERSION, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq};

/// How far a webhook's time may be from the receiver's, either way.
pub const TOLERANCE: Duration = Duration::from_secs(300);
/// How many signatures of one message are looked at.
const MOST_SIGNATURES: usize = 16;
/// How long the header with the signatures may be, in bytes.
const MOST_HEADER: usize = 4096;

/// Why a message is not taken as genuine. The sender need not try again: each is answered with a status of 4xx. Nothing
/// in it tells how near a forgery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header is missing, stands there twice, or cannot be read.
    #[error("the header `{0}` must be there once and in the form that Standard Webhooks gives it")]
    Header(&'static str),
    /// It is older than five minutes.
    #[error("the webhook is older than five minutes; is the sender's clock right?")]
    TooOld,
    /// Its time is more than five minutes ahead.
    #[error("the webhook's time is more than five minutes ahead; is the sender's clock right?")]
    TooNew,
    /// No signature fits.
    #[error("no signature fits; do sender and receiver have the same secret?")]
    Signature,
}

impl VerifyError {
    /// Its name in figures and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header(_) => "malformed",
            Self::TooOld | Self::TooNew => "stale",
            Self::Signature => "forged",
        }
    }
}

impl Secrets {
    /// Whether a message is genuine: signed with one of the secrets over exactly these bytes of the body, and its time
    /// within five minutes of `now`, either way. Signatures of unknown versions are passed over. Signatures are compared
    /// in constant time, all of them with all secrets.
    ///
    /// A genuine message may still be a repeat: remember its id for at least ten minutes.
    ///
    /// # Errors
    /// A header is missing, doubled or malformed, the time is too far away, or no signature fits.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<WebhookId, VerifyError> {
        let id = WebhookId::parse(the_one(headers, HEADER_ID)?).map_err(|_| VerifyError::Header(HEADER_ID))?;
        let timestamp = read_timestamp(the_one(headers, HEADER_TIMESTAMP)?)?;
        let signatures = read_signatures(the_one(headers, HEADER_SIGNATURE)?)?;
        let age = now.as_second().saturating_sub(timestamp);
        if age > TOLERANCE.as_secs().cast_signed() {
            return Err(VerifyError::TooOld);
        }
        if age < -TOLERANCE.as_secs().cast_signed() {
            return Err(VerifyError::TooNew);
        }
        let mut fits = Choice::from(0);
        for wanted in self.keys().filter_map(|key| digest(key, &id, timestamp, body)) {
            for given in &signatures {
                fits |= wanted.as_slice().ct_eq(given);
            }
        }
        if bool::from(fits) { Ok(id) } else { Err(VerifyError::Signature) }
    }
}

fn the_one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| VerifyError::Header(name)),
        _ => Err(VerifyError::Header(name)),
    }
}

/// Digits alone, and none in front that says nothing: one moment has one spelling, so that what was signed is what was read.
fn read_timestamp(text: &str) -> Result<i64, VerifyError> {
    let error = VerifyError::Header(HEADER_TIMESTAMP);
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().map_err(|_| error) } else { Err(error) }
}

/// The signatures of the version that we know; those that are no base64 fit nothing and are passed over.
fn read_signatures(text: &str) -> Result<Vec<Vec<u8>>, VerifyError> {
    if text.len() > MOST_HEADER {
        return Err(VerifyError::Header(HEADER_SIGNATURE));
    }
    let known = text.split(' ').filter_map(|word| word.strip_prefix(VERSION));
    let decoded: Vec<_> = known.filter_map(|word| STANDARD.decode(word).ok()).take(MOST_SIGNATURES + 1).collect();
    if decoded.len() > MOST_SIGNATURES { Err(VerifyError::Header(HEADER_SIGNATURE)) } else { Ok(decoded) }
}
