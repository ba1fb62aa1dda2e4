//! Commands and scripts: `/bin/sh` as root, without `HOME`, without a terminal, and without an end at the first failure.

use super::Told;
use super::shape::{is_text, kind, list};
use super::tree::{At, Node, Value};
use crate::render::check::yaml11::Plain;

/// Judges `runcmd` or `bootcmd`.
pub fn commands(what: &str, node: &Node, told: &mut Told) {
    let items = list(what, node, told);
    for item in items {
        command(what, item, told);
    }
    // Only then does what comes after a failed command not run, and only then does cloud-init tell.
    let begins = |item: &Node| item.text().is_some_and(stops_at_failure);
    let several = items.len() > 1 || items.first().and_then(Node::text).is_some_and(|it| statements(it).count() > 1);
    if several && !items.first().is_some_and(begins) {
        told.error(
            node.at,
            format!("a command that fails in the middle of `{what}` goes unseen: begin with `set -eu`"),
        );
    }
    // Variables that one item sets hold for those after it: all become one script.
    let mut quiet = false;
    for item in items {
        if let Value::Scalar { text, is_block, .. } = &item.value {
            script(item.at, text, *is_block, &mut quiet, told);
        }
    }
    for item in items {
        let words: Vec<&str> = item.items().unwrap_or_default().iter().filter_map(Node::text).collect();
        if !words.is_empty() {
            statement(item.at, &words.join(" "), &mut quiet, told);
        }
    }
}

/// Judges one command: a text for the shell, or a list of arguments.
pub fn command(what: &str, node: &Node, told: &mut Told) {
    match (&node.value, kind(node)) {
        (Value::Alias, _) | (Value::Scalar { .. }, Some(Plain::Text)) => {}
        (Value::List(words), _) if !words.is_empty() => {
            for word in words {
                is_text(what, word, told);
            }
        }
        _ => told.error(
            node.at,
            format!("a command of `{what}` is a text or a list of texts: with anything else, such as a text with `: ` in it \
                     or a bare `true`, none of them runs. Put it in quotes"),
        ),
    }
}

/// Whether a script ends at its first failure: its first statement is `set` with the option `e`.
fn stops_at_failure(script: &str) -> bool {
    statements(script).next().is_some_and(|first| {
        let mut words = first.split_whitespace();
        words.next() == Some("set") && words.next().is_some_and(|flags| flags.starts_with('-') && flags.contains('e'))
    })
}

/// The lines of a script that do something.
fn statements(script: &str) -> impl Iterator<Item = &str> {
    script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn script(at: At, text: &str, is_block: bool, quiet: &mut bool, told: &mut Told) {
    for (index, line) in text.lines().enumerate() {
        let place = if is_block { (at.0 + index, 1) } else { at };
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            statement(place, line, quiet, told);
        }
    }
}

fn statement(at: At, line: &str, quiet: &mut bool, told: &mut Told) {
    if line.contains("DEBIAN_FRONTEND=noninteractive") {
        *quiet = true;
    }
    let words: Vec<&str> =
        line.split(|c: char| c.is_whitespace() || ";|&(){}".contains(c)).filter(|it| !it.is_empty()).collect();
    let at_home = |word: &&str| *word == "~" || word.starts_with("~/");
    if line.contains("$HOME") || line.contains("${HOME") || words.iter().any(at_home) {
        told.error(at, "there is no HOME here: write the whole path");
    }
    apt(at, &words, *quiet, told);
    let verb = words.iter().find(|word| !["sudo", "exec", "if", "then", "!", "do"].contains(word)).copied();
    match verb {
        Some("reboot" | "poweroff" | "halt" | "shutdown") => {
            told.error(at, "this takes the machine away while somebody waits for it");
        }
        Some("read") if !line.contains('<') && !line.contains('|') => {
            told.error(at, "nobody answers `read` here: it waits until all time is up");
        }
        _ => {}
    }
    let lock_out = ["AllowUsers", "AllowGroups", "DenyUsers", "DenyGroups"];
    if line.contains("sshd_config") && lock_out.iter().any(|word| line.contains(word)) {
        told.error(at, "this may lock out whoever manages the machine: Multipass comes in by ssh. Say it for one user, after `Match User`");
    }
}

/// Programs that would ask somebody.
fn apt(at: At, words: &[&str], quiet: bool, told: &mut Told) {
    let Some(from) = words.iter().position(|word| matches!(word.rsplit('/').next(), Some("apt" | "apt-get"))) else {
        return;
    };
    let rest = &words[from + 1..];
    let changes = ["install", "upgrade", "dist-upgrade", "full-upgrade", "remove", "purge", "autoremove"];
    if !rest.iter().any(|word| changes.contains(word)) {
        return;
    }
    let says_yes = |word: &&str| {
        matches!(*word, "--yes" | "--assume-yes" | "-qq")
            || (word.starts_with('-') && !word.starts_with("--") && word.contains('y'))
    };
    if !rest.iter().any(says_yes) {
        told.error(at, "apt asks whether to go on, and nobody answers: add `-y`");
    }
    if !quiet {
        told.error(at, "packages may ask questions, and nobody answers: set `DEBIAN_FRONTEND=noninteractive` before");
    }
}

/// Judges a file that tells the ssh server what to do: what it says for all may lock out whoever comes in by ssh.
pub fn sshd(path: &str, content: &str, at: At, told: &mut Told) {
    if !path.starts_with("/etc/ssh/sshd_config") {
        return;
    }
    if path == "/etc/ssh/sshd_config" {
        told.warn(
            at,
            "this replaces the server's whole configuration: write a file of its own into /etc/ssh/sshd_config.d",
        );
    }
    let mut for_all = true;
    for line in statements(content) {
        let mut words = line.split_whitespace();
        let keyword = words.next().unwrap_or_default().to_ascii_lowercase();
        let value = words.next().unwrap_or_default().to_ascii_lowercase();
        if keyword == "match" {
            for_all = value == "all";
            continue;
        }
        let locks = matches!(
            keyword.as_str(),
            "allowusers" | "allowgroups" | "denyusers" | "denygroups" | "port" | "listenaddress" | "forcecommand"
        ) || (keyword == "pubkeyauthentication" && value == "no");
        if for_all && locks {
            told.error(
                at,
                format!(
                    "`{line}` holds for all and may lock out whoever manages the machine: Multipass comes in by \
                                    ssh. Say it for one user, after `Match User`"
                ),
            );
        }
    }
}
