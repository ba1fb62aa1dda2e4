//! What one channel is told at once: a heading and entries, the worst first. How it looks is for the channels to say.

use super::item::{Alert, AlertStatus, FailedReport, Item, Undelivered, cut};
use jiff::Timestamp;
use std::collections::HashMap;

/// The most characters of a heading.
const LONGEST_TITLE: usize = 120;

/// What kind of news an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// Something is wrong.
    Bad,
    /// Something should be known.
    Note,
    /// Something is right again.
    Good,
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The heading, on one line.
    pub title: String,
    /// What there is to tell.
    pub entries: Vec<Entry>,
    /// How many things more there were.
    pub more: u64,
}

/// One thing that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What kind of news it is.
    pub tone: Tone,
    /// What it is, on one line.
    pub heading: String,
    /// What it says; may be empty, and may have several lines.
    pub text: String,
    /// What belongs to it, by name.
    pub facts: Vec<(String, String)>,
    /// Where there is more, and what that is called; an address of HTTP.
    pub link: Option<(&'static str, String)>,
}

impl Notice {
    /// The notice that tells `items`. Of an alert that changed meanwhile only its last state is told. `public_url` is where
    /// the page is.
    pub(crate) fn of(items: &[Item], public_url: &str) -> Self {
        let items = latest(items);
        let mut ranked: Vec<_> = items.iter().filter_map(|item| entry(item, public_url)).collect();
        // Stable: what is as bad stays in the order in which it came.
        ranked.sort_by_key(|(rank, _)| *rank);
        let more = items.iter().map(|item| if let Item::More { count } = item { *count } else { 0 }).sum();
        Self { title: title(&items), entries: ranked.into_iter().map(|(_, entry)| entry).collect(), more }
    }

    /// How many things it does not show when only the first `shown` entries fit.
    pub(crate) fn beyond(&self, shown: usize) -> u64 {
        self.more.saturating_add(self.entries.len().saturating_sub(shown) as u64)
    }
}

/// What stands at the end for things that are not shown; none when all are.
pub(crate) fn and_more(count: u64) -> Option<String> {
    (count > 0).then(|| format!("… and {count} more. The page shows the alerts that fire now."))
}

/// The items without states of alerts that others came after.
fn latest(items: &[Item]) -> Vec<&Item> {
    let mut last = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        if let Item::Alert(alert) = item {
            last.insert(alert.fingerprint.as_str(), index);
        }
    }
    let stays = |(index, item): &(usize, &Item)| match item {
        Item::Alert(alert) => last.get(alert.fingerprint.as_str()) == Some(index),
        _ => true,
    };
    items.iter().enumerate().filter(stays).map(|(_, item)| item).collect()
}

fn title(items: &[&Item]) -> String {
    let names = |status: AlertStatus| -> Vec<&str> {
        let named = items.iter().filter_map(|item| match item {
            Item::Alert(alert) if alert.status == status => Some(alert.name.as_str()),
            _ => None,
        });
        named.collect()
    };
    let reports: Vec<_> = items
        .iter()
        .filter_map(|item| if let Item::Report(report) = item { Some(report.title.as_str()) } else { None })
        .collect();
    let undelivered: Vec<_> = items
        .iter()
        .filter_map(|item| if let Item::Undelivered(it) = item { Some(it.channel.as_str()) } else { None })
        .collect();
    let parts = [
        part("firing", &names(AlertStatus::Firing)),
        part("failed report", &reports),
        part("could not be told", &undelivered),
        part("resolved", &names(AlertStatus::Resolved)),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let title = if parts.is_empty() { "Notices".to_owned() } else { parts.join("; ") };
    cut(&one_line(&title), LONGEST_TITLE)
}

/// `2 firing: A, B`; each name once. None for no names.
fn part(what: &str, names: &[&str]) -> Option<String> {
    let mut once: Vec<&str> = Vec::new();
    for name in names {
        if !once.contains(name) {
            once.push(name);
        }
    }
    let shown = once.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let rest = if once.len() > 3 { ", …" } else { "" };
    (!names.is_empty()).then(|| format!("{} {what}: {shown}{rest}", names.len()))
}

/// How an item is told, and its rank: the lower, the earlier.
fn entry(item: &Item, public_url: &str) -> Option<(u8, Entry)> {
    match item {
        Item::Alert(alert) => Some((alert_rank(alert), alert_entry(alert))),
        Item::Report(report) => Some((4, report_entry(report, public_url))),
        Item::Undelivered(undelivered) => Some((0, undelivered_entry(undelivered))),
        Item::More { .. } => None,
    }
}

fn alert_rank(alert: &Alert) -> u8 {
    match (alert.status, alert.severity.as_str()) {
        (AlertStatus::Firing, "critical" | "page" | "emergency") => 1,
        (AlertStatus::Firing, "warning") => 2,
        (AlertStatus::Firing, _) => 3,
        (AlertStatus::Resolved, _) => 5,
    }
}

fn alert_entry(alert: &Alert) -> Entry {
    let (tone, word) = match alert.status {
        AlertStatus::Firing => (Tone::Bad, "Firing"),
        AlertStatus::Resolved => (Tone::Good, "Resolved"),
    };
    let severity = if alert.severity.is_empty() { String::new() } else { format!(" ({})", alert.severity) };
    let texts = [alert.summary.trim(), alert.description.trim()];
    let text = texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    let times = [("since", alert.starts_at), ("until", alert.ends_at)];
    let times = times.into_iter().filter_map(|(name, at)| at.map(|at| (name.to_owned(), moment(at))));
    let labels = alert.labels.iter().map(|(name, value)| (one_line(name), one_line(value)));
    let is_web = ["http://", "https://"].iter().any(|scheme| alert.source.starts_with(scheme));
    Entry {
        tone,
        heading: one_line(&format!("{word}: {}{severity}", alert.name)),
        text,
        facts: times.chain(labels).collect(),
        link: is_web.then(|| ("Figures", one_line(&alert.source))),
    }
}

fn report_entry(report: &FailedReport, public_url: &str) -> Entry {
    let mut facts = vec![
        ("report".to_owned(), one_line(&report.id)),
        ("user".to_owned(), one_line(&report.user)),
        ("at".to_owned(), moment(report.at)),
    ];
    if !report.trace_id.is_empty() {
        facts.push(("number for support".to_owned(), one_line(&report.trace_id)));
    }
    Entry {
        tone: Tone::Bad,
        heading: one_line(&format!("Report failed: {}", report.title)),
        text: report.error.trim().to_owned(),
        facts,
        link: Some(("Reports", public_url.to_owned())),
    }
}

fn undelivered_entry(undelivered: &Undelivered) -> Entry {
    let mut text = format!("{}\nIt was to be told:", undelivered.error.trim());
    for title in &undelivered.titles {
        text.push_str("\n- ");
        text.push_str(&one_line(title));
    }
    if undelivered.more > 0 {
        text.push_str(&format!("\n- and {} more", undelivered.more));
    }
    let heading = one_line(&format!("{} could not be told", undelivered.channel));
    Entry { tone: Tone::Note, heading, text, facts: Vec::new(), link: None }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The text on one line: what would break it, or could not be seen, becomes a blank.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::collections::BTreeMap;

    pub(crate) fn alert(name: &str, status: AlertStatus, severity: &str) -> Item {
        Item::Alert(Alert {
            fingerprint: name.to_owned(),
            status,
            name: name.to_owned(),
            severity: severity.to_owned(),
            summary: format!("{name} is bad"),
            description: String::new(),
            starts_at: Some("2026-11-24T12:00:00Z".parse().unwrap()),
            ends_at: (status == AlertStatus::Resolved).then(|| "2026-11-24T12:05:00Z".parse().unwrap()),
            labels: BTreeMap::from([("job".to_owned(), "runner".to_owned())]),
            source: "http://127.0.0.1:9090/graph".to_owned(),
        })
    }

    pub(crate) fn report() -> Item {
        Item::Report(FailedReport {
            id: "01abc".to_owned(),
            title: "Gage calibration".to_owned(),
            user: "anna".to_owned(),
            error: "the file <gages.csv> has no rows".to_owned(),
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            at: "2026-11-24T12:00:00Z".parse().unwrap(),
        })
    }

    #[test]
    fn the_worst_comes_first_and_the_title_counts() {
        use AlertStatus::{Firing, Resolved};
        let items = [
            alert("Over", Resolved, "critical"),
            alert("Meh", Firing, ""),
            report(),
            alert("Warm", Firing, "warning"),
            alert("Hot", Firing, "critical"),
            Item::More { count: 3 },
        ];
        let notice = Notice::of(&items, "http://page");
        assert_eq!(notice.title, "3 firing: Meh, Warm, Hot; 1 failed report: Gage calibration; 1 resolved: Over");
        let headings: Vec<_> = notice.entries.iter().map(|entry| entry.heading.as_str()).collect();
        assert_eq!(
            headings,
            [
                "Firing: Hot (critical)",
                "Firing: Warm (warning)",
                "Firing: Meh",
                "Report failed: Gage calibration",
                "Resolved: Over (critical)"
            ]
        );
        assert_eq!((notice.more, notice.beyond(2)), (3, 6));
    }

    #[test]
    fn of_an_alert_that_changed_only_the_last_state_is_told() {
        let items = [alert("A", AlertStatus::Firing, ""), alert("A", AlertStatus::Resolved, "")];
        let notice = Notice::of(&items, "");
        assert_eq!(notice.title, "1 resolved: A");
        assert_eq!(notice.entries.len(), 1);
    }

    #[test]
    fn nothing_breaks_a_line_and_no_odd_link_is_offered() {
        let mut odd = alert("A\r\nBcc: all@example.org\u{2028}\u{0}", AlertStatus::Firing, "x\ny");
        if let Item::Alert(alert) = &mut odd {
            alert.source = "javascript:alert(1)".to_owned();
        }
        let notice = Notice::of(&[odd], "");
        assert!(!notice.title.contains(['\r', '\n', '\u{0}', '\u{2028}']), "{:?}", notice.title);
        assert!(!notice.entries[0].heading.contains('\n'));
        assert_eq!(notice.entries[0].link, None);
        let long = alert(&"n".repeat(200), AlertStatus::Firing, "");
        assert_eq!(Notice::of(&[long], "").title.chars().count(), LONGEST_TITLE);
    }
}
