//! The one way to LXD: its client `lxc`, as a list of arguments, with standard input closed or fed.
//!
//! The remote `local` and the project `default` are always named: a person may have switched to others.

use crate::context::Context;
use crate::exec::{self, Command, ExecError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// How long a question may take. A daemon that was just woken by its socket needs some seconds.
const QUESTION: Duration = Duration::from_secs(30);
/// The longest command line that is used for data: the kernel takes 128 KiB (execve(2)).
const LONGEST: usize = 100 << 10;

/// The way to LXD. Cheap to clone.
#[derive(Clone)]
pub struct Lxc {
    context: Context,
}

/// Why LXD gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LxcError {
    /// LXD said so.
    #[error("{said}")]
    Said {
        /// Its words, without `Error: `.
        said: String,
        /// What was run.
        command: String,
    },
    /// It could not be asked.
    #[error(transparent)]
    Exec(ExecError),
    /// Its answer is not understood.
    #[error("the answer of LXD to {path} is not understood: {reason}")]
    Answer {
        /// What was asked.
        path: String,
        /// Why not.
        reason: String,
    },
}

/// What the words of an error come to, where that decides something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// There is no such thing.
    NotFound,
    /// There is one already.
    Exists,
    /// LXD is doing something else to it.
    Busy,
    /// No daemon runs.
    NotRunning,
    /// This user may not speak to it.
    Denied,
    /// Something else.
    Other,
}

impl LxcError {
    /// What was said, or why nothing was.
    pub fn said(&self) -> &str {
        match self {
            Self::Said { said, .. } => said,
            Self::Exec(error) => error.tail(),
            Self::Answer { reason, .. } => reason,
        }
    }

    /// What it comes to.
    pub fn sort(&self) -> Sort {
        match self {
            Self::Said { said, .. } => sort(said),
            Self::Exec(_) | Self::Answer { .. } => Sort::Other,
        }
    }
}

/// What the words of an error come to. They differ between the versions of LXD, the core of them does not.
fn sort(said: &str) -> Sort {
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if has(&["dial unix", "unix socket"]) {
        if has(&["permission denied"]) {
            return Sort::Denied;
        }
        if has(&["no such file or directory", "connection refused"]) {
            return Sort::NotRunning;
        }
    }
    if has(&["Instance is busy", "is busy running"]) {
        Sort::Busy
    } else if has(&["already exists"]) {
        Sort::Exists
    } else if has(&["not found", "Not Found", "doesn't exist", "does not exist"]) {
        Sort::NotFound
    } else {
        Sort::Other
    }
}

impl Lxc {
    /// LXD as this context finds it.
    pub fn new(context: &Context) -> Self {
        Self { context: context.clone() }
    }

    /// Asks, and reads the answer.
    ///
    /// Errors: no answer, or one that is not understood.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LxcError> {
        let command = Command::reads(&self.context, ["lxc", "query", &format!("local:{path}")]).deadline(QUESTION);
        let text = self.run(command).await?;
        serde_json::from_str(&text)
            .map_err(|error| LxcError::Answer { path: path.to_owned(), reason: error.to_string() })
    }

    /// The same, with none where there is no such thing.
    ///
    /// Errors: as [`get`](Self::get).
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, LxcError> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.sort() == Sort::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has LXD do something, and waits until that is done.
    ///
    /// Errors: it was not done, or nobody can say so within `deadline`.
    pub async fn send(&self, method: &str, path: &str, data: &Value, deadline: Duration) -> Result<(), LxcError> {
        let mut argv = ["lxc", "query", "--wait", "-X", method].map(str::to_owned).to_vec();
        if !data.is_null() {
            let text = data.to_string();
            if text.len() > LONGEST {
                let reason = format!("{} bytes are too many to be sent", text.len());
                return Err(LxcError::Answer { path: path.to_owned(), reason });
            }
            argv.extend(["-d".to_owned(), text]);
        }
        argv.push(format!("local:{path}"));
        self.run(Command::changes(&self.context, argv).deadline(deadline)).await.map(drop)
    }

    /// Runs a verb of `lxc` in the project `default`, without its progress, fed with `stdin`.
    ///
    /// Errors: it failed, or did not end within `deadline`.
    pub async fn verb(&self, words: &[&str], stdin: Option<String>, deadline: Duration) -> Result<String, LxcError> {
        let argv = ["lxc"].into_iter().chain(words.iter().copied()).chain(["--quiet", "--project", "default"]);
        let command = Command::changes(&self.context, argv).deadline(deadline);
        self.run(match stdin {
            Some(text) => command.stdin(text),
            None => command,
        })
        .await
    }

    /// Asks a verb that only reads.
    ///
    /// Errors: as [`verb`](Self::verb).
    pub async fn ask(&self, words: &[&str], deadline: Duration) -> Result<String, LxcError> {
        let argv = ["lxc"].into_iter().chain(words.iter().copied());
        self.run(Command::reads(&self.context, argv).deadline(deadline)).await
    }

    async fn run(&self, command: Command) -> Result<String, LxcError> {
        let shown = command.to_string();
        match exec::start(command).await {
            Ok(output) => Ok(output.stdout),
            Err(ExecError::Exit { tail, .. }) if tail.contains("Error: ") => {
                // Before it may stand a hint for those who use LXD for the first time.
                let said = tail.split_once("Error: ").map_or(tail.as_str(), |(_, said)| said).trim().to_owned();
                Err(LxcError::Said { said, command: shown })
            }
            Err(error) => Err(LxcError::Exec(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_each_version_come_to_the_same() {
        let cases = [
            ("Instance not found", Sort::NotFound),
            ("Image alias not found", Sort::NotFound),
            ("Requested profile \"nope\" doesn't exist", Sort::NotFound),
            (
                "Failed creating instance record: Add instance info to the database: This \"instances\" entry already exists",
                Sort::Exists,
            ),
            ("Instance \"w1\" already exists", Sort::Exists),
            ("The network already exists", Sort::Exists),
            ("Failed to create instance start operation: Instance is busy running a \"create\" operation", Sort::Busy),
            (
                "Get \"http://unix.socket/1.0\": dial unix /var/lib/lxd/unix.socket: connect: no such file or directory",
                Sort::NotRunning,
            ),
            (
                "Get \"http://unix.socket/1.0\": dial unix /var/lib/lxd/unix.socket: connect: connection refused",
                Sort::NotRunning,
            ),
            (
                "LXD unix socket \"/var/snap/lxd/common/lxd/unix.socket\" not accessible: Get \"http://unix.socket/1.0\": \
                 dial unix /var/snap/lxd/common/lxd/unix.socket: connect: permission denied",
                Sort::Denied,
            ),
            ("open x.yaml: no such file or directory", Sort::Other),
            ("Invalid value: banana", Sort::Other),
        ];
        for (said, expected) in cases {
            assert_eq!(sort(said), expected, "{said}");
        }
    }
}
