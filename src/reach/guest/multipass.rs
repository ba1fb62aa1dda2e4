//! Into an instance of Multipass.
//!
//! `multipass exec` starts an instance that is stopped, without a word; it may hang where more than 4 KiB come out of it; and its
//! standard output can begin with a progress display. So the state is asked first, what a command says is kept in files in the
//! machine, and what is large is fetched with `multipass transfer`.

use super::{GRACE, GuestError, Inside, Judged, Run, WAY, script};
use crate::exec::{self, Bytes, ExecError};
use crate::model::guest::Guest;
use std::time::{Duration, Instant};

/// How long a small question may take.
const SMALL: Duration = Duration::from_secs(60);

/// Runs `MARK SECONDS INPUT ARGUMENT...` as [`script::RUN`] does, with its input in a file. Standard output is the mark on a line
/// and the command's output, if that is small; else it stays in a file that whoever used sudo can read. The last line on standard
/// error is the mark, the exit code, the length of the output, and the folder of the file or a dash.
const RUN: &str = "m=$1 t=$2 i=$3; shift 3; cd /; export LC_ALL=C.UTF-8 LANG=C.UTF-8; umask 077; \
     d=$(mktemp -d /tmp/reportctl.XXXXXXXXXX) || exit 1; \
     (umask 022; exec timeout -k 5 \"$t\" \"$@\") <\"$i\" >\"$d/out\" 2>\"$d/err\"; c=$?; \
     [ \"$i\" = /dev/null ] || rm -rf \"${i%/*}\"; \
     s=$(($(wc -c <\"$d/out\"))); tail -c 3000 \"$d/err\" >&2; printf '%s\\n' \"$m\"; \
     if [ \"$s\" -le 3000 ]; then cat \"$d/out\"; rm -rf \"$d\"; d=-; else chown \"${SUDO_USER:-root}\" \"$d\" \"$d/out\"; fi; \
     printf '\\n%s %s %s %s\\n' \"$m\" \"$c\" \"$s\" \"$d\" >&2";

/// Runs a command in the instance of that name.
pub async fn run(inside: &Inside, name: &str, run: Run, mark: &str) -> Result<Bytes, GuestError> {
    let way = Way { inside, name, command: &inside.shown(&run.argv) };
    way.must_run().await?;
    let input = match run.stdin {
        Some(bytes) => way.feed(bytes).await?,
        None => "/dev/null".to_owned(),
    };
    let seconds = format!("{:.3}", run.deadline.as_secs_f64());
    let words = ["sudo", "-n", "-H", "sh", "-c", RUN, "sh", mark, &seconds, &input].map(str::to_owned);
    let argv = way.exec(words.into_iter().chain(run.argv));
    let judged = Judged { command: way.command, begun: Instant::now(), deadline: run.deadline };
    let answer = inside.lead(argv, None, run.deadline + GRACE + WAY, run.limit.max(64 << 10)).await;
    let Bytes { code, stdout, stderr } = answer.map_err(|error| inside.broken(way.command, error))?;
    let Some(ended) = script::ended(mark, &stderr) else { return Err(way.unmarked(code, &stdout, &stderr)) };
    let (size, folder) = ended.more.split_once(' ').unwrap_or_default();
    let size: usize = size.parse().map_err(|_| inside.lost(way.command, "its end was told malformed"))?;
    let stdout = match folder {
        "-" => after_mark(mark, stdout).ok_or_else(|| inside.lost(way.command, "its output was cut off"))?,
        folder => way.fetch(folder, size, run.limit).await?,
    };
    if stdout.len() != size {
        let reason = format!("it wrote {size} bytes, and {} of them came", stdout.len());
        return Err(inside.lost(way.command, &reason));
    }
    inside.judge(&judged, ended, stdout)
}

/// The words that run a command in the foreground. Multipass gives it a terminal where our own standard input is one.
pub fn foreground(name: &str) -> Vec<String> {
    ["multipass", "exec", "-n", name, "--", "sudo", "-n", "-H"].map(str::to_owned).to_vec()
}

/// The way to one instance, on behalf of one command.
struct Way<'a> {
    inside: &'a Inside,
    name: &'a str,
    command: &'a str,
}

impl Way<'_> {
    /// The words that run something in the instance, as its ordinary user. `-n`: without it, Multipass joins the arguments of sudo
    /// to one string.
    fn exec(&self, words: impl IntoIterator<Item = String>) -> Vec<String> {
        ["multipass", "exec", "-n", self.name, "--"].map(str::to_owned).into_iter().chain(words).collect()
    }

    fn guest(&self) -> Guest {
        self.inside.guest().clone()
    }

    async fn lead(&self, argv: Vec<String>, stdin: Option<Vec<u8>>, limit: usize) -> Result<Bytes, GuestError> {
        let small = |bytes: usize| Duration::from_millis(u64::try_from(bytes >> 10).unwrap_or(0));
        let longest = SMALL + small(stdin.as_ref().map_or(0, Vec::len).max(limit));
        let answer = self.inside.lead(argv, stdin, longest, limit).await;
        let answer = answer.map_err(|error| self.inside.broken(self.command, error))?;
        if answer.code == 0 { Ok(answer) } else { Err(self.unmarked(answer.code, &answer.stdout, &answer.stderr)) }
    }

    /// Asks for the state, so that nothing is started that was stopped. Without runtime information the machine itself is not asked.
    async fn must_run(&self) -> Result<(), GuestError> {
        let words = ["multipass", "info", self.name, "--format", "json", "--no-runtime-information"];
        let answer = self.lead(words.map(str::to_owned).to_vec(), None, 1 << 20).await?;
        let info: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
        let state = info["info"][self.name]["state"].as_str();
        match state {
            Some("Running") => Ok(()),
            Some("Deleted") => Err(GuestError::NotThere(self.guest())),
            Some("Stopped" | "Suspended" | "Suspending") => Err(GuestError::NotRunning(self.guest())),
            Some(state) => {
                Err(GuestError::NotReady { guest: self.guest(), reason: format!("Multipass says that it is {state}") })
            }
            None => Err(self.inside.lost(self.command, "Multipass tells no state of it")),
        }
    }

    /// Brings what a command is to read into a file in the instance, in a folder that nobody else can enter; returns the file.
    async fn feed(&self, bytes: Vec<u8>) -> Result<String, GuestError> {
        let make = self.exec(["mktemp", "-d", "/tmp/reportctl.XXXXXXXXXX"].map(str::to_owned));
        let said = String::from_utf8_lossy(&self.lead(make, None, 64 << 10).await?.stdout).into_owned();
        let said = plain(&said);
        let fits = |line: &&str| {
            let end = line.strip_prefix("/tmp/reportctl.").unwrap_or_default();
            !end.is_empty() && end.chars().all(|c| c.is_ascii_alphanumeric())
        };
        let folder = said.lines().map(str::trim).rfind(fits);
        let folder = folder.ok_or_else(|| self.inside.lost(self.command, "no folder could be made for its input"))?;
        let to = format!("{}:{folder}/in", self.name);
        let sent =
            self.lead(["multipass", "transfer", "-", &to].map(str::to_owned).to_vec(), Some(bytes), 64 << 10).await;
        match sent {
            Ok(_) => Ok(format!("{folder}/in")),
            Err(error) => {
                self.forget(folder).await;
                Err(error)
            }
        }
    }

    /// Fetches what a command wrote.
    async fn fetch(&self, folder: &str, size: usize, limit: usize) -> Result<Vec<u8>, GuestError> {
        let fetched = if size > limit {
            Err(GuestError::Exec(ExecError::TooMuch { command: self.command.to_owned(), limit }))
        } else {
            let from = format!("{}:{folder}/out", self.name);
            self.lead(["multipass", "transfer", &from, "-"].map(str::to_owned).to_vec(), None, size + 1).await
        };
        self.forget(folder).await;
        fetched.map(|answer| answer.stdout)
    }

    /// Removes a folder of ours. What is left when that fails is the machine's, and goes with it.
    async fn forget(&self, folder: &str) {
        let remove = self.exec(["rm", "-rf", "--", folder].map(str::to_owned));
        if let Err(error) = self.lead(remove, None, 64 << 10).await {
            tracing::debug!(%error, folder, "left behind in the machine");
        }
    }

    /// What it means that Multipass ended with an error of its own. Only the words tell.
    fn unmarked(&self, code: i32, stdout: &[u8], stderr: &str) -> GuestError {
        let both = [plain(stderr), plain(&String::from_utf8_lossy(stdout))];
        let said = if both[0].trim().is_empty() { &both[1] } else { &both[0] };
        let reason = exec::last_lines(said);
        let says = |text: &str| said.contains(text);
        let guest = self.guest();
        if says("does not exist") || says("is deleted") {
            return GuestError::NotThere(guest);
        }
        if says("is not running") {
            return GuestError::NotRunning(guest);
        }
        if says("scheduled to shut down") || says("ssh connection failed") {
            return GuestError::NotReady { guest, reason };
        }
        if says("cannot connect to the multipass socket") || says("socket access denied") || says("not authenticated") {
            return GuestError::Unreachable { guest, reason };
        }
        match reason.is_empty() {
            true => {
                self.inside.lost(self.command, &format!("`multipass` ended with exit code {code} and without a word"))
            }
            false => self.inside.lost(self.command, &reason),
        }
    }
}

/// What comes after the line that is the mark.
fn after_mark(mark: &str, stdout: Vec<u8>) -> Option<Vec<u8>> {
    let line = format!("{mark}\n");
    let at = stdout.windows(line.len()).position(|window| window == line.as_bytes())?;
    Some(stdout[at + line.len()..].to_vec())
}

/// A text without the marks of a progress display: sequences that begin with escape, carriage returns, and each backspace with the
/// character that is drawn after it.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                while chars.next_if(|c| c.is_ascii_digit() || *c == ';').is_some() {}
                chars.next_if(char::is_ascii_alphabetic);
            }
            '\u{8}' => drop(chars.next()),
            '\r' | '\u{1b}' => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;

    #[test]
    fn a_progress_display_is_taken_out() {
        assert_eq!(
            plain("\u{1b}[2K\u{1b}[0A\u{1b}[0EStarting m  \u{8}|\u{8}/\u{8}-\u{1b}[2K\r/tmp/x\n"),
            "Starting m  /tmp/x\n"
        );
        assert_eq!(plain("\rRetrieving image: 37%"), "Retrieving image: 37%");
        assert_eq!(plain("\u{1b}"), "");
    }

    #[test]
    fn output_begins_after_the_mark_and_is_binary() {
        let stdout = b"\x1b[2KStarting m  m1\n\x00\xffm1\n".to_vec();
        assert_eq!(after_mark("m1", stdout), Some(b"\x00\xffm1\n".to_vec()));
        assert_eq!(after_mark("m1", b"m1".to_vec()), None);
    }

    /// What Multipass 1.16.3 says.
    #[test]
    fn each_way_to_fail_is_told_apart() {
        let context = Context::fixed([].into(), "/".into());
        let inside = Inside::new(&context, &Guest::Multipass("m".to_owned()));
        let way = Way { inside: &inside, name: "m", command: "true" };
        let several = "exec failed: The following errors occurred:\n";
        let kind = |stderr: &str| match way.unmarked(2, b"", stderr) {
            GuestError::NotThere(_) => "not there",
            GuestError::NotRunning(_) => "not running",
            GuestError::NotReady { .. } => "not ready",
            GuestError::Unreachable { .. } => "unreachable",
            GuestError::Lost { .. } => "lost",
            other => unreachable!("{other}"),
        };
        for (stderr, expected) in [
            (format!("{several}instance \"m\" does not exist\n"), "not there"),
            (format!("{several}instance \"m\" is deleted\n"), "not there"),
            ("transfer failed: instance \"m\" is not running\n".to_owned(), "not running"),
            (
                "\"m\" is scheduled to shut down in less than a minute, use 'multipass stop --cancel m'\n".to_owned(),
                "not ready",
            ),
            ("exec failed: ssh connection failed: 'Connection refused'\n".to_owned(), "not ready"),
            ("info failed: cannot connect to the multipass socket\n".to_owned(), "unreachable"),
            ("info failed: multipass socket access denied\n".to_owned(), "unreachable"),
            ("The client is not authenticated with the Multipass service.\n".to_owned(), "unreachable"),
            (String::new(), "lost"),
        ] {
            assert_eq!(kind(&stderr), expected, "{stderr}");
        }
    }
}
