//! User-data as it was rendered, judged before it is given to a machine.
//!
//! cloud-init says *done* where it ignored the whole text, a single key or a failed command, so what can be seen is seen
//! here. Outside facts: the documentation of cloud-init's modules and what releases 22.4 to 26.2 did; Multipass 1.16 and 1.17.

mod files;
mod keys;
mod shape;
mod shell;
pub mod tree;
mod users;

use super::yaml11;
use crate::model::diagnostic::Severity;
use crate::model::suggest;
use crate::render::cloud_init::Substrate;
use std::fmt;
use tree::{At, Node, Value};

/// The most bytes of user-data that EC2 takes, before Base64.
pub const EC2_BYTES: usize = 16 * 1024;
/// The most bytes that Azure, VMware and most of OpenStack take.
pub const AZURE_BYTES: usize = 64 * 1024;

/// Something that is wrong with user-data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// Whether it will not do, or might not.
    pub severity: Severity,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// What was found so far.
struct Told {
    substrate: Substrate,
    findings: Vec<Finding>,
}

impl Told {
    fn tell(&mut self, severity: Severity, (line, column): At, what: impl Into<String>) {
        self.findings.push(Finding { line, column, severity, what: what.into() });
    }

    fn error(&mut self, at: At, what: impl Into<String>) {
        self.tell(Severity::Error, at, what);
    }

    fn warn(&mut self, at: At, what: impl Into<String>) {
        self.tell(Severity::Warning, at, what);
    }
}

/// Judges user-data for a substrate. What was found comes in the order of the lines.
pub fn user_data(text: &str, substrate: Substrate) -> Vec<Finding> {
    let mut told = Told { substrate, findings: Vec::new() };
    let is_config = header(text, &mut told);
    size(text, &mut told);
    secrets(text, &mut told);
    if is_config {
        match tree::parse(text) {
            Ok(document) => structure(&document, &mut told),
            Err((at, why)) => told.error(
                at,
                format!(
                    "this is no YAML, and cloud-init would say done without doing anything: {}",
                    plainly(text, at, &why)
                ),
            ),
        }
    }
    told.findings.sort();
    told.findings.dedup();
    told.findings
}

/// Judges the first line, which decides what the text is. Whether the rest is to be read as a configuration.
fn header(text: &str, told: &mut Told) -> bool {
    let start = (1, 1);
    if text.starts_with('\u{feff}') {
        told.error(
            start,
            "a byte order mark stands before `#cloud-config`, so cloud-init ignores the text: save it without one",
        );
        return true;
    }
    let first = text.lines().next().unwrap_or_default();
    if first.trim_end() == "#cloud-config" {
        return true;
    }
    let kinds = [
        ("\u{1f}", "a compressed text: Multipass reads YAML only, so give it as it is"),
        (
            "## template:",
            "a template of cloud-init's own: Multipass loses its first line, and nothing would be filled in",
        ),
        ("#!", "a script: Multipass makes one value of it, and nothing runs. Put it under `runcmd`"),
        ("#include", "a list of addresses to fetch: put what is there into this text"),
        (
            "#cloud-config-archive",
            "an archive of parts: Multipass makes one list of it, and nothing is done. Merge them into one `#cloud-config`",
        ),
        ("#cloud-boothook", "a script for each start: put it under `bootcmd`"),
        ("#part-handler", "a handler of parts in Python: Multipass would make one value of it"),
        ("Content-Type:", "a mail of parts: merge them into one `#cloud-config`"),
        ("MIME-Version:", "a mail of parts: merge them into one `#cloud-config`"),
        ("From ", "a mail of parts: merge them into one `#cloud-config`"),
    ];
    if let Some((_, what)) = kinds.iter().find(|(prefix, _)| first.starts_with(prefix)) {
        told.error(start, format!("this is {what}"));
        return false;
    }
    told.error(
        start,
        format!(
            "the first line must be exactly `#cloud-config`, and is `{}`: cloud-init ignores all of it, and says done",
            crate::model::source::quoted(first)
        ),
    );
    true
}

fn size(text: &str, told: &mut Told) {
    let bytes = text.len();
    let limit = match bytes {
        _ if bytes > AZURE_BYTES => "Azure takes 65536, EC2 16384",
        _ if bytes > EC2_BYTES => "EC2 takes 16384",
        _ => return,
    };
    told.warn((1, 1), format!("it has {bytes} bytes: {limit}. Bring large files in after the start"));
}

/// User-data is readable in the machine, in the substrate's own records and on the disk that it is given by.
fn secrets(text: &str, told: &mut Told) {
    let lines = text.lines().enumerate();
    for (index, line) in lines {
        let at = |needle: &str| line.find(needle).map(|byte| (index + 1, line[..byte].chars().count() + 1));
        if let Some(at) = at("@{secret") {
            told.error(at, "a secret belongs here, and user-data can be read by many: bring it in after the start");
        }
        let private = line.contains("-----BEGIN ") && line.contains("PRIVATE KEY");
        if let Some(at) = at("-----BEGIN ").filter(|_| private) {
            told.error(at, "a private key stands here, and user-data can be read by many: bring it in after the start");
        }
    }
}

/// The parser's words, and plainer ones for the mistake that people make most.
fn plainly(text: &str, (line, _): At, why: &str) -> String {
    let indent = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let indent = &indent[..indent.len() - indent.trim_start().len()];
    if indent.contains('\t') { "a tab indents it, where only blanks may".to_owned() } else { why.to_owned() }
}

fn structure(document: &tree::Document, told: &mut Told) {
    if let Some(at) = document.second {
        told.error(at, "a second document begins here: Multipass and cloud-init read the first alone");
    }
    let Some(root) = &document.root else {
        return told.error((1, 1), "it says nothing, so nothing is done");
    };
    let Value::Map(entries) = &root.value else {
        return told.error(root.at, "it must be a map of keys and values: cloud-init ignores anything else");
    };
    if entries.is_empty() {
        return told.error(root.at, "it says nothing, so nothing is done");
    }
    ambiguous(root, told);
    names(root, "user-data", keys::TOP_LEVEL, told);
    for (key, value) in entries {
        shape::judge(key, value, told);
    }
}

/// Tells of keys that nobody reads, and of keys that stand there twice.
fn names(map: &Node, what: &str, known: &[&str], told: &mut Told) {
    for (index, (key, _)) in map.entries().iter().enumerate() {
        let Some(name) = key.text() else {
            told.error(key.at, format!("a key of {what} is a plain word"));
            continue;
        };
        if !known.contains(&name) {
            let near = suggest::nearest(name, known.iter().copied());
            let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            let name = crate::model::source::quoted(name);
            told.error(key.at, format!("nothing of cloud-init reads `{name}` in {what}, and it would say done{near}"));
        }
        if map.entries()[..index].iter().any(|(earlier, _)| earlier.text() == Some(name)) {
            told.error(key.at, format!("`{name}` stands here a second time, and only the last one counts"));
        }
    }
}

/// Tells of texts that mean something else once their quotes are gone.
fn ambiguous(node: &Node, told: &mut Told) {
    match &node.value {
        Value::Scalar { text, plain: false, is_tagged: false, .. } if yaml11::is_ambiguous(text) => {
            let shown = crate::model::source::quoted(text);
            let read = yaml11::plain(text).as_str();
            let what =
                format!("without its quotes, which Multipass drops, `{shown}` is {read}: write `!!str \"{shown}\"`");
            match told.substrate {
                Substrate::Multipass => told.error(node.at, what),
                Substrate::Lxd => told.warn(node.at, what),
            }
        }
        Value::Scalar { .. } | Value::Alias => {}
        Value::List(items) => items.iter().for_each(|item| ambiguous(item, told)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            ambiguous(key, told);
            // What is a secret is told of as such, and its value is said nowhere.
            if !key.text().is_some_and(|key| keys::SECRET.contains(&key)) {
                ambiguous(value, told);
            }
        }),
    }
}
