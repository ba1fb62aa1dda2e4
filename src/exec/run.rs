//! Runs a command to its end.

use super::groups::{self, Ticket};
use super::process::{Watch, child_has_ended, signal_group};
use super::{Bytes, Command, ExecError, Output, STDERR_LIMIT, last_lines};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The time between the request to end and the kill, once a command is over its deadline.
const GRACE: Duration = Duration::from_secs(2);
/// How long we listen on after a command has ended, to a process that it left and that holds its output.
const LINGER: Duration = Duration::from_millis(500);
/// The time between two looks where the kernel cannot tell us by itself (before Linux 5.3).
const LOOK: Duration = Duration::from_millis(20);

/// In place of the leader's number: it has not been started, or has ended.
const NOT_STARTED: u32 = 0;
/// In place of the leader's number: nobody waits for it any more.
const CANCELLED: u32 = u32::MAX;

/// Runs a command and waits until it has ended.
///
/// Errors: it is not there, does not start, ends in another way than it should, takes too long, or says too much.
pub fn run(command: &Command) -> Result<Output, ExecError> {
    run_with(command, &AtomicU32::new(NOT_STARTED)).map(Output::from)
}

/// Runs a command without holding up other tasks. A task that is dropped while it waits kills the command's group.
///
/// Errors: as [`run`].
pub async fn start(command: Command) -> Result<Output, ExecError> {
    start_bytes(command).await.map(Output::from)
}

/// As [`start`], for a command whose standard output is not text.
///
/// Errors: as [`run`].
pub async fn start_bytes(command: Command) -> Result<Bytes, ExecError> {
    struct KillOnDrop(Arc<AtomicU32>);
    impl Drop for KillOnDrop {
        fn drop(&mut self) {
            match self.0.swap(CANCELLED, Ordering::SeqCst) {
                NOT_STARTED | CANCELLED => {}
                leader => groups::kill_one(leader),
            }
        }
    }
    let leader = Arc::new(AtomicU32::new(NOT_STARTED));
    let guard = KillOnDrop(Arc::clone(&leader));
    let shown = command.to_string();
    let outcome = tokio::task::spawn_blocking(move || run_with(&command, &leader)).await;
    drop(guard);
    outcome.unwrap_or_else(|error| Err(ExecError::Lost { command: shown, source: io::Error::other(error) }))
}

/// Runs a command in the foreground of our own terminal, so that it can ask for a password. Nothing is captured, it may
/// take as long as it likes, and reads what we would where it is not fed. Returns its exit code.
///
/// Errors: it is not there, does not start, or ends in another way than it should.
pub fn run_interactive(command: &Command) -> Result<i32, ExecError> {
    let shown = command.to_string();
    tracing::debug!(command = %shown, "run in the foreground");
    let expression = match &command.stdin {
        Some(bytes) => expression(command)?.stdin_bytes(bytes.clone()),
        None => expression(command)?,
    };
    let output = expression.unchecked().run().map_err(|source| ExecError::Start { command: shown, source })?;
    judge(command, output.status, Vec::new(), String::new()).map(|ended| ended.code)
}

fn expression(command: &Command) -> Result<duct::Expression, ExecError> {
    let (program, arguments) = command.resolve()?;
    let expression = duct::cmd(program, arguments).full_env(&command.env);
    Ok(match &command.cwd {
        Some(folder) => expression.dir(folder),
        None => expression,
    })
}

fn run_with(command: &Command, leader: &AtomicU32) -> Result<Bytes, ExecError> {
    let lost = |source| ExecError::Lost { command: command.to_string(), source };
    if leader.load(Ordering::SeqCst) == CANCELLED {
        return Err(ExecError::Interrupted { command: command.to_string() });
    }
    tracing::debug!(command = %command, "run");
    let (out, out_writer) = io::pipe().map_err(lost)?;
    let (err, err_writer) = io::pipe().map_err(lost)?;
    let mut expression = expression(command)?
        .unchecked()
        .stdout_file(OwnedFd::from(out_writer))
        .stderr_file(OwnedFd::from(err_writer))
        .before_spawn(|command| {
            std::os::unix::process::CommandExt::process_group(command, 0);
            Ok(())
        });
    let input = match &command.stdin {
        Some(bytes) => {
            let (reader, writer) = io::pipe().map_err(lost)?;
            expression = expression.stdin_file(OwnedFd::from(reader));
            Some((writer, bytes.as_slice()))
        }
        None => {
            expression = expression.stdin_null();
            None
        }
    };
    let handle = expression.start().map_err(|source| ExecError::Start { command: command.to_string(), source })?;
    // The expression holds the writing ends: they must be closed here, or the reading ends never see an end.
    drop(expression);
    let pid = handle.pids().first().copied().unwrap_or_default();
    let ticket = Ticket::new(pid);
    if leader.compare_exchange(NOT_STARTED, pid, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        groups::kill_one(pid);
    }
    let mut follow = Follow {
        command,
        pid,
        watch: Watch::of_pid(pid).ok().flatten(),
        out: Some(Capture::new(out, command.limit, Keep::Start)),
        err: Some(Capture::new(err, STDERR_LIMIT, Keep::End)),
        input,
        over: false,
        survives: false,
    };
    follow.prepare().map_err(lost)?;
    let followed = follow.until_end();
    let (over, survives) = (follow.over, follow.survives);
    let (out, err) = (follow.out.take(), follow.err.take());
    let interrupted = ticket.was_ended();
    let _ = leader.compare_exchange(pid, NOT_STARTED, Ordering::SeqCst, Ordering::SeqCst);
    drop(ticket);
    let stdout = out.as_ref().map(Capture::kept).unwrap_or_default().to_vec();
    let stderr = err.as_ref().map(Capture::kept).unwrap_or_default();
    let stderr = command.mask.mask(&String::from_utf8_lossy(stderr));
    if over {
        if !survives {
            handle.wait().map_err(lost)?;
        }
        let tail = command.mask.mask(&tail(&stdout, &stderr));
        return Err(ExecError::Deadline { command: command.to_string(), after: command.deadline, survives, tail });
    }
    followed.map_err(lost)?;
    let status = handle.wait().map_err(lost)?.status;
    if interrupted {
        return Err(ExecError::Interrupted { command: command.to_string() });
    }
    if out.is_some_and(|out| out.over) {
        return Err(ExecError::TooMuch { command: command.to_string(), limit: command.limit });
    }
    judge(command, status, stdout, stderr)
}

/// The end of what a command said: on standard error, else on standard output.
fn tail(stdout: &[u8], stderr: &str) -> String {
    if stderr.trim().is_empty() { last_lines(&String::from_utf8_lossy(stdout)) } else { last_lines(stderr) }
}

fn judge(
    command: &Command,
    status: std::process::ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
) -> Result<Bytes, ExecError> {
    match status.code() {
        Some(code) if command.accept.contains(&code) => Ok(Bytes { code, stdout, stderr }),
        code => Err(ExecError::Exit {
            command: command.to_string(),
            code,
            status: super::process::ended_how(status),
            tail: command.mask.mask(&tail(&stdout, &stderr)),
        }),
    }
}

/// Which part of too long an output is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Start,
    End,
}

/// One stream of a running command, read as far as it goes.
struct Capture {
    reader: Option<PipeReader>,
    bytes: Vec<u8>,
    limit: usize,
    keep: Keep,
    over: bool,
}

impl Capture {
    const fn new(reader: PipeReader, limit: usize, keep: Keep) -> Self {
        Self { reader: Some(reader), bytes: Vec::new(), limit, keep, over: false }
    }

    /// What is kept of what was read.
    fn kept(&self) -> &[u8] {
        let from = match self.keep {
            Keep::Start => 0,
            Keep::End => self.bytes.len().saturating_sub(self.limit),
        };
        &self.bytes[from..]
    }

    /// Reads what is there now.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        while let Some(reader) = &mut self.reader {
            match reader.read(&mut buffer) {
                Ok(0) => self.reader = None,
                Ok(count) => self.take(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        match self.keep {
            Keep::Start => {
                let room = self.limit - self.bytes.len();
                self.over |= bytes.len() > room;
                self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Keep::End => {
                self.bytes.extend_from_slice(bytes);
                // Cut rarely, so that a long output costs no more than its length.
                if self.bytes.len() > 2 * self.limit {
                    self.bytes.drain(..self.bytes.len() - self.limit);
                }
            }
        }
    }
}

/// A running command.
struct Follow<'a> {
    command: &'a Command,
    pid: u32,
    watch: Option<Watch>,
    out: Option<Capture>,
    err: Option<Capture>,
    input: Option<(PipeWriter, &'a [u8])>,
    over: bool,
    survives: bool,
}

impl Follow<'_> {
    /// Makes every pipe one that never holds us up.
    fn prepare(&self) -> io::Result<()> {
        let readers = [&self.out, &self.err].into_iter().flatten().filter_map(|capture| capture.reader.as_ref());
        let fds = readers.map(AsFd::as_fd).chain(self.input.iter().map(|(writer, _)| writer.as_fd()));
        for fd in fds {
            let flags = rustix::fs::fcntl_getfl(fd)?;
            rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)?;
        }
        Ok(())
    }

    /// Reads and feeds until the command has ended, and a little longer while somebody still holds its output. The
    /// command is not reaped.
    fn until_end(&mut self) -> io::Result<()> {
        let mut until = Instant::now() + self.command.deadline;
        let mut ended = false;
        let mut asked = false;
        loop {
            let open = [&self.out, &self.err].into_iter().flatten().any(|capture| capture.reader.is_some());
            let now = Instant::now();
            if ended && (!open || now >= until) {
                return Ok(());
            }
            if !ended && now >= until {
                self.over = true;
                if !asked {
                    asked = true;
                    self.survives = signal_group(self.pid, Signal::TERM).is_err();
                    until = now + GRACE;
                } else {
                    self.survives = signal_group(self.pid, Signal::KILL).is_err();
                    if self.survives {
                        return Ok(());
                    }
                    until = now + GRACE;
                }
            }
            self.wait(until.saturating_duration_since(now), ended)?;
            if !ended && child_has_ended(self.pid)? {
                ended = true;
                until = Instant::now() + LINGER;
                self.survives = false;
                if self.over {
                    // What the leader leaves of its group is over its deadline, too.
                    let _ = signal_group(self.pid, Signal::KILL);
                }
            }
        }
    }

    /// Waits until something happens, and reads or feeds what can be.
    fn wait(&mut self, longest: Duration, ended: bool) -> io::Result<()> {
        let longest = if self.watch.is_none() && !ended { longest.min(LOOK) } else { longest };
        let timeout = Timespec { tv_sec: longest.as_secs().cast_signed(), tv_nsec: longest.subsec_nanos().into() };
        let readers = [&self.out, &self.err].into_iter().flatten().filter_map(|capture| capture.reader.as_ref());
        let mut fds: Vec<(BorrowedFd<'_>, PollFlags)> = readers.map(|fd| (fd.as_fd(), PollFlags::IN)).collect();
        fds.extend(self.input.iter().map(|(writer, _)| (writer.as_fd(), PollFlags::OUT)));
        if !ended {
            fds.extend(self.watch.iter().map(|watch| (watch.fd().as_fd(), PollFlags::IN)));
        }
        let mut fds: Vec<PollFd<'_>> = fds.into_iter().map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)).collect();
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(fds);
        for capture in [&mut self.out, &mut self.err].into_iter().flatten() {
            capture.read()?;
        }
        self.feed()
    }

    /// Writes as much of the input as fits; closes it when all is written or nobody reads any more.
    fn feed(&mut self) -> io::Result<()> {
        while let Some((writer, rest)) = &mut self.input {
            if rest.is_empty() {
                self.input = None;
                break;
            }
            match writer.write(rest) {
                Ok(count) => *rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.input = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
