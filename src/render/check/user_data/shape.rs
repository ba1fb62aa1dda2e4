//! Whether the values are of the kinds that cloud-init's modules take.

use super::tree::{Node, Value};
use super::{Told, files, keys, names, shell, users};
use crate::render::check::yaml11::{self, Plain};

/// Judges a key at the top and its value.
pub fn judge(key: &Node, value: &Node, told: &mut Told) {
    let Some(name) = key.text() else { return };
    match name {
        "packages" => packages(value, told),
        "runcmd" | "bootcmd" => shell::commands(name, value, told),
        "write_files" => files::judge(value, told),
        "users" => users::judge(value, told),
        "groups" => users::groups(value, told),
        "ssh_authorized_keys" | "ssh_import_id" | "ssh_genkeytypes" => texts(name, value, told),
        "apt" => apt(value, told),
        "snap" => snap(value, told),
        "package_update"
        | "package_upgrade"
        | "ssh_pwauth"
        | "disable_root"
        | "ssh_deletekeys"
        | "preserve_hostname"
        | "byobu_by_default"
        | "prefer_fqdn_over_hostname" => {
            flag(name, value, told);
        }
        "package_reboot_if_required" | "apt_reboot_if_required" => {
            let restarts = flag(name, value, told) == Some(true);
            let what = || format!("`{name}` restarts the machine before `runcmd`, and whoever waits loses it");
            restarts.then(|| told.error(key.at, what()));
        }
        "power_state" => told.error(key.at, "`power_state` takes the machine away after cloud-init has said done"),
        "hostname" | "fqdn" | "timezone" | "final_message" => {
            is_text(name, value, told);
        }
        "locale" => locale(value, told),
        "password" | "chpasswd" | "ssh_keys" => {
            told.error(
                key.at,
                format!("`{name}` is a secret, and user-data can be read by many: bring it in after the start"),
            );
        }
        "mounts" => {
            list(name, value, told);
        }
        "ntp" | "growpart" | "phone_home" | "ca_certs" | "ca-certs" | "rsyslog" | "resolv_conf" => {
            map(name, value, told);
        }
        _ => {}
    }
}

/// What a scalar is to cloud-init.
pub fn kind(node: &Node) -> Option<Plain> {
    match &node.value {
        Value::Scalar { text, plain: true, is_tagged: false, .. } => Some(yaml11::plain(text)),
        Value::Scalar { .. } => Some(Plain::Text),
        Value::List(_) | Value::Map(_) | Value::Alias => None,
    }
}

/// The text, where it is one to cloud-init. Tells where it is not.
pub fn is_text<'a>(what: &str, node: &'a Node, told: &mut Told) -> Option<&'a str> {
    match (kind(node), &node.value) {
        (Some(Plain::Text), _) => node.text(),
        (None, Value::Alias) => None,
        (Some(kind), _) => {
            let text = node.text().unwrap_or_default();
            told.error(
                node.at,
                format!("`{what}` must be a text, and this is {}: write `!!str \"{text}\"`", kind.as_str()),
            );
            None
        }
        (None, _) => {
            told.error(node.at, format!("`{what}` must be a text"));
            None
        }
    }
}

/// Yes or no. Tells where it is neither.
pub fn flag(what: &str, node: &Node, told: &mut Told) -> Option<bool> {
    if kind(node) == Some(Plain::Bool) {
        return node.text().map(|text| matches!(text.to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "y"));
    }
    told.error(node.at, format!("`{what}` must be `true` or `false`"));
    None
}

/// The items of a list. Tells where it is none.
pub fn list<'a>(what: &str, node: &'a Node, told: &mut Told) -> &'a [Node] {
    match (&node.value, node.items()) {
        (_, Some(items)) => items,
        (Value::Alias, None) => &[],
        (_, None) => {
            told.error(node.at, format!("`{what}` must be a list"));
            &[]
        }
    }
}

/// A map. Tells where it is none.
fn map<'a>(what: &str, node: &'a Node, told: &mut Told) -> Option<&'a Node> {
    match &node.value {
        Value::Map(_) => Some(node),
        Value::Alias => None,
        Value::Scalar { .. } | Value::List(_) => {
            told.error(node.at, format!("`{what}` must be a map of keys and values"));
            None
        }
    }
}

/// A list of texts.
pub fn texts(what: &str, node: &Node, told: &mut Told) {
    for item in list(what, node, told) {
        is_text(what, item, told);
    }
}

/// `packages`: names, pairs of a name and a version, or lists by the program that installs them.
fn packages(node: &Node, told: &mut Told) {
    for item in list("packages", node, told) {
        match &item.value {
            Value::Scalar { .. } => {
                if let Some(name) = is_text("packages", item, told)
                    && (name.is_empty() || name.contains(char::is_whitespace))
                {
                    told.error(item.at, "this is no name of a package: each stands in an item of its own");
                }
            }
            Value::List(pair) if (1..=2).contains(&pair.len()) => texts("packages", item, told),
            Value::List(_) => told.error(item.at, "a package is a name, or a name and a version"),
            Value::Map(managers) => {
                told.warn(item.at, "lists by the program that installs them are read from release 23.4 on only");
                for (manager, packages_of_it) in managers {
                    match manager.text() {
                        Some("apt" | "snap") => packages(packages_of_it, told),
                        _ => told.error(manager.at, "packages come by `apt` or `snap`"),
                    }
                }
            }
            Value::Alias => {}
        }
    }
}

fn apt(node: &Node, told: &mut Told) {
    if map("apt", node, told).is_none() {
        return;
    }
    names(node, "`apt`", keys::APT, told);
    let Some(sources) = node.get("sources").and_then(|sources| map("apt.sources", sources, told)) else { return };
    for (name, source) in sources.entries() {
        if map("apt.sources", source, told).is_none() {
            continue;
        }
        names(source, "a source of apt", keys::APT_SOURCE, told);
        for (key, value) in source.entries() {
            if key.text() != Some("append") {
                is_text(key.text().unwrap_or_default(), value, told);
            }
        }
        if source.get("key").is_none() && source.get("keyid").is_none() && source.get("source").is_some() {
            told.warn(name.at, "apt takes nothing from a source whose key it does not have: give `key` or `keyid`");
        }
    }
}

fn snap(node: &Node, told: &mut Told) {
    if map("snap", node, told).is_none() {
        return;
    }
    names(node, "`snap`", keys::SNAP, told);
    let Some(commands) = node.get("commands") else { return };
    match &commands.value {
        Value::Map(entries) => entries.iter().for_each(|(_, command)| shell::command("snap.commands", command, told)),
        _ => list("snap.commands", commands, told).iter().for_each(|it| shell::command("snap.commands", it, told)),
    }
}

/// `locale: false` leaves the locale alone. The schema of releases before 23 wants a text there, and complains in the log; the
/// module takes the text `false` for the same.
fn locale(node: &Node, told: &mut Told) {
    match kind(node) {
        Some(Plain::Text) => {}
        Some(Plain::Bool) => {
            told.warn(
                node.at,
                "older releases complain of this in their log: `!!str \"false\"` means the same to all of them",
            );
        }
        _ => {
            is_text("locale", node, told);
        }
    }
}
