//! What cloud-init says of itself, from release 22.4 to the newest, and what that comes to.

use crate::model::guest::Marker;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What `cloud-init status --format json` says. What a release does not say is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Status {
    /// `not run` (before 24.1), `not started`, `running`, `done`, `error` or `disabled`.
    #[serde(default)]
    pub status: String,
    /// The stage that runs, or the errors, or the data source.
    #[serde(default)]
    pub detail: String,
    /// What failed.
    #[serde(default)]
    pub errors: Vec<String>,
    /// From 23.4 on: what went wrong and did not end it, by severity.
    #[serde(default)]
    pub recoverable_errors: BTreeMap<String, Vec<String>>,
}

impl Status {
    /// Reads what was written to standard output; none where that is no whole answer.
    pub fn parse(stdout: &str) -> Option<Self> {
        let begin = stdout.find('{')?;
        let status: Self = serde_json::from_str(stdout[begin..].trim_end()).ok()?;
        (!status.status.is_empty()).then_some(status)
    }
}

/// What was seen in the machine once cloud-init had ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// What the marker holds; empty where it is not there.
    pub marker: String,
    /// `/run/cloud-init/status.json`.
    pub stages: String,
    /// The lines of cloud-init's log that are warnings or worse.
    pub warnings: String,
    /// What the machine's own cloud-init finds in its configuration, asked where it complained of it.
    pub schema: String,
    /// The end of what the commands said that it ran.
    pub output: String,
}

impl Seen {
    /// What divides the parts in what comes from the machine.
    pub const DIVIDER: char = '\u{1e}';

    /// Takes the parts apart.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split(Self::DIVIDER).map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Self { marker: next(), stages: next(), warnings: next(), schema: next(), output: next() }
    }
}

/// Why the machine is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What went wrong.
    pub cause: String,
    /// What to do about it, where the words of it tell.
    pub advice: Option<String>,
}

/// Warnings after which user-data, or a part of it, was thrown away, although the status is *done*: as they read from 22.4 on.
const IGNORED: [&str; 4] = [
    "Failed loading yaml blob",
    "Failed at merging in cloud config part",
    "Unhandled non-multipart",
    "Unhandled unknown content-type",
];

/// What a person can do about words that are found in what the machine's commands said.
const ADVICE: [(&str, &str); 9] = [
    ("Unable to locate package", "correct the package's name, or add the repository that has it"),
    ("has no installation candidate", "correct the package's name, or add the repository that has it"),
    ("Temporary failure resolving", "the machine finds no names: look at this host's DNS and VPN, then run it again"),
    ("Could not resolve", "the machine finds no names: look at this host's DNS and VPN, then run it again"),
    ("Failed to fetch", "the machine does not reach the archive: `reportctl doctor` looks at its network"),
    ("Could not connect to", "the machine does not reach the archive: `reportctl doctor` looks at its network"),
    ("No space left on device", "give the machine a larger disk, or free space on this host"),
    ("Failed to shellify", "write each entry of `runcmd` as a text or as a list of texts, in quotes"),
    ("Unknown user or group", "make the user before the file, or write the file with `defer: true`"),
];

/// Judges what cloud-init did. `status` is final.
///
/// Errors: it failed, or did something else than it was told.
pub fn judge(status: &Status, seen: &Seen, marker: &Marker) -> Result<(), Wrong> {
    let wrong = |cause: String| {
        let words = format!("{cause}\n{}\n{}", seen.output, seen.warnings);
        let advice = ADVICE.iter().find(|(text, _)| words.contains(text)).map(|(_, advice)| (*advice).to_owned());
        Err(Wrong { cause, advice })
    };
    if status.status == "error" || !status.errors.is_empty() {
        let errors = if status.errors.is_empty() { status.detail.clone() } else { status.errors.join("\n") };
        let stage = failed_stage(status, seen).map_or_else(String::new, |stage| format!(" in its stage {stage}"));
        return wrong(format!("cloud-init failed{stage}: {}", short(&errors)));
    }
    let severe = |level: &&String| matches!(level.as_str(), "ERROR" | "CRITICAL");
    if let Some(level) = status.recoverable_errors.keys().find(severe) {
        let texts = status.recoverable_errors.get(level).map(|texts| texts.join("\n")).unwrap_or_default();
        return wrong(format!("cloud-init went on after errors: {}", short(&texts)));
    }
    if let Some(line) = ignored(status, seen) {
        return wrong(format!("cloud-init says that all is done, but ignored what it was told: {}", short(&line)));
    }
    let unknown: Vec<&str> = schema_errors(&seen.schema).collect();
    if !unknown.is_empty() {
        let unknown = unknown.join("; ");
        return wrong(format!(
            "cloud-init says that all is done, but did not understand all of it: {}",
            short(&unknown)
        ));
    }
    let (found, expected) = (seen.marker.trim(), marker.text.trim());
    match found.is_empty() {
        _ if found == expected => Ok(()),
        true => wrong(format!(
            "cloud-init says that all is done, and {} is not there: what it was told did not come to its end",
            marker.path.display()
        )),
        false => Err(Wrong {
            cause: format!(
                "the machine was initialised with other user-data: {} holds `{}`",
                marker.path.display(),
                short(found)
            ),
            advice: Some("`reportctl down` and then `reportctl up` makes it anew; its data is lost".to_owned()),
        }),
    }
}

/// The stage that failed, in cloud-init's own words.
fn failed_stage(status: &Status, seen: &Seen) -> Option<String> {
    let stages: serde_json::Value = serde_json::from_str(&seen.stages).ok()?;
    let stages = stages["v1"].as_object()?;
    let has = |errors: &serde_json::Value| match status.errors.first() {
        Some(first) => errors.as_array().is_some_and(|errors| errors.iter().any(|error| error == first)),
        None => errors.as_array().is_some_and(|errors| !errors.is_empty()),
    };
    stages.iter().find(|(_, stage)| has(&stage["errors"])).map(|(name, _)| name.clone())
}

fn ignored(status: &Status, seen: &Seen) -> Option<String> {
    let recovered = status.recoverable_errors.values().flatten().map(String::as_str);
    let mut lines = recovered.chain(seen.warnings.lines());
    lines.find(|line| IGNORED.iter().any(|text| line.contains(text))).map(str::to_owned)
}

/// What `cloud-init schema --system` complains of. 22.4 wants `locale` to be a text, although `false`, which leaves it alone, is
/// what its module for it understands.
fn schema_errors(text: &str) -> impl Iterator<Item = &str> {
    let errors = text.split_once("Cloud config schema errors: ").map_or("", |(_, errors)| errors);
    let errors = errors.split("\n\n").next().unwrap_or_default();
    errors.split(", ").map(str::trim).filter(|error| !error.is_empty() && !error.starts_with("locale: False is not"))
}

/// The begin of a text that may be long.
fn short(text: &str) -> String {
    match text.char_indices().nth(1200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    const DONE: &str = include_str!("../../../tests/fixtures/cloud-init/status-22.4-done.json");
    const ERROR: &str = include_str!("../../../tests/fixtures/cloud-init/status-22.4-error.json");
    const ERROR_23: &str = include_str!("../../../tests/fixtures/cloud-init/status-23.4-error.json");
    const DEGRADED: &str = include_str!("../../../tests/fixtures/cloud-init/status-24.1-degraded.json");
    const STAGES: &str = include_str!("../../../tests/fixtures/cloud-init/stages-22.4-error.json");
    const OUTPUT: &str = include_str!("../../../tests/fixtures/cloud-init/output-22.4-unknown-package.txt");

    fn marker() -> Marker {
        Marker { path: "/var/lib/reportctl/initialised".into(), text: "digest".to_owned() }
    }

    fn seen() -> Seen {
        Seen { marker: "digest\n".to_owned(), ..Seen::default() }
    }

    fn cause(status: &str, seen: &Seen) -> String {
        judge(&Status::parse(status).unwrap(), seen, &marker()).unwrap_err().cause
    }

    #[test]
    fn done_with_the_marker_is_good() {
        assert_eq!(judge(&Status::parse(DONE).unwrap(), &seen(), &marker()), Ok(()));
        let locale = "Error:\nCloud config schema errors: locale: False is not of type 'string'\n";
        let seen = Seen { schema: locale.to_owned(), ..seen() };
        assert_eq!(judge(&Status::parse(DONE).unwrap(), &seen, &marker()), Ok(()), "what 22.4 says of `locale: false`");
    }

    #[test]
    fn done_without_the_marker_is_not() {
        let none = Seen::default();
        assert!(cause(DONE, &none).contains("/var/lib/reportctl/initialised is not there"));
        let other = Seen { marker: "other".to_owned(), ..Seen::default() };
        assert!(cause(DONE, &other).contains("other user-data"));
        for line in [
            "util.py[WARNING]: Failed loading yaml blob. Invalid format at line 3 column 4: \"while parsing\"",
            "cloud_config.py[WARNING]: Failed at merging in cloud config part from part-001: empty cloud config",
            "__init__.py[WARNING]: Unhandled non-multipart (text/x-not-multipart) userdata: 'b'locale: false'...'",
        ] {
            let seen = Seen { warnings: format!("first\n{line}\n"), ..seen() };
            assert!(cause(DONE, &seen).ends_with(line), "{line}");
        }
    }

    #[test]
    fn an_unknown_key_is_named() {
        let schema = "Error:\nCloud config schema errors: : Additional properties are not allowed ('runcmds' was unexpected), \
                      locale: False is not of type 'string'\n\n";
        let cause = cause(DONE, &Seen { schema: schema.to_owned(), ..seen() });
        assert!(cause.contains("'runcmds' was unexpected") && !cause.contains("locale"), "{cause}");
    }

    #[test]
    fn an_error_tells_its_stage_and_what_to_do() {
        let seen = Seen { stages: STAGES.to_owned(), output: OUTPUT.to_owned(), ..seen() };
        let wrong = judge(&Status::parse(ERROR).unwrap(), &seen, &marker()).unwrap_err();
        assert!(wrong.cause.starts_with("cloud-init failed in its stage modules-final: "), "{}", wrong.cause);
        assert!(wrong.cause.contains("Runparts: 1 failures (runcmd)"), "{}", wrong.cause);
        assert!(wrong.advice.unwrap().starts_with("correct the package's name"));
        assert!(cause(ERROR_23, &Seen::default()).contains("Runparts"));
    }

    #[test]
    fn newer_releases_say_that_they_went_on() {
        assert!(cause(DEGRADED, &seen()).contains("empty cloud config"));
        let deprecated = r#"{"status": "done", "extended_status": "degraded done", "errors": [],
            "recoverable_errors": {"DEPRECATED": ["x"], "WARNING": ["Unable to find a swap size"]}}"#;
        assert_eq!(judge(&Status::parse(deprecated).unwrap(), &seen(), &marker()), Ok(()));
        let error = deprecated.replace("WARNING", "ERROR");
        assert!(cause(&error, &seen()).contains("went on after errors: Unable to find"));
    }

    #[test]
    fn what_is_no_whole_answer_is_none() {
        for text in ["", "....", "{", "{}", &ERROR[..ERROR.len() / 2], "Traceback (most recent call last):"] {
            assert_eq!(Status::parse(text), None, "{text}");
        }
        assert_eq!(Status::parse(&format!("...\n{DONE}")).unwrap().status, "done");
    }
}
