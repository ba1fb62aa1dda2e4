//! `users` and `groups`.

use super::shape::{is_text, list, texts};
use super::tree::{Node, Value};
use super::{Told, keys, names};

/// Judges `users`.
pub fn judge(node: &Node, told: &mut Told) {
    let items = list("users", node, told);
    let mut has_default = false;
    for item in items {
        match &item.value {
            Value::Scalar { .. } => has_default |= is_text("users", item, told) == Some("default"),
            Value::Map(_) => user(item, told),
            Value::List(_) => texts("users", item, told),
            Value::Alias => {}
        }
    }
    if !has_default && node.items().is_some() {
        told.error(
            node.at,
            "without the item `default` the image's own user is not made, and whoever comes in by it is locked out",
        );
    }
}

fn user(item: &Node, told: &mut Told) {
    names(item, "a user", keys::USER, told);
    match item.get("name") {
        Some(name) => {
            is_text("name", name, told);
        }
        None => told.error(item.at, "a user needs a `name`"),
    }
    for (key, value) in item.entries() {
        match key.text().unwrap_or_default() {
            "ssh_authorized_keys" => texts("ssh_authorized_keys", value, told),
            "passwd" | "hashed_passwd" | "plain_text_passwd" => {
                told.error(
                    key.at,
                    "a password is a secret, and user-data can be read by many: bring it in after the start",
                );
            }
            name @ ("homedir" | "shell" | "gecos" | "primary_group") => {
                is_text(name, value, told);
            }
            _ => {}
        }
    }
}

/// Judges `groups`: one named as the image's user keeps that user from being made.
pub fn groups(node: &Node, told: &mut Told) {
    for item in list("groups", node, told) {
        let names = item.text().into_iter().chain(item.entries().iter().filter_map(|(key, _)| key.text()));
        for name in names {
            if ["ubuntu", "debian"].contains(&name) {
                told.error(item.at, format!("a group `{name}` keeps the image's user of that name from being made"));
            }
        }
    }
}
