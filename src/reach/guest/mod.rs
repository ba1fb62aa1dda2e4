//! The way into a machine: commands, files, a terminal. What is run there is a list of arguments, as on this host.
//!
//! A command ends in its exit code, or it is not known how it ended, and these two are never taken for each other: what
//! stands between us and the command has exit codes of its own (1, 2, 5, 127 and 255 among them), so that the machine
//! itself tells the command's. It also ends the command in time, because it runs on there when the way in is lost.

mod archive;
mod error;
mod lxd;
mod multipass;
mod script;

pub use error::GuestError;

use crate::context::Context;
use crate::exec::{self, Bytes, Command, ExecError, Output};
use crate::model::argv;
use crate::model::guest::Guest;
use crate::model::secret::Secrets;
use script::Ended;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the machine waits between asking a command to end and killing it.
const GRACE: Duration = Duration::from_secs(5);
/// How much longer we wait than the machine lets a command run: the time of the way there and back.
const WAY: Duration = Duration::from_secs(15);
/// The most bytes of standard output unless a command says otherwise.
const LIMIT: usize = 16 << 20;
/// The most bytes that [`Inside::get`] brings.
const FILES: usize = 64 << 20;

/// The way into one machine. Cheap to clone.
#[derive(Clone)]
pub struct Inside {
    context: Context,
    guest: Guest,
    mask: Secrets,
}

/// A command that is to be run in a machine, as root, in the folder `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The program and its arguments. They must not hold a secret: whoever is in the machine can see them.
    pub argv: Vec<String>,
    /// What it reads; nothing without it. May be secret.
    pub stdin: Option<Vec<u8>>,
    /// The longest that it may take. The machine itself ends it then, so that it ends also where the way in is lost.
    pub deadline: Duration,
    /// The most bytes of its standard output; more is an error.
    pub limit: usize,
}

/// What a command in the foreground reads. What it writes and complains of goes to our own standard output and error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// A terminal of its own, which is ours. Multipass gives it one where our standard input is one.
    Terminal,
    /// Our standard input.
    Input,
    /// Nothing.
    Nothing,
}

/// A file that is put into a machine, with the folders above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where: a whole path.
    pub path: PathBuf,
    /// What it holds. May be secret.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// The user, and the group of the same name, that it belongs to.
    pub owner: String,
}

/// A file that was read from a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Where.
    pub path: PathBuf,
    /// What it holds. May be secret.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

impl Run {
    /// A command that reads nothing and takes a minute at most.
    pub fn new<T: Into<String>>(argv: impl IntoIterator<Item = T>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            stdin: None,
            deadline: Duration::from_secs(60),
            limit: LIMIT,
        }
    }

    /// Feeds it this.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Sets the longest that it may take.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the most bytes of standard output.
    #[must_use]
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }
}

impl Inside {
    /// The way into `guest`.
    pub fn new(context: &Context, guest: &Guest) -> Self {
        Self { context: context.clone(), guest: guest.clone(), mask: Secrets::default() }
    }

    /// Masks these secrets in all that is told.
    #[must_use]
    pub fn mask(mut self, secrets: &Secrets) -> Self {
        self.mask = secrets.clone();
        self
    }

    /// A text without the values of the secrets that this way masks.
    pub fn masked(&self, text: &str) -> String {
        self.mask.mask(text)
    }

    /// The machine.
    pub const fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Runs a command to its end. Its exit code is in the output, whatever it is: 127 where there is no such program.
    ///
    /// A process that it leaves behind must not hold its standard output, or it is waited for.
    ///
    /// Errors: it could not be run, took too long, or nobody can say how it ended.
    pub async fn run(&self, run: Run) -> Result<Output, GuestError> {
        self.run_bytes(run).await.map(Output::from)
    }

    /// As [`Inside::run`], for a command whose standard output is not text.
    ///
    /// Errors: as [`Inside::run`].
    pub async fn run_bytes(&self, run: Run) -> Result<Bytes, GuestError> {
        let nonce = self.nonce()?;
        match &self.guest {
            Guest::Lxd(name) => lxd::run(self, name, run, &nonce).await,
            Guest::Multipass(name) => multipass::run(self, name, run, &nonce).await,
        }
    }

    /// Runs a command that must end with exit code 0; returns what it wrote.
    ///
    /// Errors: as [`Inside::run`], and another exit code.
    pub async fn check(&self, run: Run) -> Result<String, GuestError> {
        let command = self.shown(&run.argv);
        let output = self.run(run).await?;
        if output.code == 0 {
            return Ok(output.stdout);
        }
        let Output { code, stdout, stderr } = output;
        let tail = self.mask.mask(&exec::last_lines(if stderr.trim().is_empty() { &stdout } else { &stderr }));
        Err(GuestError::Exit { guest: self.guest.clone(), command, code, tail })
    }

    /// Puts files into the machine, and makes the folders above them that are not there (mode 0755, root's). Each file is there
    /// as a whole or not at all, and nobody but root can read it before it has its own mode and owner. One that cannot be put
    /// leaves all of them as they were.
    ///
    /// Errors: as [`Inside::check`]; an owner who is not known there is one.
    pub async fn put(&self, files: Vec<Put>) -> Result<(), GuestError> {
        if files.is_empty() {
            return Ok(());
        }
        let packed = archive::pack(&files).map_err(|(path, reason)| self.file(path, reason))?;
        let longest = Duration::from_secs(60) + Duration::from_millis(u64::try_from(packed.len() >> 10).unwrap_or(0));
        // Small files, and secrets are small, never get onto a disk but in their place; large ones would fill the memory.
        let stage = if packed.len() > 8 << 20 { "/var/tmp" } else { "/run" };
        let unpack = Run::new(["sh", "-c", archive::UNPACK, "sh", stage]).stdin(packed).deadline(longest);
        self.check(unpack).await.map(|_| ()).map_err(|error| match error {
            GuestError::Exit { guest, code, tail, .. } => {
                let first = files.first().map(|file| file.path.display().to_string()).unwrap_or_default();
                let command = format!("put {} files, {first} first", files.len());
                GuestError::Exit { guest, command, code, tail }
            }
            other => other,
        })
    }

    /// Removes a file at once, holding up whoever asks, and says nothing of how it went: for what must be taken away when nobody can
    /// wait any more.
    pub fn remove_now(&self, path: &std::path::Path) {
        let words = match &self.guest {
            Guest::Lxd(name) => vec!["lxc", "exec", "-nT", name, "--"],
            Guest::Multipass(name) => vec!["multipass", "exec", "-n", name, "--", "sudo", "-n"],
        };
        let path = path.display().to_string();
        let argv = words.into_iter().chain(["rm", "-f", "--", &path]);
        let removed = exec::run(&Command::changes(&self.context, argv).deadline(Duration::from_secs(15)));
        if let Err(error) = removed {
            tracing::debug!(%error, "left behind in the machine");
        }
    }

    /// Every plain file in these folders, however deep, in the order of their paths. A folder that is not there holds none.
    ///
    /// Errors: as [`Inside::check`], or they hold more than 64 MiB.
    pub async fn get(&self, folders: &[PathBuf]) -> Result<Vec<Got>, GuestError> {
        let mut argv: Vec<String> = ["sh", "-c", archive::PACK, "sh"].map(str::to_owned).to_vec();
        for folder in folders {
            let text = folder.to_str().filter(|text| text.starts_with('/'));
            argv.push(text.ok_or_else(|| self.file(folder.clone(), "no whole path in UTF-8".to_owned()))?.to_owned());
        }
        let command = self.shown(&argv);
        let packed = self.run_bytes(Run::new(argv).limit(FILES).deadline(Duration::from_secs(120))).await?;
        if packed.code != 0 {
            let (guest, tail) = (self.guest.clone(), exec::last_lines(&packed.stderr));
            return Err(GuestError::Exit { guest, command, code: packed.code, tail });
        }
        archive::unpack(&packed.stdout).map_err(|reason| self.file(PathBuf::from("/"), reason))
    }

    /// Runs a command in the foreground, as if the person sat at the machine. Returns its exit code, or that of whoever leads into the
    /// machine: 1 from LXD where the instance went away.
    ///
    /// `user` is a user of the machine; without one it is root.
    ///
    /// Errors: the machine is not there or does not run, or nobody leads into it.
    pub async fn interactive(&self, argv: &[String], user: Option<&str>, reads: Reads) -> Result<i32, GuestError> {
        // Only before it begins we can tell in our own words what is wrong.
        self.check(Run::new(["true"]).deadline(Duration::from_secs(20))).await?;
        let argv = script::as_user(argv, user);
        let words = match &self.guest {
            Guest::Lxd(name) => lxd::foreground(name, reads),
            Guest::Multipass(name) => multipass::foreground(name),
        };
        let mut command = Command::changes(&self.context, words.into_iter().chain(argv)).accept_any().mask(&self.mask);
        if reads == Reads::Nothing {
            command = command.stdin(Vec::new());
        }
        let ended = tokio::task::spawn_blocking(move || exec::run_interactive(&command)).await;
        match ended {
            Ok(ended) => Ok(ended?),
            Err(error) => Err(self.lost("the command", &error.to_string())),
        }
    }

    fn nonce(&self) -> Result<String, GuestError> {
        let random = self.context.random_lower(12).map_err(|why| self.lost("a random mark", &why))?;
        Ok(format!("reportctl-{random}"))
    }

    /// A command line as it can be shown.
    fn shown(&self, argv: &[String]) -> String {
        // A script of ours is many lines, and says less than its arguments.
        let words = argv.iter().map(|word| if word.contains('\n') { "…" } else { word.as_str() });
        self.mask.mask(&argv::join(words))
    }

    fn lost(&self, command: &str, reason: &str) -> GuestError {
        GuestError::Lost { guest: self.guest.clone(), command: command.to_owned(), reason: self.mask.mask(reason) }
    }

    fn file(&self, path: PathBuf, reason: String) -> GuestError {
        GuestError::File { guest: self.guest.clone(), path, reason }
    }

    /// Runs what leads into the machine; the remote part of the way lasts for `longest` at most.
    async fn lead(
        &self,
        argv: Vec<String>,
        stdin: Option<Vec<u8>>,
        longest: Duration,
        limit: usize,
    ) -> Result<Bytes, ExecError> {
        let mut command = Command::changes(&self.context, argv);
        command = command.deadline(longest).limit(limit).accept_any().mask(&self.mask);
        if let Some(bytes) = stdin {
            command = command.stdin(bytes);
        }
        exec::start_bytes(command).await
    }

    /// What it means that whoever leads into the machine could not be followed to its end.
    fn broken(&self, command: &str, error: ExecError) -> GuestError {
        match error {
            ExecError::Exit { status, tail, .. } => {
                self.lost(command, format!("what leads there {status}; {tail}").trim_end_matches("; "))
            }
            ExecError::Deadline { after, tail, .. } => {
                let after = humantime::format_duration(after);
                self.lost(command, format!("no answer within {after}; {tail}").trim_end_matches("; "))
            }
            // It is not installed, said too much, or was ended with us.
            error => GuestError::Exec(error),
        }
    }

    /// What the end of a command comes to, of which the machine itself told `ended`.
    fn judge(&self, run: &Judged<'_>, ended: Ended, stdout: Vec<u8>) -> Result<Bytes, GuestError> {
        let Ended { code, more: _, stderr } = ended;
        // timeout(1): 124 when the command ended at the request, 137 when it had to be killed.
        if matches!(code, 124 | 137) && run.begun.elapsed() >= run.deadline {
            let tail = self.mask.mask(&exec::last_lines(&stderr));
            let (guest, command, after) = (self.guest.clone(), run.command.to_owned(), run.deadline);
            return Err(GuestError::Deadline { guest, command, after, tail });
        }
        Ok(Bytes { code, stdout, stderr })
    }
}

/// A command whose end is judged.
struct Judged<'a> {
    command: &'a str,
    begun: Instant,
    deadline: Duration,
}
