//! Calls of `multipass`, each with its own clock.

use super::words::{self, Info, Trouble};
use crate::context::Context;
use crate::exec::{self, Command, ExecError};
use crate::model::inventory::Observed;
use crate::model::multipass::Refusal;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a question may take. One about a machine that does not answer may take that long.
pub const ASK: Duration = Duration::from_secs(30);
/// How long a daemon may be away: its package is replaced by a newer one by itself, and it starts anew then.
const AWAY: Duration = Duration::from_secs(30);
/// The time between two tries.
const AGAIN: Duration = Duration::from_millis(500);

/// What `multipass` said at its end, whatever its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The exit code, which does not tell much: 2 stands for nearly everything.
    pub code: i32,
    /// Standard output, without its progress display.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

impl Said {
    /// What its error is about, if its words are known.
    pub fn trouble(&self) -> Option<Trouble> {
        words::trouble(&self.stderr)
    }

    /// Its error in its own words.
    pub fn words(&self) -> String {
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        match said.trim() {
            "" => format!("`multipass` ended with exit code {} and without a word", self.code),
            text => exec::last_lines(text),
        }
    }

    fn is_down(&self) -> bool {
        self.code != 0 && self.trouble() == Some(Trouble::Refused(Refusal::Down))
    }
}

/// Runs `multipass` to its end. What it reads is `stdin`, or nothing: it never waits for a person.
///
/// Errors: it is not there, or took too long and was ended; its daemon goes on then.
pub async fn call<T: AsRef<str>>(
    context: &Context,
    argv: &[T],
    stdin: Option<&str>,
    deadline: Duration,
) -> Result<Said, ExecError> {
    let all: Vec<i32> = (0..=255).collect();
    let argv = argv.iter().map(|word| word.as_ref().to_owned());
    // Its working folder decides nothing: it must only be one that the snap can enter.
    let mut command = Command::changes(context, argv).deadline(deadline).accept(&all).cwd("/");
    if let Some(text) = stdin {
        command = command.stdin(text);
    }
    let output = exec::start(command).await?;
    let (stdout, stderr) = (words::plain(&output.stdout), words::plain(&output.stderr));
    Ok(Said { code: output.code, stdout, stderr })
}

/// The same, again and again while the daemon is away, for at most half a minute.
///
/// Errors: as [`call`].
pub async fn patient<T: AsRef<str>>(
    context: &Context,
    argv: &[T],
    stdin: Option<&str>,
    deadline: Duration,
) -> Result<Said, ExecError> {
    let until = Instant::now() + AWAY;
    loop {
        let said = call(context, argv, stdin, deadline).await?;
        if !said.is_down() || Instant::now() >= until {
            return Ok(said);
        }
        sleep(AGAIN).await;
    }
}

/// Why nothing is known of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// In Multipass's words.
    pub reason: String,
    /// What is refused, where the daemon refuses all.
    pub refusal: Option<Refusal>,
}

/// What is known of one instance. `list` is never asked: one machine that does not answer breaks it for all.
pub async fn info(context: &Context, name: &str) -> Result<Observed<Info>, Silence> {
    let whole = ["multipass", "info", name, "--format", "json"];
    let brief = ["multipass", "info", name, "--format", "json", "--no-runtime-information"];
    let mut last = String::new();
    for argv in [&whole[..], &brief[..]] {
        match patient(context, argv, None, ASK).await {
            Ok(said) if said.code == 0 => {
                return words::info(&said.stdout, name)
                    .map(Observed::Present)
                    .map_err(|reason| Silence { reason, refusal: None });
            }
            Ok(said) => match said.trouble() {
                Some(Trouble::Missing) => return Ok(Observed::Absent),
                Some(Trouble::Refused(refusal)) => {
                    return Err(Silence { reason: said.words(), refusal: Some(refusal) });
                }
                // It may be this machine that does not answer: without it, Multipass still knows what it does.
                _ => last = said.words(),
            },
            Err(error @ ExecError::Deadline { .. }) => last = error.to_string(),
            Err(error) => return Err(Silence { reason: error.to_string(), refusal: None }),
        }
    }
    Err(Silence { reason: last, refusal: None })
}

/// Whether an instance of that name is being made at this moment: it is not shown then. Only a launch can tell; this one
/// names a remote that cannot be, so that nothing comes of it.
pub async fn is_being_made(context: &Context, name: &str) -> bool {
    let argv = ["multipass", "launch", "--name", name, "reportctl-asks:nothing"];
    let said = call(context, &argv, None, ASK).await;
    said.is_ok_and(|said| said.trouble() == Some(Trouble::Preparing))
}
