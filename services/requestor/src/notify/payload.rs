//! What Alertmanager's webhook says, version 4: read leniently where versions differ, and refused where it means something
//! else.

use super::item::{Alert, AlertStatus};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many alerts of one payload are looked at; set `max_alerts` at Alertmanager to less.
pub(crate) const MOST_ALERTS: usize = 500;

/// Why a payload is not taken. Alertmanager must be told so with a status of 4xx, after which it does not try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is no JSON of the right form.
    #[error("this is no payload of Alertmanager's webhook: {0}")]
    Form(String),
    /// It is of another version, or was made by a template.
    #[error("only version 4 of Alertmanager's webhook is understood, and this says `{0}`; was `payload` set there?")]
    Version(String),
}

/// A payload: the alerts of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    /// Which group.
    pub group: String,
    /// Its alerts, at most [`MOST_ALERTS`].
    pub alerts: Vec<Alert>,
    /// How many more there are, which were left out there or here.
    pub more: u64,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    version: serde_json::Value,
    #[serde(rename = "groupKey", default, deserialize_with = "or_default")]
    group: String,
    #[serde(rename = "truncatedAlerts", default, deserialize_with = "or_default")]
    truncated: u64,
    #[serde(default, deserialize_with = "or_default")]
    alerts: Vec<RawAlert>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct RawAlert {
    #[serde(deserialize_with = "or_default")]
    status: String,
    #[serde(deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    starts_at: String,
    #[serde(deserialize_with = "or_default")]
    ends_at: String,
    #[serde(rename = "generatorURL", deserialize_with = "or_default")]
    generator: String,
    #[serde(deserialize_with = "or_default")]
    fingerprint: String,
}

impl Payload {
    /// Reads a payload. Unknown keys count for nothing, and missing ones have defaults; the version must be there.
    pub(crate) fn read(body: &[u8]) -> Result<Self, PayloadError> {
        let raw: Raw = serde_json::from_slice(body).map_err(|error| PayloadError::Form(error.to_string()))?;
        if raw.version != "4" {
            let version = raw.version.as_str().map_or_else(|| raw.version.to_string(), str::to_owned);
            return Err(PayloadError::Version(super::item::cut(&version, 40)));
        }
        let more = raw.truncated.saturating_add(raw.alerts.len().saturating_sub(MOST_ALERTS) as u64);
        let alerts = raw.alerts.into_iter().take(MOST_ALERTS).map(RawAlert::read).collect();
        Ok(Self { group: raw.group, alerts, more })
    }

    /// By what a repeat of `alert` is known: Alertmanager sends at least once, and twice when there are two of it.
    pub(crate) fn identity(&self, alert: &Alert) -> String {
        let since = alert.starts_at.map(|at| at.to_string()).unwrap_or_default();
        digest(&[&self.group, &alert.fingerprint, &since, &format!("{:?}", alert.status)])
    }
}

impl RawAlert {
    fn read(self) -> Alert {
        let label = |name: &str| self.labels.get(name).cloned().unwrap_or_default();
        let note = |name: &str| self.annotations.get(name).cloned().unwrap_or_default();
        let status = if self.status == "resolved" { AlertStatus::Resolved } else { AlertStatus::Firing };
        // While an alert fires, its end stands as the year 1.
        let ends_at = read_time(&self.ends_at).filter(|_| status == AlertStatus::Resolved);
        let name = Some(label("alertname")).filter(|name| !name.is_empty()).unwrap_or_else(|| "(no name)".to_owned());
        let summary = Some(note("summary")).filter(|text| !text.is_empty()).unwrap_or_else(|| note("message"));
        let (severity, description) = (label("severity"), note("description"));
        let labels: BTreeMap<_, _> =
            self.labels.into_iter().filter(|(name, _)| name != "alertname" && name != "severity").collect();
        let fingerprint = if self.fingerprint.is_empty() {
            let parts: Vec<_> = labels.iter().flat_map(|(name, value)| [name.as_str(), value]).collect();
            digest(&[&[name.as_str(), &severity], parts.as_slice()].concat())
        } else {
            self.fingerprint
        };
        let starts_at = read_time(&self.starts_at);
        let source = self.generator;
        Alert { fingerprint, status, name, severity, summary, description, starts_at, ends_at, labels, source }
            .bounded()
    }
}

/// A moment; none when it is malformed or not set.
fn read_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().filter(|time: &Timestamp| time.as_second() > 0)
}

/// What is `null` is what is missing: Go writes an empty map so.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<T, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

/// A short name for several texts together, in hexadecimal digits.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    fn read(value: &serde_json::Value) -> Result<Payload, PayloadError> {
        Payload::read(value.to_string().as_bytes())
    }

    #[test]
    fn a_payload_of_today_is_read() {
        let payload = read(&json!({
            "version": "4", "groupKey": "{}/{}:{alertname=\"A\"}", "truncatedAlerts": 2, "status": "firing",
            "receiver": "requestor", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "routeLabels": {},
            "externalURL": "http://am", "notification_reason": "new",
            "alerts": [
                {"status": "firing", "labels": {"alertname": "A", "severity": "critical", "job": "runner"},
                 "annotations": {"summary": "It is long", "description": "Very"}, "startsAt": "2026-11-24T12:00:00.123Z",
                 "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/g", "fingerprint": "0123456789abcdef"},
                {"status": "resolved", "labels": {"alertname": "B"}, "annotations": {},
                 "startsAt": "2026-11-24T12:00:00Z", "endsAt": "2026-11-24T12:05:00+01:00", "fingerprint": "ff"},
            ],
        }))
        .unwrap();
        assert_eq!(payload.more, 2);
        let (first, second) = (&payload.alerts[0], &payload.alerts[1]);
        assert_eq!(
            (first.name.as_str(), first.severity.as_str(), first.status),
            ("A", "critical", AlertStatus::Firing)
        );
        assert_eq!((first.summary.as_str(), first.description.as_str()), ("It is long", "Very"));
        assert_eq!(first.ends_at, None);
        assert_eq!(first.labels, BTreeMap::from([("job".to_owned(), "runner".to_owned())]));
        assert_eq!(second.status, AlertStatus::Resolved);
        assert_eq!(second.ends_at.unwrap().to_string(), "2026-11-24T11:05:00Z");
    }

    #[test]
    fn what_is_missing_or_null_has_a_default() {
        let bare = json!({"version": "4"});
        assert_eq!(read(&bare).unwrap(), Payload { group: String::new(), alerts: Vec::new(), more: 0 });
        let nulls = json!({"version": "4", "alerts": [{"labels": null, "startsAt": null}, {}], "groupKey": null});
        let payload = read(&nulls).unwrap();
        assert_eq!(payload.alerts[0].name, "(no name)");
        assert_eq!(payload.alerts[0].status, AlertStatus::Firing);
        assert_eq!(payload.alerts[0].fingerprint.len(), 32);
        assert_eq!(read(&json!({"version": "4", "alerts": null})).unwrap().alerts, []);
    }

    #[test]
    fn other_versions_are_refused() {
        for version in [json!("3"), json!("5"), json!(4), json!(null), json!({"a": 1})] {
            assert!(
                matches!(read(&json!({"version": version, "alerts": []})), Err(PayloadError::Version(_))),
                "{version}"
            );
        }
        assert!(matches!(read(&json!({"text": "from a template"})), Err(PayloadError::Version(_))));
        assert!(Payload::read(b"[]").is_err());
        for bad in ["", "4", "{\"version\":\"4\",\"alerts\":7}", "\u{0}"] {
            assert!(matches!(Payload::read(bad.as_bytes()), Err(PayloadError::Form(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let many: Vec<_> = (0..MOST_ALERTS + 7).map(|i| json!({"fingerprint": i.to_string()})).collect();
        let payload = read(&json!({"version": "4", "alerts": many})).unwrap();
        assert_eq!((payload.alerts.len(), payload.more), (MOST_ALERTS, 7));
        let labels: BTreeMap<_, _> = (0..100).map(|i| (format!("l{i}"), "ä".repeat(9999))).collect();
        let alert =
            json!({"labels": labels, "annotations": {"summary": "x".repeat(9999)}, "generatorURL": "h".repeat(2000)});
        let alert = &read(&json!({"version": "4", "alerts": [alert]})).unwrap().alerts[0];
        assert!(serde_json::to_vec(alert).unwrap().len() < 16 * 1024);
        assert!(alert.summary.ends_with("x…"));
        assert_eq!(alert.source, "");
    }

    #[test]
    fn a_repeat_is_known_by_group_alert_start_and_status() {
        let alert = json!({"fingerprint": "f", "startsAt": "2026-11-24T12:00:00Z", "status": "firing"});
        let identity = |group: &str, change: &dyn Fn(&mut serde_json::Value)| {
            let mut alert = alert.clone();
            change(&mut alert);
            let payload = read(&json!({"version": "4", "groupKey": group, "alerts": [alert]})).unwrap();
            payload.identity(&payload.alerts[0])
        };
        let first = identity("g", &|_| ());
        assert_eq!(first, identity("g", &|alert| alert["annotations"] = json!({"summary": "else"})));
        for other in [
            identity("h", &|_| ()),
            identity("g", &|alert| alert["fingerprint"] = json!("e")),
            identity("g", &|alert| alert["startsAt"] = json!("2026-11-24T12:00:01Z")),
            identity("g", &|alert| alert["status"] = json!("resolved")),
        ] {
            assert_ne!(first, other);
        }
    }
}
