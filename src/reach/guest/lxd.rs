//! Into an instance of LXD.

use super::{GRACE, GuestError, Inside, Judged, Reads, Run, WAY, script};
use crate::exec::{self, Bytes};
use crate::model::guest::Guest;
use std::time::Instant;

/// Runs a command in the instance of that name.
pub async fn run(inside: &Inside, name: &str, run: Run, mark: &str) -> Result<Bytes, GuestError> {
    let command = inside.shown(&run.argv);
    // Without `-n` it would read our own standard input; `-T`: no terminal, also where we have one.
    let input = if run.stdin.is_some() { "-T" } else { "-nT" };
    let words = ["lxc", "exec", input, name, "--"].map(str::to_owned);
    let argv = words.into_iter().chain(script::marked(mark, run.deadline, run.argv)).collect();
    let judged = Judged { command: &command, begun: Instant::now(), deadline: run.deadline };
    let answer = inside.lead(argv, run.stdin, run.deadline + GRACE + WAY, run.limit).await;
    let Bytes { code, stdout, stderr } = answer.map_err(|error| inside.broken(&command, error))?;
    match script::ended(mark, &stderr) {
        Some(ended) => inside.judge(&judged, ended, stdout),
        None => Err(unmarked(inside, &command, code, &stderr)),
    }
}

/// The words that run a command in the foreground.
pub fn foreground(name: &str, reads: Reads) -> Vec<String> {
    let mode = match reads {
        Reads::Terminal => "-t",
        Reads::Input => "-T",
        Reads::Nothing => "-nT",
    };
    ["lxc", "exec", mode, name, "--"].map(str::to_owned).to_vec()
}

/// What it means that LXD ended without the command's own end. It exits with 1 then, and the words are all that there is.
fn unmarked(inside: &Inside, command: &str, code: i32, stderr: &str) -> GuestError {
    let guest: Guest = inside.guest().clone();
    let last = exec::last_lines(stderr);
    let reason = last.strip_prefix("Error: ").unwrap_or(&last).to_owned();
    let says = |text: &str| stderr.contains(text);
    if says("Error: Instance not found") || says("Error: Failed to fetch instance") && says("not found") {
        return GuestError::NotThere(guest);
    }
    if says("Instance is not running") {
        return GuestError::NotRunning(guest);
    }
    // Of a virtual machine. Older releases say "isn't currently running", newer ones "is not currently running".
    if says("VM agent is") && says("currently running") {
        return GuestError::NotReady { guest, reason };
    }
    if says("unix.socket") || says("unixsocket") || says("connection refused") || says("Error: Remote") {
        return GuestError::Unreachable { guest, reason };
    }
    match reason.is_empty() {
        true => inside.lost(command, &format!("`lxc exec` ended with exit code {code} and without a word")),
        false => inside.lost(command, &reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;

    /// What LXD 5.0.2 says.
    #[test]
    fn each_way_to_fail_is_told_apart() {
        let context = Context::fixed([].into(), "/".into());
        let inside = Inside::new(&context, &Guest::Lxd("m".to_owned()));
        let kind = |stderr: &str| match unmarked(&inside, "true", 1, stderr) {
            GuestError::NotThere(_) => "not there",
            GuestError::NotRunning(_) => "not running",
            GuestError::NotReady { .. } => "not ready",
            GuestError::Unreachable { .. } => "unreachable",
            GuestError::Lost { .. } => "lost",
            other => unreachable!("{other}"),
        };
        for (stderr, expected) in [
            ("Error: Instance not found\n", "not there"),
            ("Error: Instance is not running\n", "not running"),
            ("Error: LXD VM agent isn't currently running\n", "not ready"),
            ("Error: VM agent is not currently running\n", "not ready"),
            (
                "Error: Get \"http://unix.socket/1.0\": dial unix /var/lib/lxd/unix.socket: connect: no such file or directory\n",
                "unreachable",
            ),
            (
                "Error: Get \"http://unix.socket/1.0\": dial unix /var/lib/lxd/unix.socket: connect: permission denied\n",
                "unreachable",
            ),
            ("Error: websocket: close 1006 (abnormal closure): unexpected EOF\n", "lost"),
            ("", "lost"),
        ] {
            assert_eq!(kind(stderr), expected, "{stderr}");
        }
    }
}
