//! What Alertmanager sends, version 4, read leniently: what is unknown is passed over, what is missing is empty.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A notice of Alertmanager.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Payload {
    /// The version of its form.
    #[serde(default)]
    version: String,
    /// The alerts that it tells of.
    #[serde(default, deserialize_with = "or_empty")]
    pub alerts: Vec<Alert>,
}

/// An alert.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Alert {
    /// Whether it fires.
    #[serde(default)]
    pub status: Status,
    /// What it is called by: `alertname` and others.
    #[serde(default, deserialize_with = "or_empty")]
    pub labels: BTreeMap<String, String>,
    /// What is said about it.
    #[serde(default, deserialize_with = "or_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The same for the same labels.
    #[serde(default, deserialize_with = "or_empty")]
    pub fingerprint: String,
}

/// Whether an alert fires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does.
    Firing,
    /// It did, or something that this version does not know: nothing is done because of it.
    #[default]
    #[serde(other)]
    Resolved,
}

/// Why a notice was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is not JSON of the right shape.
    #[error("this is not a notice of Alertmanager: {0}")]
    Shape(String),
    /// It is of another version.
    #[error("notices of version `{0}` are not known; Alertmanager sends version `4`")]
    Version(String),
}

impl Payload {
    /// Reads the body of a notice.
    ///
    /// Errors: it is not JSON, a part that matters has another type, or it is not of version 4.
    pub fn read(body: &[u8]) -> Result<Self, PayloadError> {
        let payload: Self = serde_json::from_slice(body).map_err(|error| PayloadError::Shape(error.to_string()))?;
        if payload.version == "4" { Ok(payload) } else { Err(PayloadError::Version(payload.version)) }
    }
}

/// Go writes an empty map or list as `null`.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_notice_of_a_newer_alertmanager_is_read() {
        let body = r#"{"version":"4","groupKey":"{}:{}","truncatedAlerts":0,"status":"firing","receiver":"runner",
            "groupLabels":{},"commonLabels":{},"commonAnnotations":{},"routeLabels":{"a":"b"},"externalURL":"http://x",
            "notification_reason":"new","alerts":[{"status":"firing","labels":{"alertname":"A","purpose":"scaling"},
            "annotations":null,"startsAt":"2026-11-24T10:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"",
            "fingerprint":"0123456789abcdef","more":[1]}]}"#;
        let payload = Payload::read(body.as_bytes()).unwrap();
        assert_eq!(payload.alerts.len(), 1);
        assert_eq!(payload.alerts[0].status, Status::Firing);
        assert_eq!(payload.alerts[0].labels["purpose"], "scaling");
    }

    #[test]
    fn what_is_missing_is_empty() {
        assert_eq!(Payload::read(br#"{"version":"4"}"#).unwrap().alerts, []);
        assert_eq!(Payload::read(br#"{"version":"4","alerts":null}"#).unwrap().alerts, []);
        let payload = Payload::read(br#"{"version":"4","alerts":[{"status":"pending"}]}"#).unwrap();
        assert_eq!(payload.alerts[0].status, Status::Resolved);
    }

    #[test]
    fn another_version_or_another_thing_is_refused_with_its_reason() {
        let error = Payload::read(br#"{"version":"3","alerts":[]}"#).unwrap_err();
        assert_eq!(error.to_string(), "notices of version `3` are not known; Alertmanager sends version `4`");
        assert!(matches!(Payload::read(b"{}"), Err(PayloadError::Version(_))));
        for body in ["", "{", "\"4\"", r#"{"version":"4","alerts":[7]}"#, r#"{"version":4}"#] {
            assert!(matches!(Payload::read(body.as_bytes()), Err(PayloadError::Shape(_))), "{body}");
        }
    }
}
