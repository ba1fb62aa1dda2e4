//! Whether cloud-init has done in a machine what it was told, whatever the machine runs on.
//!
//! It says *done* also where it threw all of it away, and its exit code says less still: so what counts are its own errors, its
//! warnings, and a marker that only the end of the user-data writes. While it works, the way into the machine may be lost, and the
//! machine may start anew: that is never taken for a failure.

mod status;

use super::{Failure, FailureKind, Notes};
use crate::model::guest::Marker;
use crate::reach::guest::{GuestError, Inside, Run};
use status::{Seen, Status, Wrong};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// The pause before it is asked again, when there was no answer.
const PAUSE: Duration = Duration::from_millis(500);
/// The time between two looks at what it says.
const TAIL: Duration = Duration::from_secs(1);
/// How long nothing may change in its logs. Large packages are unpacked without a word for a minute or two.
const STALL: Duration = Duration::from_secs(600);
/// How long a machine may be away: it may start anew.
const AWAY: Duration = Duration::from_secs(90);
/// How long it may seem to be disabled: it does before systemd's generator for it has run.
const DISABLED: Duration = Duration::from_secs(15);
/// The most lines that a failure shows of what commands said.
const LINES: usize = 60;

/// Sizes and times of all that grows while it works, and the last line of what its commands said.
const GROWTH: &str = "cd /var/log; stat -c '%n %s %Y' cloud-init.log cloud-init-output.log dpkg.log apt/term.log \
     /run/cloud-init/status.json /var/lib/dpkg/lock-frontend 2>/dev/null; printf '\\036'; tail -n 1 cloud-init-output.log 2>/dev/null";

/// What is judged at the end, divided by a control character.
const SEEN: &str = "d() { printf '\\036'; }; l=/var/log/cloud-init.log; cat -- \"$1\" 2>/dev/null; d; \
     cat /run/cloud-init/status.json 2>/dev/null; d; \
     grep -aE 'WARNING|ERROR|CRITICAL|Traceback' $l 2>/dev/null | tail -n 60; d; \
     if grep -aqs 'Invalid cloud-config provided' $l; then timeout 30 cloud-init schema --system 2>&1 | head -c 4000; fi; d; \
     tail -n 60 /var/log/cloud-init-output.log 2>/dev/null; true";

/// What is gathered of a machine whose initialisation failed: a name, and the command whose words these are.
const EVIDENCE: [(&str, &str); 7] = [
    ("cloud-init-status.json", "timeout 20 cloud-init status --format json 2>&1"),
    ("cloud-init-stages.json", "cat /run/cloud-init/status.json"),
    ("cloud-init-result.json", "cat /run/cloud-init/result.json"),
    ("cloud-init-output.log", "tail -c 200000 /var/log/cloud-init-output.log"),
    ("cloud-init-warnings.log", "grep -aE 'WARNING|ERROR|CRITICAL|Traceback' /var/log/cloud-init.log | tail -n 400"),
    ("cloud-init-user-data.txt", "head -c 200000 /var/lib/cloud/instance/user-data.txt"),
    ("cloud-init-units.txt", "systemctl --no-pager --failed; systemctl --no-pager status 'cloud-*' | head -n 100"),
];

/// Waits until cloud-init has finished, and judges what it did: its own status, its warnings, and the marker. Safe twice.
pub async fn wait(inside: &Inside, marker: &Marker, limit: Duration, notes: &Notes) -> Result<(), Failure> {
    // A little earlier than the step itself is given up, so that there is time to say why.
    let mut watch = Watch::new(inside, limit.saturating_sub(Duration::from_secs(10)).max(limit / 2), notes);
    let status = match watch.until_ended().await {
        Ok(status) => status,
        Err(End::Failed(failure)) => return Err(failure),
        Err(End::Silent(kind, why)) => return Err(explain(inside, kind, &why, None).await),
    };
    let seen = Run::new(["sh", "-c", SEEN, "sh", &marker.path.display().to_string()]);
    let seen = inside.check(seen).await.map_err(|error| broken(&error))?;
    match status::judge(&status, &Seen::parse(&seen), marker) {
        Ok(()) => Ok(()),
        Err(Wrong { cause, advice }) => Err(explain(inside, FailureKind::Failed, &cause, advice).await),
    }
}

/// What is known of how cloud-init did in a machine, by name, secrets masked: for whoever looks at a failed run later.
pub async fn gather(inside: &Inside) -> Vec<(String, String)> {
    let mut gathered = Vec::new();
    for (name, script) in EVIDENCE {
        let run = Run::new(["sh", "-c", script]).deadline(Duration::from_secs(30)).limit(1 << 20);
        let text = match inside.run(run).await {
            Ok(output) if output.stdout.is_empty() => output.stderr,
            Ok(output) => output.stdout,
            Err(error) => error.to_string(),
        };
        gathered.push((name.to_owned(), inside.masked(&text)));
    }
    gathered
}

/// Why it is not waited any longer.
enum End {
    /// There is nothing to wait for.
    Failed(Failure),
    /// It took too long.
    Silent(FailureKind, String),
}

/// The wait for the end.
struct Watch<'a> {
    inside: &'a Inside,
    notes: &'a Notes,
    until: Instant,
    limit: Duration,
    /// What grows, as it was seen last, and when it changed.
    growth: (String, Instant),
    /// The last line that was told.
    told: String,
}

impl<'a> Watch<'a> {
    fn new(inside: &'a Inside, limit: Duration, notes: &'a Notes) -> Self {
        let now = Instant::now();
        Self { inside, notes, until: now + limit, limit, growth: (String::new(), now), told: String::new() }
    }

    /// Asks until there is a final answer.
    async fn until_ended(&mut self) -> Result<Status, End> {
        let (mut away_since, mut disabled_since, mut last) = (None, None, String::new());
        loop {
            self.in_time(&last)?;
            let answer = self.ask().await?;
            match answer {
                Ok(Some(status)) => match status.status.as_str() {
                    "done" | "error" => return Ok(status),
                    "disabled" => {
                        let since = *disabled_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= DISABLED {
                            return Err(End::Failed(disabled(&status)));
                        }
                    }
                    other => (away_since, last) = (None, format!("cloud-init says `{other}`: {}", status.detail)),
                },
                // It was ended in its middle, as by a machine that starts anew: only an answer counts.
                Ok(None) => "cloud-init gave no answer".clone_into(&mut last),
                Err(error) if error.may_pass() => {
                    let since = *away_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= AWAY && matches!(error, GuestError::NotRunning(_)) {
                        let ended = format!("{error}, although cloud-init has not finished");
                        let failure = Failure::new(FailureKind::Failed, ended);
                        return Err(End::Failed(failure.advice("`reportctl up` starts it and goes on")));
                    }
                    last = error.to_string();
                    self.tell(&last.clone());
                }
                Err(error) => return Err(End::Failed(broken(&error))),
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks once, and tells meanwhile what it says. The inner result is none where there was no answer of cloud-init.
    async fn ask(&mut self) -> Result<Result<Option<Status>, GuestError>, End> {
        let rest = self.until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        let inside = self.inside;
        // sudo-less releases hide a part of the answer from ordinary users; in a machine we are root.
        let asked = inside.run(Run::new(["cloud-init", "status", "--wait", "--format", "json"]).deadline(rest));
        tokio::pin!(asked);
        loop {
            match timeout(TAIL, &mut asked).await {
                Ok(Ok(output)) if output.code == 127 => {
                    let failure = Failure::new(FailureKind::Precondition, "the machine's image has no cloud-init");
                    let failure = failure.advice("choose an image with cloud-init in it: of LXD's, a variant `/cloud`");
                    return Err(End::Failed(failure));
                }
                Ok(Ok(output)) => return Ok(Ok(Status::parse(&output.stdout))),
                Ok(Err(GuestError::Deadline { .. })) => return Ok(Ok(None)),
                Ok(Err(error)) => return Ok(Err(error)),
                Err(_) => self.look().await?,
            }
        }
    }

    /// Looks at what grows.
    async fn look(&mut self) -> Result<(), End> {
        let run = Run::new(["sh", "-c", GROWTH]).deadline(Duration::from_secs(10));
        if let Ok(output) = self.inside.run(run).await {
            let (growth, line) = output.stdout.split_once(Seen::DIVIDER).unwrap_or_default();
            if self.growth.0 != growth {
                self.growth = (growth.to_owned(), Instant::now());
            }
            let line = line.trim();
            if !line.is_empty() {
                self.tell(line);
            }
        }
        self.in_time("")
    }

    /// Tells something, once.
    fn tell(&mut self, line: &str) {
        // Long lines and control characters would break the display.
        let line: String = line.chars().filter(|c| !c.is_control()).take(160).collect();
        if self.told != line {
            self.notes.say(self.inside.masked(&line));
            self.told = line;
        }
    }

    fn in_time(&self, last: &str) -> Result<(), End> {
        let last = if last.is_empty() { String::new() } else { format!("; {last}") };
        if Instant::now() >= self.until {
            let limit = humantime::format_duration(Duration::from_secs(self.limit.as_secs()));
            return Err(End::Silent(FailureKind::Timeout, format!("cloud-init has not finished within {limit}{last}")));
        }
        if self.growth.1.elapsed() >= STALL {
            let stall = humantime::format_duration(STALL);
            let why = format!("cloud-init has not finished, and nothing has changed in its logs for {stall}{last}");
            return Err(End::Silent(FailureKind::Stall, why));
        }
        Ok(())
    }
}

fn disabled(status: &Status) -> Failure {
    let cause = format!("cloud-init is disabled in the machine: {}", status.detail);
    let advice = "it found no data to work on, or its image switches it off: choose another image, and let the machine be made anew \
                  with `reportctl down` and `reportctl up`";
    Failure::new(FailureKind::Failed, cause).expected("cloud-init works through the user-data").advice(advice)
}

fn broken(error: &GuestError) -> Failure {
    let kind = match error {
        GuestError::Exec(error) if error.is_not_found() => FailureKind::ForeignTool,
        _ => FailureKind::Failed,
    };
    Failure::new(kind, error.to_string()).advice("`reportctl status` shows what is there; `reportctl up` goes on")
}

/// What a person needs to know of an initialisation that failed.
async fn explain(inside: &Inside, kind: FailureKind, cause: &str, advice: Option<String>) -> Failure {
    let run = Run::new(["sh", "-c", SEEN, "sh", "/nonexistent"]).deadline(Duration::from_secs(40));
    let seen = inside.check(run).await.map(|text| Seen::parse(&text)).unwrap_or_default();
    let result = inside.check(Run::new(["cat", "/run/cloud-init/result.json"])).await.unwrap_or_default();
    let mut observed = String::new();
    for (title, text) in [
        ("the end of /var/log/cloud-init-output.log", seen.output),
        ("warnings and errors in /var/log/cloud-init.log", seen.warnings),
        ("/run/cloud-init/result.json", result),
    ] {
        if !text.trim().is_empty() {
            let lines: Vec<&str> = text.trim().lines().collect();
            let lines = lines[lines.len().saturating_sub(LINES)..].join("\n");
            observed.push_str(&format!("{title}:\n{lines}\n"));
        }
    }
    let look = "`reportctl shell` looks into the machine; `reportctl down` removes it";
    let advice = advice.map_or_else(|| look.to_owned(), |advice| format!("{advice}; {look}"));
    let failure = Failure::new(kind, inside.masked(cause)).advice(advice);
    let failure = failure.expected("cloud-init finishes without an error, and has done all that its user-data says");
    if observed.is_empty() { failure } else { failure.observed(inside.masked(observed.trim_end())) }
}
