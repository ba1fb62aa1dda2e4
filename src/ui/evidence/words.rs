//! Times, amounts and components in words.

use reportctl::model::component::ComponentName;
use reportctl::smoke::evidence::{Evidence, Outcome};

/// How long it took, as exactly as people want to know it.
pub fn duration(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}

/// `1 check`, `2 checks`.
pub fn checks(count: usize) -> String {
    format!("{count} check{}", if count == 1 { "" } else { "s" })
}

/// `2026-01-02 03:04:05 UTC`; a text that is no RFC 3339 time in UTC stays as it is.
pub fn moment(at: &str) -> String {
    match split(at) {
        Some((date, time)) => format!("{date} {time} UTC"),
        None => at.to_owned(),
    }
}

/// `2 January 2026, 03:04 UTC`; a text that is no RFC 3339 time in UTC stays as it is.
pub fn spoken_moment(at: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let spoken = || {
        let (date, time) = split(at)?;
        let month = date.get(5..7)?.parse::<usize>().ok()?.checked_sub(1)?;
        let day: u8 = date.get(8..10)?.parse().ok()?;
        Some(format!("{day} {} {}, {} UTC", MONTHS.get(month)?, date.get(..4)?, time.get(..5)?))
    };
    spoken().unwrap_or_else(|| at.to_owned())
}

/// Whether the text is a time that a machine can read.
pub fn is_moment(at: &str) -> bool {
    split(at).is_some()
}

/// Date and time, the time to the second.
fn split(at: &str) -> Option<(&str, &str)> {
    humantime::parse_rfc3339(at).ok()?;
    let (date, time) = at.strip_suffix('Z')?.split_once('T')?;
    Some((date, time.get(..8)?))
}

/// The closing line: `3 passed, 1 failed, 2 skipped`.
pub fn summary(evidence: &Evidence) -> String {
    let count = |outcome| evidence.count(outcome);
    format!("{} passed, {} failed, {} skipped", count(Outcome::Passed), count(Outcome::Failed), count(Outcome::Skipped))
}

/// The versions that were proved: `Redis 8.0.2, Prometheus 2.53.3`.
pub fn versions(evidence: &Evidence, called: fn(ComponentName) -> &'static str) -> String {
    let versions = evidence.versions.iter().map(|(name, version)| format!("{} {version}", called(*name)));
    versions.collect::<Vec<_>>().join(", ")
}

/// How the outcome is called.
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
    }
}

/// The component's own name, and what it is for in plain language.
pub const fn component(name: ComponentName) -> (&'static str, &'static str) {
    match name {
        ComponentName::Redis => ("Redis", "holds the queue of reports and their results"),
        ComponentName::RedisExporter => ("Redis exporter", "tells how Redis is doing"),
        ComponentName::NodeExporter => ("Node exporter", "tells how this machine is doing"),
        ComponentName::Prometheus => ("Prometheus", "collects the figures and watches them"),
        ComponentName::Alertmanager => ("Alertmanager", "calls for help when a figure is bad"),
        ComponentName::Grafana => ("Grafana", "draws the figures on dashboards"),
        ComponentName::Postgresql => ("PostgreSQL", "holds what Uptrace knows of its users and projects"),
        ComponentName::Clickhouse => ("ClickHouse", "holds the traces and logs of Uptrace"),
        ComponentName::Uptrace => ("Uptrace", "shows the way of each request"),
        ComponentName::Requestor => ("Requestor", "takes requests for reports and delivers the results"),
        ComponentName::Runner => ("Runner", "makes the reports"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let told = [0, 999, 1_000, 59_999, 60_000, 3_725_000].map(duration);
        assert_eq!(told, ["0 ms", "999 ms", "1.0 s", "59.9 s", "1 min 0 s", "62 min 5 s"]);
    }

    #[test]
    fn a_moment_reads_well_and_anything_else_stays() {
        assert_eq!(moment("2026-01-02T03:04:05.678Z"), "2026-01-02 03:04:05 UTC");
        assert_eq!(spoken_moment("2026-12-31T23:59:59Z"), "31 December 2026, 23:59 UTC");
        for other in ["", "yesterday", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05+01:00", "é026-01-02T03:04:05Z"] {
            assert_eq!((moment(other).as_str(), spoken_moment(other).as_str()), (other, other));
            assert!(!is_moment(other));
        }
    }
}
