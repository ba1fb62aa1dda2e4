//! What firing alerts ask for. Most scaling alerts only say "look now"; one that carries `workers`, as a label or an
//! annotation, asks for at least so many for as long as it fires. It is how an operator, or a check of the whole way from
//! alert to worker, makes the runner ready for what its own queue does not show yet.

use super::payload::{Alert, Payload, Status};
use std::collections::BTreeMap;
use std::time::Duration;

/// An alert that is not repeated for so long has ended, though nobody said so. Alertmanager repeats each minute.
pub const EXPIRES_AFTER: Duration = Duration::from_secs(300);

/// So many alerts are remembered; those beyond are only triggers.
const MOST: usize = 100;

/// The alerts that ask for workers, by their fingerprint.
#[derive(Debug, Clone, Default)]
pub struct Floors {
    asked: BTreeMap<String, Asked>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    workers: u32,
    until: Duration,
}

impl Floors {
    /// Takes what an alertmanager told. The same twice changes nothing but how long it counts.
    pub fn take(&mut self, now: Duration, payload: &Payload) {
        self.forget(now);
        for alert in &payload.alerts {
            match (alert.status, workers(alert)) {
                (Status::Firing, Some(workers)) => self.remember(name(alert), workers, now + EXPIRES_AFTER),
                _ => {
                    self.asked.remove(&name(alert));
                }
            }
        }
    }

    /// How many workers are asked for, `now`; zero when nobody asks.
    pub fn highest(&mut self, now: Duration) -> u32 {
        self.forget(now);
        self.asked.values().map(|asked| asked.workers).max().unwrap_or_default()
    }

    fn remember(&mut self, name: String, workers: u32, until: Duration) {
        if self.asked.len() < MOST || self.asked.contains_key(&name) {
            self.asked.insert(name, Asked { workers, until });
        }
    }

    fn forget(&mut self, now: Duration) {
        self.asked.retain(|_, asked| asked.until > now);
    }
}

/// An alert's identity: its fingerprint, or its labels where a sender gives none.
fn name(alert: &Alert) -> String {
    if alert.fingerprint.is_empty() { format!("{:?}", alert.labels) } else { alert.fingerprint.clone() }
}

fn workers(alert: &Alert) -> Option<u32> {
    let said = alert.annotations.get("workers").or_else(|| alert.labels.get("workers"))?;
    said.trim().parse().ok().filter(|workers| *workers > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn told(status: &str, fingerprint: &str, workers: &str) -> Payload {
        let body = format!(
            r#"{{"version":"4","alerts":[{{"status":"{status}","fingerprint":"{fingerprint}","annotations":{{"workers":"{workers}"}}}}]}}"#
        );
        Payload::read(body.as_bytes()).unwrap_or_default()
    }

    #[test]
    fn a_firing_alert_asks_until_it_is_resolved() {
        let mut floors = Floors::default();
        floors.take(NOW, &told("firing", "a", "8"));
        floors.take(NOW, &told("firing", "b", "5"));
        assert_eq!(floors.highest(NOW), 8);
        floors.take(NOW, &told("resolved", "a", "8"));
        assert_eq!(floors.highest(NOW), 5);
        floors.take(NOW, &told("resolved", "b", ""));
        assert_eq!(floors.highest(NOW), 0);
    }

    #[test]
    fn an_alert_that_is_not_repeated_ends_by_itself() {
        let mut floors = Floors::default();
        floors.take(NOW, &told("firing", "a", "8"));
        floors.take(NOW + Duration::from_secs(60), &told("firing", "a", "8"));
        assert_eq!(floors.highest(NOW + Duration::from_secs(359)), 8);
        assert_eq!(floors.highest(NOW + Duration::from_secs(360)), 0);
    }

    #[test]
    fn nonsense_asks_for_nothing() {
        let mut floors = Floors::default();
        for workers in ["", "0", "-1", "many", "99999999999999999999"] {
            floors.take(NOW, &told("firing", "a", workers));
            assert_eq!(floors.highest(NOW), 0, "{workers}");
        }
    }

    #[test]
    fn a_flood_of_alerts_is_remembered_up_to_a_bound() {
        let mut floors = Floors::default();
        for number in 0..10_000 {
            floors.take(NOW, &told("firing", &number.to_string(), "3"));
        }
        assert_eq!(floors.asked.len(), MOST);
    }
}
