//! Each trap of user-data: what cloud-init, LXD or Multipass would pass over in silence is found before it is used.

use reportctl::model::diagnostic::Severity;
use reportctl::render::check::{Finding, user_data};
use reportctl::render::cloud_init::Substrate;

fn found(text: &str) -> Vec<Finding> {
    user_data(text, Substrate::Multipass)
}

/// The only error of a text: its line and some of its words.
#[track_caller]
fn error(text: &str, line: usize, words: &str) {
    let errors: Vec<Finding> = found(text).into_iter().filter(|it| it.severity == Severity::Error).collect();
    assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
    assert_eq!(errors[0].line, line, "{errors:#?}");
    assert!(errors[0].what.contains(words), "{errors:#?}");
}

#[track_caller]
fn warning(text: &str, words: &str) {
    let found = found(text);
    assert!(found.iter().all(|it| it.severity == Severity::Warning), "{found:#?}");
    assert!(found.iter().any(|it| it.what.contains(words)), "{found:#?}");
}

#[track_caller]
fn good(text: &str) {
    assert_eq!(found(text), [], "{text}");
}

/// The text under the right first line.
fn config(body: &str) -> String {
    format!("#cloud-config\n{body}")
}

#[test]
fn what_is_good_is_let_through() {
    good(&config("runcmd:\n- |\n  set -eu\n  echo done\n"));
    good("#cloud-config  \nhostname: m\n");
    good("#cloud-config\r\nhostname: m\r\n");
    good(&config("packages: [redis-server, [jq, !!str \"1.6\"]]\nusers: [default, {name: a, system: true}]\n"));
    good(&config("write_files:\n- {path: /etc/x, permissions: !!str \"0640\", owner: root:root, content: x}\n"));
    good(&config("write_files:\n- {path: /home/a/x, owner: \"a:a\", defer: true, encoding: b64, content: eA==}\n"));
    good(&config("hostname: &name m\nfqdn: *name\n"));
}

// -- The first line (1.4, 3.2, 3.5) --

#[test]
fn trap_multipass_adds_a_missing_header_and_others_ignore_the_text() {
    error("hostname: m\n", 1, "exactly `#cloud-config`");
    error("# cloud-config\nhostname: m\n", 1, "exactly `#cloud-config`");
    error("\n#cloud-config\nhostname: m\n", 1, "exactly `#cloud-config`");
}

#[test]
fn trap_byte_order_mark() {
    error("\u{feff}#cloud-config\nhostname: m\n", 1, "byte order mark");
}

#[test]
fn trap_multipass_takes_no_script_include_archive_or_mail() {
    for (first, words) in [
        ("#!/bin/sh", "a script"),
        ("#include", "addresses to fetch"),
        ("#include-once", "addresses to fetch"),
        ("#cloud-config-archive", "an archive"),
        ("#cloud-boothook", "each start"),
        ("#part-handler", "a handler"),
        ("Content-Type: multipart/mixed", "a mail of parts"),
        ("MIME-Version: 1.0", "a mail of parts"),
    ] {
        error(&format!("{first}\nx\n"), 1, words);
    }
}

#[test]
fn trap_multipass_loses_the_comment_that_makes_a_jinja_template() {
    error("## template: jinja\n#cloud-config\nhostname: m\n", 1, "template of cloud-init's own");
}

#[test]
fn trap_compressed_user_data() {
    error("\u{1f}\u{fffd}\u{8}\0", 1, "compressed");
}

// -- The document (1.4, 3.5, 3.8, 5.3) --

#[test]
fn trap_of_several_documents_only_the_first_survives() {
    error(&config("hostname: m\n---\nfqdn: m\n"), 3, "second document");
}

#[test]
fn trap_an_empty_file_is_accepted() {
    error("#cloud-config\n", 1, "says nothing");
    error("#cloud-config\n{}\n", 2, "says nothing");
    error("#cloud-config\n- a\n", 2, "must be a map");
}

#[test]
fn trap_broken_yaml_says_done() {
    let broken = found(&config("runcmd:\n  - a\n - b\n"));
    assert!(broken.len() == 1 && broken[0].line >= 3 && broken[0].what.contains("no YAML"), "{broken:#?}");
}

#[test]
fn trap_a_tab_indents() {
    error(&config("write_files:\n\t- path: /x\n"), 3, "a tab");
}

#[test]
fn trap_an_unknown_key_says_done() {
    error(&config("runcmds: [a]\n"), 2, "did you mean `runcmd`?");
    error(&config("package: [a]\n"), 2, "did you mean `packages`?");
    error(&config("hostname: a\nhostname: b\n"), 3, "a second time");
    error(&config("write_files:\n- {path: /x, permission: !!str \"0644\"}\n"), 3, "did you mean `permissions`?");
    error(&config("users: [default, {name: a, gecos: A, shel: /bin/sh}]\n"), 2, "did you mean `shell`?");
    error(&config("apt: {sources: {a: {source: deb, keyid: A, keysrver: k}}}\n"), 2, "did you mean `keyserver`?");
}

// -- Multipass drops quotes (1.4) --

#[test]
fn trap_multipass_drops_quotes() {
    for (written, read) in [
        ("\"1234\"", "a whole number"),
        ("\"yes\"", "yes or no"),
        ("\"on\"", "yes or no"),
        ("\"true\"", "yes or no"),
        ("'24.10'", "a number"),
        ("\"0755\"", "a whole number"),
        ("|-\n  0755", "a whole number"),
        ("\"1:30\"", "a whole number"),
        ("\"2024-01-01\"", "a date"),
    ] {
        let text = config(&format!("final_message: {written}\n"));
        error(&text, if written.starts_with('|') { 3 } else { 2 }, read);
        let on_lxd = user_data(&text, Substrate::Lxd);
        assert!(on_lxd.len() == 1 && on_lxd[0].severity == Severity::Warning, "{on_lxd:#?}");
    }
    good(&config("final_message: !!str \"0755\"\n"));
    good(&config("final_message: \"a: b\"\n"));
    good(&config("final_message: \"*x\"\n"));
}

// -- Modules (3.1, 3.2, 3.8, 5.3) --

#[test]
fn trap_the_restart_of_packages_comes_before_runcmd() {
    error(&config("package_reboot_if_required: true\n"), 2, "before `runcmd`");
    good(&config("package_reboot_if_required: false\n"));
}

#[test]
fn trap_a_list_that_is_a_text() {
    error(&config("packages: redis-server\n"), 2, "must be a list");
    error(&config("runcmd: echo hi\n"), 2, "must be a list");
    error(&config("package_update: often\n"), 2, "`true` or `false`");
    error(&config("packages:\n- redis-server jq\n"), 3, "an item of its own");
    warning(&config("packages: [{apt: [jq]}]\n"), "23.4");
}

#[test]
fn trap_a_bare_word_among_commands_keeps_all_of_them_from_running() {
    error(&config("runcmd:\n- echo a: b\n"), 3, "none of them runs");
    error(&config("runcmd:\n- true\n"), 3, "none of them runs");
    error(&config("bootcmd:\n- 5\n"), 3, "none of them runs");
    error(&config("runcmd:\n- [sleep, 5]\n"), 3, "must be a text");
}

#[test]
fn trap_permissions_that_are_numbers() {
    for (written, instead) in
        [("0644", "0644"), ("644", "644"), ("420", "420"), ("\"rw-r--r--\"", "0644"), ("!!str \"0888\"", "0644")]
    {
        error(
            &config(&format!("write_files:\n- {{path: /x, permissions: {written}}}\n")),
            3,
            &format!("`!!str \"{instead}\"`"),
        );
    }
    good(&config("write_files:\n- {path: /x, permissions: 0o644}\n"));
}

#[test]
fn trap_a_command_that_fails_in_the_middle_goes_unseen() {
    error(&config("runcmd:\n- false_start\n- echo done\n"), 3, "`set -eu`");
    error(&config("runcmd:\n- |\n  one\n  two\n"), 3, "`set -eu`");
    good(&config("runcmd:\n- set -e\n- one\n- two\n"));
    good(&config("runcmd:\n- [one, alone]\n"));
    error(&config("bootcmd:\n- one\n- two\n"), 3, "`set -eu`");
}

#[test]
fn trap_files_in_a_home_that_is_not_made_yet() {
    error(&config("write_files:\n- {path: /home/alice/x, content: x}\n"), 3, "`defer: true`");
    error(&config("write_files:\n- {path: x, content: x}\n"), 3, "whole path");
    error(&config("write_files:\n- {content: x}\n"), 3, "needs a `path`");
}

#[test]
fn trap_an_owner_that_is_not_made_yet() {
    error(&config("write_files:\n- {path: /x, owner: \"redis:redis\"}\n"), 3, "before users are made");
    error(&config("write_files:\n- {path: /x, encoding: rot13}\n"), 3, "no encoding `rot13`");
}

#[test]
fn trap_users_without_default() {
    error(&config("users:\n- {name: alice}\n"), 3, "without the item `default`");
    error(&config("users:\n- default\n- {gecos: A}\n"), 4, "needs a `name`");
    error(&config("groups: [ubuntu]\n"), 2, "keeps the image's user");
}

#[test]
fn trap_an_ssh_server_that_locks_multipass_out() {
    let file = |path: &str, text: &str| config(&format!("write_files:\n- path: {path}\n  content: |\n    {text}\n"));
    error(&file("/etc/ssh/sshd_config.d/x.conf", "AllowUsers alice"), 5, "lock out");
    error(&file("/etc/ssh/sshd_config.d/x.conf", "pubkeyauthentication no"), 5, "lock out");
    good(&file("/etc/ssh/sshd_config.d/x.conf", "Match User alice\n    ForceCommand /bin/false"));
    warning(&file("/etc/ssh/sshd_config", "UsePAM yes"), "whole configuration");
    error(&config("runcmd:\n- echo AllowUsers a >>/etc/ssh/sshd_config\n"), 3, "lock out");
}

#[test]
fn trap_the_machine_goes_away_after_done() {
    error(&config("power_state: {mode: reboot}\n"), 2, "after cloud-init has said done");
    error(&config("runcmd:\n- reboot\n"), 3, "takes the machine away");
    error(&config("runcmd:\n- |\n  set -e\n  shutdown -r now\n"), 5, "takes the machine away");
}

#[test]
fn trap_nobody_answers_questions() {
    error(&config("runcmd:\n- DEBIAN_FRONTEND=noninteractive apt-get install jq\n"), 3, "add `-y`");
    error(&config("runcmd:\n- apt-get -y install jq\n"), 3, "DEBIAN_FRONTEND");
    good(&config("runcmd:\n- |\n  set -eu\n  export DEBIAN_FRONTEND=noninteractive\n  apt-get install -y jq\n"));
    good(&config("runcmd:\n- apt-get update\n"));
    error(&config("runcmd:\n- read answer\n"), 3, "nobody answers `read`");
}

#[test]
fn trap_there_is_no_home() {
    for command in ["cp x $HOME/x", "cp x ${HOME}/x", "cp x ~/x", "cd ~"] {
        error(&config(&format!("runcmd:\n- {command}\n")), 3, "no HOME");
    }
    error(&config("runcmd:\n- [cp, x, ~/x]\n"), 3, "no HOME");
}

// -- Lists replace, and do not add (3.3): one text holds all of it --

#[test]
fn trap_parts_that_would_be_merged_are_one_text() {
    error("#cloud-config-archive\n- {type: text/cloud-config, content: x}\n", 1, "Merge them into one");
}

// -- Sizes (3.4) --

#[test]
fn trap_what_is_too_large_for_a_cloud() {
    let of = |bytes: usize| config(&format!("write_files:\n- {{path: /x, content: {}}}\n", "x".repeat(bytes)));
    good(&of(16_000));
    warning(&of(20_000), "EC2 takes 16384");
    warning(&of(20_000), "it has 20051 bytes");
    warning(&of(70_000), "Azure takes 65536");
}

// -- Schemas of releases (3.5, 3.6) --

#[test]
fn trap_a_locale_that_older_releases_complain_of() {
    warning(&config("locale: false\n"), "`!!str \"false\"`");
    good(&config("locale: !!str \"false\"\n"));
    good(&config("locale: C.UTF-8\n"));
}

// -- Where failures are (3.7, 3.8): nothing secret stands where all of it can be read --

#[test]
fn trap_secrets_can_be_read_by_many() {
    error(&config("final_message: \"@{secret:redis-admin}\"\n"), 2, "a secret belongs here");
    error(
        &config("write_files:\n- path: /x\n  content: |\n    -----BEGIN OPENSSH PRIVATE KEY-----\n"),
        5,
        "private key",
    );
    error(&config("password: hunter22\n"), 2, "a secret");
    error(&config("chpasswd: {list: [a]}\n"), 2, "a secret");
    error(&config("users: [default, {name: a, passwd: x}]\n"), 2, "a password");
}

// -- Keys of LXD (2.6): both get the same text, so both kinds of data source must take it --

#[test]
fn trap_each_substrate_is_given_the_same_text() {
    let bad = config("power_state: {mode: reboot}\n");
    assert_eq!(user_data(&bad, Substrate::Lxd), user_data(&bad, Substrate::Multipass));
}
