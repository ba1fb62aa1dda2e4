//! Finds secrets that stand in a file by mistake, so that nothing that is shown of the file shows them.

use super::component::ComponentName;
use super::list::{PRIVATE, PublicKey};
use super::node::{Entry, Node, Value};
use super::scalars::SECRET_SOURCES;
use super::source::Source;
use std::ops::Range;

/// Hides in `source` whatever may be the value of a secret.
///
/// `whole` says that the tree has all that is in the text. Without a tree, or where something was left out of it, lines
/// are judged by the words before their colons, and rather too much is hidden than too little.
pub fn secrets(source: &mut Source, root: Option<&Node>, whole: bool) {
    let mut found = Vec::new();
    if let Some(root) = root {
        in_node(root, &mut found);
    }
    if root.is_none() || !whole {
        in_lines(source.text(), &mut found);
    }
    for range in found {
        source.hide(range);
    }
}

/// Whether a key by that name may hold secrets.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["secret", "passw", "passphrase", "pwd", "token", "credential", "private", "apikey", "api-key", "api_key"]
        .iter()
        .any(|word| key.contains(word))
}

/// The key of public keys, where people paste private ones by mistake.
const PUBLIC: &str = "authorized-keys";

/// Whether a component has a secret by that name.
fn is_secret_name(key: &str) -> bool {
    ComponentName::ALL.iter().any(|component| component.secrets().contains(&key))
}

fn in_node(node: &Node, found: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Scalar { text, .. } if text.contains(PRIVATE) => all(node, found),
        Value::Scalar { .. } | Value::Refused => {}
        Value::List(list) => list.iter().for_each(|node| in_node(node, found)),
        Value::Mapping(entries) => entries.iter().for_each(|entry| in_entry(entry, false, found)),
    }
}

/// `of_ports` says that the entry is a port, which may have the name of a secret and is none.
fn in_entry(entry: &Entry, of_ports: bool, found: &mut Vec<Range<usize>>) {
    if is_secret(&entry.key) {
        return in_secrets(entry, found);
    }
    match &entry.node.value {
        Value::List(lines) if entry.key == PUBLIC => {
            let good =
                |line: &&Node| matches!(&line.value, Value::Scalar { text, .. } if PublicKey::parse(text).is_ok());
            lines.iter().filter(|line| !good(line)).for_each(|line| all(line, found));
        }
        _ if entry.key == PUBLIC => all(&entry.node, found),
        Value::Mapping(entries) => entries.iter().for_each(|inner| in_entry(inner, entry.key == "ports", found)),
        _ if is_secret_name(&entry.key) && !of_ports => all(&entry.node, found),
        _ => in_node(&entry.node, found),
    }
}

/// Hides what stands under a key for secrets, but for well-formed references and the names of secrets.
fn in_secrets(entry: &Entry, found: &mut Vec<Range<usize>>) {
    let Value::Mapping(entries) = &entry.node.value else { return all(&entry.node, found) };
    for entry in entries {
        match &entry.node.value {
            // `{hunter2}` is a key without a value.
            _ if entry.node.is_empty() => found.push(entry.key_place.start..entry.key_place.end),
            Value::Mapping(sources) if SECRET_SOURCES.iter().any(|source| source.name == entry.key) => {
                sources.iter().for_each(|source| all(&source.node, found));
            }
            Value::Mapping(sources) => sources.iter().for_each(|source| {
                if !is_reference(&source.key, &source.node) {
                    all(&source.node, found);
                    if source.node.is_empty() {
                        found.push(source.key_place.start..source.key_place.end);
                    }
                }
            }),
            _ if is_reference(&entry.key, &entry.node) => {}
            _ => all(&entry.node, found),
        }
    }
}

/// Whether a key and its value say where a secret comes from, in a way that cannot be a secret itself.
fn is_reference(key: &str, node: &Node) -> bool {
    let Value::Scalar { text, .. } = &node.value else { return false };
    match key {
        "generate" => text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'),
        "env" => text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'),
        "file" => text.starts_with('/'),
        _ => false,
    }
}

/// Hides every text in a node, keys of mappings included.
fn all(node: &Node, found: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Scalar { .. } if node.is_empty() => {}
        Value::Scalar { .. } | Value::Refused => found.push(node.extent.start..node.extent.end),
        Value::List(list) => list.iter().for_each(|node| all(node, found)),
        Value::Mapping(entries) => entries.iter().for_each(|entry| {
            found.push(entry.key_place.start..entry.key_place.end);
            all(&entry.node, found);
        }),
    }
}

/// Hides what follows the colon of the first word on a line that may be the key of secrets, and the lines that are
/// indented deeper than it.
fn in_lines(text: &str, found: &mut Vec<Range<usize>>) {
    let is_key = |word: &str| {
        is_secret(word) || word == PUBLIC || (is_secret_name(word) && ComponentName::parse(word).is_none())
    };
    let mut next = 0;
    let mut under: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let (content, start) = (line.trim_end(), next);
        next += line.len();
        let indent = content.len() - content.trim_start().len();
        if content.len() == indent {
            continue;
        }
        if under.is_some_and(|outer| indent <= outer) {
            under = None;
        }
        let key = words(content).find(|(_, word)| is_key(word));
        let Some((at, _)) = key.or_else(|| under.and_then(|_| words(content).next())) else { continue };
        let from = content[at..].find(':').map_or(indent, |colon| at + colon + 1);
        found.push(start + from..start + content.len());
        under = under.or(Some(indent));
    }
}

/// The words of a line and where each begins.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let separates = |c: char| !(c.is_alphanumeric() || c == '-' || c == '_');
    let mut next = 0;
    let pieces = line.split_inclusive(separates).map(move |piece| {
        let start = next;
        next += piece.len();
        (start, piece.trim_end_matches(separates))
    });
    pieces.filter(|(_, word)| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::node::parse;
    use crate::model::source::Sources;

    fn shown(text: &str) -> String {
        let mut sources = Sources::default();
        let mut source = Source::new("f.yaml", text.as_bytes());
        let file = sources.add(source.clone());
        let mut told = Vec::new();
        let root = parse(file, &source, &mut told);
        secrets(&mut source, root.as_ref(), told.is_empty());
        source.shown()
    }

    #[test]
    fn no_literal_is_shown_however_it_is_misplaced() {
        for text in [
            "secrets: hunter2\n",
            "secrets: [hunter2]\n",
            "secrets: {hunter2}\n",
            "secrets: {admin: hunter2}\n",
            "secrets: {admin: {hunter2}}\n",
            "secrets: {admin: {value: hunter2}}\n",
            "secrets: {admin: {env: hunter2}}\n",
            "secrets: {admin: {file: hunter2}}\n",
            "secrets: {admin: {generate: hunter2}}\n",
            "secrets: {admin: {generate: 24}, admin: hunter2}\n",
            "secrets: {admin: [{a: hunter2}]}\n",
            "secrets: {admin: &a hunter2}\n",
            "stack: {redis: {admin: hunter2}}\n",
            "stack: {redis: {password: hunter2}}\n",
            "stack:\n  redis:\n    user-token:\n      - hunter2\n",
            "secrets:\n  admin: |\n    hunter2\n",
            "secrets:\n  admin: |\n    one\n    hunter2\n  admin: x\n",
            "secrets:\n  admin: \"one\n    hunter2\"\n",
            "secret:\n  other: hunter2\n",
            "machine: {authorized-keys: [hunter2]}\n",
            "machine: {authorized-keys: hunter2}\n",
            "machine:\n  authorized-keys:\n    - |\n      -----BEGIN OPENSSH PRIVATE KEY-----\n      hunter2\n",
            "description: |\n  -----BEGIN OPENSSH PRIVATE KEY-----\n  hunter2\n",
            "machine:\n  authorized-keys:\n    - ssh-ed25519 hunter2\n   x: [\n",
            // And with what is refused of YAML, or a mistake in the syntax.
            "redis: &r {secrets: {admin: hunter2}}\n",
            "redis: &r {admin: hunter2}\n",
            "&s secrets: {admin: hunter2}\n",
            "[secrets]: {admin: hunter2}\n",
            "secrets: &s\n  admin: hunter2\n",
            "? {secrets: hunter2}\n: x\n",
            "secrets: !t {admin: hunter2}\n",
            "secrets:\n  admin: {value: hunter2}\n---\nx: 1\n",
            "secrets: {admin: hunter2\n",
            "secrets:\n  admin: \"hunter2\n",
            "secrets:\n  admin:\n    hunter2\n   x: [\n",
            "stack:\n  redis: {password: hunter2, ports: [\n",
            "admin: 'hunter2\n",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("hunter2"), "{text} -> {shown}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for text in [
            "secrets: {admin: {generate: 24}, runner: {env: RUNNER}, x: {file: /etc/x}}\n",
            "ports: {http: 9093, smoke: 9_099}\n",
            "stack: {requestor: {version: 1}, uptrace: {needs: [redis]}}\n",
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
