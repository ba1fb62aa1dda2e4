//! The daemon's part of a call: a process of its own that lives on when the client is killed, as `multipassd` does. The
//! client writes down what it wants, and reads what it is told from a file that grows.

use super::backend::Backend;
use super::setup::Setup;
use super::spinner::Spinner;
use super::{cloning, launch, lifecycle, mounts};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Names the file with the request, in the daemon's environment.
pub(crate) const SERVE: &str = "FAKE_MULTIPASS_SERVE";
/// The time between two looks at what the daemon says.
const LOOK: Duration = Duration::from_millis(10);

/// What a client wants.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Launch(launch::Wanted),
    Start { names: Vec<String>, timeout: u64 },
    Stop { names: Vec<String>, minutes: u64, cancel: bool, force: bool },
    Suspend { names: Vec<String> },
    Restart { names: Vec<String>, timeout: u64 },
    Delete { targets: Vec<String>, purge: bool },
    Recover { names: Vec<String> },
    Purge,
    Snapshot { name: String, snapshot: Option<String>, comment: String },
    Restore { name: String, snapshot: String, destructive: bool },
    Clone { name: String, to: Option<String> },
    Mount { source: PathBuf, targets: Vec<String>, native: bool },
    Umount { targets: Vec<String> },
}

/// What the daemon says.
#[derive(Debug, Serialize, Deserialize)]
enum Reply {
    Progress(String),
    Percent(String, u8),
    Done(String),
    Failed(Failure),
}

/// Why the daemon does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) details: Vec<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), details: Vec::new() }
    }

    /// The form of all failures of commands that take several names.
    pub(crate) fn several(details: impl IntoIterator<Item = String>) -> Self {
        Self { message: "The following errors occurred:".to_owned(), details: details.into_iter().collect() }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

/// The daemon, while it serves one request.
pub(crate) struct Daemon {
    pub(crate) setup: Setup,
    pub(crate) backend: Box<dyn Backend>,
    replies: File,
}

impl Daemon {
    fn say(&mut self, reply: &Reply) {
        let line = serde_json::to_string(reply).unwrap_or_default();
        // A client that is gone is told nothing.
        let _ = writeln!(self.replies, "{line}");
    }

    pub(crate) fn progress(&mut self, text: impl Into<String>) {
        self.say(&Reply::Progress(text.into()));
    }

    pub(crate) fn percent(&mut self, text: &str, percent: u8) {
        self.say(&Reply::Percent(text.to_owned(), percent));
    }

    /// Ends the call for the client, while there is still something to do.
    pub(crate) fn done(&mut self, text: &str) {
        self.say(&Reply::Done(text.to_owned()));
    }
}

/// Serves the request in that file.
pub(crate) fn serve(job: &Path) -> Result<(), String> {
    let text = fs::read_to_string(job).map_err(|error| error.to_string())?;
    let request: Request = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let replies = OpenOptions::new().append(true).create(true).open(replies(job)).map_err(|error| error.to_string())?;
    let setup = Setup::from_environment()?;
    let backend = setup.backend()?;
    let mut daemon = Daemon { setup, backend, replies };
    let result = match request {
        Request::Launch(wanted) => launch::perform(&mut daemon, &wanted),
        Request::Start { names, timeout } => lifecycle::start(&mut daemon, &names, timeout),
        Request::Stop { names, minutes, cancel, force } => lifecycle::stop(&mut daemon, &names, minutes, cancel, force),
        Request::Suspend { names } => lifecycle::suspend(&mut daemon, &names),
        Request::Restart { names, timeout } => lifecycle::restart(&mut daemon, &names, timeout),
        Request::Delete { targets, purge } => cloning::delete(&mut daemon, &targets, purge),
        Request::Recover { names } => lifecycle::recover(&mut daemon, &names),
        Request::Purge => cloning::purge(&mut daemon),
        Request::Snapshot { name, snapshot, comment } => {
            cloning::snapshot(&mut daemon, &name, snapshot.as_deref(), &comment)
        }
        Request::Restore { name, snapshot, destructive } => {
            cloning::restore(&mut daemon, &name, &snapshot, destructive)
        }
        Request::Clone { name, to } => cloning::copy(&mut daemon, &name, to.as_deref()),
        Request::Mount { source, targets, native } => mounts::mount(&mut daemon, &source, &targets, native),
        Request::Umount { targets } => mounts::umount(&mut daemon, &targets),
    };
    match result {
        Ok(text) => daemon.done(&text),
        Err(failure) => daemon.say(&Reply::Failed(failure)),
    }
    let _ = fs::remove_file(job);
    Ok(())
}

fn replies(job: &Path) -> PathBuf {
    job.with_extension("replies")
}

/// A timer of the client's own: when it runs out, the client gives up and the daemon goes on.
pub(crate) struct Timer {
    pub(crate) after: Duration,
    pub(crate) text: &'static str,
}

/// Has the daemon do something and waits for it. What it says at its end.
///
/// Errors: the exit code; what there is to say was said.
pub(crate) fn call(setup: &Setup, command: &str, request: &Request, timer: Option<&Timer>) -> Result<String, u8> {
    let broken = |error: String| {
        eprintln!("{command} failed: {error}");
        2
    };
    let job = submit(setup, request).map_err(broken)?;
    let (path, mut child) = job;
    let mut spinner = Spinner::default();
    let began = Instant::now();
    let mut seen = 0;
    loop {
        let has_ended = child.try_wait().ok().flatten().is_some();
        for line in news(&replies(&path), &mut seen) {
            match serde_json::from_str::<Reply>(&line) {
                Ok(Reply::Progress(text)) => spinner.start(&text),
                Ok(Reply::Percent(text, percent)) => spinner.percent(&text, percent),
                Ok(Reply::Done(text)) => {
                    spinner.stop();
                    let _ = fs::remove_file(replies(&path));
                    return Ok(text);
                }
                Ok(Reply::Failed(failure)) => {
                    spinner.stop();
                    let _ = fs::remove_file(replies(&path));
                    return Err(fail(command, &failure));
                }
                Err(error) => return Err(broken(error.to_string())),
            }
        }
        if has_ended {
            spinner.stop();
            return Err(broken("cannot connect to the multipass socket".to_owned()));
        }
        if let Some(timer) = timer.filter(|timer| began.elapsed() >= timer.after) {
            spinner.stop();
            eprintln!("{}", timer.text);
            return Err(5);
        }
        spinner.turn();
        std::thread::sleep(LOOK);
    }
}

/// Says why it failed, as every command does.
pub(crate) fn fail(command: &str, failure: &Failure) -> u8 {
    eprintln!("{command} failed: {}", failure.message);
    for detail in &failure.details {
        eprintln!("{detail}");
    }
    2
}

/// Starts the daemon's process for a request. It leads a group of its own, so that what ends the client's does not end it.
fn submit(setup: &Setup, request: &Request) -> Result<(PathBuf, std::process::Child), String> {
    let failed = |error: std::io::Error| error.to_string();
    let folder = setup.home.join("jobs");
    fs::create_dir_all(&folder).map_err(failed)?;
    let path = folder.join(format!("{}.json", std::process::id()));
    fs::write(&path, serde_json::to_string(request).map_err(|error| error.to_string())?).map_err(failed)?;
    let _ = fs::remove_file(replies(&path));
    File::create(replies(&path)).map_err(failed)?;
    let log = OpenOptions::new().append(true).create(true).open(setup.home.join("daemon.log")).map_err(failed)?;
    let own = std::env::current_exe().map_err(failed)?;
    let child = Command::new(own)
        .env(SERVE, &path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    Ok((path, child))
}

/// The whole lines that have come since.
fn news(path: &Path, seen: &mut u64) -> Vec<String> {
    let read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(*seen))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let text = read().unwrap_or_default();
    let whole = text.rfind('\n').map_or(0, |at| at + 1);
    *seen += whole as u64;
    text[..whole].lines().map(str::to_owned).collect()
}
