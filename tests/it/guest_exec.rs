//! `exec` and `shell`, into a real container that an environment's records speak of.

use crate::command::{Done, Home, done};
use crate::guest::launch;
use crate::lxd_support::{Lxd, lxc};
use reportctl::model::guest::{Guest, label};
use std::io::Write as _;
use std::process::Stdio;

/// Runs `exec` or `shell` with these words and something to read.
fn fed(home: &Home, words: &[&str], input: &str) -> Done {
    let mut child = home
        .command("")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

#[test]
fn an_environment_without_a_machine_says_so() {
    let home = Home::new();
    for line in ["exec -e local true", "shell -e local"] {
        let none = home.run(line);
        assert_eq!(none.code, Some(8), "{}", none.err);
        assert!(none.err.contains("local has no machine of its own"), "{}", none.err);
    }
    let not_up = home.run("exec -e lxd true");
    assert_eq!(not_up.code, Some(8), "{}", not_up.err);
    assert!(not_up.err.contains("lxd is not up"), "{}", not_up.err);
}

#[test]
fn lxd_real_exec_is_the_command_in_the_machine() {
    let Some(mut lxd) = Lxd::take() else { return };
    let Guest::Lxd(name) = launch(&mut lxd, crate::guest::NOTHING) else { unreachable!() };
    let id = name.strip_prefix("report-").unwrap();
    let home = Home::new();
    let records = home.path().join("state/reportctl/envs/lxd");
    std::fs::create_dir_all(&records).unwrap();
    std::fs::write(records.join("identity"), format!("{id}\n")).unwrap();
    // To 126 and 127 lxc adds words of its own.
    for code in [0, 1, 2, 5, 42, 255] {
        let script = format!("echo out; echo err >&2; exit {code}");
        let ran = done(home.command("exec -e lxd --").args(["sh", "-c", &script]));
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(code), "out\n", "err\n"));
    }
    let words = ["exec", "-e", "lxd", "--", "printf", "%s|", "a b", "", "$HOME", "-n", "--", "it's"];
    assert_eq!(fed(&home, &words, "").out, "a b||$HOME|-n|--|it's|");
    assert_eq!(fed(&home, &["exec", "-e", "lxd", "cat"], "what is read\n").out, "what is read\n");
    assert_eq!(fed(&home, &["exec", "-e", "lxd", "-n", "--", "cat"], "nobody reads this").out, "");
    let user = ["exec", "-e", "lxd", "--user", "nobody", "--", "sh", "-c", "id -un; tty"];
    assert_eq!(fed(&home, &user, "").out, "nobody\nnot a tty\n");
    let unknown = fed(&home, &["exec", "-e", "lxd", "--user", "no-such", "--", "true"], "");
    assert_eq!(
        (unknown.code, unknown.err.as_str()),
        (Some(126), "there is no user no-such in the machine\nError: Command not executable\n")
    );
    let shell = fed(&home, &["shell", "-e", "lxd"], "cd\npwd\nid -un\nexit 7\n");
    assert_eq!((shell.code, shell.out.as_str()), (Some(7), "/root\nroot\n"), "{}", shell.err);
    lxc(&["config", "set", &name, &format!("user.{}=lxd-otherone", label::ID)]).ok();
    let foreign = home.run("exec -e lxd true");
    assert_eq!(foreign.code, Some(8), "{}", foreign.err);
    assert!(foreign.err.contains("is not the machine of lxd"), "{}", foreign.err);
    lxc(&["config", "set", &name, &format!("user.{}={id}", label::ID)]).ok();
    lxc(&["stop", "--force", &name]).ok();
    let stopped = home.run("exec -e lxd true");
    assert_eq!(stopped.code, Some(8), "{}", stopped.err);
    assert!(stopped.err.contains("does not run"), "{}", stopped.err);
}
