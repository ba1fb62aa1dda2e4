//! Signed webhooks to others: what a notice says, as data.

use super::item::Item;
use super::notice::Notice;
use jiff::Timestamp;
use report_queue::{JobId, TraceContext};
use report_webhook::{Attempt, AttemptKind, Endpoint, MOST_BODY, WebhookId};
use serde_json::{Value, json};

/// What the webhook is called.
const TYPE: &str = "notice.created";

/// Sends `items` as the work of `job`: as many as fit, and how many there are more.
pub(crate) async fn send(
    endpoint: &Endpoint,
    items: &[Item],
    notice: &Notice,
    job: &JobId,
    trace: &TraceContext,
) -> Attempt {
    let Ok(id) = WebhookId::of(job.as_str(), "notice") else {
        // Names of jobs are made of letters and digits.
        return Attempt {
            kind: AttemptKind::Refused,
            error: format!("{job} cannot be an id of a webhook"),
            after: None,
        };
    };
    endpoint.send(&id, body(items, notice, Timestamp::now()).as_bytes(), trace).await
}

fn body(items: &[Item], notice: &Notice, now: Timestamp) -> String {
    let told: Vec<&Item> = items.iter().filter(|item| !matches!(item, Item::More { .. })).collect();
    let write = |shown: usize| -> String {
        let more = notice.more.saturating_add((told.len() - shown) as u64);
        let data = json!({"title": notice.title, "items": told[..shown], "more": more});
        let body: Value = json!({"type": TYPE, "timestamp": now.to_string(), "data": data});
        body.to_string()
    };
    let mut shown = told.len();
    let mut text = write(shown);
    while text.len() >= MOST_BODY && shown > 0 {
        // Each round takes away at least a quarter: a body of any size is cut in few rounds.
        shown -= shown.div_ceil(4);
        text = write(shown);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::item::AlertStatus;
    use super::super::notice::tests::{alert, report};
    use super::*;

    #[test]
    fn a_body_holds_what_fits() {
        for count in [0, 1, 30, 500] {
            let mut items: Vec<_> = (0..count).map(|i| alert(&format!("A{i}"), AlertStatus::Firing, "")).collect();
            items.push(report());
            items.push(Item::More { count: 5 });
            let text = body(&items, &Notice::of(&items, ""), Timestamp::UNIX_EPOCH);
            assert!(text.len() < MOST_BODY);
            let body: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(body["type"], TYPE);
            assert_eq!(body["timestamp"], "1970-01-01T00:00:00Z");
            let shown = body["data"]["items"].as_array().unwrap().len();
            assert!(shown > 0);
            assert_eq!(body["data"]["more"], count + 1 + 5 - shown);
        }
    }
}
