//! Teams: an adaptive card posted to the address of a Workflow ("when a Teams webhook request is received").

use super::item::cut;
use super::notice::{Entry, Notice, Tone, and_more, one_line};
use report_queue::TraceContext;
use report_webhook::{Attempt, Door};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A message is at most so large, in bytes: Teams says 28 kB, and leaves open which.
pub(crate) const MOST: usize = 28_000;
/// Teams takes four requests a second.
const PACE: Duration = Duration::from_millis(250);
/// The most facts of an entry.
const MOST_FACTS: usize = 12;
/// The most characters of an entry's text.
const LONGEST_TEXT: usize = 600;

/// The Workflow.
pub(crate) struct Teams {
    door: Door,
    pace: Pace,
}

/// Says when each request may go out, the earliest moment a request.
struct Pace(Mutex<Instant>);

impl Teams {
    /// The one behind `door`, which must take bodies of [`MOST`] bytes.
    pub(crate) fn new(door: Door) -> Self {
        Self { door, pace: Pace(Mutex::new(Instant::now())) }
    }

    /// Posts a notice, at most four a second. An answer of 2xx (202 is usual) says that the Workflow took it.
    pub(crate) async fn send(&self, notice: &Notice, trace: &TraceContext) -> Attempt {
        // Few wait at once: a queue has few workers, and each channel one notice at a time.
        sleep_until(self.pace.turn()).await;
        self.door.post(message(notice).to_string().as_bytes(), trace).await
    }
}

impl Pace {
    fn turn(&self) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (*next).max(Instant::now());
        *next = turn + PACE;
        turn
    }
}

/// The message with as many entries as fit.
fn message(notice: &Notice) -> Value {
    let entries: Vec<_> = notice.entries.iter().map(container).collect();
    // What surrounds the entries, with the longest ending that there may be, and a comma for each.
    let mut left = MOST.saturating_sub(card(notice, &[], u64::MAX).to_string().len());
    let fits = |entry: &&Value| {
        let size = entry.to_string().len() + 1;
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    };
    let shown = entries.iter().take_while(fits).count();
    card(notice, &entries[..shown], notice.beyond(shown))
}

fn card(notice: &Notice, entries: &[Value], more: u64) -> Value {
    let title = block(&notice.title, &json!({"size": "Large", "weight": "Bolder"}));
    let end = and_more(more).map(|more| block(&more, &json!({"isSubtle": true})));
    let body: Vec<_> = std::iter::once(title).chain(entries.iter().cloned()).chain(end).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": body,
            },
        }],
    })
}

fn container(entry: &Entry) -> Value {
    let colour = match entry.tone {
        Tone::Bad => "Attention",
        Tone::Note => "Warning",
        Tone::Good => "Good",
    };
    let mut items = vec![block(&entry.heading, &json!({"weight": "Bolder", "color": colour}))];
    items.extend(cut(&entry.text, LONGEST_TEXT).lines().map(|line| block(line, &json!({}))));
    let facts: Vec<_> = entry.facts.iter().take(MOST_FACTS).map(|(name, value)| format!("{name}: {value}")).collect();
    if !facts.is_empty() {
        items.push(block(&facts.join(" · "), &json!({"isSubtle": true, "size": "Small"})));
    }
    let mut container = json!({"type": "Container", "separator": true, "items": items});
    if let Some((name, address)) = &entry.link {
        let action = json!({"type": "Action.OpenUrl", "title": name, "url": address});
        container["items"].as_array_mut().into_iter().for_each(|items| {
            items.push(json!({"type": "ActionSet", "actions": [action]}));
        });
    }
    container
}

/// A line of text that is shown as it is: unlike a `TextBlock`, a run reads no markup, so that nobody's label becomes a link.
fn block(text: &str, style: &Value) -> Value {
    let mut run = json!({"type": "TextRun", "text": one_line(text)});
    if let (Some(run), Some(style)) = (run.as_object_mut(), style.as_object()) {
        run.extend(style.clone());
    }
    json!({"type": "RichTextBlock", "inlines": [run]})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::item::{AlertStatus, Item};
    use super::super::notice::tests::{alert, report};
    use super::*;

    fn texts(message: &Value) -> String {
        message.to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn four_requests_go_out_a_second_and_none_is_saved_up() {
        let start = Instant::now();
        let pace = Pace(Mutex::new(start));
        let turns: Vec<_> = (0..9).map(|_| (pace.turn() - start).as_millis()).collect();
        assert_eq!(turns, [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!([pace.turn(), pace.turn()].map(|turn| (turn - start).as_secs_f64()), [60.0, 60.25]);
    }

    #[test]
    fn a_card_is_what_workflows_want() {
        let items = [alert("Hot", AlertStatus::Firing, "critical"), report()];
        let message = message(&Notice::of(&items, "http://page"));
        assert_eq!(message["type"], "message");
        let attachment = &message["attachments"][0];
        assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
        assert_eq!(attachment["content"]["type"], "AdaptiveCard");
        assert_eq!(attachment["content"]["body"].as_array().unwrap().len(), 3);
        assert!(texts(&message).contains("Hot is bad") && texts(&message).contains("the file <gages.csv> has no rows"));
        assert!(!texts(&message).contains("more."));
    }

    #[test]
    fn a_card_is_cut_by_entries_and_says_so() {
        for count in [1, 20, 60, 100, 500] {
            let mut items: Vec<_> = (0..count).map(|i| alert(&format!("Alert{i}"), AlertStatus::Firing, "")).collect();
            for item in &mut items {
                let Item::Alert(alert) = item else { continue };
                alert.summary = "\"ä\u{1F525}".repeat(100);
            }
            let message = message(&Notice::of(&items, ""));
            let size = message.to_string().len();
            assert!(size <= MOST, "{count}: {size}");
            let body = message["attachments"][0]["content"]["body"].as_array().unwrap();
            let shown = body.iter().filter(|block| block["type"] == "Container").count();
            assert!(shown > 0);
            assert_eq!(shown < count, texts(&message).contains(&format!("and {} more.", count - shown)), "{count}");
            assert!(shown == count || size > MOST - 2_000, "{count}: room is left at {size}");
        }
    }

    #[test]
    fn one_entry_always_fits() {
        let mut item = alert("A", AlertStatus::Firing, "");
        if let Item::Alert(alert) = &mut item {
            alert.summary = "\u{1F525}".repeat(9999);
            alert.labels = (0..100).map(|i| (format!("{i}").repeat(70), "\"".repeat(200))).collect();
            alert.source = format!("http://{}", "\"".repeat(900));
            *alert = alert.clone().bounded();
        }
        let message = message(&Notice::of(&[item], ""));
        let body = message["attachments"][0]["content"]["body"].as_array().unwrap();
        assert!(body.iter().any(|block| block["type"] == "Container"));
    }
}
