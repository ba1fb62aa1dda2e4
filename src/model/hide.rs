//! Finds secrets that stand in a file by mistake, so that nothing that is shown of the file shows them.

use super::component::ComponentName;
use super::node::{Entry, Node, Value};
use super::scalars::SECRET_SOURCES;
use super::source::Source;
use std::ops::Range;

/// Hides in `source` whatever may be the value of a secret. Without a tree, as after a mistake in the syntax, lines
/// are judged by the words before their colons.
pub fn secrets(source: &mut Source, root: Option<&Node>) {
    let mut found = Vec::new();
    match root {
        Some(root) => in_node(root, &mut found),
        None => in_lines(source.text(), &mut found),
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

/// Whether a component has a secret by that name.
fn is_secret_name(key: &str) -> bool {
    ComponentName::ALL.iter().any(|component| component.secrets().contains(&key))
}

fn in_node(node: &Node, found: &mut Vec<Range<usize>>) {
    match &node.value {
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
        Value::Scalar { .. } | Value::Refused => found.push(node.place.start..node.place.end),
        Value::List(list) => list.iter().for_each(|node| all(node, found)),
        Value::Mapping(entries) => entries.iter().for_each(|entry| {
            found.push(entry.key_place.start..entry.key_place.end);
            all(&entry.node, found);
        }),
    }
}

/// Without a tree: hides what follows a colon on a line whose key may hold secrets, and the lines that are indented
/// deeper than it.
fn in_lines(text: &str, found: &mut Vec<Range<usize>>) {
    let mut start = 0;
    let mut under: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let indent = content.len() - content.trim_start().len();
        if content.trim().is_empty() {
            start += line.len();
            continue;
        }
        if under.is_some_and(|outer| indent <= outer) {
            under = None;
        }
        let words = |c: char| !(c.is_alphanumeric() || c == '-' || c == '_');
        let first = content.split(words).find(|word| is_secret(word) || (under.is_some() && !word.is_empty()));
        let bare = content.trim_start().split(words).next().is_some_and(is_secret_name);
        if let Some(word) = first.or_else(|| bare.then(|| content.trim_start().split(words).next()).flatten()) {
            let colon = content.find(word).and_then(|at| content[at..].find(':').map(|colon| at + colon + 1));
            let from = colon.unwrap_or(indent);
            if from < content.len() {
                found.push(start + from..start + content.len());
            }
            under = under.or(Some(indent));
        }
        start += line.len();
    }
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
        let root = parse(file, &source, &mut Vec::new());
        secrets(&mut source, root.as_ref());
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
            "secret:\n  other: hunter2\n",
            // And with a mistake in the syntax.
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
