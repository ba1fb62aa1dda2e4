//! `write_files`: each is written in the order of the list, before users and packages are there; the first that fails ends it.

use super::shape::{flag, is_text, kind, list};
use super::tree::{Node, Value};
use super::{Told, keys, names, shell};
use crate::render::check::yaml11::Plain;

const ENCODINGS: &[&str] =
    &["b64", "base64", "gz", "gzip", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64", "text/plain"];

/// Judges the list.
pub fn judge(node: &Node, told: &mut Told) {
    for item in list("write_files", node, told) {
        match &item.value {
            Value::Map(_) => file(item, told),
            Value::Alias => {}
            Value::Scalar { .. } | Value::List(_) => {
                told.error(item.at, "an item of `write_files` is a map with `path` and `content`");
            }
        }
    }
}

fn file(item: &Node, told: &mut Told) {
    names(item, "a file", keys::FILE, told);
    let deferred = item.get("defer").and_then(|node| flag("defer", node, told)) == Some(true);
    item.get("append").and_then(|node| flag("append", node, told));
    let Some(path) = item.get("path") else {
        return told.error(item.at, "a file needs a `path`");
    };
    if let Some(text) = is_text("path", path, told) {
        if !text.starts_with('/') {
            told.error(path.at, format!("`{text}` must be a whole path: nobody's home is known here"));
        }
        let in_home = text.starts_with("/home/");
        if in_home && !deferred {
            told.error(path.at, "files are written before users are made: the home would be root's. Add `defer: true`");
        }
        if let Some(content) = item.get("content").and_then(Node::text) {
            shell::sshd(text, content, item.get("content").unwrap_or(item).at, told);
        }
    }
    if let Some(content) = item.get("content") {
        is_text("content", content, told);
    }
    if let Some(permissions) = item.get("permissions") {
        mode(permissions, told);
    }
    if let Some((at, encoding)) =
        item.get("encoding").and_then(|node| is_text("encoding", node, told).map(|it| (node.at, it)))
        && !ENCODINGS.contains(&encoding)
    {
        told.error(at, format!("there is no encoding `{encoding}`: write {}", ENCODINGS.join(", ")));
    }
    if let Some(owner) = item.get("owner").and_then(|node| is_text("owner", node, told).map(|it| (node.at, it))) {
        let (user, group) = owner.1.split_once(':').unwrap_or((owner.1, "root"));
        if (user, group) != ("root", "root") && !deferred {
            let what = "files are written before users are made: this fails where that owner is not in the image, and so do \
                        all files after it. Add `defer: true`, or leave the owner out";
            told.error(owner.0, what);
        }
    }
}

/// Three or four octal digits, as a text: as a number they mean others.
fn mode(node: &Node, told: &mut Told) {
    let text = node.text().unwrap_or_default();
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let fits = (3..=5).contains(&digits.len()) && digits.chars().all(|c| matches!(c, '0'..='7'));
    if kind(node) == Some(Plain::Text) && fits {
        return;
    }
    let instead = if fits && digits.len() >= 3 { digits } else { "0644" };
    told.error(
        node.at,
        format!("permissions are octal digits in a text, else they are another number: write `!!str \"{instead}\"`"),
    );
}
